//! Connections as both ends see them: bytes on their way, ends, and resets.

use super::chance::Chance;
use madang_engine::turn::Input;
use madang_model::ConnectionId;
use std::collections::VecDeque;

/// A connection of the session, never used again.
pub type Line = usize;

/// What a shard's sockets report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SocketNews {
    Read(Line),
    Write(Line),
}

/// One connection.
#[derive(Debug, Default)]
pub struct Socket {
    /// Which client's.
    pub client: usize,
    /// The shard that accepts it.
    pub shard: usize,
    /// Once it is accepted.
    pub id: Option<ConnectionId>,
    to_server: VecDeque<u8>,
    /// With the step in which the server wrote them.
    to_client: VecDeque<(u64, Vec<u8>)>,
    to_client_bytes: usize,
    capacity_bytes: usize,
    has_client_ended: bool,
    has_server_ended: bool,
    is_reset: bool,
    is_readable: bool,
    is_writable: bool,
    /// Nothing can be written before the client is heard, as under TLS.
    pub needs_keys: bool,
    /// Since it was heard first nobody has asked.
    has_opened: bool,
    /// What the old process knows of it, while the new one may resume it.
    lent: Option<Lent>,
}

/// What a process knew of a socket when another was given it.
#[derive(Debug)]
struct Lent {
    shard: usize,
    id: Option<ConnectionId>,
    is_readable: bool,
    is_writable: bool,
    /// The client has read something since.
    was_emptied: bool,
}

/// What is to be reported of a socket that an old process has back.
#[derive(Clone, Copy, Default, Debug)]
pub struct Regained {
    /// It can be read.
    pub is_readable: bool,
    /// It can be written.
    pub is_writable: bool,
}

/// What a client finds in its socket.
#[derive(Debug, PartialEq, Eq)]
pub enum SocketRead {
    Bytes(u64, Vec<u8>),
    Nothing,
    End,
    Reset,
}

impl Socket {
    pub fn new(client: usize, shard: usize, capacity_bytes: usize) -> Socket {
        Socket { client, shard, capacity_bytes, is_writable: true, ..Socket::default() }
    }

    /// How many bytes the server has not read.
    pub fn unread_bytes(&self) -> usize {
        self.to_server.len()
    }

    /// The client sends. What is to be reported to the server, if it is news.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        if self.is_reset || self.has_client_ended {
            return false;
        }
        self.to_server.extend(bytes);
        self.becomes_readable()
    }

    /// The client will send no more.
    pub fn end_sending(&mut self) -> bool {
        self.has_client_ended = true;
        self.becomes_readable()
    }

    /// The client is gone.
    pub fn reset(&mut self) -> bool {
        self.is_reset = true;
        self.becomes_readable()
    }

    fn becomes_readable(&mut self) -> bool {
        self.id.is_some() && !std::mem::replace(&mut self.is_readable, true)
    }

    /// A shard accepted it. Whether there is something to read.
    pub fn accept(&mut self, shard: usize, id: ConnectionId) -> bool {
        (self.shard, self.id) = (shard, Some(id));
        self.is_readable = !self.to_server.is_empty() || self.has_client_ended || self.is_reset;
        self.is_readable
    }

    /// A part of what is there, now and then, has come to the process by itself, as a ring receives it.
    pub fn come(&mut self, chance: &mut Chance) -> Vec<u8> {
        let there = self.to_server.len();
        if !self.is_readable || there == 0 || self.is_reset || chance.one_in(2) {
            return Vec::new();
        }
        self.to_server.drain(..chance.between(1, there)).collect()
    }

    /// What has come was not looked at: it is there again, before what came since.
    pub fn come_again(&mut self, bytes: Vec<u8>) {
        bytes.into_iter().rev().for_each(|byte| self.to_server.push_front(byte));
    }

    /// Another process has it, too, and knows nothing of it yet. Whether there is something to read.
    pub fn lend(&mut self, shard: usize, id: ConnectionId) -> bool {
        self.lent = Some(Lent {
            shard: self.shard,
            id: self.id,
            is_readable: self.is_readable,
            is_writable: self.is_writable,
            was_emptied: false,
        });
        self.is_writable = true;
        self.accept(shard, id)
    }

    /// Whether another process has it, too.
    pub fn is_lent(&self) -> bool {
        self.lent.is_some()
    }

    /// The new process alone has it from now on.
    pub fn give(&mut self) {
        self.lent = None;
    }

    /// The new process is gone. Says what is to be reported to the old one, which has it back.
    pub fn take_back(&mut self) -> Regained {
        let Some(lent) = self.lent.take() else { return Regained::default() };
        (self.shard, self.id) = (lent.shard, lent.id);
        let is_readable = !self.to_server.is_empty() || self.has_client_ended || self.is_reset;
        let is_writable = lent.is_writable || lent.was_emptied;
        (self.is_readable, self.is_writable) = (lent.is_readable || is_readable, is_writable);
        Regained {
            is_readable: is_readable && !lent.is_readable,
            is_writable: is_writable && !lent.is_writable,
        }
    }

    /// Whether it was reported readable and has not been read empty.
    pub fn is_readable(&self) -> bool {
        self.is_readable
    }

    /// A connection that comes in is read at once, before it has a number: part of what is there, now and then.
    pub fn take_first(&mut self, buffer: &mut [u8], chance: &mut Chance) -> usize {
        if self.is_reset || self.needs_keys || self.to_server.is_empty() {
            0
        } else {
            self.take_bytes(buffer, chance)
        }
    }

    /// The server reads: part of what is there, now and then.
    pub fn read(&mut self, buffer: &mut [u8], chance: &mut Chance) -> Input {
        if self.is_reset {
            return Input::Broken;
        }
        if self.to_server.is_empty() {
            self.is_readable = false;
            return if self.has_client_ended { Input::End } else { Input::Nothing };
        }
        self.has_opened = std::mem::take(&mut self.needs_keys);
        let count = self.take_bytes(buffer, chance);
        self.is_readable = !self.to_server.is_empty() || self.has_client_ended;
        Input::Bytes { count, is_more: self.is_readable }
    }

    fn take_bytes(&mut self, buffer: &mut [u8], chance: &mut Chance) -> usize {
        let there = self.to_server.len().min(buffer.len());
        let count = if chance.one_in(4) { chance.between(1, there) } else { there };
        for (place, byte) in buffer.iter_mut().zip(self.to_server.drain(..count)) {
            *place = byte;
        }
        count
    }

    /// Whether it can be written since it was read last.
    pub fn take_opened(&mut self) -> bool {
        std::mem::take(&mut self.has_opened)
    }

    /// The server writes: as much as fits, and now and then less. `None` when the peer is gone.
    pub fn write(&mut self, bytes: &[u8], step: u64, chance: &mut Chance) -> Option<usize> {
        if self.is_reset {
            return None;
        }
        if !self.is_writable || bytes.is_empty() {
            return Some(0);
        }
        let free = self.capacity_bytes.saturating_sub(self.to_client_bytes);
        let mut count = bytes.len().min(free);
        if count > 1 && chance.one_in(32) {
            count = chance.between(1, count);
        }
        self.is_writable = count == bytes.len();
        if count > 0 {
            self.to_client.push_back((step, bytes[..count].to_vec()));
            self.to_client_bytes += count;
        }
        Some(count)
    }

    /// The server closes: what was written can be read, or not even that.
    pub fn close(&mut self, is_orderly: bool) {
        self.has_server_ended = true;
        self.id = None;
        if !is_orderly {
            self.is_reset = true;
        }
    }

    /// What the kernel holds of what the server wrote is lost.
    pub fn lose_unread(&mut self) {
        self.to_client.clear();
        self.to_client_bytes = 0;
    }

    /// Whether the client would find something.
    pub fn has_news(&self) -> bool {
        !self.to_client.is_empty() || self.has_server_ended || self.is_reset
    }

    /// The client reads. Whether the server can write again, too.
    pub fn take(&mut self) -> (SocketRead, bool) {
        let Some((step, bytes)) = self.to_client.pop_front() else {
            let found = match (self.is_reset, self.has_server_ended) {
                (true, _) => SocketRead::Reset,
                (_, true) => SocketRead::End,
                _ => SocketRead::Nothing,
            };
            return (found, false);
        };
        self.to_client_bytes -= bytes.len();
        if let Some(lent) = &mut self.lent {
            lent.was_emptied = true;
        }
        let is_news = !std::mem::replace(&mut self.is_writable, true);
        (SocketRead::Bytes(step, bytes), is_news)
    }
}

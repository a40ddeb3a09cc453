//! The TLS sessions of a shard, between its sockets and its connections.

use super::session::{RECORD_BYTES_MAX, TlsFault, TlsSession};
use crate::runtime::sockets::Socket;
use crate::turn::{Input, Written};
use hashbrown::HashMap;
use madang_model::ConnectionId;
use rustix::io::Errno;
use rustix::net::{self, SendFlags};

/// Reads of connections in the handshake, per turn: with a signature in one of them, all of them together take a
/// shard a few milliseconds.
const HANDSHAKE_READS_PER_TURN: u32 = 8;
/// A record, and before it a message of the protocol.
const WIRE_BYTES: usize = RECORD_BYTES_MAX + 1024;

/// What happened with TLS so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct TlsCounters {
    /// Handshakes done.
    pub handshakes: u64,
    /// Connections that ended by a fault of TLS.
    pub faults: u64,
}

/// The TLS sessions of a shard.
#[derive(Debug)]
pub struct TlsTable {
    /// By the slot of their connection: a connection without TLS costs nothing here.
    sessions: HashMap<u32, Box<TlsSession>>,
    /// What is read, and what is encrypted. Without capacity before the first session.
    wire: Vec<u8>,
    handshake_reads_left: u32,
    has_opened: bool,
    fault: Option<TlsFault>,
    counters: TlsCounters,
}

impl TlsTable {
    pub fn new() -> TlsTable {
        TlsTable {
            sessions: HashMap::new(),
            wire: Vec::new(),
            handshake_reads_left: HANDSHAKE_READS_PER_TURN,
            has_opened: false,
            fault: None,
            counters: TlsCounters::default(),
        }
    }

    /// Another turn begins.
    pub fn begin_turn(&mut self) {
        self.handshake_reads_left = HANDSHAKE_READS_PER_TURN;
    }

    /// How many connections have TLS, and what happened so far.
    pub fn counts(&self) -> (usize, TlsCounters) {
        (self.sessions.len(), self.counters)
    }

    /// Whether the connection that was read last can be written from now on.
    pub fn take_opened(&mut self) -> bool {
        std::mem::take(&mut self.has_opened)
    }

    /// Why the connection that was read last is broken, if TLS is why.
    pub fn take_fault(&mut self) -> Option<TlsFault> {
        self.fault.take()
    }

    /// Whether a connection's peer has said that it sends no more.
    pub fn has_ended(&self, id: ConnectionId) -> bool {
        self.sessions.get(&id.index).is_some_and(|session| session.has_ended())
    }

    pub fn add(&mut self, id: ConnectionId, session: Box<TlsSession>) {
        self.wire.resize(WIRE_BYTES, 0);
        self.sessions.insert(id.index, session);
    }

    /// Forgets a session, after notifying its peer that nothing more comes, if that is possible.
    pub fn remove(&mut self, id: ConnectionId, socket: &Socket) {
        let Some(mut session) = self.sessions.remove(&id.index) else { return };
        let count = session.say_end(&mut self.wire);
        let _ = net::send(&socket.descriptor, &self.wire[..count], SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
        if self.sessions.capacity() > 8 * self.sessions.len().max(128) {
            self.sessions.shrink_to(2 * self.sessions.len());
        }
    }

    /// Reads once by `receive`, and puts what it means for the connection into `plain`.
    pub fn read(
        &mut self,
        id: ConnectionId,
        socket: &mut Socket,
        plain: &mut [u8],
        receive: impl FnOnce(&mut Socket, &mut [u8]) -> Input,
    ) -> Input {
        let Some(session) = self.sessions.get_mut(&id.index) else { return Input::Broken };
        if session.has_ended() {
            return Input::End;
        }
        let was_open = session.is_open();
        if !was_open && self.handshake_reads_left == 0 {
            return Input::Bytes { count: 0, is_more: true };
        }
        self.handshake_reads_left -= u32::from(!was_open);
        let start = session.begin(&mut self.wire);
        let (count, is_more) = match receive(socket, &mut self.wire[start..RECORD_BYTES_MAX]) {
            Input::Bytes { count, is_more } => (count, is_more),
            Input::Nothing => return Input::Nothing,
            // An end that the peer has not announced may be forged: handled as a failed network.
            Input::End | Input::Broken => return Input::Broken,
        };
        let received = session.receive(&mut self.wire[..start + count], plain);
        let is_sent = flush(session, socket);
        match received {
            Ok(count) if is_sent => {
                if session.is_open() && !was_open {
                    self.has_opened = true;
                    self.counters.handshakes += 1;
                }
                // The end is read after what came before it.
                Input::Bytes { count, is_more: is_more || session.has_ended() }
            }
            Ok(_) => Input::Broken,
            Err(fault) => {
                self.counters.faults += 1;
                self.fault = Some(fault);
                Input::Broken
            }
        }
    }

    /// Writes what the kernel takes, and what is left of one record.
    pub fn write(&mut self, id: ConnectionId, socket: &mut Socket, bytes: &[u8]) -> Written {
        let Some(session) = self.sessions.get_mut(&id.index) else { return Written::Broken };
        let mut taken = 0;
        loop {
            if !flush(session, socket) {
                return Written::Broken;
            }
            if !session.is_open() {
                return Written::Opening;
            }
            if taken == bytes.len() || !session.outgoing().is_empty() || !socket.is_writable {
                return Written::Bytes { taken, held: session.outgoing().len() };
            }
            let Ok((plain, wire)) = session.encrypt(&bytes[taken..], &mut self.wire) else {
                return Written::Broken;
            };
            taken += plain;
            match net::send(&socket.descriptor, &self.wire[..wire], SendFlags::NOSIGNAL) {
                Ok(count) => {
                    socket.is_writable = count == wire;
                    session.hold(&self.wire[count..wire]);
                }
                Err(Errno::AGAIN) => {
                    socket.is_writable = false;
                    session.hold(&self.wire[..wire]);
                }
                Err(Errno::INTR) => session.hold(&self.wire[..wire]),
                Err(_) => return Written::Broken,
            }
        }
    }
}

/// Sends what is encrypted already, as far as the kernel takes it. Whether the connection is whole.
fn flush(session: &mut TlsSession, socket: &mut Socket) -> bool {
    while socket.is_writable && !session.outgoing().is_empty() {
        match net::send(&socket.descriptor, session.outgoing(), SendFlags::NOSIGNAL) {
            Ok(count) => {
                socket.is_writable = count == session.outgoing().len();
                session.sent(count);
            }
            Err(Errno::AGAIN) => socket.is_writable = false,
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
    true
}

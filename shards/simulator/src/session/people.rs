//! Clients connect, act, read and disconnect.

use super::super::network::{Socket, SocketNews, SocketRead};
use super::super::truth::Checked;
use super::Session;

/// A client does not send more while this many bytes of it are not read.
const UNREAD_BYTES_MAX: usize = 4096;

impl Session {
    pub(super) fn somebody_acts(&mut self) {
        // Many wait for an answer: one that does not is looked for.
        for _ in 0..6 {
            let number = self.chance.below(self.clients.len());
            if self.clients[number].line.is_none() {
                return self.connect(number);
            }
            if !self.can_send(number) {
                continue;
            }
            let Session { clients, chance, conditions, truth, .. } = self;
            let client = &mut clients[number];
            let lines = match client.is_turned_away() {
                true => client.insist(truth),
                false => client.act(chance, &conditions.habits, truth),
            };
            if !lines.is_empty() {
                return self.send(number, &lines);
            }
        }
    }

    pub(super) fn connect(&mut self, number: usize) {
        let shard = self.any_shard();
        let line = self.sockets.len();
        let mut socket = Socket::new(number, shard, self.conditions.socket_bytes);
        // No connection with keys is carried in an upgrade.
        socket.needs_keys = !self.options.has_upgrades && self.chance.one_in(8);
        let client = &mut self.clients[number];
        client.line = Some(line);
        let greeting = client.greet(&mut self.chance, &self.truth);
        socket.send(greeting.as_bytes());
        self.sockets.push(socket);
        if let Some(server) = &mut self.server {
            server.cells[shard].around.backlog.push_back(line);
        }
        self.trace.note(format_args!("client {number} connects to shard {shard}: {:?}", greeting));
    }

    /// Sends lines; they reach the server at once, and are read when it gets to them.
    pub(super) fn send(&mut self, number: usize, lines: &str) {
        let Some(line) = self.clients[number].line else { return };
        if lines.is_empty() {
            return;
        }
        self.trace.note(format_args!("client {number} sends {lines:?}"));
        if self.sockets[line].send(lines.as_bytes()) {
            self.report(line);
        }
    }

    /// Whether a client can send: its server keeps up.
    pub(super) fn can_send(&self, number: usize) -> bool {
        self.clients[number].line.is_some_and(|line| self.sockets[line].unread_bytes() < UNREAD_BYTES_MAX)
    }

    pub(super) fn report(&mut self, line: usize) {
        self.report_to_shard(line, SocketNews::Read(line));
    }

    /// A socket takes bytes again.
    pub(super) fn report_room(&mut self, line: usize) {
        self.report_to_shard(line, SocketNews::Write(line));
    }

    fn report_to_shard(&mut self, line: usize, readiness: SocketNews) {
        let socket = &self.sockets[line];
        let old = self.upgrade.as_mut().and_then(|upgrade| upgrade.old.as_mut());
        // Until a new process has it, this is reported to the old one.
        let Some(server) = old.filter(|_| !socket.is_lent()).or(self.server.as_mut()) else { return };
        if socket.id.is_some() {
            server.cells[socket.shard].around.ready.push(readiness);
        }
    }

    pub(super) fn somebody_reads(&mut self) -> Checked {
        if self.news.is_empty() {
            return Ok(());
        }
        let place = self.chance.below(self.news.len());
        let number = self.news.swap_remove(place);
        self.read(number)
    }

    /// A client reads all that there is for it.
    pub(super) fn read(&mut self, number: usize) -> Checked {
        let Some(line) = self.clients[number].line else { return Ok(()) };
        if self.clients[number].is_paused {
            return Ok(());
        }
        loop {
            let (found, is_writable) = self.sockets[line].take();
            if is_writable {
                self.report_room(line);
            }
            match found {
                SocketRead::Bytes(step, bytes) => {
                    self.trace.mix(&bytes);
                    let Session { clients, truth, leniency, .. } = self;
                    clients[number].hear(step, &bytes, truth, *leniency)?;
                }
                SocketRead::Nothing => return Ok(()),
                SocketRead::End | SocketRead::Reset => {
                    self.trace.note(format_args!("client {number} is disconnected: {found:?}"));
                    if found == SocketRead::End && !self.clients[number].is_parting() {
                        return Err(format!("client {number} is left without a word"));
                    }
                    self.hang_up(number);
                    return Ok(());
                }
            }
        }
    }

    /// The client's side is closed, whatever is still on its way.
    pub(super) fn hang_up(&mut self, number: usize) {
        let client = &mut self.clients[number];
        if let Some(line) = client.line {
            client.disconnected();
            if self.sockets[line].reset() {
                self.report(line);
            }
        }
    }
}

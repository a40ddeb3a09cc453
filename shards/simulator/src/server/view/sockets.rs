//! What a turn asks of its sockets.

use super::View;
use madang_engine::turn::{Accepted, Input, Readiness, Sockets, Written};
use madang_model::ConnectionId;
use madang_model::connection::{Entrance, EntranceKind};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::super::super::network::{self, Line};

impl Sockets for View<'_, '_> {
    type Arrival = Line;
    type Carried = Line;

    fn take_ready(&mut self, ready: &mut Vec<Readiness>) -> io::Result<()> {
        let is_hearing = self.around.is_hearing;
        let is_reported =
            |one: &mut network::SocketNews| is_hearing || !matches!(one, network::SocketNews::Read(_));
        for readiness in self.around.ready.extract_if(.., is_reported) {
            self.has_done = true;
            let (line, report): (Line, fn(ConnectionId) -> Readiness) = match readiness {
                network::SocketNews::Read(line) => (line, Readiness::Read),
                network::SocketNews::Write(line) => (line, Readiness::Write),
            };
            ready.extend(self.world.sockets[line].id.map(report));
        }
        if self.around.is_listening && !self.around.backlog.is_empty() {
            ready.push(Readiness::Accept);
        }
        Ok(())
    }

    fn listen(&mut self) -> io::Result<()> {
        self.around.is_listening = true;
        Ok(())
    }

    fn pause_listening(&mut self) {
        self.around.is_listening = false;
    }

    fn close_listener(&mut self) {
        self.around.is_listening = false;
        self.has_done = true;
    }

    fn accept(&mut self) -> Accepted<Line> {
        self.around.backlog.pop_front().map_or(Accepted::Nothing, |line| {
            self.has_done = true;
            Accepted::Connection(line)
        })
    }

    fn entrance(&self, _: &Line) -> Entrance {
        Entrance { kind: EntranceKind::default(), address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)) }
    }

    fn address(&self, _: &Line) -> Option<IpAddr> {
        None
    }

    fn is_open(&self, _: &Line) -> bool {
        true
    }

    fn take_first(&mut self, line: &Line, buffer: &mut [u8]) -> usize {
        self.world.sockets[*line].take_first(buffer, self.world.chance)
    }

    fn refuse(&mut self, line: Line, _: &[u8]) {
        self.world.sockets[line].close(false);
    }

    fn turn_away(&mut self, words: &dyn Fn(EntranceKind) -> &'static [u8]) {
        if let Some(line) = self.around.backlog.pop_front() {
            let words = words(self.entrance(&line).kind);
            self.refuse(line, words);
        }
    }

    fn add(&mut self, id: ConnectionId, line: Line) -> io::Result<()> {
        self.around.lines.insert(id, line);
        if self.world.sockets[line].accept(self.index, id) {
            self.around.ready.push(network::SocketNews::Read(line));
        }
        Ok(())
    }

    fn add_carried(&mut self, id: ConnectionId, line: Line) -> io::Result<()> {
        self.around.lines.insert(id, line);
        if self.world.sockets[line].lend(self.index, id) {
            self.around.ready.push(network::SocketNews::Read(line));
        }
        Ok(())
    }

    fn read(&mut self, id: ConnectionId, buffer: &mut [u8]) -> Input {
        let Some(line) = self.around.lines.get(&id) else { return Input::Nothing };
        self.has_done = true;
        let socket = &mut self.world.sockets[*line];
        let input = socket.read(buffer, self.world.chance);
        self.has_opened = socket.take_opened();
        input
    }

    fn take_opened(&mut self) -> bool {
        std::mem::take(&mut self.has_opened)
    }

    fn is_readable(&self, id: ConnectionId) -> bool {
        self.around.lines.get(&id).is_some_and(|line| self.world.sockets[*line].is_readable())
    }

    fn write_each<'a>(
        &mut self,
        ids: &[ConnectionId],
        outbox: impl Fn(ConnectionId) -> Option<&'a [u8]>,
        written: &mut Vec<(ConnectionId, Written)>,
    ) {
        written.clear();
        for &id in ids {
            let (Some(&line), Some(bytes)) = (self.around.lines.get(&id), outbox(id)) else { continue };
            let socket = &mut self.world.sockets[line];
            if socket.needs_keys {
                written.push((id, Written::Opening));
                continue;
            }
            let had_news = socket.has_news();
            let taken = socket.write(bytes, self.world.step, self.world.chance);
            if taken.is_some() && socket.has_news() && !had_news {
                self.world.news.push(socket.client);
            }
            self.has_done |= taken.is_some_and(|taken| taken > 0);
            self.written.push(id);
            written.push((id, taken.map_or(Written::Broken, |taken| Written::Bytes { taken, held: 0 })));
        }
    }

    fn close(&mut self, id: ConnectionId, is_orderly: bool) {
        let Some(line) = self.around.lines.remove(&id) else { return };
        let socket = &mut self.world.sockets[line];
        if is_orderly {
            self.around.parted.push((id, socket.client));
        }
        let had_news = socket.has_news();
        socket.close(is_orderly);
        if !is_orderly && self.world.chance.one_in(2) {
            socket.lose_unread();
        }
        if !had_news {
            self.world.news.push(socket.client);
        }
        self.has_done = true;
    }

    fn tick(&mut self, _: &mut [u8], _: &mut Vec<ConnectionId>) {}

    fn pause(&mut self) {
        (self.around.is_listening, self.around.is_hearing) = (false, false);
        self.has_done = true;
    }

    fn resume(&mut self) -> io::Result<()> {
        (self.around.is_listening, self.around.is_hearing) = (true, true);
        self.has_done = true;
        Ok(())
    }

    fn give_away(&mut self) -> io::Result<()> {
        let (sockets, chance) = (&mut *self.world.sockets, &mut *self.world.chance);
        let came = self.around.lines.iter().map(|(id, line)| (*id, sockets[*line].come(chance)));
        self.around.came = came.collect();
        Ok(())
    }

    fn is_carriable(&self, id: ConnectionId) -> bool {
        self.around.lines.contains_key(&id)
    }

    fn came(&self, id: ConnectionId) -> &[u8] {
        self.around.came.get(&id).map_or(&[], Vec::as_slice)
    }
}

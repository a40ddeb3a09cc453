//! Everything becomes idle, and then everything must agree.

use super::super::server::{Haste, SimulatedServer};
use super::super::truth::Checked;
use super::Session;
use madang_log::{Exported, Selection, export, read_facts, verify};
use madang_model::RoomName;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Rounds after which nothing may be left to do, and how many more for each client.
const ROUNDS_MAX: usize = 4_000;
const ROUNDS_PER_CLIENT: usize = 160;
/// Longer than every grace time and every time to close.
const QUIET_SECONDS: u64 = 16;

impl Session {
    /// Lets everybody finish, and checks what must hold when idle.
    pub(super) fn calm(&mut self) -> Checked {
        self.trace.note(format_args!("everything comes to rest"));
        self.clear_disk_faults();
        self.disk.keep_power_on();
        for number in 0..self.clients.len() {
            self.unpause(number);
        }
        self.finish_upgrade()?;
        self.cut_link();
        let rounds_max = ROUNDS_MAX + ROUNDS_PER_CLIENT * self.clients.len();
        let (mut rounds, mut quiet_seconds) = (0, 0);
        while quiet_seconds < QUIET_SECONDS {
            rounds += 1;
            if rounds > rounds_max {
                return Err("it does not come to rest".to_owned());
            }
            if self.round()? {
                continue;
            }
            self.pass_ms(1000);
            quiet_seconds += 1;
        }
        self.truth.hide_erased();
        self.check_idle()
    }

    /// Everything that can move moves. Whether anything did.
    pub(super) fn round(&mut self) -> Result<bool, String> {
        let mut has_done = !self.news.is_empty();
        while let Some(number) = self.news.pop() {
            self.read(number)?;
        }
        for number in 0..self.clients.len() {
            if self.clients[number].line.is_none() || !self.can_send(number) {
                continue;
            }
            if let Some(duty) = self.clients[number].duty(&self.truth) {
                self.send(number, &duty);
                has_done = true;
            }
        }
        for index in 0..self.server.as_ref().map_or(0, SimulatedServer::shard_count) {
            has_done |= self.turn(index, Haste::Full)?;
        }
        let (server, mut world, _) = self.parts();
        has_done |= server.disk_round(&mut world);
        has_done |= self.link_round();
        self.note_stored()?;
        Ok(has_done)
    }

    fn check_idle(&mut self) -> Checked {
        let server = self.server.as_ref().expect("a server runs");
        if !server.is_idle() {
            return Err("the server is not idle when nothing is left to do".to_owned());
        }
        for cell in &server.cells {
            let queues = cell.turn.shard.queues();
            if queues != madang_engine::shard::Queues::default() || !cell.turn.shard.log.is_idle() {
                return Err(format!("something waits when idle: {queues:?}"));
            }
        }
        for cell in &server.cells {
            let (counted, there) = (cell.turn.shard.waiting_bytes(), cell.turn.shard.outbox_bytes());
            if counted != there {
                return Err(format!("{counted} bytes are said to wait in outboxes, and {there} do"));
            }
        }
        self.check_facts_in_memory()?;
        self.check_answers()?;
        self.check_names()?;
        self.check_memberships()
    }

    /// The homes of rooms have the facts that are stored.
    fn check_facts_in_memory(&self) -> Checked {
        let server = self.server.as_ref().expect("a server runs");
        for name in self.truth.facts.rooms() {
            let key = RoomName::from_log(name).expect("a room name").key();
            let home = key.home(server.shard_count() as u16);
            if let Some(facts) = server.cells[home.index()].turn.shard.facts(key) {
                self.truth.facts.check(name, Some(facts))?;
            }
        }
        Ok(())
    }

    /// Every request is answered or its connection is gone.
    fn check_answers(&self) -> Checked {
        let whispered = self.clients.iter().flat_map(|client| &client.whispered);
        let said_us: HashMap<&str, i64> = whispered.map(|(text, at)| (text.as_str(), *at)).collect();
        for client in &self.clients {
            let Some(line) = client.line else { continue };
            let unread = self.sockets[line].unread_bytes();
            if client.is_parting() {
                return Err(format!("client {} parted and its connection is still there", client.number));
            }
            if !client.is_answered() || unread > 0 {
                let waits_for = client.waits_for();
                return Err(format!("client {} waits: {unread} bytes unread, {waits_for}", client.number));
            }
            client.check_whispers(&said_us, &self.truth)?;
            for (room, attendance) in client.attended() {
                let head = self.truth.head(room);
                if attendance.last != head {
                    let (number, last, name) = (client.number, attendance.last, self.truth.name(room));
                    return Err(format!("client {number} has #{last} of {name}, whose newest is #{head}"));
                }
            }
        }
        Ok(())
    }

    fn check_names(&self) -> Checked {
        let named = self.clients.iter().filter(|client| client.line.is_some());
        let names: Vec<&String> = named.filter_map(|client| client.name.as_ref()).collect();
        let distinct: BTreeSet<&String> = names.iter().copied().collect();
        // Several sessions of an account have one.
        let guests = names.iter().filter(|name| !name.starts_with('a'));
        let distinct_guests = distinct.iter().filter(|name| !name.starts_with('a'));
        if distinct_guests.count() != guests.count() {
            return Err("two clients have one name".to_owned());
        }
        let server = self.server.as_ref().expect("a server runs");
        let held: usize = server.cells.iter().map(|cell| cell.turn.shard.user_count()).sum();
        let connections: usize = server.cells.iter().map(|cell| cell.turn.shard.connection_count()).sum();
        let connected = self.clients.iter().filter(|client| client.line.is_some()).count();
        if held != distinct.len() || connections != connected {
            let named = distinct.len();
            return Err(format!(
                "{held} names are held and {named} are had; {connections} connections of {connected} clients"
            ));
        }
        Ok(())
    }

    /// Homes, listeners and clients agree on who is in which room.
    fn check_memberships(&self) -> Checked {
        let server = self.server.as_ref().expect("a server runs");
        let (mut at_home, mut listening, mut believed) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut views: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (index, cell) in server.cells.iter().enumerate() {
            for member in cell.turn.shard.memberships() {
                let room = member.room.as_str().to_owned();
                if member.is_lost {
                    return Err(format!("{} is still lost in {room} after the grace time", member.user));
                }
                let line =
                    server.cells[member.session.shard.index()].around.lines.get(&member.session.connection);
                at_home.insert((room.clone(), line.copied()));
                views.entry(room).or_default().insert(member.user.as_str().to_owned());
            }
            for listener in cell.turn.shard.listeners() {
                let line = server.cells[index].around.lines.get(&listener.connection);
                listening.insert((listener.room.as_str().to_owned(), line.copied()));
            }
        }
        for client in &self.clients {
            for (room, attendance) in client.attended() {
                let name = self.truth.name(room);
                believed.insert((name.to_owned(), client.line));
                if let Some(view) = &attendance.view
                    && views.get(name) != Some(view)
                {
                    let members = views.get(name);
                    return Err(format!("client {} sees {view:?} in {name}: {members:?}", client.number));
                }
            }
        }
        let difference =
            |a: &BTreeSet<_>, b: &BTreeSet<_>| -> Vec<_> { a.symmetric_difference(b).cloned().collect() };
        let (homes, clients) = (difference(&at_home, &listening), difference(&believed, &listening));
        if !homes.is_empty() || !clients.is_empty() {
            return Err(format!(
                "not at home and listening: {homes:?}; not clients' and listening: {clients:?}"
            ));
        }
        Ok(())
    }

    /// After the last drain: the log holds what was promised and nothing else.
    pub(super) fn check_log(&mut self) -> Checked {
        self.erase_all()?;
        let verified = verify(&*self.disk, &mut |_| {}).map_err(|error| error.to_string())?;
        if let Some(fault) = verified.all_faults().next() {
            return Err(format!("the log is damaged: {fault}"));
        }
        let mut found: Vec<(String, u64, Option<String>)> = Vec::new();
        let mut sink = |exported: Exported<'_>| {
            match exported {
                Exported::Message(message) => {
                    let text = (!message.is_erased).then(|| message.text.to_owned());
                    found.push((message.room.to_owned(), message.seq.0, text));
                }
                Exported::Amendment(amendment) => {
                    let text = Some("~".to_owned());
                    found.push((amendment.room.to_owned(), amendment.seq.0, text));
                }
                Exported::Lost { .. } => {}
            }
            Ok(())
        };
        export(&*self.disk, &Selection::All, &mut sink, &mut |_| {}).map_err(|error| error.to_string())?;
        self.truth.check_all(&found)?;
        for name in self.truth.facts.rooms() {
            let room = RoomName::from_log(name).expect("a room name");
            let found =
                read_facts(&*self.disk, &room).map_err(|error| format!("facts of {name}: {error}"))?;
            self.truth.facts.check(name, found.as_ref().map(|found| &found.facts))?;
        }
        Ok(())
    }
}

//! What goes wrong: connections, the disk, the server, the power.

use super::super::disk::Weather;
use super::super::network::Socket;
use super::super::server::{Haste, Phase, SimulatedServer};
use super::super::truth::Checked;
use super::Session;
use madang_link::GoingDown;
use madang_log::{Durability, StoredFile};

/// Steps that pass before the next storm, on average.
const STEPS_BETWEEN_STORMS: usize = 600;

impl Session {
    pub(super) fn mishap(&mut self) -> Checked {
        let number = self.chance.below(self.clients.len());
        // A crash disconnects everyone: the more there are, the rarer it is.
        let is_crash_due = self.chance.one_in(2 + self.clients.len() / 20);
        match self.chance.below(100) {
            0..=34 if self.clients[number].line.is_some() => {
                self.trace.note(format_args!("client {number} resets its connection"));
                self.hang_up(number);
            }
            35..=44 => self.half_close(number),
            45..=64 if self.clients[number].line.is_some() => {
                self.trace.note(format_args!("client {number} stops reading"));
                self.clients[number].is_paused = true;
            }
            65..=74 => self.unpause(number),
            75..=77 => self.change_weather(),
            78..=80 => self.lose_an_index(),
            81..=84 if is_crash_due => self.kill()?,
            85..=88 if is_crash_due => self.power_cut("at once")?,
            89 | 90 if is_crash_due && self.conditions.start.durability == Durability::Commit => {
                let changes = self.chance.between(1, 40) as u32;
                self.trace.note(format_args!("the power has {changes} changes left"));
                self.disk.cut_power_after(changes);
            }
            91 if is_crash_due => {
                self.drain()?;
                self.start()?;
            }
            _ => {}
        }
        Ok(())
    }

    fn half_close(&mut self, number: usize) {
        let Some(line) = self.clients[number].line else { return };
        self.trace.note(format_args!("client {number} ends its side"));
        self.clients[number].ends();
        if self.sockets[line].end_sending() {
            self.report(line);
        }
    }

    pub(super) fn unpause(&mut self, number: usize) {
        if self.clients[number].is_paused {
            self.trace.note(format_args!("client {number} reads again"));
            self.clients[number].is_paused = false;
            self.news.push(number);
        }
    }

    /// What seldom comes together: syncs fail, the server is killed before it can write anew what is not on
    /// disk, and soon the power is cut.
    pub(super) fn storm_moves(&mut self) -> Checked {
        let step = self.trace.step;
        match self.storm {
            None if self.chance.one_in(STEPS_BETWEEN_STORMS) => {
                let killed_at = step + self.chance.between(20, 200) as u64;
                self.storm = Some((killed_at, killed_at + self.chance.between(10, 150) as u64));
                self.weather(Weather { syncs_fail: true, ..Weather::default() }, killed_at);
                // Which seals every log, or tries to.
                if self.options.has_upgrades && self.upgrade.is_none() {
                    self.begin_upgrade();
                }
                Ok(())
            }
            Some((killed_at, _)) if killed_at == step => self.kill(),
            Some((_, cut_at)) if cut_at <= step => {
                self.storm = None;
                self.power_cut("after a failed sync")
            }
            _ => Ok(()),
        }
    }

    fn change_weather(&mut self) {
        let mut weather = Weather::default();
        match self.chance.below(3) {
            0 => weather.is_full = true,
            1 => weather.writes_fail = true,
            _ => weather.syncs_fail = true,
        }
        let steps = self.chance.between(50, 400) as u64;
        self.weather(weather, self.trace.step + steps);
    }

    fn weather(&mut self, weather: Weather, until: u64) {
        let steps = until - self.trace.step;
        self.trace.note(format_args!("the disk: {weather:?}, for {steps} steps"));
        self.disk.set_weather(weather);
        self.leniency.has_faults = true;
        self.truth.may_forget_drafts = true;
        self.disk_fails_until = Some(until);
    }

    pub(super) fn clear_disk_faults(&mut self) {
        self.disk_fails_until = None;
        self.trace.note(format_args!("the disk is well again"));
        self.disk.set_weather(Weather::default());
    }

    fn lose_an_index(&mut self) {
        let indexes: Vec<_> =
            self.disk.names().into_iter().filter(|name| matches!(name.1, StoredFile::Index(_))).collect();
        if indexes.is_empty() {
            return;
        }
        if let (shard, StoredFile::Index(segment), _) = indexes[self.chance.below(indexes.len())] {
            self.trace.note(format_args!("the index of segment {segment} of shard {shard} is lost"));
            // Lost twice while one lookup waits, it is given up: as if the disk could not be read.
            self.leniency.has_faults = true;
            self.truth.may_forget_drafts = true;
            self.disk.lose_index(shard, segment);
        }
    }

    /// The process is killed: what was written stays, whatever was synced.
    pub(super) fn kill(&mut self) -> Checked {
        self.trace.note(format_args!("the server is killed"));
        self.disk.keep_power_on();
        if let Some(server) = &mut self.server {
            server.tear(&self.disk, &mut self.chance);
        }
        self.end_of_server(true);
        self.start()
    }

    /// The power is cut: what was not synced is lost, or not.
    pub(super) fn power_cut(&mut self, when: &str) -> Checked {
        if self.conditions.start.durability != Durability::Commit {
            // What was shown may be lost then, as those durabilities say.
            return self.kill();
        }
        self.trace.note(format_args!("the power is cut {when}"));
        self.counts.power_cuts += 1;
        self.disk.cut_power();
        self.end_of_server(true);
        self.start()
    }

    pub(super) fn end_of_server(&mut self, is_crash: bool) {
        // Both processes, where one takes over from the other.
        self.upgrade = None;
        self.stale_server = None;
        self.sockets.iter_mut().for_each(Socket::give);
        self.edge = None;
        self.room_lists.forget_asked();
        self.room_lists.forget_members();
        let Some(server) = self.server.take() else { return };
        self.count(&server);
        for number in 0..self.clients.len() {
            let Some(line) = self.clients[number].line else { continue };
            let socket = &mut self.sockets[line];
            socket.close(!is_crash);
            if is_crash && self.chance.one_in(2) {
                socket.lose_unread();
            }
            self.clients[number].is_paused = false;
            self.news.push(number);
        }
    }

    /// What a process has done, at its end.
    pub(super) fn count(&mut self, server: &SimulatedServer) {
        if let Some(link) = &server.link {
            self.counts.links += link.core.counters.links;
            let overruns = link.core.counters.ends().find(|(name, _)| *name == "overrun");
            self.counts.overruns += overruns.map_or(0, |(_, count)| count);
        }
        for cell in &server.cells {
            self.counts.slow_readers += cell.turn.shard.counters.slow_readers;
            self.counts.budget_cuts += cell.turn.shard.counters.outbox_budget_cuts;
            self.counts.rooms_left += cell.around.rooms_left;
            self.counts.lookups += cell.around.lookups;
            self.counts.run_rounds += cell.around.run_rounds;
        }
    }

    /// The server starts on what is left, now and then with another number of shards.
    pub(super) fn start(&mut self) -> Checked {
        self.clear_disk_faults();
        self.read_what_is_left()?;
        if self.counts.starts > 0 && self.chance.one_in(3) {
            self.conditions.start.settings.shard_count = self.chance.between(1, 4) as u16;
        }
        let is_interrupted = self.options.has_interrupted_starts
            && self.counts.starts > 0
            && self.conditions.start.durability == Durability::Commit
            && self.chance.one_in(4);
        if is_interrupted {
            let changes = self.chance.below(30) as u32;
            self.disk.cut_power_after(changes);
            let started = SimulatedServer::start(&self.disk, &self.conditions.start);
            self.note_stored()?;
            if started.is_ok() && self.options.has_restores {
                let _ = self.begin_epoch();
            }
            if started.is_err() && self.disk.is_off() {
                self.trace.note(format_args!("the power is cut in a start"));
                self.counts.power_cuts += 1;
            }
            self.disk.cut_power();
        }
        let started = SimulatedServer::start(&self.disk, &self.conditions.start);
        self.note_stored()?;
        let server = started.map_err(|error| format!("a start fails: {error}"))?;
        self.counts.starts += 1;
        self.truth.hide_erased();
        self.read_erasures()?;
        self.leniency.has_faults = false;
        self.truth.may_forget_drafts = false;
        self.trace.note(format_args!("{} shards start", server.shard_count()));
        self.server = Some(server);
        self.name_epoch()?;
        // A disk that is full from the start has no segment for anyone.
        if self.storm.is_none() && self.chance.one_in(10) {
            let steps = self.chance.between(50, 400) as u64;
            self.weather(Weather { is_full: true, ..Weather::default() }, self.trace.step + steps);
        }
        Ok(())
    }

    /// After the end of a server every client sees it, and what was sent before.
    pub(super) fn read_what_is_left(&mut self) -> Checked {
        while let Some(number) = self.news.pop() {
            self.unpause(number);
            self.read_the_end(number)?;
        }
        Ok(())
    }

    fn read_the_end(&mut self, number: usize) -> Checked {
        // The end of a server without a farewell is a crash, or the end of a drain after its farewells.
        if self.clients[number].line.is_some() {
            self.clients[number].ends();
        }
        self.read(number)
    }

    /// The server ends in order: everything that was read is stored and answered.
    pub(super) fn drain(&mut self) -> Checked {
        self.finish_upgrade()?;
        self.trace.note(format_args!("the server drains"));
        self.clear_disk_faults();
        self.disk.keep_power_on();
        for phase in [Phase::Draining, Phase::Closing] {
            if let Some(server) = &mut self.server {
                server.enter(phase);
                server.close_link(GoingDown::Stop);
            }
            self.cut_link();
            let mut rounds = 0;
            loop {
                let mut has_done = false;
                let count = self.server.as_ref().map_or(0, SimulatedServer::shard_count);
                for index in 0..count {
                    has_done |= self.turn(index, Haste::Full)?;
                }
                let (server, mut world, _) = self.parts();
                has_done |= server.disk_round(&mut world);
                has_done |= self.link_round();
                self.note_stored()?;
                let server = self.server.as_ref().expect("it drains");
                let is_done = match phase {
                    Phase::Closing => server.is_finished(),
                    _ => server.is_idle() && !has_done,
                };
                if is_done {
                    break;
                }
                if !has_done {
                    self.pass_ms(1000);
                }
                rounds += 1;
                if rounds > 100_000 {
                    return Err(format!("the drain does not come to an end while {phase:?}"));
                }
            }
        }
        self.end_of_server(false);
        self.read_what_is_left()
    }
}

//! Shards that stand still, and give everything away or are given everything: what the runtime does
//! around an upgrade in place, in the same order.

use super::cell::{Cell, Phase};
use super::indexes::Jobs;
use super::{Server, World};
use madang_shards::shard::{Portion, ShardImage};
use madang_shards::store::{Done, Work};
use madang_shards::types::ConnectionId;

use super::super::chance::Chance;
use super::super::disk::Disk;
use super::super::mutation::mutated;
use super::super::network::{Line, Readiness};

/// How far a shard has come in giving everything away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frost {
    /// It turns.
    None,
    /// Its log is being sealed.
    Sealing,
    /// Its indexes and its snapshot are being written.
    Indexing,
    /// It has given everything away, and does nothing until it is back.
    Given,
    /// It gives nothing away, and waits until all others know.
    Refused,
}

impl Cell {
    pub(super) fn is_frozen(&self) -> bool {
        self.frost != Frost::None
    }

    /// Takes over what another process had, before the first turn.
    pub(super) fn adopt(&mut self, world: &mut World<'_>) {
        let Some(given) = self.given.take() else { return };
        self.shard.begin_turn(world.now);
        self.shard.stand_still();
        let index = self.shard.id().index();
        for (image, line) in given.connections {
            let id = self.shard.adopt(image);
            self.lines.insert(id, line);
            if world.sockets[line].lend(index, id) {
                self.ready.push(Readiness::Read(line));
            }
        }
        self.shard.take_over(given.carried);
    }

    /// The log is sealed, or not.
    fn sealed(&mut self) -> Option<Result<(), String>> {
        let Done { work, result } = self.desk.take_done()?;
        if let Err(error) = result {
            self.shard.log.sync_failed();
            return Some(Err(format!("the log cannot be sealed: {error}")));
        }
        if let Work::Finish { sealed: Some(sealed), .. } = work {
            self.shard.archive().leave(&sealed, sealed.number.next());
        }
        Some(Ok(()))
    }

    fn order_indexes(&mut self, jobs: &mut Jobs) {
        self.write_indexes(jobs);
        self.is_snapshot_due = true;
        self.start_snapshot(jobs);
    }

    /// The log goes on after it was finished.
    fn begin_log_again(&mut self, disk: &Disk) {
        let capacity_bytes = self.desk.segment_bytes();
        let number = self.shard.log.begin_again(capacity_bytes);
        self.desk.begin_again(disk, number, capacity_bytes);
    }
}

impl Server {
    /// Nobody is accepted or read from now on; what was read is carried to its end.
    pub fn stand_still(&mut self) {
        self.cells.iter_mut().for_each(|cell| cell.is_idle_seen = false);
        self.quiet_seen = None;
        self.phase = Phase::Still;
    }

    /// Everyone is read and accepted from now on. What was given away is back.
    pub fn go_on(&mut self, disk: &Disk) {
        self.phase = Phase::Running;
        self.parts.clear();
        for cell in &mut self.cells {
            if cell.frost == Frost::Given {
                cell.begin_log_again(disk);
                cell.frost = Frost::None;
            }
        }
    }

    /// Whether every shard has heard that it is to stand still.
    pub fn stands_still(&self) -> bool {
        self.cells.iter().all(|cell| cell.phase == Phase::Still)
    }

    pub(super) fn report_idleness(&mut self, index: usize) {
        let has_mail = self.channels.iter().any(|to| !to[index].is_empty());
        let cell = &mut self.cells[index];
        if cell.phase == Phase::Still {
            let is_at_rest = cell.shard.is_at_rest() && !cell.shard.has_outbound();
            cell.is_idle_seen = !cell.is_busy(has_mail) && is_at_rest && cell.awaits_nothing();
        }
    }

    /// The supervisor looks whether all shards are idle and nothing is between them: to be believed when
    /// it holds twice.
    pub fn looks_quiet(&mut self) -> bool {
        let is_idle = self.cells.iter().all(|cell| cell.is_idle_seen);
        let sum = |of: fn(&Cell) -> u64| self.cells.iter().map(of).sum::<u64>();
        let (sent, received) = (sum(|cell| cell.entries.0), sum(|cell| cell.entries.1));
        let quiet = (is_idle && sent == received).then_some(sent);
        let is_quiet = quiet.is_some() && quiet == self.quiet_seen;
        self.quiet_seen = quiet;
        is_quiet
    }

    /// At the end of a turn: a shard that stands still gives everything away once all are to.
    pub(super) fn begin_freeze(&mut self, index: usize) -> bool {
        let cell = &mut self.cells[index];
        if self.phase != Phase::Frozen || cell.phase != Phase::Still || cell.desk.is_busy() {
            return false;
        }
        if !cell.shard.log.can_finish() {
            cell.frost = Frost::Refused;
            self.parts.push(Err("the last sync of the log has failed".to_owned()));
            return true;
        }
        let sealed = cell.shard.log.finish();
        cell.desk.begin(Work::Finish { sealed, leaves_nothing_unused: true });
        cell.frost = Frost::Sealing;
        true
    }

    /// One thing that a freezing shard waits for. Whether it happened.
    pub(super) fn freeze_step(&mut self, index: usize, world: &mut World<'_>) -> bool {
        let is_over = self.phase != Phase::Frozen;
        let cell = &mut self.cells[index];
        match cell.frost {
            Frost::Sealing => match cell.sealed() {
                None => return false,
                Some(Ok(())) => {
                    cell.order_indexes(&mut self.jobs);
                    cell.frost = Frost::Indexing;
                }
                Some(Err(reason)) => {
                    cell.frost = Frost::Refused;
                    self.parts.push(Err(reason));
                }
            },
            Frost::Indexing => {
                let done = cell.index_done.pop_front();
                let has_done = done.is_some();
                done.into_iter().for_each(|done| cell.index_done(done, &mut self.jobs));
                cell.start_snapshot(&mut self.jobs);
                if cell.jobs_under_way > 0 || has_done {
                    return has_done;
                }
                let lines = &cell.lines;
                let come =
                    |(id, line): (&ConnectionId, &Line)| (*id, world.sockets[*line].come(world.chance));
                cell.came = lines.iter().map(come).collect();
                let mut image = cell.shard.image(|id| lines.contains_key(&id));
                if !mutated!(ForgetWhatCame) {
                    image.add_unread(|id| cell.came.get(&id).map_or(&[][..], Vec::as_slice));
                }
                cell.frost = Frost::Given;
                self.parts.push(Ok(image));
            }
            Frost::Refused if is_over => cell.frost = Frost::None,
            Frost::None | Frost::Given | Frost::Refused => return false,
        }
        true
    }

    /// What all shards give away, once all have, or why one gives nothing.
    pub fn take_parts(&mut self) -> Option<Result<Vec<ShardImage>, String>> {
        if self.parts.len() < self.cells.len() {
            return None;
        }
        let mut images = Vec::new();
        for part in std::mem::take(&mut self.parts) {
            match part {
                Ok(image) => images.push(image),
                Err(reason) => return Some(Err(reason)),
            }
        }
        images.sort_unstable_by_key(|image| image.shard);
        Some(Ok(images))
    }

    /// Who waits to be accepted.
    pub fn take_backlogs(&mut self) -> Vec<Line> {
        self.cells.iter_mut().flat_map(|cell| std::mem::take(&mut cell.backlog)).collect()
    }

    /// They wait here from now on.
    pub fn give_backlogs(&mut self, lines: Vec<Line>) {
        let count = self.cells.len();
        for (number, line) in lines.into_iter().enumerate() {
            self.cells[number % count].backlog.push_back(line);
        }
    }

    /// Begins to adopt what another process had: each shard before its first turn.
    pub fn begin_adoption(&mut self, portions: Vec<Portion<Line>>) {
        self.phase = Phase::Still;
        for (cell, portion) in self.cells.iter_mut().zip(portions) {
            cell.phase = Phase::Still;
            cell.given = Some(portion);
        }
    }

    /// A write that was under way may be done in part: the process is killed.
    pub fn tear(&mut self, disk: &Disk, chance: &mut Chance) {
        self.cells.iter_mut().for_each(|cell| cell.desk.tear(disk, chance));
    }
}

//! What the supervisor does around an upgrade in place, and what the old process gives to the new one.

use super::cell::Cell;
use super::{LinkCore, Phase, SimulatedServer};
use madang_engine::shard::{Portion, ShardImage};
use madang_link::GoingDown;

use super::super::chance::Chance;
use super::super::disk::VirtualDisk;
use super::super::network::Line;

impl SimulatedServer {
    /// No connection is accepted or read from now on; what was read is handled to its end.
    pub fn pause(&mut self) {
        self.cells.iter_mut().for_each(|cell| cell.around.is_idle_seen = false);
        self.quiet_seen = None;
        self.phase = Phase::Paused;
        self.close_link(GoingDown::Upgrade);
    }

    /// Connections are read and accepted from now on. What was given away is back.
    pub fn resume(&mut self) {
        self.phase = Phase::Running;
        if let Some(link) = &mut self.link {
            link.is_open = true;
        }
        self.parts.clear();
        for cell in &mut self.cells {
            cell.around.is_returned = cell.around.has_given;
        }
    }

    /// No edge may connect any more.
    pub fn close_link(&mut self, going_down: GoingDown) {
        if let Some(link) = &mut self.link {
            link.close(going_down);
        }
    }

    /// Whether every shard has heard that it is to stand still.
    pub fn is_paused(&self) -> bool {
        self.cells.iter().all(|cell| cell.turn.phase() == Phase::Paused)
    }

    /// The supervisor looks whether all shards are idle and nothing is between them: to be believed when
    /// it holds twice.
    pub fn looks_quiet(&mut self) -> bool {
        let is_idle = self.cells.iter().all(|cell| cell.around.is_idle_seen)
            && self.link.as_ref().is_none_or(LinkCore::is_idle);
        let sum = |of: fn(&Cell) -> u64| self.cells.iter().map(of).sum::<u64>();
        let of_link = self.link.as_ref().map(LinkCore::entries).unwrap_or_default();
        let sent = sum(|cell| cell.around.entries.0) + of_link.0;
        let received = sum(|cell| cell.around.entries.1) + of_link.1;
        let quiet = (is_idle && sent == received).then_some(sent);
        let is_quiet = quiet.is_some() && quiet == self.quiet_seen;
        self.quiet_seen = quiet;
        is_quiet
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

    /// Connections that wait to be accepted.
    pub fn take_backlogs(&mut self) -> Vec<Line> {
        self.cells.iter_mut().flat_map(|cell| std::mem::take(&mut cell.around.backlog)).collect()
    }

    /// They wait here from now on.
    pub fn give_backlogs(&mut self, lines: Vec<Line>) {
        let count = self.cells.len();
        for (number, line) in lines.into_iter().enumerate() {
            self.cells[number % count].around.backlog.push_back(line);
        }
    }

    /// Begins to adopt what another process had: each shard before its first turn.
    pub fn begin_adoption(&mut self, portions: Vec<Portion<Line>>) {
        self.phase = Phase::Paused;
        if let Some(link) = &mut self.link {
            link.is_open = false;
        }
        for (cell, portion) in self.cells.iter_mut().zip(portions) {
            cell.around.given = Some(portion);
        }
    }

    /// A write that was under way may be done in part: the process is killed.
    pub fn tear(&mut self, disk: &VirtualDisk, chance: &mut Chance) {
        self.cells.iter_mut().for_each(|cell| cell.around.desk.tear(disk, chance));
    }
}

//! One process of the server: its shards between two crashes, and the channels between them.
//!
//! The turn is the real one; its shell is a [`View`] of the world, for one turn.

mod cell;
mod desk;
mod handed;
mod handover;
mod indexes;
mod link;
mod start;
#[cfg(test)]
mod tests;
mod view;

pub use cell::Cell;
pub use handed::{Handed, Standing};
pub use link::LinkCore;
pub use madang_engine::turn::Phase;
pub use start::StartOptions;
pub use view::Haste;

use super::chance::Chance;
use super::disk::VirtualDisk;
use super::network::Socket;
use super::words::ServedEpoch;
use indexes::Jobs;
use madang_engine::shard::ShardImage;
use madang_engine::turn::Outcome;
use madang_model::{MeshEntry, Moment, Now, SessionId};
use std::collections::VecDeque;
use view::View;

/// Batches that a channel holds, as in the runtime.
const CHANNEL_BATCHES_MAX: usize = 64;

/// What all parts of a step share.
pub struct StepContext<'a> {
    pub disk: &'a VirtualDisk,
    pub sockets: &'a mut Vec<Socket>,
    /// Clients with something to read.
    pub news: &'a mut Vec<usize>,
    pub chance: &'a mut Chance,
    pub now: Now,
    pub step: u64,
}

/// The batches from each shard to each other: `channels[from][to]`.
type Channels = Vec<Vec<VecDeque<Vec<MeshEntry>>>>;

/// The server.
pub struct SimulatedServer {
    pub cells: Vec<Cell>,
    channels: Channels,
    channel_batches_max: usize,
    /// The link to an edge, if it has one.
    pub link: Option<LinkCore>,
    jobs: Jobs,
    /// The epoch of the log, once this process owns it.
    pub epoch: ServedEpoch,
    pub phase: Phase,
    /// What snapshotted shards give away, or why one cannot.
    parts: Vec<Result<ShardImage, String>>,
    /// What the supervisor saw when it looked last.
    quiet_seen: Option<u64>,
}

impl SimulatedServer {
    /// How many shards there are.
    pub fn shard_count(&self) -> usize {
        self.cells.len()
    }

    /// One turn of a shard. Whether it did anything.
    ///
    /// # Errors
    /// When it ends its process.
    pub fn turn(&mut self, index: usize, haste: Haste, world: &mut StepContext<'_>) -> Result<bool, String> {
        let SimulatedServer { cells, channels, channel_batches_max, link, jobs, phase, parts, .. } = self;
        let (channel_batches_max, phase) = (*channel_batches_max, *phase);
        let Cell { turn, around } = &mut cells[index];
        turn.pace = haste.pace(world.chance);
        let batches_left = haste.batches(channels.len(), world.chance);
        let given = around.given.take();
        let mut view = View {
            index,
            around,
            world,
            channels,
            channel_batches_max,
            link: link.as_mut(),
            jobs,
            parts,
            phase,
            haste,
            batches_left,
            has_opened: false,
            written: Vec::new(),
            has_done: false,
        };
        if let Some(portion) = given {
            turn.adopt(portion, &mut view);
        }
        let outcome = turn.turn(&mut view).map_err(|error| error.to_string())?;
        let View { around, written, has_done, .. } = view;
        around.has_ended = outcome == Outcome::Ended;
        let left = written.iter().filter_map(|id| Some(turn.shard.outbox(*id)?.len()));
        around.outbox_bytes_max = around.outbox_bytes_max.max(left.max().unwrap_or(0));
        Ok(has_done || outcome == Outcome::Busy)
    }

    /// Clients that were sent a farewell by a shard, each with a name that its ended connection still holds: there is
    /// none, unless a home did not answer in time, new connections are refused, or it was not notified of the name.
    pub fn names_of_parted(&mut self, index: usize) -> Vec<(usize, String)> {
        let parted = std::mem::take(&mut self.cells[index].around.parted);
        let cell = &self.cells[index];
        if parted.is_empty()
            || cell.turn.shard.counters.hasty_farewells > 0
            || cell.turn.phase() != Phase::Running
        {
            return Vec::new();
        }
        let client_of = |holder: Option<SessionId>| {
            let session = holder.filter(|session| session.shard.index() == index)?;
            parted.iter().find(|(connection, _)| *connection == session.connection).map(|(_, client)| *client)
        };
        let names = self.cells.iter().flat_map(|cell| cell.turn.shard.names());
        names.filter_map(|(name, holder)| Some((client_of(holder)?, name.as_str().to_owned()))).collect()
    }

    /// One thing that the disk does for a shard, or for the thread of indexes. Whether it did any.
    pub fn disk_step(&mut self, index: usize, world: &mut StepContext<'_>) -> bool {
        match world.chance.below(8) {
            0 => self.cells[index].around.prepare(world),
            1 => self.job_step(world),
            2 | 3 => self.cells[index].around.query_step(world),
            _ => self.cells[index].around.write_step(world),
        }
    }

    /// Everything that the disk can do now, once.
    pub fn disk_round(&mut self, world: &mut StepContext<'_>) -> bool {
        let mut has_done = self.job_step(world);
        for cell in &mut self.cells {
            has_done |= cell.around.prepare(world);
            has_done |= cell.around.query_step(world);
            has_done |= cell.around.write_step(world);
        }
        has_done
    }

    fn job_step(&mut self, world: &mut StepContext<'_>) -> bool {
        let (has_done, words) = self.jobs.step(world);
        for (index, done) in words {
            self.cells[index].around.jobs_done.push_back(done);
        }
        has_done
    }

    /// What the operator would read, since the last call.
    pub fn take_notes(&mut self) -> Vec<String> {
        let mut notes = self.jobs.take_notes();
        self.cells.iter_mut().for_each(|cell| notes.append(&mut cell.around.notes));
        notes
    }

    /// A second has passed.
    pub fn tick(&mut self, now: Moment) {
        for cell in &mut self.cells {
            cell.around.has_ticked = true;
        }
        if let Some(link) = &mut self.link {
            link.tick(now);
        }
    }

    /// Whether every shard has nothing left to do and nothing is between them.
    pub fn is_idle(&self) -> bool {
        self.channels.iter().flatten().all(VecDeque::is_empty)
            && self.link.as_ref().is_none_or(LinkCore::is_quiet)
            && self.jobs.is_empty()
            && self.cells.iter().all(Cell::is_idle)
    }

    /// The fullest channel, in batches, and its bound.
    pub fn fullest_channel(&self) -> (usize, usize) {
        (self.channels.iter().flatten().map(VecDeque::len).max().unwrap_or(0), self.channel_batches_max)
    }

    /// A drain is led to its next step.
    pub fn enter(&mut self, phase: Phase) {
        self.phase = phase;
    }

    /// Whether all shards have drained and sealed their logs.
    pub fn is_finished(&self) -> bool {
        self.jobs.is_empty() && self.cells.iter().all(|cell| cell.around.has_ended)
    }
}

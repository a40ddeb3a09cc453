//! One life of the server: shards between two crashes, and what carries things between them.
//!
//! It does what the runtime does around a shard, in the same order, and nothing else.

mod cell;
mod desk;
mod freeze;
mod handed;
mod indexes;
mod start;

pub use cell::{Cell, Phase};
pub use handed::{Handed, Standing};
pub use start::StartOptions;

use super::chance::Chance;
use super::disk::Disk;
use super::mutation::mutated;
use super::network::Socket;
use indexes::Jobs;
use madang_shards::mesh::Transport;
use madang_shards::shard::ShardImage;
use madang_shards::types::{Envelope, Now, SessionId, ShardId};
use std::collections::VecDeque;

/// Batches that a channel holds, as in the runtime.
const CHANNEL_BATCHES_MAX: usize = 64;

/// What all parts of a step share.
pub struct World<'a> {
    pub disk: &'a Disk,
    pub sockets: &'a mut Vec<Socket>,
    /// Clients with something to read.
    pub news: &'a mut Vec<usize>,
    pub chance: &'a mut Chance,
    pub now: Now,
    pub step: u64,
}

/// The batches from each shard to each other: `channels[from][to]`.
type Channels = Vec<Vec<VecDeque<Vec<Envelope>>>>;

/// The server.
pub struct Server {
    pub cells: Vec<Cell>,
    channels: Channels,
    channel_batches_max: usize,
    jobs: Jobs,
    pub phase: Phase,
    /// What frozen shards give away, or why one cannot.
    parts: Vec<Result<ShardImage, String>>,
    /// What the supervisor saw when it looked last.
    quiet_seen: Option<u64>,
}

struct Port<'a> {
    to: &'a mut Vec<VecDeque<Vec<Envelope>>>,
    batches_max: usize,
    chance: &'a mut Chance,
}

impl Transport for Port<'_> {
    fn try_send(&mut self, to: ShardId, batch: Vec<Envelope>) -> Result<(), Vec<Envelope>> {
        let channel = &mut self.to[to.index()];
        if channel.len() >= self.batches_max {
            return Err(batch);
        }
        channel.push_back(batch);
        let count = channel.len();
        if count > 1 && mutated!(SwapBatches) && self.chance.one_in(20) {
            channel.swap(count - 1, count - 2);
        }
        Ok(())
    }
}

impl Server {
    /// How many shards there are.
    pub fn shard_count(&self) -> usize {
        self.cells.len()
    }

    /// One turn of a shard. Whether it did anything.
    pub fn turn(&mut self, index: usize, haste: Haste, world: &mut World<'_>) -> bool {
        let cell = &mut self.cells[index];
        if cell.is_frozen() {
            return self.freeze_step(index, world);
        }
        cell.adopt(world);
        let mut has_done = cell.take_finished();
        cell.look_after_storage(world);
        cell.shard.begin_turn(world.now);
        has_done |= cell.take_input(haste, world);
        has_done |= self.take_mesh(index, haste, world);
        let cell = &mut self.cells[index];
        has_done |= cell.take_tick();
        has_done |= cell.enter_phase(self.phase);
        let mut port = Port {
            to: &mut self.channels[index],
            batches_max: self.channel_batches_max,
            chance: world.chance,
        };
        let sent = cell.shard.flush_mesh(&mut port).entries;
        cell.entries.0 += sent as u64;
        has_done |= sent > 0;
        if haste == Haste::Some && world.chance.one_in(4) {
            has_done |= cell.flush_hurried(world);
            has_done |= cell.take_input(haste, world);
        }
        has_done |= cell.start_commit();
        has_done |= cell.start_queries(&mut self.jobs);
        has_done |= cell.flush_sockets(world);
        has_done |= cell.finish();
        self.report_idleness(index);
        has_done | self.begin_freeze(index)
    }

    /// Clients who were told farewell by a shard, each with a name that its ended connection still holds: there is
    /// none, unless a home did not answer in time, nobody can come in any more, or it was not told of the name.
    pub fn names_of_parted(&mut self, index: usize) -> Vec<(usize, String)> {
        let parted = std::mem::take(&mut self.cells[index].parted);
        let cell = &self.cells[index];
        if parted.is_empty() || cell.shard.counters.hasty_farewells > 0 || cell.phase != Phase::Running {
            return Vec::new();
        }
        let client_of = |holder: Option<SessionId>| {
            let session = holder.filter(|session| session.shard.index() == index)?;
            parted.iter().find(|(connection, _)| *connection == session.connection).map(|(_, client)| *client)
        };
        let names = self.cells.iter().flat_map(|cell| cell.shard.names());
        names.filter_map(|(name, holder)| Some((client_of(holder)?, name.as_str().to_owned()))).collect()
    }

    fn take_mesh(&mut self, index: usize, haste: Haste, world: &mut World<'_>) -> bool {
        let mut has_done = false;
        for from in 0..self.cells.len() {
            let mut left = match haste {
                Haste::Full => usize::MAX,
                // Some channels are late, each by its own measure.
                Haste::Some if world.chance.one_in(3) => 0,
                Haste::Some => world.chance.between(1, 8),
            };
            while left > 0
                && self.cells[index].shard.accepts_mesh()
                && let Some(mut batch) = self.channels[from][index].pop_front()
            {
                left -= 1;
                self.cells[index].is_idle_seen = false;
                self.cells[index].entries.1 += batch.len() as u64;
                self.cells[index].shard.mesh_received(&mut batch);
                has_done = true;
            }
        }
        has_done
    }

    /// One thing that the disk does for a shard, or for the thread of indexes. Whether it did any.
    pub fn disk_step(&mut self, index: usize, world: &mut World<'_>) -> bool {
        match world.chance.below(8) {
            0 => self.cells[index].prepare(world),
            1 => self.job_step(world),
            2 | 3 => self.cells[index].query_step(world),
            _ => self.cells[index].commit_step(world),
        }
    }

    /// Everything that the disk can do now, once.
    pub fn disk_round(&mut self, world: &mut World<'_>) -> bool {
        let mut has_done = self.job_step(world);
        for cell in &mut self.cells {
            has_done |= cell.prepare(world);
            has_done |= cell.query_step(world);
            has_done |= cell.commit_step(world);
        }
        has_done
    }

    fn job_step(&mut self, world: &mut World<'_>) -> bool {
        let (has_done, word) = self.jobs.step(world);
        if let Some((index, done)) = word {
            self.cells[index].index_done.push_back(done);
        }
        has_done
    }

    /// What the operator would read, since the last call.
    pub fn take_notes(&mut self) -> Vec<String> {
        let mut notes = std::mem::take(&mut self.jobs.notes);
        self.cells.iter_mut().for_each(|cell| notes.append(&mut cell.notes));
        notes
    }

    /// A second has passed.
    pub fn tick(&mut self) {
        for cell in &mut self.cells {
            cell.has_ticked = true;
        }
    }

    /// Whether every shard has nothing left to do and nothing is between them.
    pub fn is_idle(&self) -> bool {
        self.channels.iter().flatten().all(VecDeque::is_empty)
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
        self.jobs.is_empty() && self.cells.iter().all(Cell::is_finished)
    }
}

/// How much a shard takes in one turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Haste {
    /// A part, by chance: channels and sockets are late.
    Some,
    /// All there is.
    Full,
}

//! The world around one shard, for one turn.

mod disk;
mod sockets;

use super::cell::Around;
use super::indexes::Jobs;
use super::{Channels, LinkCore, StepContext};
use madang_engine::mesh::{ENDPOINT, Transport};
use madang_engine::shard::{Shard, ShardImage};
use madang_engine::turn::{Mesh, Pace, Phase, READS_PER_LOOK, Server, Shell};
use madang_model::connection::Surface;
use madang_model::{ConnectionId, MeshEntry, Now, ShardId};
use std::io;
use std::time::Duration;

use super::super::chance::Chance;
use madang_engine::mutation::{Mutation, is_on};

/// How much a shard takes in one turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Haste {
    /// A part, by chance: channels and sockets are late.
    Some,
    /// All there is.
    Full,
}

impl Haste {
    /// A shard in life has more connections: what it meets only then, it meets here by chance.
    pub fn pace(self, chance: &mut Chance) -> Pace {
        // No time passes in a turn here: a connection that is idle in it is greeted at its end.
        let all = Pace { greeting_wait: Duration::ZERO, ..Pace::default() };
        if self == Haste::Full {
            return all;
        }
        Pace {
            newcomers: chance.between(1, all.newcomers),
            reads: if chance.one_in(2) { chance.between(1, 4) } else { all.reads },
            writes_first: if chance.one_in(4) { 0 } else { all.writes_first },
            ..all
        }
    }

    /// Batches that are taken from each of `shard_count` shards: some channels are late, each by its own measure.
    pub fn batches(self, shards: usize, chance: &mut Chance) -> Vec<usize> {
        let batches = |_| match self {
            Haste::Full => usize::MAX,
            Haste::Some if chance.one_in(3) => 0,
            Haste::Some => chance.between(1, 8),
        };
        (0..shards).map(batches).collect()
    }
}

/// What a shard turns on.
pub struct View<'a, 'w> {
    /// Which shard.
    pub index: usize,
    pub around: &'a mut Around,
    pub world: &'a mut StepContext<'w>,
    pub channels: &'a mut Channels,
    pub channel_batches_max: usize,
    pub link: Option<&'a mut LinkCore>,
    pub jobs: &'a mut Jobs,
    pub parts: &'a mut Vec<Result<ShardImage, String>>,
    pub phase: Phase,
    pub haste: Haste,
    /// Batches that are still taken from each shard.
    pub batches_left: Vec<usize>,
    /// Whether the connection that was read last can be written from now on.
    pub has_opened: bool,
    /// Connections that were written to.
    pub written: Vec<ConnectionId>,
    /// Whether anything was done.
    pub has_done: bool,
}

impl Shell for View<'_, '_> {
    type Sockets = Self;
    type Mesh = Self;
    type Disk = Self;
    type Server = Self;

    fn sockets(&mut self) -> &mut Self {
        self
    }

    fn mesh(&mut self) -> &mut Self {
        self
    }

    fn disk(&mut self) -> &mut Self {
        self
    }

    fn server(&mut self) -> &mut Self {
        self
    }

    fn now(&self) -> Now {
        self.world.now
    }

    fn begin_reading(&mut self) {}

    fn is_reading_over(&mut self, reads: usize) -> bool {
        self.haste == Haste::Some && reads.is_multiple_of(READS_PER_LOOK) && self.world.chance.one_in(2)
    }

    fn answer<S: Surface>(&mut self, shard: &mut Shard<S>, _: Phase) {
        self.around.rooms_before = shard.room_count();
    }

    fn show<S: Surface>(&mut self, shard: &mut Shard<S>) {
        let left = self.around.rooms_before.saturating_sub(shard.room_count());
        self.around.rooms_left += left as u64;
    }

    fn commit_begins(&mut self, _: usize, _: u64) {}

    fn commit_ended(&mut self, _: bool) {}

    fn give_back_memory(&mut self) {}

    fn hand_over(&mut self, image: Result<ShardImage, String>) {
        self.has_done = true;
        self.around.has_given = image.is_ok();
        self.parts.push(image);
    }

    fn take_back(&mut self) -> io::Result<bool> {
        let is_returned = std::mem::take(&mut self.around.is_returned);
        self.around.has_given &= !is_returned;
        Ok(is_returned)
    }
}

impl Transport for View<'_, '_> {
    fn try_send(&mut self, to: ShardId, batch: Vec<MeshEntry>) -> Result<(), Vec<MeshEntry>> {
        if to == ENDPOINT {
            return match &mut self.link {
                Some(link) => link.try_send(self.index, batch),
                None => Err(batch),
            };
        }
        let channel = &mut self.channels[self.index][to.index()];
        if channel.len() >= self.channel_batches_max {
            return Err(batch);
        }
        channel.push_back(batch);
        let count = channel.len();
        if count > 1 && is_on(Mutation::SwapBatches) && self.world.chance.one_in(20) {
            channel.swap(count - 1, count - 2);
        }
        Ok(())
    }
}

impl Mesh for View<'_, '_> {
    fn shard_count(&self) -> u16 {
        self.channels.len() as u16
    }

    fn has_endpoint(&self) -> bool {
        self.link.is_some()
    }

    fn receive(&mut self, from: ShardId) -> Option<Vec<MeshEntry>> {
        if from == ENDPOINT {
            let batch = self.link.as_mut()?.receive(self.index)?;
            self.has_done = true;
            return Some(batch);
        }
        let left = &mut self.batches_left[from.index()];
        if *left == 0 {
            return None;
        }
        let batch = self.channels[from.index()][self.index].pop_front()?;
        *left -= 1;
        self.has_done = true;
        Some(batch)
    }

    fn has_mail(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.has_mail_for(self.index))
            || self.channels.iter().any(|to| !to[self.index].is_empty())
    }

    fn ring(&mut self) {}
}

impl Server for View<'_, '_> {
    fn phase(&self) -> Phase {
        self.phase
    }

    fn count_turn(&mut self) {}

    fn take_tick(&mut self) -> bool {
        let has_ticked = std::mem::take(&mut self.around.has_ticked);
        self.has_done |= has_ticked;
        has_ticked
    }

    fn set_idle(&mut self, is_idle: bool) {
        self.around.is_idle_seen = is_idle;
    }

    fn sent(&mut self, entries: u64) {
        self.around.entries.0 += entries;
        self.has_done |= entries > 0;
    }

    fn received(&mut self, entries: u64) {
        self.around.entries.1 += entries;
    }
}

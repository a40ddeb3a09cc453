//! What a shard does once a second, and how it comes to its end.

use super::{TurnError, Turning};
use crate::connection::Surface;
use crate::runtime::lifecycle::{Lifecycle, Phase, ShardStatus};
use crate::runtime::memory;
use crate::types::ShardId;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Ticks that a drain waits for readers who do not take their last words.
const CLOSING_TICKS_MAX: u8 = 2;

/// How far this shard has followed the life of the server.
pub struct Stage {
    lifecycle: Arc<Lifecycle>,
    shard: ShardId,
    phase: Phase,
    closing_ticks: u8,
}

impl Stage {
    /// A shard begins running, whatever is asked of the server by the time its thread does: it enters each phase by
    /// what it has to do for it.
    pub fn new(shard: ShardId, lifecycle: Arc<Lifecycle>) -> Stage {
        Stage { lifecycle, shard, phase: Phase::Running, closing_ticks: 0 }
    }

    pub(super) fn stand_still(&mut self) {
        self.phase = Phase::Still;
    }

    /// Whether connections are accepted and read.
    pub fn takes_input(&self) -> bool {
        self.phase == Phase::Running
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn lifecycle(&self) -> &Arc<Lifecycle> {
        &self.lifecycle
    }

    pub(super) fn shard(&self) -> usize {
        self.shard.index()
    }

    /// What this shard says of itself.
    pub fn status(&self) -> &ShardStatus {
        self.lifecycle.shard(self.shard.index())
    }
}

impl<S: Surface> Turning<S> {
    /// Once a second: what is due, what lingers, and whether listening can go on.
    pub(super) fn take_tick(&mut self) {
        let status = self.stage.status();
        status.turns.fetch_add(1, Ordering::AcqRel);
        self.monitor.answer(&mut self.shard, &mut self.sockets, self.stage.phase == Phase::Running);
        if !status.has_ticked.swap(false, Ordering::AcqRel) {
            return;
        }
        // While the shard stands still, no time passes for those who are here, and nobody is read.
        if self.stage.phase != Phase::Still {
            self.outlet.tick(&mut self.inlet.buffer[..]);
            self.let_go_of_gone();
            self.shard.tick();
            if self.shard.is_burst_over() {
                memory::give_back();
            }
        }
        let status = self.stage.status();
        let lingering = self.outlet.lingering_count();
        self.monitor.tick(&mut self.shard, &self.port, &self.sockets, status, lingering);
        // Not longer than this are files kept open that retention has removed.
        self.rest.has_chores |= self.lookups.reader.close_files();
        self.inlet.has_warned_of_descriptors = false;
        self.commits.tick();
        if self.stage.phase == Phase::Closing {
            self.stage.closing_ticks += 1;
        }
        if self.stage.phase == Phase::Running
            && let Err(error) = self.sockets.listen()
        {
            tracing::warn!(shard = self.shard.id().0, %error, "cannot listen again yet");
        }
    }

    /// Peers that do not answer what they were sent are gone.
    fn let_go_of_gone(&mut self) {
        let mut gone = Vec::new();
        self.sockets.look_for_gone(&mut gone);
        for id in gone {
            self.shard.lost(id);
        }
    }

    pub(super) fn enter_phase(&mut self) {
        let phase = self.stage.lifecycle.phase();
        if phase == Phase::Still && self.stage.phase == Phase::Running {
            self.stand_still();
        }
        // Whatever it goes on with: a drain may have been asked for meanwhile.
        if !matches!(phase, Phase::Still | Phase::Frozen) && self.stage.phase == Phase::Still {
            self.stage.phase = Phase::Running;
            self.go_on();
        }
        if phase >= Phase::Draining && self.stage.phase == Phase::Running {
            self.sockets.close_listener();
            self.inlet.clear();
            self.shard.begin_drain();
            self.stage.phase = Phase::Draining;
        }
        if phase == Phase::Closing && self.stage.phase == Phase::Draining {
            self.shard.finish_drain();
            self.stage.phase = Phase::Closing;
        }
    }

    /// While draining, says whether nothing is left to do.
    pub(super) fn report_idleness(&self, is_busy: bool) {
        if matches!(self.stage.phase, Phase::Draining | Phase::Still) {
            let is_at_rest = self.stage.phase == Phase::Draining || self.shard.is_at_rest();
            let is_idle = !is_busy
                && is_at_rest
                && !self.commits.is_under_way()
                && self.rest.queries.is_empty()
                && !self.shard.has_outbound()
                && self.shard.log.is_idle();
            self.stage.status().is_idle.store(is_idle, Ordering::Release);
        }
    }

    pub(super) fn is_finished(&self) -> bool {
        let has_said_all = self.shard.connection_count() == 0 || self.stage.closing_ticks > CLOSING_TICKS_MAX;
        self.stage.phase == Phase::Closing && has_said_all && !self.commits.is_under_way()
    }

    /// Seals the log, and has the indexes and the snapshot written.
    pub(super) async fn finish(mut self) -> Result<(), TurnError> {
        self.seal().await.map_err(TurnError::Commit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_whose_thread_begins_late_has_yet_to_enter_the_phase_that_the_server_is_in() {
        for phase in [Phase::Running, Phase::Still, Phase::Draining] {
            let lifecycle = Arc::new(Lifecycle::new(1));
            lifecycle.enter(phase);
            assert!(Stage::new(ShardId(0), lifecycle).takes_input(), "{phase:?}");
        }
    }
}

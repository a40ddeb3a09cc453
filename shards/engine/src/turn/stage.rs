//! What a shard does once a second, and how it follows the life of the server.

use super::Turn;
use super::shell::{Disk, Phase, Server, Shell, Sockets};
use madang_model::connection::Surface;

/// Ticks that a drain waits for readers that do not take their last words.
const CLOSING_TICKS_MAX: u8 = 2;

/// How far this shard has followed the life of the server.
pub struct Stage {
    phase: Phase,
    closing_ticks: u8,
}

impl Stage {
    /// A shard begins in `Running`, whatever the server's phase is by the time its thread starts: it enters each
    /// phase by what it has to do for it.
    pub fn new() -> Stage {
        Stage { phase: Phase::Running, closing_ticks: 0 }
    }

    /// Whether connections are accepted and read.
    pub fn takes_input(&self) -> bool {
        self.phase == Phase::Running
    }

    pub fn phase(&self) -> Phase {
        self.phase
    }
}

impl<S: Surface> Turn<S> {
    /// Once a second: what is due, what lingers, and whether listening can continue.
    pub(super) fn take_tick<W: Shell>(&mut self, shell: &mut W) {
        shell.answer(&mut self.shard, self.stage.phase);
        if !shell.server().take_tick() {
            return;
        }
        // While the shard is paused, no time passes for connections, and none is read.
        if self.stage.phase != Phase::Paused {
            let mut gone = Vec::new();
            shell.sockets().tick(&mut self.inlet.buffer[..], &mut gone);
            // Peers that do not answer what they were sent are gone.
            gone.into_iter().for_each(|id| self.shard.lost(id));
            self.shard.tick();
            if self.shard.is_burst_over() {
                shell.give_back_memory();
            }
        }
        shell.show(&mut self.shard);
        self.inlet.tick();
        self.commits.tick();
        shell.disk().tick();
        if self.stage.phase == Phase::Closing {
            self.stage.closing_ticks += 1;
        }
        if self.stage.phase == Phase::Running
            && let Err(error) = shell.sockets().listen()
        {
            tracing::warn!(shard = self.shard.id().0, %error, "cannot listen again yet");
        }
    }

    pub(super) fn enter_phase<W: Shell>(&mut self, shell: &mut W) {
        let phase = shell.server().phase();
        if phase == Phase::Paused && self.stage.phase == Phase::Running {
            self.pause(shell.sockets());
        }
        // Whatever comes then: a drain may have been asked for meanwhile.
        let is_over = !matches!(phase, Phase::Paused | Phase::Snapshotted);
        #[cfg(any(test, feature = "deliberate-faults"))]
        let is_over = is_over
            && (phase == Phase::Running || !crate::mutation::is_on(crate::mutation::Mutation::StayPaused));
        if is_over && self.stage.phase == Phase::Paused {
            self.resume(shell.sockets());
        }
        if phase >= Phase::Draining && self.stage.phase == Phase::Running {
            shell.sockets().close_listener();
            self.inlet.clear();
            self.shard.begin_drain();
            self.stage.phase = Phase::Draining;
        }
        if phase == Phase::Closing && self.stage.phase == Phase::Draining {
            self.shard.finish_drain();
            self.stage.phase = Phase::Closing;
        }
    }

    /// No connection is accepted or read from now on; those that wait to be accepted continue to wait.
    pub(super) fn pause(&mut self, sockets: &mut impl Sockets) {
        sockets.pause();
        self.inlet.stop_accepting();
        self.shard.pause();
        self.stage.phase = Phase::Paused;
    }

    /// Connections are read and accepted again.
    fn resume(&mut self, sockets: &mut impl Sockets) {
        self.stage.phase = Phase::Running;
        self.shard.resume();
        #[cfg(any(test, feature = "deliberate-faults"))]
        if crate::mutation::is_on(crate::mutation::Mutation::StayDeaf) {
            return;
        }
        if let Err(error) = sockets.resume() {
            tracing::warn!(shard = self.shard.id().0, %error, "cannot listen again yet");
        }
    }

    /// While draining, reports whether nothing is left to do.
    pub(super) fn report_idleness<W: Shell>(&mut self, is_busy: bool, shell: &mut W) {
        if matches!(self.stage.phase, Phase::Draining | Phase::Paused) {
            let is_idle = self.stage.phase == Phase::Draining || self.shard.is_idle();
            let is_idle = !is_busy
                && is_idle
                && !shell.disk().is_writing()
                && shell.disk().queries_under_way() == 0
                && !self.shard.has_outbound()
                && self.shard.log.is_idle();
            shell.server().set_idle(is_idle);
        }
    }

    /// Whether a drain has come to its end: every client has the last words, or does not take them.
    pub(super) fn has_drained(&self) -> bool {
        let has_said_all = self.shard.connection_count() == 0 || self.stage.closing_ticks > CLOSING_TICKS_MAX;
        self.stage.phase == Phase::Closing && has_said_all
    }
}

//! A shard that gives everything away, and one that is given everything.

use super::{TurnError, Turning};
use crate::connection::Surface;
use crate::runtime::handover::{Given, Held, Part};
use crate::runtime::lifecycle::Phase;
use crate::runtime::sockets::Arrival;
use crate::runtime::start::FIRST_SEGMENT_BYTES;
use crate::store::{CommitError, Work};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A frozen shard shows so often that it is alive.
const HEARTBEAT: Duration = Duration::from_millis(500);

impl<S: Surface> Turning<S> {
    /// Nobody is accepted or read from now on; who waits to be accepted goes on waiting.
    pub(super) fn stand_still(&mut self) {
        self.sockets.stand_still();
        self.inlet.has_waiting_connections = false;
        self.shard.stand_still();
        self.stage.stand_still();
    }

    /// Everyone is read and accepted again.
    pub(super) fn go_on(&mut self) {
        self.shard.go_on();
        if let Err(error) = self.sockets.go_on() {
            tracing::warn!(shard = self.shard.id().0, %error, "cannot listen again yet");
        }
    }

    /// Takes over what another process had, before the first turn.
    pub fn adopt(&mut self, given: Given) {
        self.shard.begin_turn(self.clock.now());
        self.stand_still();
        let mut lost = Vec::new();
        for (image, descriptor) in given.portion.connections {
            let id = self.shard.adopt(image);
            if self.sockets.add(id, Arrival::carried(descriptor)).is_err() {
                lost.push(id);
            }
        }
        // Afterwards: their slots may not be used again, as all others are known by their order.
        lost.into_iter().for_each(|id| self.shard.lost(id));
        self.shard.take_over(given.portion.carried);
        self.outlet.take_over(given.lingering);
    }

    /// Whether all shards are idle, and this one has not given away what it has. A sync under `interval` may have
    /// begun since it was idle: then the writer comes back first.
    pub(super) fn is_to_freeze(&self) -> bool {
        let is_asked = self.stage.phase() == Phase::Still && self.stage.lifecycle().phase() == Phase::Frozen;
        is_asked && !self.commits.is_under_way()
    }

    /// Seals the log and gives everything away, until it comes back: then another process has not
    /// gone on with it. If one does, this one ends meanwhile.
    ///
    /// # Errors
    /// When the ring of the sockets fails: the process must end.
    pub(super) async fn freeze(&mut self) -> Result<(), TurnError> {
        let lifecycle = Arc::clone(self.stage.lifecycle());
        if !self.shard.log.can_finish() {
            let reason = "the last sync of the log has failed".to_owned();
            let _ = lifecycle.parts.0.send(Err(reason));
            return self.await_thaw(None);
        }
        if let Err(error) = self.seal().await {
            tracing::error!(shard = self.shard.id().0, %error, "the log cannot be sealed");
            // Nobody knows what of the segment is on disk: the next batch goes to a fresh one.
            self.shard.log.sync_failed();
            let _ = lifecycle.parts.0.send(Err(error.to_string()));
            return self.await_thaw(None);
        }
        let (sockets, listeners) = self.sockets.give_away().map_err(TurnError::Sockets)?;
        let mut image = self.shard.image(|id| sockets.is_carriable(id));
        image.add_unread(|id| sockets.came(id));
        let held = Held { sockets, listeners, lingering: self.outlet.give_away() };
        let _ = lifecycle.parts.0.send(Ok(Part { image, held }));
        let held = lifecycle.returned_to(self.stage.shard()).1.clone();
        self.await_thaw(Some(&held))?;
        if let Some(mut writer) = self.commits.writer.take() {
            let capacity_bytes = FIRST_SEGMENT_BYTES.min(writer.segment_bytes());
            let number = self.shard.log.begin_again(capacity_bytes);
            writer.begin_again(number, capacity_bytes);
            self.commits.writer = Some(writer);
        }
        Ok(())
    }

    /// Waits, and says so once in a while.
    fn await_thaw(&mut self, returned: Option<&flume::Receiver<Held>>) -> Result<(), TurnError> {
        loop {
            self.stage.status().turns.fetch_add(1, Ordering::AcqRel);
            match returned {
                None if self.stage.lifecycle().phase() != Phase::Frozen => return Ok(()),
                None => std::thread::sleep(HEARTBEAT / 50),
                Some(returned) => {
                    if let Ok(Held { sockets, listeners, lingering }) = returned.recv_timeout(HEARTBEAT) {
                        self.outlet.take_over(lingering);
                        return self.sockets.take_back((sockets, listeners)).map_err(TurnError::Sockets);
                    }
                }
            }
        }
    }

    /// Seals the log and waits until its indexes and its snapshot are on disk: a start has nothing to
    /// mend, and nothing to read.
    pub(super) async fn seal(&mut self) -> Result<(), CommitError> {
        let Some(mut writer) = self.commits.writer.take() else { return Ok(()) };
        let leaves_nothing_unused = self.shard.log.can_finish();
        let sealed = self.shard.log.finish();
        let done = writer.carry_out(Work::Finish { sealed: sealed.clone(), leaves_nothing_unused });
        self.commits.writer = Some(writer);
        done.result?;
        if let Some(sealed) = sealed {
            self.shard.archive().leave(&sealed, sealed.number.next());
        }
        self.finish_indexes().await;
        Ok(())
    }
}

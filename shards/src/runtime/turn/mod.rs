//! A shard's turn: take what is there, decide, hand on, write each connection once, wait.

mod commits;
mod freeze;
mod input;
mod lookups;
mod output;
mod stage;

pub use commits::Commits;
pub use input::Inlet;
pub use lookups::Lookups;
pub use output::Outlet;
pub use stage::Stage;

use super::bell::Bell;
use super::clock::Clock;
use super::operate::Monitor;
use super::sockets::Sockets;
use super::wait::Rest;
use crate::connection::Surface;
use crate::mesh::MeshPort;
use crate::shard::Shard;
use crate::store::CommitError;
use std::sync::Arc;

/// So many writes take about as long as a commit, some 200 µs. Fewer are done while one is under way.
const WRITES_FIRST: usize = 50;

/// A shard with everything it turns on.
pub struct Turning<S: Surface> {
    pub shard: Shard<S>,
    pub sockets: Sockets,
    pub port: MeshPort,
    pub bell: Arc<Bell>,
    pub clock: Clock,
    pub stage: Stage,
    pub inlet: Inlet,
    pub outlet: Outlet,
    pub commits: Commits,
    pub lookups: Lookups,
    pub rest: Rest,
    /// What the operator sees and asks.
    pub monitor: Monitor,
}

impl<S: Surface> Turning<S> {
    /// Turns until the server is drained.
    ///
    /// # Errors
    /// When the log or the ring of the sockets fails: the process must end.
    pub async fn run(mut self) -> Result<(), TurnError> {
        loop {
            self.look_after_storage();
            self.shard.begin_turn(self.clock.now());
            self.take_input()?;
            self.take_mesh();
            self.take_tick();
            self.enter_phase();
            self.flush_mesh();
            if self.shard.writes_due() >= WRITES_FIRST {
                self.write_first()?;
            }
            self.start_commit();
            self.start_queries();
            self.flush_sockets();
            if self.is_finished() {
                return self.finish().await;
            }
            if self.is_to_freeze() {
                self.freeze().await?;
            }
            self.rest().await?;
        }
    }

    /// Writes before the next commit begins. Those who read answer meanwhile: what they say joins the
    /// open batch, and so is stored by one commit and shown by one write a reader.
    fn write_first(&mut self) -> Result<(), TurnError> {
        self.flush_hurried();
        self.take_input()?;
        self.flush_mesh();
        Ok(())
    }

    /// Waits for something to happen, or breathes when there is more to do.
    async fn rest(&mut self) -> Result<(), TurnError> {
        let is_busy = self.has_input() || self.shard.has_work() || self.can_commit();
        self.report_idleness(is_busy);
        let Turning { rest, sockets, bell, .. } = self;
        let found = if is_busy {
            rest.between_turns(bell).await
        } else {
            rest.until_woken(sockets, bell).await.map_err(TurnError::Sockets)?
        };
        self.commits.is_sync_due |= self.rest.take_sync_due();
        for (id, found) in found {
            self.finish_query(id, found);
        }
        self.finish_commit();
        Ok(())
    }
}

/// Why a shard cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    /// Messages cannot be stored.
    #[error("the log cannot be written: {0}")]
    Commit(CommitError),
    /// Sockets cannot be waited for.
    #[error("the ring of the sockets failed: {0}")]
    Sockets(std::io::Error),
}

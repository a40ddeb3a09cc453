//! A shard's turn: take what is there, decide, hand on, write each connection once.
//!
//! A turn never waits. It begins what takes longer, and a later turn learns that it is done. It asks its [`Shell`]
//! for everything outside of the shard, so that the runtime and the simulator run the same turn.

mod commits;
mod completion;
mod input;
mod lookups;
mod output;
mod shell;
mod stage;

pub use commits::LogOptions;
pub use completion::Awaited;
pub use input::{Pace, READING_TIME_MAX, READS_PER_LOOK};
pub use lookups::QUERIES_MAX;
pub use shell::{Accepted, Disk, Found, Input, Mesh, Phase, Readiness, Server, Shell, Sockets, Written};

use crate::shard::Shard;
use crate::store::CommitError;
use commits::Commits;
use completion::Completion;
use input::Inlet;
use lookups::Lookups;
use madang_model::connection::Surface;
use output::Outlet;
use stage::Stage;

/// A shard, and how far it has come with everything that takes more than a turn.
pub struct Turn<S: Surface> {
    /// The shard.
    pub shard: Shard<S>,
    /// How much is taken in one turn.
    pub pace: Pace,
    stage: Stage,
    inlet: Inlet,
    outlet: Outlet,
    commits: Commits,
    lookups: Lookups,
    completion: Completion,
}

/// What is to be done after a turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The next turn: there is more to do.
    Busy,
    /// To wait until something happens.
    Idle,
    /// To wait for this alone: nothing else is begun before.
    Awaits(Awaited),
    /// Nothing: the shard has drained, and its log is sealed.
    Ended,
}

/// Why a shard cannot continue.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    /// Messages cannot be stored.
    #[error("the log cannot be written: {0}")]
    Commit(CommitError),
    /// Sockets cannot be waited for.
    #[error("the ring of the sockets failed: {0}")]
    Sockets(std::io::Error),
}

impl<S: Surface> Turn<S> {
    /// A shard that is to turn. What is read at a time has `read_bytes_max`.
    pub fn new(shard: Shard<S>, log: LogOptions, read_bytes_max: usize) -> Turn<S> {
        Turn {
            shard,
            pace: Pace::default(),
            stage: Stage::new(),
            inlet: Inlet::new(read_bytes_max),
            outlet: Outlet::default(),
            commits: Commits::new(log),
            lookups: Lookups::default(),
            completion: Completion::None,
        }
    }

    /// The phase that the shard has entered.
    pub fn phase(&self) -> Phase {
        self.stage.phase()
    }

    /// Turns once.
    ///
    /// # Errors
    /// When the log or the sockets fail: the process must end.
    pub fn turn<W: Shell>(&mut self, shell: &mut W) -> Result<Outcome, TurnError> {
        shell.server().count_turn();
        if self.completion != Completion::None {
            return self.complete(shell);
        }
        self.take_found(shell);
        self.finish_commit(shell);
        self.look_after_storage(shell);
        self.shard.begin_turn(shell.now());
        self.take_input(shell)?;
        self.take_mesh(shell);
        self.take_tick(shell);
        self.enter_phase(shell);
        self.flush_mesh(shell);
        if self.shard.writes_due() >= self.pace.writes_first {
            self.write_first(shell)?;
        }
        self.start_commit(shell);
        self.start_queries(shell);
        self.flush_sockets(shell);
        if self.begin_completion(shell) {
            return self.complete(shell);
        }
        let is_busy = self.has_input(shell) || self.shard.has_work() || self.can_commit(shell);
        self.report_idleness(is_busy, shell);
        Ok(if is_busy { Outcome::Busy } else { Outcome::Idle })
    }

    /// Writes before the next commit begins. Clients that read it answer meanwhile: what they send joins the open
    /// batch, and so is stored by one commit and shown by one write per reader.
    fn write_first<W: Shell>(&mut self, shell: &mut W) -> Result<(), TurnError> {
        self.flush_hurried(shell);
        self.take_input(shell)?;
        self.flush_mesh(shell);
        Ok(())
    }
}

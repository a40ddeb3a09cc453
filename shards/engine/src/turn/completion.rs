//! A shard that takes no more turns: its log is sealed, its indexes and its snapshot are written, and then it has
//! ended, or gives everything away. And a shard that takes over everything.

use super::shell::{Disk, Phase, Server, Shell, Sockets};
use super::{Outcome, Turn, TurnError};
use crate::shard::Portion;
use crate::store::{CommitError, Done, Work};
use madang_model::connection::Surface;

/// Why a log is completed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// The server has drained.
    End,
    /// A new process is to take over.
    HandOver,
}

/// How far the completion has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Completion {
    /// It is not asked for: the shard turns.
    None,
    /// The log is being sealed, and what holds nothing removed: a start has nothing to mend.
    Sealing(Purpose),
    /// Indexes and the snapshot are being written: a start has nothing to read.
    Indexing(Purpose),
    /// Everything is given away, until it comes back: then the new process has not taken over. If it does, this one
    /// ends meanwhile.
    Given,
    /// Nothing is given away, and the others are waited for.
    Refused,
    /// The shard has ended.
    Ended,
}

/// What a shard that takes no turns waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Awaited {
    /// The writer.
    Writer,
    /// Indexes and the snapshot.
    Indexes,
    /// What was given away.
    Return,
    /// The next phase.
    Phase,
}

impl<S: Surface> Turn<S> {
    /// Takes over what the old process had, before the first turn.
    pub fn adopt<W: Shell>(&mut self, portion: Portion<<W::Sockets as Sockets>::Carried>, shell: &mut W) {
        self.shard.begin_turn(shell.now());
        self.pause(shell.sockets());
        let mut lost = Vec::new();
        for (image, carried) in portion.connections {
            let id = self.shard.adopt(image);
            if shell.sockets().add_carried(id, carried).is_err() {
                lost.push(id);
            }
        }
        // Afterwards: their slots may not be used again, as all others are known by their order.
        lost.into_iter().for_each(|id| self.shard.lost(id));
        self.shard.take_over(portion.carried);
    }

    /// At the end of a turn: whether it was the last for now. The writer comes back first, which under `interval`
    /// may be at work for a sync that nothing waits for.
    pub(super) fn begin_completion<W: Shell>(&mut self, shell: &mut W) -> bool {
        let is_paused = self.stage.phase() == Phase::Paused;
        let purpose = if self.has_drained() {
            Purpose::End
        } else if is_paused && shell.server().phase() == Phase::Snapshotted {
            Purpose::HandOver
        } else {
            return false;
        };
        if shell.disk().is_writing() {
            return false;
        }
        let can_finish = self.shard.log.can_finish();
        if purpose == Purpose::HandOver && !can_finish {
            self.refuse("the last sync of the log has failed".to_owned(), shell);
            return true;
        }
        let sealed = self.shard.log.finish();
        shell.disk().begin(Work::Finish { sealed, leaves_nothing_unused: can_finish });
        self.completion = Completion::Sealing(purpose);
        true
    }

    /// Does what is to be done instead of a turn.
    pub(super) fn complete<W: Shell>(&mut self, shell: &mut W) -> Result<Outcome, TurnError> {
        if let Completion::Sealing(purpose) = self.completion {
            let Some(done) = shell.disk().take_done() else { return Ok(Outcome::Awaits(Awaited::Writer)) };
            self.sealed(done, purpose, shell)?;
        }
        if let Completion::Indexing(purpose) = self.completion {
            if !self.are_indexes_done(shell.disk()) {
                return Ok(Outcome::Awaits(Awaited::Indexes));
            }
            match purpose {
                Purpose::End => self.completion = Completion::Ended,
                Purpose::HandOver => self.give_away(shell)?,
            }
        }
        match self.completion {
            Completion::Given => {
                if !shell.take_back().map_err(TurnError::Sockets)? {
                    return Ok(Outcome::Awaits(Awaited::Return));
                }
                let capacity_bytes = self.commits.options.first_segment_bytes;
                let number = self.shard.log.begin_again(capacity_bytes);
                shell.disk().begin_again(number, capacity_bytes);
            }
            Completion::Refused if shell.server().phase() == Phase::Snapshotted => {
                return Ok(Outcome::Awaits(Awaited::Phase));
            }
            Completion::Ended => return Ok(Outcome::Ended),
            _ => {}
        }
        self.completion = Completion::None;
        Ok(Outcome::Busy)
    }

    fn sealed<W: Shell>(&mut self, done: Done, purpose: Purpose, shell: &mut W) -> Result<(), TurnError> {
        match (done.result, purpose) {
            (Ok(()), _) => {}
            (Err(error), Purpose::End) => return Err(TurnError::Commit(error)),
            (Err(error), Purpose::HandOver) => {
                self.not_sealed(&error, shell);
                return Ok(());
            }
        }
        if let Work::Finish { sealed: Some(sealed), .. } = done.work {
            self.shard.archive().leave(&sealed, sealed.number.next());
        }
        self.begin_last_indexes(shell.disk());
        self.completion = Completion::Indexing(purpose);
        Ok(())
    }

    fn not_sealed<W: Shell>(&mut self, error: &CommitError, shell: &mut W) {
        tracing::error!(shard = self.shard.id().0, %error, "the log cannot be sealed");
        // It is unknown what of the segment is on disk: the next batch goes to a fresh one.
        self.shard.log.sync_failed();
        self.refuse(error.to_string(), shell);
    }

    fn refuse<W: Shell>(&mut self, reason: String, shell: &mut W) {
        shell.hand_over(Err(reason));
        self.completion = Completion::Refused;
    }

    fn give_away<W: Shell>(&mut self, shell: &mut W) -> Result<(), TurnError> {
        let sockets = shell.sockets();
        sockets.give_away().map_err(TurnError::Sockets)?;
        let mut image = self.shard.image(|id| sockets.is_carriable(id));
        #[cfg(any(test, feature = "deliberate-faults"))]
        let includes_unread = !crate::mutation::is_on(crate::mutation::Mutation::ForgetWhatCame);
        #[cfg(not(any(test, feature = "deliberate-faults")))]
        let includes_unread = true;
        if includes_unread {
            image.add_unread(|id| sockets.came(id));
        }
        shell.hand_over(Ok(image));
        self.completion = Completion::Given;
        Ok(())
    }
}

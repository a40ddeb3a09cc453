//! Carries batches to the disk: one write, one `fdatasync`, one commit at a time.
//!
//! [`SegmentWriter::begin`] says what is to be done, and each [`SegmentWriter::step`] does one operation of it.
//! Between two of them the process may be killed or the power cut.

mod next;

use super::error::CommitError;
use super::prepare::Prepared;
use madang_log::{Batch, Durability, Position, SealedSegment, SegmentFiles, SegmentNumber};
use madang_model::ShardId;
use next::UpcomingSegment;
use smallvec::SmallVec;
use std::io;

/// An operation on a segment, as tests make it fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SegmentOperation {
    /// A segment is opened.
    Open,
    /// A batch is written.
    Write,
    /// What was written is synced.
    Sync,
    /// A segment is sealed.
    Seal,
}

impl SegmentOperation {
    /// As the error of it says.
    fn words(self) -> &'static str {
        match self {
            SegmentOperation::Open => "open",
            SegmentOperation::Write => "write to",
            SegmentOperation::Sync => "sync",
            SegmentOperation::Seal => "seal",
        }
    }
}

/// Decides whether an operation fails instead of being done. In life there is none.
pub type Faults = Box<dyn FnMut(SegmentOperation) -> Option<io::Error> + Send>;

/// How a shard's segments are kept.
#[derive(Clone, Copy, Debug)]
pub struct WriterOptions {
    /// Whose they are.
    pub shard: ShardId,
    /// How many shards there are.
    pub shard_count: u16,
    /// The size of a full segment.
    pub segment_bytes: u64,
    /// When a message counts as stored.
    pub durability: Durability,
}

/// What the writer is to do.
#[derive(Debug)]
pub enum Work {
    /// To sync what was written so far, up to this place; then to write a batch and, where the durability asks
    /// for it, to sync it.
    Commit {
        /// Up to where it is synced first.
        sync_to: Option<Position>,
        /// What is written.
        batch: Option<Batch>,
    },
    /// To finish the open segment.
    Finish {
        /// Its seal; none where it holds nothing.
        sealed: Option<SealedSegment>,
        /// Whether to remove what was made ready and holds nothing then: a start would read all its zeros to be
        /// sure of that. After it only [`SegmentWriter::begin_again`] is of use.
        leaves_nothing_unused: bool,
    },
}

/// Work that is done, or failed.
#[derive(Debug)]
pub struct Done {
    /// What it was.
    pub work: Work,
    /// How it ended. After [`CommitError::Prepare`] the same batch may be tried again; after
    /// [`CommitError::File`] its segment is left as it is, and the batch belongs into a fresh one.
    pub result: Result<(), CommitError>,
}

/// How far one step has come.
#[derive(Debug)]
pub enum Progress {
    /// Something was done, and there is more to do.
    Going,
    /// The next segment is needed, and not there yet: [`SegmentWriter::take_prepared`] comes first.
    AwaitsSegment,
    /// All is done, or it failed.
    Done(Done),
}

/// One operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Action {
    /// Syncs what was written so far.
    Sync,
    /// Leaves the open segment.
    Leave,
    /// Syncs what stands before a seal: all of it is on disk before the seal is written, so that the seal
    /// proves it.
    SyncLeft,
    /// Writes a seal.
    Seal,
    /// Cuts off what was not used behind it.
    Cut,
    SyncSealed,
    /// Opens the next segment, unless one is open.
    Open,
    /// Writes the batch.
    Write,
    SyncWritten,
    /// Removes what holds nothing.
    Clear,
}

/// Operations in the reverse order: the next one is the last.
type Actions = SmallVec<[Action; 8]>;

/// The one writer of a shard's log.
pub struct SegmentWriter<F: SegmentFiles> {
    options: WriterOptions,
    open: Option<OpenSegment<F::Segment>>,
    next: UpcomingSegment,
    /// Written, but not synced yet.
    has_unsynced: bool,
    work: Option<(Work, Actions)>,
    faults: Option<Faults>,
}

struct OpenSegment<S> {
    number: SegmentNumber,
    file: S,
}

impl<F: SegmentFiles> SegmentWriter<F> {
    /// A writer that begins with segment `first`, which is ordered with its capacity.
    pub fn new(options: WriterOptions, first: SegmentNumber, first_capacity_bytes: u64) -> SegmentWriter<F> {
        let next = UpcomingSegment::new(&options, first, first_capacity_bytes);
        SegmentWriter { options, open: None, next, has_unsynced: false, work: None, faults: None }
    }

    /// From now on operations fail as `faults` says.
    #[cfg(test)]
    pub fn with_faults(mut self, faults: Faults) -> SegmentWriter<F> {
        self.faults = Some(faults);
        self
    }

    /// Whether something written waits to be synced.
    pub fn has_unsynced(&self) -> bool {
        self.has_unsynced
    }

    /// Begins with segment `number` as if it were the first. What there is of it may be somebody else's,
    /// and is made anew.
    pub fn begin_again(&mut self, files: &F, number: SegmentNumber, capacity_bytes: u64) {
        self.abandon(files);
        self.next = UpcomingSegment::new(&self.options, number, capacity_bytes);
    }

    /// Begins work, of which there is none yet.
    pub fn begin(&mut self, work: Work) {
        assert!(self.work.is_none(), "the writer does one thing at a time");
        let mut actions = Actions::new();
        match &work {
            Work::Commit { sync_to, batch } => {
                if let Some(batch) = batch {
                    if self.options.durability == Durability::Commit {
                        actions.push(Action::SyncWritten);
                    }
                    actions.extend([Action::Write, Action::Open]);
                    actions.extend(batch.seals.is_some().then_some(Action::Leave));
                }
                actions.extend(sync_to.is_some().then_some(Action::Sync));
            }
            Work::Finish { sealed, leaves_nothing_unused } => {
                actions.extend(leaves_nothing_unused.then_some(Action::Clear));
                actions.extend(sealed.is_some().then_some(Action::Leave));
                actions.push(Action::Sync);
            }
        }
        self.work = Some((work, actions));
    }

    /// Does one operation of the work that was begun.
    pub fn step(&mut self, files: &F) -> Progress {
        let (work, mut actions) = self.work.take().expect("a step belongs to work that was begun");
        let Some(action) = actions.pop() else { return Progress::Done(Done { work, result: Ok(()) }) };
        match self.act(action, &work, &mut actions, files) {
            Ok(true) if actions.is_empty() => Progress::Done(Done { work, result: Ok(()) }),
            Ok(is_done) => {
                if !is_done {
                    actions.push(action);
                }
                self.work = Some((work, actions));
                if is_done { Progress::Going } else { Progress::AwaitsSegment }
            }
            Err(error) => {
                use Action::{Cut, Seal, SyncLeft, SyncSealed, SyncWritten, Write};
                if matches!(action, Write | SyncWritten)
                    && let (Some(batch), Some(segment)) = (work.batch(), &self.open)
                {
                    // The batch goes to a fresh segment, again and again while the disk fails.
                    files.give_back(&segment.file, batch.offset_bytes);
                }
                if matches!(action, Write | SyncWritten | SyncLeft | Seal | Cut | SyncSealed) {
                    self.abandon(files);
                }
                Progress::Done(Done { work, result: Err(error) })
            }
        }
    }

    /// The bytes that the next step writes to a segment, and where: when the process is killed meanwhile, any
    /// part of them may be there.
    pub fn next_write(&self) -> Option<(&F::Segment, u64, &[u8])> {
        let (Work::Commit { batch: Some(batch), .. }, actions) = self.work.as_ref()? else { return None };
        let segment = self.open.as_ref().filter(|_| actions.last() == Some(&Action::Write))?;
        Some((&segment.file, batch.offset_bytes, &batch.bytes))
    }

    /// Does one operation. False when it is to be tried again, or when the next segment is to be there first.
    fn act(
        &mut self,
        action: Action,
        work: &Work,
        actions: &mut Actions,
        files: &F,
    ) -> Result<bool, CommitError> {
        match action {
            Action::Sync | Action::SyncLeft => self.sync(files)?,
            Action::SyncWritten => {
                #[cfg(any(test, feature = "deliberate-faults"))]
                if crate::mutation::is_on(crate::mutation::Mutation::AcknowledgeBeforeSync) {
                    return Ok(true);
                }
                self.sync(files)?;
            }
            Action::Leave if work.sealed().is_some_and(|sealed| sealed.is_abandoned) => self.abandon(files),
            Action::Leave => {
                actions.extend([Action::SyncSealed, Action::Cut, Action::Seal, Action::SyncLeft]);
            }
            Action::Seal | Action::Cut | Action::SyncSealed => self.seal_step(action, work, files)?,
            Action::Open => return self.open_next(work, files),
            Action::Write => self.write(work, files)?,
            Action::Clear => return Ok(self.leave_nothing_unused(files)),
        }
        Ok(true)
    }

    fn write(&mut self, work: &Work, files: &F) -> Result<(), CommitError> {
        self.fail(SegmentOperation::Write, files)?;
        let batch = work.batch().expect("what is written is a batch");
        let segment = self.open.as_ref().expect("a segment is open while a batch is written");
        assert_eq!(segment.number, batch.segment, "a batch is written to the segment it was made for");
        let written = files.write_at(&segment.file, batch.offset_bytes, &batch.bytes);
        written.map_err(|error| self.failed("write to", error, files))?;
        self.has_unsynced = true;
        Ok(())
    }

    /// Syncs what is written. A sync that failed is never tried again as if it could succeed: the
    /// kernel may have dropped what it could not write.
    fn sync(&mut self, files: &F) -> Result<(), CommitError> {
        if !std::mem::take(&mut self.has_unsynced) || self.open.is_none() {
            return Ok(());
        }
        self.fail(SegmentOperation::Sync, files)?;
        let synced = self.open.as_ref().map_or(Ok(()), |segment| files.sync_contents(&segment.file));
        #[cfg(any(test, feature = "deliberate-faults"))]
        if crate::mutation::is_on(crate::mutation::Mutation::IgnoreFailedSync) {
            return Ok(());
        }
        synced.map_err(|error| self.failed("sync", error, files))
    }

    /// A part of finishing the open segment; at the end of the last it is left.
    fn seal_step(&mut self, action: Action, work: &Work, files: &F) -> Result<(), CommitError> {
        if self.open.is_some() && action == Action::Seal {
            self.fail(SegmentOperation::Seal, files)?;
        }
        let (Some(OpenSegment { file, .. }), Some(sealed)) = (&self.open, work.sealed()) else {
            return Ok(());
        };
        let end_bytes = sealed.end_offset_bytes + sealed.frame.len() as u64;
        let (what, done) = match action {
            Action::Seal => ("seal", files.write_at(file, sealed.end_offset_bytes, &sealed.frame)),
            Action::Cut => ("truncate", files.truncate(file, end_bytes)),
            _ => ("sync", files.sync_contents(file)),
        };
        done.map_err(|error| self.failed(what, error, files))?;
        if action == Action::SyncSealed {
            self.abandon(files);
        }
        Ok(())
    }

    /// Closes the open segment as it is. Where users were shown what is in it before it was synced, it is
    /// synced now: nobody will again, and the interval has not been longer than was promised.
    fn abandon(&mut self, files: &F) {
        if matches!(self.options.durability, Durability::Interval(_))
            && let Err(error) = self.sync(files)
        {
            let shard = self.options.shard.0;
            tracing::error!(shard, %error, "messages shown since the last sync may be lost in a power cut");
        }
        self.open = None;
        self.has_unsynced = false;
    }

    /// Removes what was made and holds nothing. False while a segment is being made: that is to be removed, too.
    fn leave_nothing_unused(&mut self, files: &F) -> bool {
        if self.next.is_ordered() {
            return false;
        }
        let unused_from = self.open.take().map_or(self.next.number(), |segment| segment.number);
        let shard = self.options.shard;
        #[cfg(any(test, feature = "deliberate-faults"))]
        if crate::mutation::is_on(crate::mutation::Mutation::LeaveLaterSegments) {
            let _ = files.remove(shard, unused_from);
            return true;
        }
        // What is left behind by a failure costs time, and is removed by the start.
        let _ = files.remove_from(shard, unused_from);
        true
    }

    /// A segment is made ready, or why it cannot be.
    pub fn take_prepared(&mut self, prepared: Prepared) {
        self.next.take_prepared(prepared);
    }

    /// Fails when a test wants it to.
    fn fail(&mut self, operation: SegmentOperation, files: &F) -> Result<(), CommitError> {
        let error = self.faults.as_mut().and_then(|faults| faults(operation));
        error.map_or(Ok(()), |error| Err(self.failed(operation.words(), error, files)))
    }

    fn failed(&self, what: &'static str, source: io::Error, files: &F) -> CommitError {
        let number = self.open.as_ref().map_or(self.next.number(), |segment| segment.number);
        CommitError::File { what, path: files.path(self.options.shard, number), source }
    }
}

impl Work {
    fn batch(&self) -> Option<&Batch> {
        match self {
            Work::Commit { batch, .. } => batch.as_ref(),
            Work::Finish { .. } => None,
        }
    }

    /// The segment that is left, with its seal.
    fn sealed(&self) -> Option<&SealedSegment> {
        match self {
            Work::Commit { batch, .. } => batch.as_ref()?.seals.as_ref(),
            Work::Finish { sealed, .. } => sealed.as_ref(),
        }
    }
}

//! Carries batches to the disk: one write, one `fdatasync`, one at a time. Blocks: it is used on the
//! log's own thread, and by a shard that ends.

use super::bell::Bell;
use super::outage::Outage;
use super::preparer::{Order, PrepareError, Prepared, Preparer, reason_for_people};
use crate::log::{Batch, Durability, Files, SealedSegment, SegmentNumber, StdFiles};
use crate::shard::Storage;
use crate::types::ShardId;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Why a batch is not on disk.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The segment it is made for cannot be had yet: nothing of it was written.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The system refused. What of the segment is on disk after its committed end is unknown.
    #[error("cannot {what} segment '{}': {source}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// With which segment.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl CommitError {
    /// What a person who wanted to say something may be told.
    pub fn reason(&self) -> &'static str {
        match self {
            CommitError::Prepare(error) => error.reason(),
            CommitError::File { source, .. } => reason_for_people(source.kind()),
        }
    }
}

/// An operation on a segment, as tests make it fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    Open,
    Write,
    Sync,
    Seal,
}

impl Operation {
    /// As the error of it says.
    fn words(self) -> &'static str {
        match self {
            Operation::Open => "open",
            Operation::Write => "write to",
            Operation::Sync => "sync",
            Operation::Seal => "seal",
        }
    }
}

/// Decides whether an operation fails instead of being done. In life there is none.
pub type Faults = Box<dyn FnMut(Operation) -> Option<io::Error> + Send>;

/// Where and how a shard's segments are kept.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    pub data: PathBuf,
    pub shard: ShardId,
    pub shard_count: u16,
    pub segment_bytes: u64,
    pub durability: Durability,
}

/// The one writer of a shard's log.
pub struct Writer {
    options: WriterOptions,
    open: Option<OpenSegment>,
    next: Next,
    next_number: SegmentNumber,
    next_capacity_bytes: u64,
    is_first_open: bool,
    /// The time without a next segment, as the operator is told of it.
    missing: Outage,
    preparer: Preparer,
    bell: Arc<Bell>,
    reply: flume::Sender<Prepared>,
    prepared: flume::Receiver<Prepared>,
    /// Written, but not synced yet.
    has_unsynced: bool,
    faults: Option<Faults>,
}

/// The segment after the open one.
enum Next {
    /// The files thread works on it.
    Ordered,
    /// The same, after it could not be made ready, for this reason.
    OrderedAgain(&'static str),
    Ready(PathBuf),
    /// It could not be made ready. It is ordered again when that is looked after.
    Failed(PrepareError),
}

impl Next {
    /// Whether the files thread works on it.
    fn is_ordered(&self) -> bool {
        matches!(self, Next::Ordered | Next::OrderedAgain(_))
    }
}

struct OpenSegment {
    number: SegmentNumber,
    path: PathBuf,
    file: File,
}

impl Writer {
    /// A writer that begins with segment `first`, which is ordered at once with its capacity.
    pub fn new(
        options: WriterOptions,
        preparer: Preparer,
        bell: Arc<Bell>,
        first: SegmentNumber,
        first_capacity_bytes: u64,
    ) -> Writer {
        let (reply, prepared) = flume::bounded(2);
        let mut writer = Writer {
            options,
            open: None,
            next: Next::Ordered,
            next_number: first,
            next_capacity_bytes: first_capacity_bytes,
            is_first_open: false,
            missing: Outage::default(),
            preparer,
            bell,
            reply,
            prepared,
            has_unsynced: false,
            faults: None,
        };
        writer.order();
        writer
    }

    /// From now on operations fail as `faults` says.
    #[cfg(test)]
    pub fn with_faults(mut self, faults: Faults) -> Writer {
        self.faults = Some(faults);
        self
    }

    fn order(&mut self) {
        let WriterOptions { data, shard, shard_count, .. } = &self.options;
        let order = Order {
            data: data.clone(),
            shard: *shard,
            shard_count: *shard_count,
            number: self.next_number,
            capacity_bytes: self.next_capacity_bytes,
        };
        self.next = Next::Ordered;
        self.preparer.order(order, self.reply.clone(), Arc::clone(&self.bell));
    }

    /// Whether there is a segment to go on with after the open one, and an open one. Cheap while there is.
    pub fn next_storage(&mut self) -> Storage {
        if self.next.is_ordered()
            && let Ok(prepared) = self.prepared.try_recv()
        {
            self.take_prepared(prepared);
            self.report_next();
            self.open_first();
        }
        let missing = match &self.next {
            Next::Ready(_) => return Storage::Ready,
            Next::Ordered if self.is_first_open => return Storage::Preparing,
            Next::Ordered => return Storage::Beginning,
            // Still missing while it is tried again: who speaks meanwhile is refused, and waits for no disk.
            Next::OrderedAgain(reason) => reason,
            Next::Failed(error) => error.reason(),
        };
        if self.is_first_open { Storage::LastSegment(missing) } else { Storage::NoSegment(missing) }
    }

    /// Tells the operator that there is no next segment, or that there is one again.
    fn report_next(&mut self) {
        let shard = self.options.shard.0;
        match &self.next {
            Next::Failed(error) => {
                if let Some(attempts) = self.missing.met(Instant::now()) {
                    tracing::error!(shard, attempts, %error, "{}", match self.is_first_open {
                        true => "no next segment: messages are refused once the open one is full",
                        false => "no segment: messages are refused until there is one",
                    });
                }
            }
            _ => {
                if let Some(attempts) = self.missing.is_over() {
                    tracing::info!(shard, attempts, "there is a next segment again");
                }
            }
        }
    }

    /// Opens the first segment before there is a batch for it, so that the one after it is made ready
    /// before people talk. Should it fail, the first batch finds out.
    fn open_first(&mut self) {
        if self.is_first_open {
            return;
        }
        if let Next::Ready(path) = &self.next
            && let Ok(file) = open(path)
        {
            self.open = Some(OpenSegment { number: self.next_number, path: path.clone(), file });
            self.order_after(self.next_number);
        }
    }

    /// Orders the segment after `number`, which is in use now.
    fn order_after(&mut self, number: SegmentNumber) {
        self.is_first_open = true;
        self.next_number = number.next();
        self.next_capacity_bytes = self.options.segment_bytes;
        self.order();
    }

    /// Orders the next segment again when it could not be made. To be called about once a second.
    pub fn retry_next(&mut self) {
        if let Next::Failed(error) = &self.next {
            let reason = error.reason();
            self.order();
            self.next = Next::OrderedAgain(reason);
        }
    }

    /// The size of a full segment.
    pub fn segment_bytes(&self) -> u64 {
        self.options.segment_bytes
    }

    /// Waits until no segment is being made, and removes what was made and holds nothing: a start would read
    /// all its zeros to be sure of that. After this only [`Writer::begin_again`] is of use.
    pub fn leave_nothing_unused(&mut self) {
        self.await_next();
        let unused_from = self.open.take().map_or(self.next_number, |segment| segment.number);
        let files = StdFiles::new(self.options.data.clone());
        // What is left behind by a failure costs time, and is removed by the start.
        let _ = files.remove_from(self.options.shard, unused_from);
    }

    /// Begins with segment `number` as if it were the first. What there is of it may be somebody else's,
    /// and is made anew.
    pub fn begin_again(&mut self, number: SegmentNumber, capacity_bytes: u64) {
        self.abandon();
        self.next_number = number;
        self.next_capacity_bytes = capacity_bytes;
        self.is_first_open = false;
        self.order();
    }

    fn take_prepared(&mut self, prepared: Prepared) {
        assert_eq!(prepared.number, self.next_number, "segments are prepared in the order of their use");
        self.next = prepared.path.map_or_else(Next::Failed, Next::Ready);
    }

    /// Writes a batch and, where the durability asks for it, syncs it.
    ///
    /// # Errors
    /// After [`CommitError::Prepare`] the same batch may be tried again; after
    /// [`CommitError::File`] its segment is left as it is, and the batch belongs into a fresh one.
    pub fn commit(&mut self, batch: &Batch) -> Result<(), CommitError> {
        if let Some(sealed) = &batch.seals {
            self.leave(sealed)?;
        }
        if self.open.is_none() {
            self.open_next(batch.segment)?;
        }
        let written = self.write(batch);
        if written.is_err() {
            self.abandon();
        }
        written
    }

    fn write(&mut self, batch: &Batch) -> Result<(), CommitError> {
        self.fail(Operation::Write)?;
        let segment = self.segment();
        assert_eq!(segment.number, batch.segment, "a batch is written to the segment it was made for");
        let written = segment.file.write_all_at(&batch.bytes, batch.offset_bytes);
        written.map_err(|error| segment.failed("write to", error))?;
        self.has_unsynced = true;
        match self.options.durability {
            Durability::Commit => self.sync(),
            Durability::Interval(_) | Durability::None => Ok(()),
        }
    }

    /// Syncs what is written. A sync that failed is never tried again as if it could succeed: the
    /// kernel may have dropped what it could not write.
    pub fn sync(&mut self) -> Result<(), CommitError> {
        if !std::mem::take(&mut self.has_unsynced) || self.open.is_none() {
            return Ok(());
        }
        self.fail(Operation::Sync)?;
        let segment = self.segment();
        segment.file.sync_data().map_err(|error| segment.failed("sync", error))
    }

    /// Whether something written waits to be synced.
    pub fn has_unsynced(&self) -> bool {
        self.has_unsynced
    }

    /// Lets go of the open segment as it is. Where people were shown what is in it before it was synced, it is
    /// synced now: nobody will again, and the interval has not been longer than was promised.
    fn abandon(&mut self) {
        if matches!(self.options.durability, Durability::Interval(_))
            && let Err(error) = self.sync()
        {
            let shard = self.options.shard.0;
            tracing::error!(shard, %error, "messages shown since the last sync may be lost in a power cut");
        }
        self.open = None;
        self.has_unsynced = false;
    }

    /// Leaves the open segment: seals it, unless writing to it has failed before.
    fn leave(&mut self, sealed: &SealedSegment) -> Result<(), CommitError> {
        if sealed.is_abandoned {
            self.abandon();
            return Ok(());
        }
        self.seal(sealed)
    }

    /// Finishes the open segment: all before the seal is on disk before the seal is written, so
    /// that the seal proves it. Then what was not used is cut off.
    pub fn seal(&mut self, sealed: &SealedSegment) -> Result<(), CommitError> {
        let done = self.try_seal(sealed);
        self.abandon();
        done
    }

    fn try_seal(&mut self, sealed: &SealedSegment) -> Result<(), CommitError> {
        self.sync()?;
        if self.open.is_none() {
            return Ok(());
        }
        self.fail(Operation::Seal)?;
        let segment = self.segment();
        let written = segment.file.write_all_at(&sealed.frame, sealed.end_offset_bytes);
        written.map_err(|error| segment.failed("seal", error))?;
        let end = sealed.end_offset_bytes + sealed.frame.len() as u64;
        segment.file.set_len(end).map_err(|error| segment.failed("truncate", error))?;
        segment.file.sync_data().map_err(|error| segment.failed("sync", error))
    }

    fn open_next(&mut self, number: SegmentNumber) -> Result<(), CommitError> {
        // Where sealing failed, the segment after it was never opened: recovery removes it.
        while self.next_number < number {
            self.await_next();
            self.next_number = self.next_number.next();
            self.order();
        }
        assert_eq!(number, self.next_number, "segments are used in the order of their numbers");
        self.await_next();
        let path = match std::mem::replace(&mut self.next, Next::Ordered) {
            Next::Ready(path) => path,
            Next::Failed(error) => {
                self.order();
                return Err(error.into());
            }
            Next::Ordered | Next::OrderedAgain(_) => unreachable!("what was ordered has just been taken"),
        };
        self.order_after(number);
        let failed = |source| CommitError::File { what: "open", path: path.clone(), source };
        if let Some(error) = self.faults.as_mut().and_then(|faults| faults(Operation::Open)) {
            return Err(failed(error));
        }
        let file = open(&path).map_err(failed)?;
        self.open = Some(OpenSegment { number, path, file });
        Ok(())
    }

    fn await_next(&mut self) {
        if self.next.is_ordered() {
            let prepared = self.prepared.recv();
            self.take_prepared(prepared.expect("this writer keeps a sender of its own channel"));
        }
    }

    fn segment(&self) -> &OpenSegment {
        self.open.as_ref().expect("a segment is open while a batch is written")
    }

    /// Fails when a test wants it to.
    fn fail(&mut self, operation: Operation) -> Result<(), CommitError> {
        let error = self.faults.as_mut().and_then(|faults| faults(operation));
        error.map_or(Ok(()), |error| Err(self.segment().failed(operation.words(), error)))
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

impl OpenSegment {
    fn failed(&self, what: &'static str, source: io::Error) -> CommitError {
        CommitError::File { what, path: self.path.clone(), source }
    }
}

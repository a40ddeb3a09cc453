//! The one writer of a shard's log, as the runtime has it, a step at a time on the virtual disk.

use super::chance::Chance;
use super::disk::{Disk, Handle};
use super::mutation::mutated;
use madang_shards::log::{
    Batch, Durability, Files, Position, SealedSegment, SegmentHeader, SegmentNumber, StoredFile,
};
use madang_shards::shard::Storage;
use madang_shards::types::ShardId;
use std::collections::VecDeque;
use std::io;

/// Why a batch is not on disk.
#[derive(Debug)]
pub enum CommitError {
    /// There is no segment for it; nothing of it was written.
    Prepare,
    /// A write or a sync failed.
    File,
}

/// What a commit ends with.
pub struct Committed {
    pub batch: Option<Batch>,
    pub synced: Option<Position>,
    pub result: Result<(), CommitError>,
}

#[derive(Debug)]
enum Action {
    Sync,
    Leave,
    Seal,
    Truncate,
    SyncSeal,
    Open,
    Write,
}

struct Commit {
    batch: Option<Batch>,
    sealed: Option<SealedSegment>,
    synced: Option<Position>,
    actions: VecDeque<Action>,
}

/// The segment after the open one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Next {
    Ordered,
    OrderedAgain,
    Ready,
    Failed,
}

impl Next {
    fn is_ordered(self) -> bool {
        matches!(self, Next::Ordered | Next::OrderedAgain)
    }
}

/// The writer, and the thread that makes segments ready.
pub struct Writer {
    shard: ShardId,
    shard_count: u16,
    segment_bytes: u64,
    durability: Durability,
    open: Option<(SegmentNumber, Handle)>,
    next: Next,
    next_number: SegmentNumber,
    next_capacity_bytes: u64,
    is_first_open: bool,
    has_unsynced: bool,
    commit: Option<Commit>,
}

impl Writer {
    pub fn new(
        shard: ShardId,
        shard_count: u16,
        segment_bytes: u64,
        durability: Durability,
        first: SegmentNumber,
    ) -> Writer {
        Writer {
            shard,
            shard_count,
            segment_bytes,
            durability,
            open: None,
            next: Next::Ordered,
            next_number: first,
            next_capacity_bytes: segment_bytes,
            is_first_open: false,
            has_unsynced: false,
            commit: None,
        }
    }

    /// Whether there is a segment to go on with.
    pub fn next_storage(&mut self, disk: &Disk) -> Storage {
        self.open_first(disk);
        match self.next {
            Next::Ready => Storage::Ready,
            Next::Ordered if self.is_first_open => Storage::Preparing,
            Next::Ordered => Storage::Beginning,
            _ if self.is_first_open => Storage::LastSegment("the disk is full"),
            _ => Storage::NoSegment("the disk is full"),
        }
    }

    /// The first segment is opened before there is a batch for it.
    fn open_first(&mut self, disk: &Disk) {
        if self.is_first_open || self.next != Next::Ready {
            return;
        }
        if let Ok(handle) = disk.open((self.shard, StoredFile::Segment(self.next_number), false)) {
            self.open = Some((self.next_number, handle));
            self.order_after(self.next_number);
        }
    }

    fn order_after(&mut self, number: SegmentNumber) {
        self.is_first_open = true;
        self.next_number = number.next();
        self.next_capacity_bytes = self.segment_bytes;
        self.next = Next::Ordered;
    }

    pub fn retry_next(&mut self) {
        if self.next == Next::Failed {
            self.next = Next::OrderedAgain;
        }
    }

    pub fn is_committing(&self) -> bool {
        self.commit.is_some()
    }

    pub fn has_unsynced(&self) -> bool {
        self.has_unsynced
    }

    /// Begins a commit: a sync of what was written before, a batch, or both.
    pub fn begin(&mut self, batch: Option<Batch>, synced: Option<Position>) {
        let mut actions = VecDeque::new();
        if synced.is_some() {
            actions.push_back(Action::Sync);
        }
        let sealed = batch.as_ref().and_then(|batch| batch.seals.clone());
        if batch.is_some() {
            actions.extend([Action::Leave, Action::Open, Action::Write]);
            if self.durability == Durability::Commit {
                actions.push_back(Action::Sync);
            }
        }
        self.commit = Some(Commit { batch, sealed, synced, actions });
    }

    /// Begins to finish the open segment, at the end of the server.
    pub fn begin_finish(&mut self, sealed: Option<SealedSegment>) {
        let actions = VecDeque::from([Action::Sync, Action::Leave]);
        self.commit = Some(Commit { batch: None, sealed, synced: None, actions });
    }

    /// Removes what was made and holds nothing, unless a segment is being made: then it is to be waited for.
    pub fn leave_nothing_unused(&mut self, disk: &Disk) -> bool {
        if self.next.is_ordered() {
            return false;
        }
        let unused_from = self.open.take().map_or(self.next_number, |(number, _)| number);
        if mutated!(LeaveLaterSegments) {
            let _ = disk.remove(self.shard, unused_from);
            return true;
        }
        // What is left behind by a failure is removed by the start.
        let _ = disk.remove_from(self.shard, unused_from);
        true
    }

    /// Begins with this segment as if it were the first.
    pub fn begin_again(&mut self, number: SegmentNumber) {
        (self.open, self.has_unsynced) = (None, false);
        self.next_number = number;
        self.next_capacity_bytes = self.segment_bytes;
        self.is_first_open = false;
        self.next = Next::Ordered;
    }

    /// Makes the next segment ready, if that is ordered. Whether it was.
    pub fn prepare(&mut self, disk: &Disk, now_us: i64) -> bool {
        if !self.next.is_ordered() {
            return false;
        }
        self.next = if self.fill(disk, now_us).is_ok() { Next::Ready } else { Next::Failed };
        true
    }

    fn fill(&self, disk: &Disk, now_us: i64) -> io::Result<()> {
        let file = StoredFile::Segment(self.next_number);
        let (unfinished, name) = ((self.shard, file, true), (self.shard, file, false));
        if !disk.has_directory(self.shard) {
            disk.create_directory(self.shard, true)?;
        }
        let header = SegmentHeader {
            shard: self.shard,
            shard_count: self.shard_count,
            segment: self.next_number,
            created_us: now_us,
            capacity_bytes: self.next_capacity_bytes,
        };
        let mut bytes = header.encode().to_vec();
        bytes.resize(self.next_capacity_bytes as usize, 0);
        let fill = || -> io::Result<()> {
            let handle = disk.create(unfinished)?;
            disk.write(handle, 0, &bytes)?;
            disk.sync(handle)?;
            disk.rename(unfinished, name)
        };
        fill().inspect_err(|_| {
            // As the real one: what the attempt took is given back, if it can be.
            let _ = disk.unlink(unfinished);
        })?;
        if mutated!(ForgetDirectorySync) {
            return Ok(());
        }
        disk.sync_directory(self.shard)
    }

    /// Does one thing for the commit under way. Whether something was done, and what the commit
    /// ended with if it did.
    pub fn step(&mut self, disk: &Disk) -> (bool, Option<Committed>) {
        let Some(commit) = &mut self.commit else { return (false, None) };
        let Some(action) = commit.actions.pop_front() else { return (true, self.end(Ok(()))) };
        let is_of_seal = matches!(action, Action::Seal | Action::Truncate | Action::SyncSeal);
        match self.act(action, disk) {
            Ok(true) => {
                let is_done = self.commit.as_ref().is_some_and(|commit| commit.actions.is_empty());
                (true, if is_done { self.end(Ok(())) } else { None })
            }
            Ok(false) => (false, None),
            Err(error) => {
                if matches!(error, CommitError::File)
                    && self.commit.as_ref().is_some_and(|c| c.batch.is_some() || is_of_seal)
                {
                    self.abandon(disk);
                }
                (true, self.end(Err(error)))
            }
        }
    }

    /// The process is killed: a write that was next may be done in part.
    pub fn tear(&mut self, disk: &Disk, chance: &mut Chance) {
        let Some(commit) = &self.commit else { return };
        if let (Some(Action::Write), Some(batch), Some((_, handle))) =
            (commit.actions.front(), &commit.batch, self.open)
        {
            let written = chance.below(batch.bytes.len() + 1);
            // It is too late to hear of an error.
            let _ = disk.write(handle, batch.offset_bytes, &batch.bytes[..written]);
        }
    }

    fn end(&mut self, result: Result<(), CommitError>) -> Option<Committed> {
        let Commit { batch, synced, .. } = self.commit.take()?;
        Some(Committed { batch, synced, result })
    }

    /// Lets go of the open segment as it is. What was shown of it before it was synced is synced now.
    fn abandon(&mut self, disk: &Disk) {
        if matches!(self.durability, Durability::Interval(_))
            && self.has_unsynced
            && let Some((_, handle)) = self.open
        {
            // It is too late to hear of an error.
            let _ = disk.sync_unnoted(handle);
        }
        self.open = None;
        self.has_unsynced = false;
    }

    /// Whether it could be done now.
    fn act(&mut self, action: Action, disk: &Disk) -> Result<bool, CommitError> {
        let failed = |_: io::Error| CommitError::File;
        let Some(commit) = &mut self.commit else { return Ok(false) };
        match action {
            Action::Sync => {
                if mutated!(AcknowledgeBeforeSync) {
                    return Ok(true);
                }
                self.sync(disk)?;
            }
            Action::Leave => match &commit.sealed {
                None => {}
                Some(sealed) if sealed.is_abandoned => self.abandon(disk),
                Some(_) => {
                    let actions = [Action::Sync, Action::Seal, Action::Truncate, Action::SyncSeal];
                    actions.into_iter().rev().for_each(|action| commit.actions.push_front(action));
                }
            },
            Action::Seal => {
                if let (Some((_, handle)), Some(sealed)) = (self.open, &commit.sealed) {
                    disk.write(handle, sealed.end_offset_bytes, &sealed.frame).map_err(failed)?;
                }
            }
            Action::Truncate => {
                if let (Some((_, handle)), Some(sealed)) = (self.open, &commit.sealed) {
                    let end_bytes = sealed.end_offset_bytes + sealed.frame.len() as u64;
                    disk.truncate(handle, end_bytes).map_err(failed)?;
                }
            }
            Action::SyncSeal => {
                let synced = self.open.map_or(Ok(()), |(_, handle)| disk.sync(handle));
                self.abandon(disk);
                synced.map_err(failed)?;
            }
            Action::Open => return self.open_next(disk),
            Action::Write => {
                let (Some(batch), Some((segment, handle))) = (&commit.batch, self.open) else {
                    unreachable!("a segment is open while a batch is written")
                };
                assert_eq!(segment, batch.segment, "a batch is written to the segment it was made for");
                disk.write(handle, batch.offset_bytes, &batch.bytes).map_err(failed)?;
                if self.durability.releases_before_sync() {
                    disk.note_written(handle);
                }
                self.has_unsynced = true;
            }
        }
        Ok(true)
    }

    fn sync(&mut self, disk: &Disk) -> Result<(), CommitError> {
        if !std::mem::take(&mut self.has_unsynced) {
            return Ok(());
        }
        let Some((_, handle)) = self.open else { return Ok(()) };
        let synced = disk.sync(handle);
        if mutated!(IgnoreFailedSync) {
            return Ok(());
        }
        synced.map_err(|_| CommitError::File)
    }

    fn open_next(&mut self, disk: &Disk) -> Result<bool, CommitError> {
        let Some(number) = self.commit.as_ref().and_then(|c| c.batch.as_ref()).map(|batch| batch.segment)
        else {
            return Ok(true);
        };
        if self.open.is_some() {
            return Ok(true);
        }
        if self.next.is_ordered() {
            // It is waited for; the same action is tried again.
            if let Some(commit) = &mut self.commit {
                commit.actions.push_front(Action::Open);
            }
            return Ok(false);
        }
        if self.next_number < number {
            // The segment before was never opened, as sealing failed: recovery removes it.
            self.next_number = self.next_number.next();
            self.next = Next::Ordered;
            if let Some(commit) = &mut self.commit {
                commit.actions.push_front(Action::Open);
            }
            return Ok(true);
        }
        assert_eq!(number, self.next_number, "segments are used in the order of their numbers");
        let is_ready = self.next == Next::Ready;
        self.next = Next::Ordered;
        if !is_ready {
            return Err(CommitError::Prepare);
        }
        self.order_after(number);
        let handle =
            disk.open((self.shard, StoredFile::Segment(number), false)).map_err(|_| CommitError::File)?;
        self.open = Some((number, handle));
        Ok(true)
    }
}

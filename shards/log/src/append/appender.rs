//! Group commit, as a state machine: while one batch is on its way to the disk, the next fills.

use super::batch::{Batch, BatchId, SealedSegment};
use super::current::{Current, START_BYTES};
use super::durability::Durability;
use crate::format::{
    ABANDONED_FRAME_BYTES, AbandonedRecord, FRAME_BYTES_MAX, NewEntry, Record, SEAL_FRAME_BYTES,
    SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN, SealRecord, SegmentId, SegmentNumber, StoredFacts, push_frame,
    stamp_frames,
};
use madang_model::ShardId;

/// The most that one commit writes. Larger ones gain nothing and hold messages back longer.
const BATCH_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A place in the log of one shard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Position {
    /// Which segment.
    pub segment: SegmentNumber,
    /// Where in it.
    pub offset_bytes: u64,
}

/// Turns messages into batches, and knows which of them are committed.
///
/// Pure: the caller writes and syncs what [`take_batch`](Self::take_batch) gives, one at a time,
/// and answers each with [`committed`](Self::committed) or [`failed`](Self::failed).
#[derive(Debug)]
pub struct Appender {
    shard: ShardId,
    durability: Durability,
    /// The capacity of every segment but the first.
    segment_bytes: u64,
    batch_bytes_max: usize,
    current: Current,
    /// Frames of the batch that fills, not stamped yet. Its id is `last_taken.next()`.
    open: Vec<u8>,
    open_counts: SealRecord,
    /// An empty buffer with the capacity of an earlier batch, so that none is allocated.
    spare: Vec<u8>,
    last_taken: BatchId,
    last_committed: BatchId,
    /// What the batch in flight will add to the counts of its segment.
    in_flight: Option<SealRecord>,
    /// The length of the batch in flight; 0 when there is none.
    in_flight_bytes: u64,
    /// A batch whose writing failed; it goes to a fresh segment before anything else.
    retry: Option<Retry>,
    /// The batch taken last has failed before, and begins with the note of it.
    is_retried: bool,
    /// A sync of the current segment failed: the next batch goes to a fresh one.
    is_left: bool,
    /// Everything before it is on disk, but for what is in the segment [`last_unsynced`](Self::last_unsynced) and before.
    synced: Position,
    /// The last segment that was left before all of it was known to be on disk, where messages are shown before they are
    /// synced; 0 is none.
    last_unsynced: SegmentNumber,
    /// The current segment is to be finished once this batch is written, whether it is full or not.
    finish_after: Option<BatchId>,
}

#[derive(Debug)]
struct Retry {
    bytes: Vec<u8>,
    counts: SealRecord,
    /// The last segment that holds anything committed.
    left: SealedSegment,
}

impl Appender {
    /// Begins at the start of a fresh segment `first` of `first_capacity_bytes`; later segments have
    /// `segment_bytes`.
    ///
    /// # Panics
    /// When a capacity is not within [`SEGMENT_BYTES_MIN`]`..=`[`SEGMENT_BYTES_MAX`]: the
    /// configuration checks it.
    pub fn new(
        shard: ShardId,
        first: SegmentNumber,
        first_capacity_bytes: u64,
        segment_bytes: u64,
        durability: Durability,
    ) -> Appender {
        for capacity in [first_capacity_bytes, segment_bytes] {
            let is_allowed = (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&capacity);
            assert!(
                is_allowed,
                "a segment has {SEGMENT_BYTES_MIN} to {SEGMENT_BYTES_MAX} bytes, not {capacity}"
            );
        }
        let smallest = first_capacity_bytes.min(segment_bytes);
        let batch_bytes_max = BATCH_BYTES_MAX.min(smallest - START_BYTES - SEAL_FRAME_BYTES as u64);
        Appender {
            shard,
            durability,
            segment_bytes,
            batch_bytes_max: batch_bytes_max as usize - ABANDONED_FRAME_BYTES,
            current: Current::start(first, first_capacity_bytes),
            open: Vec::new(),
            open_counts: SealRecord::default(),
            spare: Vec::new(),
            last_taken: BatchId::ZERO,
            last_committed: BatchId::ZERO,
            in_flight: None,
            in_flight_bytes: 0,
            retry: None,
            is_retried: false,
            is_left: false,
            synced: Position { segment: first, offset_bytes: START_BYTES },
            last_unsynced: SegmentNumber(0),
            finish_after: None,
        }
    }

    /// Adds an entry to the open batch, and says which batch carries it.
    ///
    /// # Panics
    /// When [`is_full`](Self::is_full), or when the text is longer than
    /// [`TEXT_BYTES_MAX`](crate::TEXT_BYTES_MAX): the caller checks both.
    pub fn append<'a>(&mut self, entry: impl Into<NewEntry<'a>>) -> BatchId {
        let entry = entry.into();
        assert!(!self.is_full(), "nothing is appended to a full batch");
        push_frame(&mut self.open, &Record::Entry(entry));
        self.open_counts.count(entry.time().0);
        self.last_taken.next()
    }

    /// Adds records of facts to the open batch, behind one another. Returns the batch that carries them, and their bytes.
    ///
    /// # Panics
    /// When [`is_full`](Self::is_full), or when a body is longer than a frame holds, or all of them than
    /// [`free_bytes`](Self::free_bytes) says: the caller checks.
    pub fn append_facts<'f>(&mut self, records: impl Iterator<Item = StoredFacts<'f>>) -> (BatchId, u64) {
        assert!(!self.is_full(), "nothing is appended to a full batch");
        let before = self.open.len();
        for facts in records {
            push_frame(&mut self.open, &Record::Facts(facts));
        }
        assert!(self.open.len() <= self.batch_bytes_max, "what is appended together fits into one batch");
        (self.last_taken.next(), (self.open.len() - before) as u64)
    }

    /// Bytes of frames that may be appended to the open batch. With `is_next_ready` they may go to the next segment;
    /// otherwise they surely fit into the current one.
    pub fn free_bytes(&self, is_next_ready: bool) -> usize {
        let in_batch = self.batch_bytes_max.saturating_sub(self.open.len());
        if is_next_ready {
            return in_batch;
        }
        let taken =
            self.current.end_bytes + self.in_flight_bytes + (self.open.len() + SEAL_FRAME_BYTES) as u64;
        let in_segment = if self.is_left { 0 } else { self.current.capacity_bytes.saturating_sub(taken) };
        in_batch.min(usize::try_from(in_segment).unwrap_or(usize::MAX))
    }

    /// Whether nothing more may be appended until a batch is taken: the open one might pass its
    /// bound.
    pub fn is_full(&self) -> bool {
        self.open.len() + FRAME_BYTES_MAX > self.batch_bytes_max
    }

    /// Whether one more message surely fits into the current segment, after all that waits: it needs
    /// no next one.
    pub fn has_room(&self) -> bool {
        let waiting = self.open.len() + FRAME_BYTES_MAX + SEAL_FRAME_BYTES;
        !self.is_left
            && self.finish_after.is_none()
            && self.current.end_bytes + self.in_flight_bytes + waiting as u64 <= self.current.capacity_bytes
    }

    /// Whose log it is.
    pub fn shard(&self) -> ShardId {
        self.shard
    }

    /// Whether what ends at this place is known to be on disk, as what was committed need not be where messages are shown
    /// before. Never of what [`is_in_doubt`](Self::is_in_doubt).
    pub fn is_synced(&self, place: Position) -> bool {
        place <= self.synced && !self.is_in_doubt(place)
    }

    /// Whether this place is in a segment that was left though not all of it was known to be on disk, or in one before it:
    /// nothing will show whether it is.
    pub fn is_in_doubt(&self, place: Position) -> bool {
        place.segment <= self.last_unsynced
    }

    /// Whether no message waits and none is on its way, and no segment is to be finished.
    pub fn is_idle(&self) -> bool {
        self.open.is_empty() && self.in_flight.is_none() && self.retry.is_none() && !self.is_finishing()
    }

    /// Has the segment finished that holds what was appended last, once that is written, whether it is full or not. The
    /// next segment must be ready.
    pub fn finish_segment(&mut self) {
        let is_written = self.open.is_empty() && self.in_flight.is_none() && self.retry.is_none();
        if !is_written || self.current.end_bytes > START_BYTES {
            let is_empty = self.open.is_empty();
            self.finish_after = Some(if is_empty { self.last_taken } else { self.last_taken.next() });
        }
    }

    /// Whether a segment is still to be finished, as [`finish_segment`](Self::finish_segment) wants it.
    pub fn is_finishing(&self) -> bool {
        self.finish_after.is_some()
    }

    /// The newest batch whose messages may be shown: synced under `commit`, written otherwise.
    pub fn last_committed(&self) -> BatchId {
        self.last_committed
    }

    /// What this log promises.
    pub fn durability(&self) -> Durability {
        self.durability
    }

    /// Where the next batch goes, if it fits: all below was written. To be remembered when a sync
    /// begins, for [`synced`](Self::synced) when it ends.
    pub fn written(&self) -> Position {
        Position { segment: self.current.number, offset_bytes: self.current.end_bytes }
    }

    /// How many bytes of the current segment were written and are not known to be on disk.
    pub fn unsynced_bytes(&self) -> u64 {
        self.current.end_bytes - self.current.synced_bytes
    }

    /// The next batch to write; `None` when nothing waits or one is still in flight. One that only finishes a segment is
    /// empty.
    pub fn take_batch(&mut self) -> Option<Batch> {
        if self.in_flight.is_some() {
            return None;
        }
        if let Some(retry) = self.retry.take() {
            return Some(self.take_retry(retry));
        }
        let is_due = self.finish_after.is_some_and(|after| self.last_taken >= after);
        let finishes = is_due && self.current.end_bytes > START_BYTES;
        if is_due && !finishes {
            // Nothing is in it: what it was to finish is in segments before.
            self.finish_after = None;
        }
        if self.open.is_empty() && !finishes {
            return None;
        }
        let bytes = std::mem::replace(&mut self.open, std::mem::take(&mut self.spare));
        let counts = std::mem::take(&mut self.open_counts);
        if self.is_left {
            self.last_taken = self.last_taken.next();
            let left = self.current.sealed(self.shard, true);
            let retry = self.noted(bytes, counts, left);
            return Some(self.take_retry(retry));
        }
        let needed = (bytes.len() + SEAL_FRAME_BYTES) as u64;
        let is_spent = finishes || self.current.end_bytes + needed > self.current.capacity_bytes;
        let seals = is_spent.then(|| {
            let sealed = self.current.sealed(self.shard, false);
            self.begin_segment();
            sealed
        });
        self.last_taken = self.last_taken.next();
        Some(self.stamped(bytes, counts, seals))
    }

    /// The batch was written, and under `commit` durability synced: its messages may be shown.
    ///
    /// # Panics
    /// When it is not the batch in flight.
    pub fn committed(&mut self, batch: Batch) {
        let counts = self.landed(&batch);
        self.current.counts.merge(counts);
        self.current.end_bytes = batch.end_bytes();
        if !self.durability.releases_before_sync() {
            self.current.synced_bytes = self.current.end_bytes;
        }
        // Whatever it left was synced and sealed before, or is in doubt.
        self.synced = Position { segment: batch.segment, offset_bytes: self.current.synced_bytes };
        self.last_committed = batch.id;
        self.is_retried = false;
        if batch.seals.is_some() && self.finish_after.is_some_and(|after| batch.id > after) {
            self.finish_after = None;
        }
        self.spare = batch.bytes;
        self.spare.clear();
    }

    /// A sync that began when [`written`](Self::written) was `position` has succeeded.
    pub fn synced(&mut self, position: Position) {
        if position.segment == self.current.number {
            assert!(position.offset_bytes <= self.current.end_bytes, "only what was written can be synced");
            self.current.synced_bytes = self.current.synced_bytes.max(position.offset_bytes);
            if self.current.end_bytes > START_BYTES {
                // Before its first batch is committed, the segment before it need not be sealed.
                self.synced.offset_bytes = self.current.synced_bytes;
            }
        }
    }

    /// Writing or syncing the batch, or sealing what it leaves, failed. The next
    /// [`take_batch`](Self::take_batch) gives it again under the same id, for a fresh segment:
    /// after a failed sync nobody knows what of the old one is on disk.
    ///
    /// # Panics
    /// When it is not the batch in flight.
    pub fn failed(&mut self, batch: Batch) {
        let counts = self.landed(&batch);
        let left = match batch.seals {
            Some(left) => left,
            None => self.current.sealed(self.shard, true),
        };
        self.doubt(left.number);
        self.retry = Some(self.noted(batch.bytes, counts, left));
    }

    /// A sync beside any batch failed, as it can be under `interval` durability. Nobody knows what
    /// of the segment is on disk, and a later sync would not report it: the next batch goes to a fresh
    /// one, and this one is never sealed.
    ///
    /// # Panics
    /// When a batch is in flight: then it has failed with the sync.
    pub fn sync_failed(&mut self) {
        assert!(self.in_flight.is_none(), "a batch in flight fails with its sync");
        self.is_left = true;
        self.doubt(self.current.number);
    }

    /// Takes note of a segment that is left, and never sealed.
    fn doubt(&mut self, left: SegmentNumber) {
        if self.durability.releases_before_sync() {
            self.last_unsynced = self.last_unsynced.max(left);
        }
    }

    /// A batch for a fresh segment, which begins with the note of the one that it leaves.
    fn noted(&mut self, mut bytes: Vec<u8>, counts: SealRecord, left: SealedSegment) -> Retry {
        // A second failure keeps the note of the first: it names the last segment that counts.
        if !self.is_retried {
            self.is_retried = true;
            let abandoned =
                AbandonedRecord { segment: left.number.0, end_offset_bytes: left.end_offset_bytes };
            let mut prefix = Vec::with_capacity(ABANDONED_FRAME_BYTES);
            push_frame(&mut prefix, &Record::Abandoned(abandoned));
            bytes.splice(0..0, prefix);
        }
        Retry { bytes, counts, left: SealedSegment { is_abandoned: true, ..left } }
    }

    /// Finishes the current segment, at a clean end; `None` while messages wait, or when it holds
    /// nothing or could not be synced. Nothing is appended after it.
    pub fn finish(&mut self) -> Option<SealedSegment> {
        (self.is_idle() && !self.is_left && self.current.end_bytes > START_BYTES)
            .then(|| self.current.sealed(self.shard, false))
    }

    /// Whether [`finish`](Self::finish) leaves nothing behind that only a recovery could judge.
    pub fn can_finish(&self) -> bool {
        self.is_idle() && !self.is_left
    }

    /// Continues after [`finish`](Self::finish), in a fresh segment of this capacity. Returns its number: that
    /// of the current one where nothing was written to it.
    pub fn begin_again(&mut self, capacity_bytes: u64) -> SegmentNumber {
        assert!(self.can_finish(), "only a finished log begins again");
        let number = match self.current.end_bytes > START_BYTES {
            true => self.current.number.next(),
            false => self.current.number,
        };
        self.current = Current::start(number, capacity_bytes);
        self.synced = Position { segment: number, offset_bytes: START_BYTES };
        number
    }

    fn landed(&mut self, batch: &Batch) -> SealRecord {
        assert_eq!(batch.id, self.last_taken, "only the batch in flight can land");
        self.in_flight_bytes = 0;
        self.in_flight.take().expect("only the batch in flight can land")
    }

    fn take_retry(&mut self, retry: Retry) -> Batch {
        self.begin_segment();
        self.stamped(retry.bytes, retry.counts, Some(retry.left))
    }

    fn stamped(&mut self, mut bytes: Vec<u8>, counts: SealRecord, seals: Option<SealedSegment>) -> Batch {
        let current = &mut self.current;
        current.batches += 1;
        let place = SegmentId { shard: self.shard, segment: current.number };
        let (offset, synced) = (current.end_bytes as usize, current.synced_bytes as usize);
        stamp_frames(&mut bytes, place, offset, current.batches, synced);
        self.in_flight = Some(counts);
        self.in_flight_bytes = bytes.len() as u64;
        Batch { id: self.last_taken, segment: current.number, offset_bytes: current.end_bytes, bytes, seals }
    }

    fn begin_segment(&mut self) {
        self.current = Current::start(self.current.number.next(), self.segment_bytes);
        self.is_left = false;
    }
}

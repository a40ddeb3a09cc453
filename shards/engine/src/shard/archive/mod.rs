//! What a shard knows of its stored messages, and who waits for some of them.
//!
//! The latest messages of rooms that have members are in memory; all else is looked up, rooms
//! themselves too. A lookup is a query that the runtime carries out, read by read; only the
//! session that asked waits for it.
//!
//! **Invariant:** the newest entry of every room is in memory here, or in the snapshot of a
//! directory. It is in memory for rooms that are in memory, that have messages in the open segment,
//! or that a segment behind the shard's last snapshot holds messages of.

mod drafts;
mod erasing;
mod lookups;
mod page;
mod search;
mod target;

pub use drafts::{DraftAnswer, DraftFound, DraftQuestion};
pub use lookups::{Answered, EntriesLookup, FirstAnswer, LookupId, PageLookup, RoomContents};
pub use search::TimeQuestion;
pub use target::TargetLookup;

use erasing::Erasing;
use hashbrown::HashMap;
use lookups::WaitingLookup;
use madang_log::{
    AmendmentSource, Batch, BatchId, Erasures, FactsAppended, FactsPointer, IndexBuilder, RoomTail,
    SealedSegment, SegmentIndex, SegmentNumber, SnapshotScope, author_hash, author_of,
};
use madang_model::{RoomKey, RoomName, Seq, ShardId, UserName};
use std::collections::VecDeque;
use std::sync::Arc;

/// What a start has found, as far as it is not in memory by room.
#[derive(Clone, Debug, Default)]
pub struct StartFindings {
    /// The snapshots of all directories.
    pub snapshots: Vec<SnapshotScope>,
    /// The tables that say what became of messages, of all finished segments.
    pub sources: Vec<AmendmentSource>,
    /// Rooms whose newest messages are lost: their names, and the numbers that stay taken.
    pub lost_heads: HashMap<RoomKey, (RoomName, Seq)>,
    /// What is to be erased and may still be on disk.
    pub erasures: Arc<Erasures>,
}

/// An entry on its way to the disk: its room, its number and its author, as indexes tell it.
type AppendedEntry = (RoomName, Seq, u64);

/// Where the newest sealed messages and the newest sealed facts of a room are: both are known, or neither.
#[derive(Debug)]
struct SealedTail {
    name: RoomName,
    tail: Option<RoomTail>,
    facts: Option<FactsPointer>,
}

/// What a batch holds.
#[derive(Debug, Default)]
struct AppendedBatch {
    said: Vec<AppendedEntry>,
    /// Records of facts, each with how many messages precede it.
    facts: Vec<(usize, FactsAppended)>,
    /// How many messages it deletes.
    deletions: u64,
}

/// The stored messages of a shard.
#[derive(Debug)]
pub struct Archive {
    directory: ShardId,
    open: IndexBuilder,
    /// What the batches on their way hold, in order.
    appended: VecDeque<(BatchId, AppendedBatch)>,
    spare: Vec<AppendedBatch>,
    /// Where the sealed messages of rooms are, as far as it is in memory.
    tails: HashMap<RoomKey, SealedTail>,
    /// The tables that say what became of messages, of all finished segments of all directories.
    sources: Vec<AmendmentSource>,
    /// The snapshots that cover all others: this directory's and those of other shards.
    snapshots: Vec<SnapshotScope>,
    lost_heads: HashMap<RoomKey, (RoomName, Seq)>,
    /// Indexes to be written, and how many are being written.
    indexes: Vec<SegmentIndex>,
    indexes_under_way: usize,
    /// Segments whose indexes were too many: they are made again from the segments.
    unindexed: Vec<SegmentNumber>,
    waiting: HashMap<LookupId, WaitingLookup>,
    queue: VecDeque<LookupId>,
    next_id: u64,
    erasing: Erasing,
    /// How many messages were deleted since the start: it changes once the deletion can be read.
    deletions: u64,
    /// What one page may weigh: a reader's outbox must hold it.
    page_bytes_max: usize,
}

impl Archive {
    /// The most lookups that wait at once; past it they are answered with what is in memory.
    pub const LOOKUPS_MAX: usize = 4096;
    /// The most indexes of finished segments that are in memory because they are not on disk yet. Past it a
    /// segment stays without one, which is made again from the segment when there is time, or when it is missed.
    pub const INDEXES_MAX: usize = 16;
    /// The most segments that are remembered to be without one; others are met when they are missed, or at a start.
    const UNINDEXED_MAX: usize = 1024;

    /// For a shard that continues with segment `first`.
    pub fn new(
        directory: ShardId,
        first: SegmentNumber,
        stored: StartFindings,
        page_bytes_max: usize,
    ) -> Archive {
        Archive {
            directory,
            open: IndexBuilder::new(directory, first),
            appended: VecDeque::new(),
            spare: Vec::new(),
            tails: HashMap::new(),
            sources: stored.sources,
            snapshots: stored.snapshots,
            lost_heads: stored.lost_heads,
            indexes: Vec::new(),
            indexes_under_way: 0,
            unindexed: Vec::new(),
            waiting: HashMap::new(),
            queue: VecDeque::new(),
            next_id: 0,
            erasing: Erasing::new(stored.erasures),
            deletions: 0,
            page_bytes_max,
        }
    }

    /// Whether a start has found anything stored.
    pub fn has_stored(&self) -> bool {
        !self.snapshots.is_empty()
    }

    /// Rooms that no segment need hold a message of, and whose numbers stay taken.
    pub fn lost_rooms(&self) -> impl Iterator<Item = &RoomName> {
        self.lost_heads.values().map(|(name, _)| name)
    }

    /// From now on one page may weigh this much.
    pub fn limit_pages(&mut self, page_bytes_max: usize) {
        self.page_bytes_max = page_bytes_max;
    }

    /// From now on nobody is shown this, though it may still be on disk.
    pub fn hide(&mut self, erasures: &Arc<Erasures>) {
        self.erasing.set(erasures, self.waiting.is_empty());
    }

    /// What was answered last is in its place: a room that was loaded has hidden what it was to hide.
    pub fn settle_erasures(&mut self) {
        self.erasing.settle(self.waiting.is_empty());
    }

    /// What is to be erased and may still be on disk.
    pub fn erasures(&self) -> &Erasures {
        self.erasing.erasures()
    }

    /// How many lookups wait or are under way.
    pub fn lookup_count(&self) -> usize {
        self.waiting.len()
    }

    /// An entry was appended to the log.
    pub fn appended(&mut self, batch: BatchId, room: &RoomName, seq: Seq, author: &UserName) {
        let author = author_hash(author_of(author.identity()), author.key());
        self.batch(batch).said.push((room.clone(), seq, author));
    }

    /// The entry that was appended last, to this batch, deletes a message.
    pub fn deletion_appended(&mut self, batch: BatchId) {
        self.batch(batch).deletions += 1;
    }

    /// How many deletions were committed since the start.
    pub fn deletions(&self) -> u64 {
        self.deletions
    }

    /// A record of facts was appended to the log.
    pub fn facts_appended(&mut self, facts: FactsAppended) {
        let batch = self.batch(facts.batch);
        batch.facts.push((batch.said.len(), facts));
    }

    /// What a batch holds that is appended to.
    fn batch(&mut self, batch: BatchId) -> &mut AppendedBatch {
        if self.appended.back().is_none_or(|(last, _)| *last != batch) {
            let empty = self.spare.pop().unwrap_or_default();
            self.appended.push_back((batch, empty));
        }
        &mut self.appended.back_mut().expect("it was just made sure of").1
    }

    /// The newest committed facts of a room that is known here.
    pub fn facts(&self, key: RoomKey) -> Option<FactsPointer> {
        self.open.facts(key).or_else(|| self.tails.get(&key)?.facts)
    }

    /// A batch is committed: its messages can be found from now on.
    pub fn committed(&mut self, batch: &Batch) {
        if let Some(sealed) = &batch.seals {
            self.leave(sealed, batch.segment);
        }
        // One that only finishes a segment holds nothing.
        let is_next = |(id, _): &mut (BatchId, _)| *id <= batch.id;
        let Some((id, mut appended)) = self.appended.pop_front_if(is_next) else { return };
        assert_eq!(id, batch.id, "batches are committed in their order");
        let said = appended.said.iter().map(|(room, seq, author)| (room, *seq, *author));
        self.open.committed(batch, said, &appended.facts);
        self.deletions += std::mem::take(&mut appended.deletions);
        appended.said.clear();
        appended.facts.clear();
        self.spare.push(appended);
    }

    /// The segment that was appended to is finished, by another or by the end of the server.
    pub fn leave(&mut self, sealed: &SealedSegment, next: SegmentNumber) {
        let mut left = std::mem::replace(&mut self.open, IndexBuilder::new(self.directory, next));
        if left.is_empty() {
            return;
        }
        let tails = &self.tails;
        // Rooms count on from the heads that the start has checked.
        left.excuse_gaps(|key| tails.get(&key)?.tail.as_ref());
        let index = left.seal(sealed.end_offset_bytes, |room| tails.get(&room.key())?.tail.as_ref());
        // The tails follow from the same numbers that the rooms count by.
        let index =
            index.unwrap_or_else(|fault| panic!("a room's numbers continue across segments: {fault}"));
        if index.has_amendments() {
            self.sources.push(AmendmentSource::Segment(self.directory, index.segment()));
        }
        for (room, tail) in index.tails() {
            self.sealed(room).tail = Some(tail);
        }
        for (room, facts) in index.facts() {
            self.sealed(room).facts = Some(facts);
        }
        if self.index_jobs() < Self::INDEXES_MAX {
            return self.indexes.push(index);
        }
        let segment = index.segment();
        tracing::warn!(
            shard = self.directory.0,
            segment = segment.0,
            "too many indexes wait for the disk: the index of this segment is built later"
        );
        if self.unindexed.len() < Self::UNINDEXED_MAX {
            self.unindexed.push(segment);
        }
    }

    /// How many indexes of finished segments are not on disk yet: at most [`Archive::INDEXES_MAX`]. Until
    /// there are none, nothing is looked up and no snapshot is begun.
    pub fn index_jobs(&self) -> usize {
        self.indexes.len() + self.indexes_under_way
    }

    /// Whether segments stayed without an index.
    pub fn has_unindexed(&self) -> bool {
        !self.unindexed.is_empty()
    }

    /// The segments that stayed without an index: it is to be made again.
    pub fn take_unindexed(&mut self) -> Vec<SegmentNumber> {
        std::mem::take(&mut self.unindexed)
    }

    /// The indexes to be written beside their segments. Each is reported by
    /// [`Archive::index_written`].
    pub fn take_indexes(&mut self) -> Vec<SegmentIndex> {
        self.indexes_under_way += self.indexes.len();
        std::mem::take(&mut self.indexes)
    }

    /// An index is on disk, or could not be written: then it is made again when it is missed.
    pub fn index_written(&mut self) {
        self.indexes_under_way -= 1;
    }

    /// The name of a room whose newest messages are known here.
    fn known(&self, key: RoomKey) -> Option<RoomName> {
        let sealed = || self.tails.get(&key).map(|known| known.name.clone());
        self.open.room_name(key).cloned().or_else(sealed)
    }

    /// Remembers where the newest sealed messages and facts of a room are.
    fn know(&mut self, name: RoomName, tail: Option<RoomTail>, facts: Option<FactsPointer>) {
        self.tails.insert(name.key(), SealedTail { name, tail, facts });
    }

    /// What is known of the sealed messages and facts of a room.
    fn sealed(&mut self, room: &RoomName) -> &mut SealedTail {
        let unknown = || SealedTail { name: room.clone(), tail: None, facts: None };
        self.tails.entry(room.key()).or_insert_with(unknown)
    }

    /// The newest committed number of a room that is known here.
    fn head(&self, key: RoomKey) -> Seq {
        let open = self.open.room(key).and_then(|run| run.last());
        let sealed = self.tails.get(&key).and_then(|known| known.tail.as_ref()).map(|tail| tail.head);
        let lost = self.lost_heads.get(&key).map(|(_, head)| *head);
        open.max(sealed).max(lost).unwrap_or_default()
    }

    /// How many of the committed entries of a room that is known here are no messages.
    fn amendments(&self, key: RoomKey) -> u64 {
        let open = self.open.room(key).map(|run| run.amendments);
        let sealed = self.tails.get(&key).and_then(|known| known.tail.as_ref()).map(|tail| tail.amendments);
        open.or(sealed).unwrap_or(0)
    }

    /// These are the tables of this directory on disk now. What is not among them has expired or is part of a run; but
    /// behind the segment that the snapshot covers there may be others, whose indexes are not on disk yet.
    pub fn sources_renewed(&mut self, covers: SegmentNumber, sources: &[AmendmentSource]) {
        let directory = self.directory;
        self.sources.retain(|source| match source {
            AmendmentSource::Segment(of, segment) if *of == directory => {
                *segment > covers && !sources.contains(source)
            }
            source => source.directory() != directory,
        });
        self.sources.extend_from_slice(sources);
    }

    /// A room is no longer in memory: neither need be where its messages are, if a snapshot says it.
    pub fn left(&mut self, key: RoomKey) {
        if self.is_covered(key) {
            self.tails.remove(&key);
        }
    }

    /// The snapshot of this directory is written anew. Evicts the rooms that it covers, as far
    /// as they are not in memory. One that covers less than the last did is not believed: a room that is
    /// not in it may have been in that one, and its lookups find a snapshot that is to be mended.
    pub fn snapshot_renewed(&mut self, scope: SnapshotScope, is_in_memory: impl Fn(RoomKey) -> bool) {
        let last = self.snapshots.iter().find(|known| known.directory == scope.directory);
        if let Some(last) = last.filter(|last| last.covers > scope.covers) {
            return tracing::error!(
                shard = scope.directory.0,
                covers = scope.covers.0,
                last_covered = last.covers.0,
                "the snapshot covers fewer segments than the last one did, and is not used"
            );
        }
        self.snapshots.retain(|known| known.directory != scope.directory);
        self.snapshots.push(scope);
        let mut tails = std::mem::take(&mut self.tails);
        tails.retain(|key, known| is_in_memory(*key) || !self.covers(*key, known));
        tails.shrink_to(tails.len() * 2);
        self.tails = tails;
    }

    fn is_covered(&self, key: RoomKey) -> bool {
        self.tails.get(&key).is_some_and(|known| self.covers(key, known))
    }

    /// Whether snapshots cover what is known of a room, and the open segment does not continue it.
    fn covers(&self, key: RoomKey, known: &SealedTail) -> bool {
        // An entry in another directory was found in a snapshot; nothing is appended to it here.
        let covers = |directory: ShardId, segment: SegmentNumber| {
            self.snapshots.iter().any(|scope| {
                scope.directory == directory && (directory != self.directory || segment <= scope.covers)
            })
        };
        let is_open = self.open.room(key).is_some() || self.open.facts(key).is_some();
        let tail = known.tail.as_ref().map(|tail| (tail.last.directory, tail.last.segment));
        let facts = known.facts.map(|facts| (facts.link.directory, facts.link.segment));
        !is_open && [tail, facts].into_iter().flatten().all(|(directory, segment)| covers(directory, segment))
    }

    /// How many rooms are known here.
    #[cfg(test)]
    pub fn known_rooms(&self) -> usize {
        self.tails.len()
    }
}

#[cfg(test)]
mod tests;

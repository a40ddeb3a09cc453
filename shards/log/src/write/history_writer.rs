//! Sealed segments behind those of a directory, as a server would have left them.

use crate::append::{Appender, Durability, SealedSegment};
use crate::files::{FileOperation, FilesError, IndexFiles, SegmentFiles};
use crate::format::{NewEntry, SegmentHeader, SegmentNumber, author_hash, author_of};
use crate::index::{IndexBuilder, RoomTail, SealFault};
use hashbrown::HashMap;
use madang_model::{Message, RoomKey, RoomName, Seq, ShardId, Timestamp, recorded_shard_count};
use std::io;

/// As many as a busy shard commits at once.
const MESSAGES_A_COMMIT: usize = 64;

/// Why a log could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The disk refused.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The tails that were given are not those of all earlier segments.
    #[error(transparent)]
    Seal(#[from] SealFault),
}

/// Where segments are written.
#[derive(Clone, Copy, Debug)]
pub struct NewSegments {
    /// Whose directory.
    pub shard: ShardId,
    /// How many shards there are.
    pub shard_count: u16,
    /// The first one: nothing of this number or a higher one may be there.
    pub first: SegmentNumber,
    /// The most that one holds.
    pub segment_bytes: u64,
    /// What the first one says when it was created; each later one says a microsecond more.
    pub created: Timestamp,
}

/// Writes messages to the segments of one shard, which nobody else may use.
///
/// A segment has its name only when it is sealed and on disk, and then it gets its index: whenever this ends, what is
/// there is sound, and holds the messages from the first one on up to some message.
#[derive(Debug)]
pub struct HistoryWriter<F: SegmentFiles> {
    files: F,
    place: NewSegments,
    appender: Appender,
    /// The segment that is filled, under another name.
    segment: Option<F::Segment>,
    index: IndexBuilder,
    /// The newest entry of each room in earlier segments.
    tails: HashMap<RoomKey, RoomTail>,
    /// What was appended and not written.
    appended: Vec<(RoomName, Seq, u64)>,
}

impl<F: SegmentFiles + IndexFiles> HistoryWriter<F> {
    /// Nothing is written yet. `tails` are those of all rooms that messages are written of, as far as there are
    /// earlier ones.
    pub fn new(files: F, place: NewSegments, tails: HashMap<RoomKey, RoomTail>) -> HistoryWriter<F> {
        let bytes = place.segment_bytes;
        let appender = Appender::new(place.shard, place.first, bytes, bytes, Durability::Commit);
        let index = IndexBuilder::new(place.shard, place.first);
        HistoryWriter { files, place, appender, segment: None, index, tails, appended: Vec::new() }
    }

    /// Adds a message. Its number follows the newest of its room, or what a repair recorded as lost.
    ///
    /// # Errors
    /// [`WriteError`]: then nothing more can be written.
    pub fn append(&mut self, message: &Message) -> Result<(), WriteError> {
        if self.appender.is_full() || self.appended.len() >= MESSAGES_A_COMMIT {
            self.commit()?;
        }
        // Whatever is imported is a message: what amends others is in earlier segments.
        let before = self.tails.get(&message.room.key()).map_or(0, |tail| tail.amendments);
        self.appender.append(NewEntry::message(message, before));
        let author = author_hash(author_of(message.author.identity()), message.author.key());
        self.appended.push((message.room.clone(), message.seq, author));
        Ok(())
    }

    /// Writes what is left and finishes the last segment.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn finish(mut self) -> Result<(), WriteError> {
        self.commit()?;
        match self.appender.finish() {
            Some(sealed) => self.seal(&sealed),
            None => Ok(()),
        }
    }

    fn commit(&mut self) -> Result<(), WriteError> {
        let Some(batch) = self.appender.take_batch() else { return Ok(()) };
        if let Some(sealed) = &batch.seals {
            self.seal(sealed)?;
            self.index = IndexBuilder::new(self.place.shard, batch.segment);
        }
        if self.segment.is_none() {
            self.segment = Some(self.begin(batch.segment)?);
        }
        self.write_at(batch.segment, batch.offset_bytes, &batch.bytes)?;
        self.index.committed(
            &batch,
            self.appended.iter().map(|(room, seq, author)| (room, *seq, *author)),
            &[],
        );
        self.appended.clear();
        self.appender.committed(batch);
        Ok(())
    }

    fn begin(&self, number: SegmentNumber) -> Result<F::Segment, WriteError> {
        let NewSegments { shard, shard_count, first, segment_bytes, created } = self.place;
        let header = SegmentHeader {
            shard,
            shard_count: recorded_shard_count(shard_count),
            segment: number,
            created_us: created.0.saturating_add_unsigned(number.0 - first.0),
            capacity_bytes: segment_bytes,
            generation: 0,
        };
        let begin = || -> io::Result<F::Segment> {
            self.files.make_directory(shard)?;
            let segment = self.files.create(shard, number)?;
            self.files.write_at(&segment, 0, &header.encode())?;
            Ok(segment)
        };
        begin().map_err(|source| self.failed(number, source))
    }

    fn write_at(&self, number: SegmentNumber, offset_bytes: u64, bytes: &[u8]) -> Result<(), WriteError> {
        let Some(segment) = &self.segment else { return Ok(()) };
        self.files.write_at(segment, offset_bytes, bytes).map_err(|source| self.failed(number, source))
    }

    fn seal(&mut self, sealed: &SealedSegment) -> Result<(), WriteError> {
        let (shard, number) = (self.place.shard, sealed.number);
        self.write_at(number, sealed.end_offset_bytes, &sealed.frame)?;
        let Some(segment) = self.segment.take() else { return Ok(()) };
        let put_in_place = || -> io::Result<()> {
            self.files.sync(&segment)?;
            self.files.put_in_place(shard, number)?;
            self.files.sync_directory(shard)
        };
        put_in_place().map_err(|source| self.failed(number, source))?;
        let mut index = std::mem::replace(&mut self.index, IndexBuilder::new(shard, number));
        // What is missing between a room's earlier messages and these was recorded as lost by a repair.
        index.excuse_gaps(|room| self.tails.get(&room));
        let index = index.seal(sealed.end_offset_bytes, |room| self.tails.get(&room.key()))?;
        self.files.write_index(shard, number, &index.encode())?;
        self.tails.extend(index.tails().map(|(room, tail)| (room.key(), tail)));
        Ok(())
    }

    fn failed(&self, number: SegmentNumber, source: io::Error) -> WriteError {
        let path = self.files.path(self.place.shard, number);
        WriteError::Files(FilesError { path, operation: FileOperation::Write, source })
    }
}

impl<F: SegmentFiles> Drop for HistoryWriter<F> {
    /// What has no name yet is nobody's.
    fn drop(&mut self) {
        if self.segment.take().is_some() {
            self.files.discard(self.place.shard, self.index.segment());
        }
    }
}

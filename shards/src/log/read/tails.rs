//! Where every room's stored messages are: from the indexes, and from segments that have none.

use super::plan::Plan;
use crate::log::files::{Files, FilesError, IndexFiles};
use crate::log::format::{SegmentHeader, SegmentNumber};
use crate::log::index::{IndexBuilder, RebuildFault, RoomTail, SealFault, SegmentTable};
use crate::types::{RoomKey, Seq, ShardId};
use hashbrown::HashMap;
use rkyv::util::AlignedVec;
use std::path::PathBuf;

/// Why an index cannot be made from its segment.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// A file could not be used.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The segment gives no index.
    #[error("cannot make the index of segment '{}': {source}", path.display())]
    Rebuild {
        /// Which segment.
        path: PathBuf,
        /// What is wrong with it.
        source: RebuildFault,
    },
    /// Indexes do not go on from one another.
    #[error(transparent)]
    Seal(#[from] SealFault),
}

/// Where rooms' stored messages are.
#[derive(Debug, Default)]
pub struct Tails {
    /// The newest entry of every room.
    pub rooms: HashMap<RoomKey, RoomTail>,
    /// The segments whose index was missing or damaged and was made again.
    pub rebuilt: Vec<PathBuf>,
}

impl Tails {
    fn take(&mut self, key: RoomKey, tail: RoomTail) {
        match self.rooms.entry(key) {
            hashbrown::hash_map::Entry::Occupied(mut known) if known.get().head < tail.head => {
                known.insert(tail);
            }
            hashbrown::hash_map::Entry::Occupied(_) => {}
            hashbrown::hash_map::Entry::Vacant(free) => {
                free.insert(tail);
            }
        }
    }
}

/// Reads the indexes of all sealed segments, after [`recover`](super::recover), and makes those
/// again that are missing or damaged.
///
/// # Errors
/// [`IndexError`] when an index can neither be used nor made.
pub fn load_tails<F: Files + IndexFiles>(files: &F) -> Result<Tails, IndexError> {
    let mut tails = Tails::default();
    let mut unindexed = Vec::new();
    for shard in files.shards()? {
        let plan = Plan::of(files, shard)?;
        for &segment in plan.segments.iter().filter(|segment| !plan.is_void(**segment)) {
            match read_table(files, shard, segment)? {
                Some(table) => take_table(&table, &mut tails),
                None => {
                    let created_us = start_of(files, shard, segment)?.map_or(0, |header| header.created_us);
                    unindexed.push((created_us, shard, segment));
                }
            }
        }
    }
    // Earlier ones first, whichever directory they are in: an entry links to those before it.
    unindexed.sort_unstable();
    for (_, shard, segment) in unindexed {
        if let Some(table) = rebuild(files, shard, segment, &tails)? {
            take_table(&table, &mut tails);
            tails.rebuilt.push(files.path(shard, segment));
        }
    }
    Ok(tails)
}

/// Makes the index of one segment again while shards append to others, and before it those of
/// earlier segments that have none: its entries link to theirs.
///
/// # Errors
/// [`IndexError`] when that cannot be done.
pub fn rebuild_index<F: Files + IndexFiles>(
    files: &F,
    shard: ShardId,
    segment: SegmentNumber,
) -> Result<(), IndexError> {
    let target_created_us = start_of(files, shard, segment)?.map_or(i64::MAX, |header| header.created_us);
    let mut unindexed = Vec::new();
    for shard in files.shards()? {
        let plan = Plan::of(files, shard)?;
        for &segment in plan.segments.iter().filter(|segment| !plan.is_void(**segment)) {
            let Some(header) = start_of(files, shard, segment)? else { continue };
            // Sealing cuts a segment off: one of full length is still appended to, or was not used.
            let is_sealed = files.length_bytes(shard, segment)? < header.capacity_bytes;
            let is_earlier = header.created_us <= target_created_us;
            if is_sealed && is_earlier && read_table(files, shard, segment)?.is_none() {
                unindexed.push((header.created_us, shard, segment));
            }
        }
    }
    unindexed.sort_unstable();
    for (_, shard, segment) in unindexed {
        rebuild(files, shard, segment, &Tails::default())?;
    }
    Ok(())
}

fn take_table(table: &SegmentTable, tails: &mut Tails) {
    // A name that cannot be read back would have been refused by the recovery before.
    for (name, tail) in table.tails().flatten() {
        tails.take(name.key(), tail);
    }
}

/// The index of a segment, if there is a sound one.
pub fn read_table<F: IndexFiles>(
    files: &F,
    shard: ShardId,
    segment: SegmentNumber,
) -> Result<Option<SegmentTable>, FilesError> {
    let bytes = files.read_index(shard, segment)?;
    Ok(bytes.and_then(|bytes| SegmentTable::decode(&bytes, shard, segment).ok()))
}

/// The header of a segment, if it has one.
fn start_of(
    files: &dyn Files,
    shard: ShardId,
    segment: SegmentNumber,
) -> Result<Option<SegmentHeader>, FilesError> {
    let mut start = AlignedVec::new();
    files.read_start(shard, segment, crate::log::format::HEADER_BYTES, &mut start)?;
    Ok(SegmentHeader::decode(&start, shard, segment).ok())
}

/// Makes and writes an index. `None` when the segment holds no message.
fn rebuild<F: Files + IndexFiles>(
    files: &F,
    shard: ShardId,
    segment: SegmentNumber,
    known: &Tails,
) -> Result<Option<SegmentTable>, IndexError> {
    let plan = Plan::of(files, shard)?;
    let mut buffer = AlignedVec::new();
    files.read(shard, segment, &mut buffer)?;
    let scanned = IndexBuilder::scan(&buffer, shard, segment, plan.limit_bytes(segment));
    let (mut builder, end_bytes) =
        scanned.map_err(|source| IndexError::Rebuild { path: files.path(shard, segment), source })?;
    if builder.rooms().len() == 0 {
        return Ok(None);
    }
    let tails = tails_before(files, &builder, known)?;
    builder.excuse_gaps(|key| tails.get(&key));
    let index = builder.seal(end_bytes, |room| tails.get(&room.key()))?;
    let bytes = index.encode();
    files.write_index(shard, segment, &bytes)?;
    let table = SegmentTable::decode(&bytes, shard, segment).expect("what was just encoded can be read");
    Ok(Some(table))
}

/// The tails of a segment's rooms before it: what is known of them, or what other indexes say.
fn tails_before<F: Files + IndexFiles>(
    files: &F,
    builder: &IndexBuilder,
    known: &Tails,
) -> Result<HashMap<RoomKey, RoomTail>, IndexError> {
    let mut before = Tails::default();
    let mut unsure: HashMap<RoomKey, Seq> = HashMap::new();
    for (name, first) in builder.rooms() {
        match known.rooms.get(&name.key()) {
            Some(tail) if tail.head.next() == first => before.take(name.key(), tail.clone()),
            _ if first == Seq(1) => {}
            _ => {
                unsure.insert(name.key(), first);
            }
        }
    }
    if unsure.is_empty() {
        return Ok(before.rooms);
    }
    for shard in files.shards()? {
        for segment in Plan::of(files, shard)?.segments {
            let Some(table) = read_table(files, shard, segment)? else { continue };
            for (name, tail) in table.tails().flatten() {
                if unsure.get(&name.key()).is_some_and(|first| tail.head < *first) {
                    before.take(name.key(), tail);
                }
            }
        }
    }
    Ok(before.rooms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::StdFiles;
    use crate::log::append::{Appender, Durability};
    use crate::log::format::{SEGMENT_BYTES_MIN, directory_name, file_name};
    use crate::log::index::{Answer, PageQuery, Step, StoredFile, index_file_name};
    use crate::log::testing::message;
    use crate::types::{Page, RoomName};
    use std::fs;
    use std::path::Path;

    /// Writes `count` messages of two rooms as a shard would, with an index for each segment left.
    fn write_log(data: &Path, count: u64) -> Vec<SegmentNumber> {
        let shard = ShardId(0);
        let directory = data.join(directory_name(shard));
        fs::create_dir_all(&directory).expect("a directory");
        let mut appender = Appender::new(
            shard,
            SegmentNumber::FIRST,
            SEGMENT_BYTES_MIN,
            SEGMENT_BYTES_MIN,
            Durability::Commit,
        );
        let mut segments = vec![SegmentNumber::FIRST];
        let mut file = start_segment(&directory, SegmentNumber::FIRST);
        for number in 0..count {
            let room = if number % 3 == 0 { "r2" } else { "r1" };
            let seq = if number % 3 == 0 { number / 3 + 1 } else { number - number / 3 };
            appender.append(&message(room, seq, &"x".repeat(900)));
            let batch = appender.take_batch().expect("a batch");
            if let Some(sealed) = &batch.seals {
                file.truncate(sealed.end_offset_bytes as usize);
                file.extend_from_slice(&sealed.frame);
                fs::write(directory.join(file_name(sealed.number)), &file).expect("a segment");
                file = start_segment(&directory, batch.segment);
                segments.push(batch.segment);
            }
            file.truncate(batch.offset_bytes as usize);
            file.extend_from_slice(&batch.bytes);
            appender.committed(batch);
        }
        let sealed = appender.finish().expect("a last segment");
        file.extend_from_slice(&sealed.frame);
        fs::write(directory.join(file_name(sealed.number)), &file).expect("a segment");
        segments
    }

    fn start_segment(directory: &Path, segment: SegmentNumber) -> Vec<u8> {
        let header = SegmentHeader {
            shard: ShardId(0),
            shard_count: 1,
            segment,
            created_us: segment.0 as i64,
            capacity_bytes: SEGMENT_BYTES_MIN,
        };
        let bytes = header.encode().to_vec();
        fs::write(directory.join(file_name(segment)), &bytes).expect("a segment");
        bytes
    }

    fn page(data: &Path, tails: &Tails, room: &str, page: Page) -> Vec<u64> {
        let room = RoomName::parse(room).expect("a room name");
        let tail = &tails.rooms[&room.key()];
        let mut query = PageQuery::new(&room, page, tail.head, Some(tail), &[]);
        loop {
            let requests = match query.step() {
                Step::Done(found) => {
                    let found = found.expect("a page");
                    return found.messages.iter().map(|message| message.seq.0).collect();
                }
                Step::Read(requests) => requests,
            };
            let read = |request: &crate::log::index::ReadRequest| {
                let directory = data.join(directory_name(request.directory));
                let name = match request.file {
                    StoredFile::Segment(segment) => file_name(segment),
                    StoredFile::Index(segment) => index_file_name(segment),
                    StoredFile::Snapshot => unreachable!("a page needs no snapshot"),
                };
                let bytes = fs::read(directory.join(name)).expect("a file");
                bytes
                    .iter()
                    .skip(request.offset_bytes as usize)
                    .take(request.bytes)
                    .copied()
                    .collect::<Vec<_>>()
            };
            let bytes: Vec<Vec<u8>> = requests.iter().map(read).collect();
            let answers: Vec<Answer<'_>> = bytes.iter().map(|bytes| Answer::Bytes(bytes)).collect();
            query.supply(&answers);
        }
    }

    #[test]
    fn a_log_without_any_index_gets_them_and_every_page_is_found() {
        let data = tempfile::tempdir().expect("a directory");
        let segments = write_log(data.path(), 1_500);
        assert!(segments.len() > 3);
        let files = StdFiles::new(data.path());
        let tails = load_tails(&files).expect("tails");
        assert_eq!(tails.rebuilt.len(), segments.len());
        assert_eq!(page(data.path(), &tails, "r2", Page::After { seq: Seq(0), count: 500 }).len(), 500);
        let middle = page(data.path(), &tails, "r1", Page::Before { seq: Seq(400), count: 50 });
        assert_eq!(middle, (350..400).collect::<Vec<_>>());
        let again = load_tails(&files).expect("tails");
        assert!(again.rebuilt.is_empty(), "{:?}", again.rebuilt);
        assert_eq!(again.rooms, tails.rooms);
    }

    #[test]
    fn an_index_made_again_alone_links_to_earlier_ones_that_were_missing_too() {
        let data = tempfile::tempdir().expect("a directory");
        let segments = write_log(data.path(), 1_500);
        let files = StdFiles::new(data.path());
        let tails = load_tails(&files).expect("tails");
        let index = |segment: &SegmentNumber| {
            data.path().join(directory_name(ShardId(0))).join(index_file_name(*segment))
        };
        for segment in &segments[..3] {
            fs::remove_file(index(segment)).expect("a loss");
        }
        rebuild_index(&files, ShardId(0), segments[2]).expect("an index");
        let all = page(data.path(), &tails, "r2", Page::After { seq: Seq(0), count: 500 });
        assert_eq!(all, (1..=500).collect::<Vec<_>>());
    }

    #[test]
    fn an_index_that_is_missing_or_damaged_is_made_again_as_it_was() {
        let data = tempfile::tempdir().expect("a directory");
        let segments = write_log(data.path(), 1_500);
        let files = StdFiles::new(data.path());
        let tails = load_tails(&files).expect("tails");
        let index = |segment: SegmentNumber| {
            data.path().join(directory_name(ShardId(0))).join(index_file_name(segment))
        };
        let middle = index(segments[2]);
        let before = fs::read(&middle).expect("an index");
        let mut damaged = before.clone();
        damaged[before.len() / 2] ^= 1;
        fs::write(&middle, damaged).expect("damage");
        fs::remove_file(index(segments[0])).expect("a loss");
        let again = load_tails(&files).expect("tails");
        assert_eq!(again.rebuilt.len(), 2);
        assert_eq!(again.rooms, tails.rooms);
        assert_eq!(fs::read(&middle).expect("an index"), before);
        fs::remove_file(&middle).expect("a loss");
        rebuild_index(&files, ShardId(0), segments[2]).expect("an index");
        assert_eq!(fs::read(&middle).expect("an index"), before);
    }
}

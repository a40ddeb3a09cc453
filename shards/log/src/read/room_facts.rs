//! The facts of one room, read from files, also while a server writes them.

use super::fault::NextStep;
use super::live_facts::{SegmentAt, facts_of_snapshot};
use super::plan::ReadPlan;
use super::segment::READS_OF_A_RUNNING_LOG;
use super::tails::read_table;
use crate::facts::{FactsPointer, LoadedFacts};
use crate::files::{FilesError, IndexFiles};
use crate::format::SegmentNumber;
use crate::index::{FactsQuery, IndexBuilder, QueryFault, ReadAnswer, RebuildFault, Step, StoredFile};
use hashbrown::HashMap;
use madang_model::{RoomKey, RoomName};
use rkyv::util::AlignedVec;
use std::path::PathBuf;

/// Why the facts of a room cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadFactsError {
    /// A file could not be used.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// A segment that may hold them is damaged.
    #[error("'{}': {source}; {}", path.display(), NextStep(path))]
    Segment {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        source: RebuildFault,
    },
    /// They are not what was written.
    #[error(transparent)]
    Damaged(#[from] QueryFault),
}

/// Reads the facts of a room; `None` when it has none. What a running server writes meanwhile may be missing.
///
/// # Errors
/// [`ReadFactsError`] when they are there and cannot be read.
pub fn read_facts(files: &dyn IndexFiles, room: &RoomName) -> Result<Option<LoadedFacts>, ReadFactsError> {
    let mut looks_left = READS_OF_A_RUNNING_LOG;
    loop {
        looks_left -= 1;
        let of_room = newest(files, &|key| key == room.key())?;
        let Some((room, pointer)) = of_room.into_values().next() else { return Ok(None) };
        match load(files, &room, pointer, &mut SegmentCache::default()) {
            // They were stored once more, and their segment has expired since.
            Err(ReadFactsError::Damaged(QueryFault::FactsGone { .. })) if looks_left > 0 => {}
            loaded => return loaded.map(Some),
        }
    }
}

/// Who takes the facts of rooms, or why those of one cannot be read.
pub type FactsSink<'s, E> = dyn FnMut(&RoomName, Result<LoadedFacts, ReadFactsError>) -> Result<(), E> + 's;

/// Reads the facts of all rooms that are wanted, and gives them to `sink`, in the order of names. What a running server
/// writes meanwhile may be missing.
///
/// # Errors
/// [`ReadFactsError`] when nothing can be read. What is wrong with the facts of one room is given to `sink`.
pub fn read_all_facts<E: From<ReadFactsError>>(
    files: &dyn IndexFiles,
    is_wanted: &dyn Fn(RoomKey) -> bool,
    sink: &mut FactsSink<'_, E>,
) -> Result<(), E> {
    let mut rooms: Vec<(RoomName, FactsPointer)> = newest(files, is_wanted)?.into_values().collect();
    rooms.sort_unstable_by(|a, b| a.0.as_str().cmp(b.0.as_str()));
    let mut cache = SegmentCache::default();
    for (room, pointer) in rooms {
        let loaded = match load(files, &room, pointer, &mut cache) {
            Err(ReadFactsError::Damaged(QueryFault::FactsGone { .. })) => match read_facts(files, &room) {
                Ok(Some(loaded)) => Ok(loaded),
                Ok(None) => continue,
                Err(error) => Err(error),
            },
            loaded => loaded,
        };
        sink(&room, loaded)?;
    }
    Ok(())
}

/// Where the newest facts of rooms are.
fn newest(
    files: &dyn IndexFiles,
    is_wanted: &dyn Fn(RoomKey) -> bool,
) -> Result<HashMap<RoomKey, (RoomName, FactsPointer)>, ReadFactsError> {
    let mut rooms: HashMap<RoomKey, (RoomName, FactsPointer)> = HashMap::new();
    let mut note = |name: RoomName, pointer: FactsPointer| {
        if is_wanted(name.key()) {
            let (_, known) = rooms.entry(name.key()).or_insert((name, pointer));
            *known = known.or_later(Some(pointer));
        }
    };
    let mut buffer = AlignedVec::new();
    for shard in files.shards()? {
        // What is appended behind it is read, too.
        let plan = ReadPlan::as_it_stands(files, shard, &mut buffer)?;
        let covers = facts_of_snapshot(files, shard, &mut note)?;
        for &segment in plan.segments.iter().filter(|segment| **segment > covers && !plan.is_void(**segment))
        {
            if let Some(table) = read_table(files, shard, segment)? {
                table.named_facts().for_each(|(name, facts)| note(name, facts.pointer));
            } else if let Some(scanned) = scan(files, &plan, segment, &mut buffer)? {
                scanned.facts_here().for_each(|(room, facts)| note(room.clone(), facts));
            }
        }
    }
    Ok(rooms)
}

/// What is in a segment that has no index; `None` when it has expired.
fn scan(
    files: &dyn IndexFiles,
    plan: &ReadPlan,
    segment: SegmentNumber,
    buffer: &mut AlignedVec,
) -> Result<Option<IndexBuilder>, ReadFactsError> {
    match plan.read(files, segment, buffer) {
        Err(error) if error.is_gone() => return Ok(None),
        read => read?,
    }
    match IndexBuilder::scan(buffer, plan.shard, segment, plan.limit_bytes(segment)) {
        Ok((builder, _)) => Ok(Some(builder)),
        Err(source) => Err(ReadFactsError::Segment { path: files.path(plan.shard, segment), source }),
    }
}

/// The segments that were read last: facts that follow one another are often in the same.
#[derive(Default)]
struct SegmentCache(Vec<(SegmentAt, Option<AlignedVec>)>);

impl SegmentCache {
    /// With the longest segments so many fit into memory.
    const SEGMENTS_MAX: usize = 4;

    /// A segment; `None` when it is gone.
    fn read(&mut self, files: &dyn IndexFiles, at: SegmentAt) -> Result<Option<&AlignedVec>, FilesError> {
        let place = self.0.iter().position(|(known, _)| *known == at);
        let place = match place {
            Some(place) => place,
            None => {
                let mut bytes = AlignedVec::new();
                let found = match files.read(at.0, at.1, &mut bytes) {
                    Err(error) if error.is_gone() => None,
                    read => read.map(|()| Some(bytes))?,
                };
                if self.0.len() == SegmentCache::SEGMENTS_MAX {
                    self.0.remove(0);
                }
                self.0.push((at, found));
                self.0.len() - 1
            }
        };
        // A room's records are read from the newest back: what was used last is kept longest.
        let used = self.0.remove(place);
        self.0.push(used);
        Ok(self.0.last().and_then(|(_, found)| found.as_ref()))
    }
}

fn load(
    files: &dyn IndexFiles,
    room: &RoomName,
    pointer: FactsPointer,
    cache: &mut SegmentCache,
) -> Result<LoadedFacts, ReadFactsError> {
    let mut query = FactsQuery::new(room, pointer);
    loop {
        let requests = match query.step() {
            Step::Done(found) => return Ok(found?),
            Step::Read(requests) => requests,
        };
        // It reads one record at a time.
        for request in &requests {
            let StoredFile::Segment(segment) = request.file else { continue };
            let file = cache.read(files, (request.directory, segment))?;
            let answer = file.map_or(ReadAnswer::NoFile, |file| {
                let start = (request.offset_bytes as usize).min(file.len());
                ReadAnswer::Bytes(&file[start..file.len().min(start + request.bytes)])
            });
            query.supply(&[answer]);
        }
    }
}

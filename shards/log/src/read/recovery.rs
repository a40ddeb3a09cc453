//! What a start learns from the log, and what it mends: torn tails, and nothing else.

use super::evidence::{AllProven, Evidence};
use super::fault::{Fault, FaultKind, Location, NextStep};
use super::heads::{Depth, check_heads};
use super::plan::ReadPlan;
use super::recovered::{RECENT_DRAFTS_MAX, RecentDraft, Recovered, RecoveredRoom, Summary};
use super::rooms::{StoredRoom, StoredRooms};
use super::segment::{SegmentContents, with_segment};
use super::snapshots::{snapshot_info, vouch};
use super::tails::{Tails, indexed_end_bytes, read_table, start_of};
use super::walk::{Role, SegmentReport, Visit, walk_unknown};
use crate::append::seal_frame;
use crate::files::{Files, FilesError, IndexFiles};
use crate::format::{RecordError, SEAL_FRAME_BYTES, SegmentId, SegmentNumber, SegmentVerdict, StoredEntry};
use crate::index::{SegmentTable, SnapshotInfo, key_bits};
use hashbrown::{HashMap, HashSet};
use madang_model::{DraftId, Entry, Seq, ShardId, counted};
use rkyv::util::AlignedVec;
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

const FAULTS_SHOWN_MAX: usize = 8;

/// Why a log cannot be started from.
#[derive(Debug)]
pub enum RecoveryError {
    /// A file could not be used.
    Files(FilesError),
    /// The log is damaged. Nothing was changed.
    Faults(Vec<Fault>),
}

impl From<FilesError> for RecoveryError {
    fn from(error: FilesError) -> RecoveryError {
        RecoveryError::Files(error)
    }
}

impl fmt::Display for RecoveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults = match self {
            RecoveryError::Files(error) => return error.fmt(f),
            RecoveryError::Faults(faults) => faults,
        };
        writeln!(f, "the log is damaged and was left as it is ({}):", counted(faults.len(), "fault"))?;
        for fault in faults.iter().take(FAULTS_SHOWN_MAX) {
            writeln!(f, "  {fault}")?;
        }
        if faults.len() > FAULTS_SHOWN_MAX {
            writeln!(f, "  … and {} more", faults.len() - FAULTS_SHOWN_MAX)?;
        }
        let path = faults.first().map_or(Path::new(""), |fault| &fault.path);
        NextStep(path).fmt(f)
    }
}

impl std::error::Error for RecoveryError {}

/// How much is kept of each room while reading.
#[derive(Clone, Copy, Debug)]
pub struct Keeps {
    pub entries_max: usize,
    pub drafts_max: usize,
}

/// What is kept of a room while reading; newest first.
#[derive(Debug, Default)]
struct Newest {
    entries: Vec<Entry>,
    drafts: Vec<RecentDraft>,
}

struct DirectoryRecovery {
    shard: ShardId,
    rooms: StoredRooms<Newest>,
    reports: Vec<SegmentReport>,
    faults: Vec<Fault>,
    tails: Tails,
    /// The segments that were not read, as an index or a snapshot lists what is in them.
    known: HashSet<SegmentNumber>,
    /// Whether a snapshot covers some of them.
    has_snapshot: bool,
}

impl DirectoryRecovery {
    /// The rooms that were read of, as snapshots sort them.
    fn room_bits(&self) -> impl Iterator<Item = u64> {
        self.rooms.names().map(|name| key_bits(name.key()))
    }
}

/// Reads the whole log, checks that it is complete, cuts and seals what a crash left open, and
/// says where each of `shard_count` shards continues: always in a new segment. Keeps the newest
/// `recent_max` entries of each room.
///
/// # Errors
/// [`RecoveryError`] when a file cannot be used, or when the log is damaged: then nothing was
/// changed.
pub fn recover(files: &dyn Files, shard_count: u16, recent_max: usize) -> Result<Recovered, RecoveryError> {
    recover_by(files, None, shard_count, Keeps { entries_max: recent_max, drafts_max: RECENT_DRAFTS_MAX })
        .map(|(recovered, ..)| recovered)
}

/// Segments that were read.
pub type Scanned = Vec<(ShardId, SegmentNumber)>;

/// The same, with what snapshots and indexes say of segments, which then are not read. Returns the
/// tails of the rooms that were read of, and the segments that were read.
pub fn recover_by(
    files: &dyn Files,
    indexes: Option<&dyn IndexFiles>,
    shard_count: u16,
    keeps: Keeps,
) -> Result<(Recovered, Tails, Scanned), RecoveryError> {
    let mut directories = read_directories(files, indexes, keeps)?;
    if let Some(indexes) = indexes {
        take_snapshots(files, indexes, &mut directories, keeps)?;
    }
    let (mut tails, mut scanned) = (Tails::default(), Vec::new());
    let mut all: StoredRooms<Newest> = StoredRooms::new();
    let mut reports = Vec::new();
    let mut faults = Vec::new();
    let mut next_segments = vec![SegmentNumber::FIRST; usize::from(shard_count)];
    let mut last_used = HashSet::new();
    let mut summary = Summary { directories: directories.len() as u64, ..Summary::default() };
    for directory in directories {
        all.absorb(directory.rooms, |kept, more| {
            kept.entries.extend(more.entries);
            kept.drafts.extend(more.drafts);
        });
        faults.extend(directory.faults);
        tails.absorb(directory.tails);
        let is_used = |report: &&SegmentReport| report.role != Role::Unused;
        let shard = directory.shard;
        let used = directory.reports.iter().filter(is_used).map(|report| report.segment);
        last_used.extend(used.clone().max().map(|segment| (shard, segment)));
        scanned.extend(
            used.filter(|segment| !directory.known.contains(segment)).map(|segment| (shard, segment)),
        );
        for report in &directory.reports {
            summary.count(report);
            faults.extend(report.faults.iter().cloned());
            if report.role != Role::Unused
                && let Some(next) = next_segments.get_mut(directory.shard.index())
            {
                *next = (*next).max(report.segment.next());
            }
        }
        reports.extend(directory.reports);
    }
    let late = begin_late(&reports);
    let mut rooms = all.into_rooms();
    for room in &mut rooms {
        room.check(files, &late, &mut faults);
    }
    if !faults.is_empty() {
        return Err(RecoveryError::Faults(faults));
    }
    for report in &reports {
        let at = (report.shard, report.segment);
        // Later segments are begun, and indexes written, behind a seal that is known to be on disk.
        let is_seal_unsure = indexes.is_some() && last_used.contains(&at) && scanned.contains(&at);
        mend(files, report, is_seal_unsure)?;
    }
    let rooms = rooms.into_iter().map(|room| recovered(room, keeps)).collect();
    Ok((Recovered { rooms, next_segments, summary }, tails, scanned))
}

/// The directories whose first segments are gone, as retention removes them.
pub fn begin_late(reports: &[SegmentReport]) -> HashSet<ShardId> {
    let mut firsts = hashbrown::HashMap::new();
    for report in reports {
        let first = firsts.entry(report.shard).or_insert(report.segment);
        let missing = report.faults.iter().filter_map(|fault| match fault.kind {
            FaultKind::MissingSegments { first, .. } => Some(first),
            _ => None,
        });
        *first = missing.chain([report.segment]).fold(*first, SegmentNumber::min);
    }
    let late = firsts.into_iter().filter(|(_, first)| *first > SegmentNumber::FIRST);
    late.map(|(shard, _)| shard).collect()
}

/// All directories, on as many threads as there are processors.
fn read_directories(
    files: &dyn Files,
    indexes: Option<&dyn IndexFiles>,
    keeps: Keeps,
) -> Result<Vec<DirectoryRecovery>, FilesError> {
    let shards = files.shards()?;
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(shards.len()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(shards.len());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(shard) = shards.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let directory = read_directory(files, indexes, *shard, keeps);
                    results.lock().unwrap_or_else(PoisonError::into_inner).push(directory);
                }
            });
        }
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut directories = results.into_iter().collect::<Result<Vec<_>, _>>()?;
    directories.sort_unstable_by_key(|directory| directory.shard);
    Ok(directories)
}

fn read_directory(
    files: &dyn Files,
    indexes: Option<&dyn IndexFiles>,
    shard: ShardId,
    keeps: Keeps,
) -> Result<DirectoryRecovery, FilesError> {
    let snapshot = indexes.map(|indexes| snapshot_info(indexes, shard)).transpose()?.flatten();
    read_all(files, indexes, snapshot.as_ref(), shard, keeps)
}

/// Takes the snapshots' word for the rooms that were read of. A room is looked for in all of them:
/// with another number of shards its messages went to another directory. A directory whose snapshot
/// is damaged is read again without it.
fn take_snapshots(
    files: &dyn Files,
    indexes: &dyn IndexFiles,
    directories: &mut [DirectoryRecovery],
    keeps: Keeps,
) -> Result<(), FilesError> {
    let mut wanted: HashSet<u64> = directories.iter().flat_map(DirectoryRecovery::room_bits).collect();
    let mut index = 0;
    while let Some(directory) = directories.get_mut(index) {
        let DirectoryRecovery { shard, rooms, tails, .. } = directory;
        if !directory.has_snapshot || vouch(indexes, *shard, &wanted, rooms, tails)? {
            index += 1;
            continue;
        }
        *directory = read_all(files, Some(indexes), None, *shard, keeps)?;
        wanted.extend(directory.room_bits());
        // The snapshots before it were not asked for the rooms that only this one covers.
        index = 0;
    }
    Ok(())
}

fn read_all(
    files: &dyn Files,
    indexes: Option<&dyn IndexFiles>,
    snapshot: Option<&SnapshotInfo>,
    shard: ShardId,
    keeps: Keeps,
) -> Result<DirectoryRecovery, FilesError> {
    let beside = indexes.map(|beside| Ok((beside, Evidence::of(beside, shard)?))).transpose()?;
    let plan = ReadPlan::of(files, shard)?;
    let mut directory = DirectoryRecovery {
        shard,
        rooms: StoredRooms::new(),
        reports: Vec::new(),
        faults: Vec::new(),
        tails: Tails::default(),
        known: HashSet::new(),
        has_snapshot: snapshot.is_some(),
    };
    let DirectoryRecovery { rooms, reports, faults, tails, known: known_segments, .. } = &mut directory;
    plan.lost.iter().for_each(|lost| rooms.excuse(lost));
    let mut known = HashMap::new();
    if let Some(indexes) = indexes {
        known = known_reports(indexes, snapshot, &plan, rooms, tails)?;
        known_segments.extend(known.keys());
    }
    let mut keep = |at: Location, entry: &StoredEntry<'_>| {
        let kept = rooms.count(at, entry).and_then(|room| keep_newest(room, entry, keeps));
        if let Err(error) = kept {
            faults.push(Fault::new(files, at, FaultKind::Unreadable(error)));
        }
    };
    let mut known = |segment| known.remove(&segment);
    let mut report = |report| reports.push(report);
    let visit = &mut Visit { entry: &mut keep, facts: &mut |_, _, _| (), segment: &mut report };
    walk_unknown(files, &plan, &mut AlignedVec::new(), 1, &mut known, visit)?;
    if let Some((beside, evidence)) = beside {
        evidence.check(beside, &plan, reports, faults, &mut AllProven::default())?;
        if let Some(oldest) = evidence.oldest(beside, &plan)? {
            faults.extend(check_heads(beside, shard, oldest, Depth::End)?.fault);
        }
    }
    // An index that is right stays.
    let covers = snapshot.map(|snapshot| snapshot.scope.covers);
    let is_indexed = |report: &&SegmentReport| report.lacks_seal && Some(report.segment) <= covers;
    known_segments.extend(reports.iter().filter(is_indexed).map(|report| report.segment));
    Ok(directory)
}

/// What a snapshot and indexes say of the segments of a directory.
fn known_reports(
    files: &dyn IndexFiles,
    snapshot: Option<&SnapshotInfo>,
    plan: &ReadPlan,
    rooms: &mut StoredRooms<Newest>,
    tails: &mut Tails,
) -> Result<HashMap<SegmentNumber, SegmentReport>, FilesError> {
    let shard = plan.shard;
    let covers = snapshot.map(|snapshot| snapshot.scope.covers);
    let mut known = HashMap::new();
    for &segment in plan.segments.iter().filter(|segment| plan.is_sound(**segment)) {
        let file_bytes = files.length_bytes(shard, segment)?;
        let report = |records| SegmentReport::believed(files, (shard, segment), file_bytes, records);
        if covers.is_some_and(|covers| segment <= covers) {
            if is_as_listed(files, plan, segment, file_bytes, covers == Some(segment))? {
                known.insert(segment, report(0));
            }
            continue;
        }
        let Some(table) = read_table(files, shard, segment)? else { continue };
        let sealed_bytes = table.end_offset_bytes() + SEAL_FRAME_BYTES as u64;
        if plan.limit_bytes(segment).is_none()
            && file_bytes == sealed_bytes
            && take_table(&table, shard, rooms, tails)
        {
            known.insert(segment, report(table.messages()));
        }
    }
    Ok(known)
}

/// Whether a segment that a snapshot covers is as long as its index says. Where that shows nothing, the
/// newest is looked at: it is the one that a crash or a hand is the likeliest to have cut.
fn is_as_listed(
    files: &dyn IndexFiles,
    plan: &ReadPlan,
    segment: SegmentNumber,
    file_bytes: u64,
    is_newest: bool,
) -> Result<bool, FilesError> {
    if plan.limit_bytes(segment).is_some() {
        return Ok(true);
    }
    if let Some(end_bytes) = indexed_end_bytes(files, plan.shard, segment)? {
        // One of full length was left so by a failure, and the note that says it is gone with what expired.
        let sealed_bytes = end_bytes + SEAL_FRAME_BYTES as u64;
        return Ok(file_bytes >= sealed_bytes);
    }
    // One that has the length it was made with was perhaps copied before it was sealed.
    let header = start_of(files, plan.shard, segment)?;
    if !is_newest && header.is_none_or(|header| file_bytes < header.capacity_bytes) {
        return Ok(true);
    }
    let is_sealed =
        |contents: &SegmentContents<'_>| matches!(contents.verdict, SegmentVerdict::Sealed { .. });
    let mut buffer = AlignedVec::new();
    with_segment(files, plan, segment, &mut buffer, 1, is_sealed)
}

/// Counts the rooms of an index as if its segment had been read. Whether it did: not when a name
/// is none, as reading the segment says more then.
fn take_table(
    table: &SegmentTable,
    shard: ShardId,
    rooms: &mut StoredRooms<Newest>,
    tails: &mut Tails,
) -> bool {
    let Ok(entries) = table.tails().collect::<Result<Vec<_>, _>>() else { return false };
    for (name, tail) in entries {
        let at = Location { shard, segment: tail.last.segment, offset_bytes: 0 };
        rooms.count_run(&name, tail.last.first, tail.head, at);
        tails.take(name.key(), tail);
    }
    true
}

/// Entries come newest first: what a room has enough of is never decoded.
fn keep_newest(
    room: &mut StoredRoom<Newest>,
    entry: &StoredEntry<'_>,
    keeps: Keeps,
) -> Result<(), RecordError> {
    let wants_draft = room.kept.drafts.len() < keeps.drafts_max && !entry.draft().is_empty();
    let wants_entry = room.kept.entries.len() < keeps.entries_max;
    if entry.is_erased() || !wants_draft && !wants_entry {
        return Ok(());
    }
    let author = entry.author_name()?;
    if wants_draft && let Some(draft) = DraftId::parse(entry.draft()) {
        room.kept.drafts.push(RecentDraft { author: author.key(), draft, seq: entry.seq() });
    }
    if wants_entry {
        room.kept.entries.extend(entry.to_entry(room.name.clone(), author)?);
    }
    Ok(())
}

fn recovered(room: StoredRoom<Newest>, keeps: Keeps) -> RecoveredRoom {
    let head = room.head();
    let lost = room.lost();
    let Newest { entries: mut recent, drafts: mut recent_drafts } = room.kept;
    recent.sort_unstable_by_key(Entry::seq);
    recent.drain(..recent.len().saturating_sub(keeps.entries_max));
    recent.drain(..unconnected(&recent, head));
    recent_drafts.sort_unstable_by_key(|draft| draft.seq);
    recent_drafts.drain(..recent_drafts.len().saturating_sub(keeps.drafts_max));
    RecoveredRoom { name: room.name, head, recent, lost, recent_drafts }
}

/// How many of the oldest do not lead up to the head without a gap, because a repair found some
/// lost: what a room keeps in memory has none.
fn unconnected(recent: &[Entry], head: Seq) -> usize {
    let wanted = (0..=head.0).rev().map(Seq);
    let connected = recent.iter().rev().zip(wanted).take_while(|(entry, seq)| entry.seq() == *seq);
    recent.len() - connected.count()
}

/// Finishes what a crash left open, and removes what holds nothing. A seal that is read may be in memory
/// only, where the last process was killed after a sync of it that failed: it is written again.
fn mend(files: &dyn Files, report: &SegmentReport, is_seal_unsure: bool) -> Result<(), FilesError> {
    let end_bytes = report.verdict.end_bytes() as u64;
    match report.role {
        Role::Unused => files.remove(report.shard, report.segment),
        Role::Abandoned => Ok(()),
        Role::Sealed if is_seal_unsure => {
            files.make_sure(report.shard, report.segment, end_bytes - SEAL_FRAME_BYTES as u64)
        }
        Role::Sealed => Ok(()),
        Role::Open => {
            let place = SegmentId { shard: report.shard, segment: report.segment };
            // The seal is the commit after all others; which number that is, nobody asks.
            let frame = seal_frame(place, end_bytes, u32::MAX, report.counts);
            files.seal(report.shard, report.segment, report.synced_bytes, end_bytes, &frame)
        }
    }
}

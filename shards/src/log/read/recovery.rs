//! What a start learns from the log, and what it mends: torn tails, and nothing else.

use super::fault::{Fault, FaultKind, Location};
use super::plan::Plan;
use super::recovered::{RECENT_DRAFTS_MAX, RecentDraft, Recovered, RecoveredRoom, Summary};
use super::rooms::{Room, Rooms};
use super::tails::read_table;
use super::walk::{Role, SegmentReport, walk_unknown};
use crate::log::append::seal_frame;
use crate::log::files::{Files, FilesError, IndexFiles};
use crate::log::format::{
    Place, RecordError, SEAL_FRAME_BYTES, SealRecord, SegmentNumber, StoredMessage, Verdict,
};
use crate::log::index::SegmentTable;
use crate::types::{Message, Seq, ShardId};
use hashbrown::HashMap;
use rkyv::util::AlignedVec;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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
        writeln!(f, "the log is damaged and was left as it is ({} faults):", faults.len())?;
        for fault in faults.iter().take(FAULTS_SHOWN_MAX) {
            writeln!(f, "  {fault}")?;
        }
        if faults.len() > FAULTS_SHOWN_MAX {
            writeln!(f, "  … and {} more", faults.len() - FAULTS_SHOWN_MAX)?;
        }
        write!(
            f,
            "see all with `madang log verify --data DIR`; restore the files from a copy, or keep what is intact \
             with `madang log repair --data DIR`"
        )
    }
}

impl std::error::Error for RecoveryError {}

/// What is kept of a room while reading; newest first.
#[derive(Debug, Default)]
struct Newest {
    messages: Vec<Arc<Message>>,
    drafts: Vec<RecentDraft>,
}

struct Directory {
    shard: ShardId,
    rooms: Rooms<Newest>,
    reports: Vec<SegmentReport>,
    faults: Vec<Fault>,
}

/// Reads the whole log, checks that it is complete, cuts and seals what a crash left open, and
/// says where each of `shard_count` shards goes on: always in a new segment. Keeps the newest
/// `recent_max` messages of each room.
///
/// # Errors
/// [`RecoveryError`] when a file cannot be used, or when the log is damaged: then nothing was
/// changed.
pub fn recover(files: &dyn Files, shard_count: u16, recent_max: usize) -> Result<Recovered, RecoveryError> {
    recover_by(files, &|_, _| Ok(None), shard_count, recent_max)
}

/// The same, but what an index says of a sealed segment is believed, and the segment is not read:
/// what is damaged in it is found when it is, and by `verify`. Of the rooms' newest messages only
/// those are kept that other segments hold.
///
/// # Errors
/// As [`recover`].
pub fn recover_by_indexes<F: Files + IndexFiles>(
    files: &F,
    shard_count: u16,
    recent_max: usize,
) -> Result<Recovered, RecoveryError> {
    let table = |shard, segment| {
        let Some(table) = read_table(files, shard, segment)? else { return Ok(None) };
        let sealed_bytes = table.end_offset_bytes() + SEAL_FRAME_BYTES as u64;
        Ok((files.length_bytes(shard, segment)? == sealed_bytes).then_some(table))
    };
    recover_by(files, &table, shard_count, recent_max)
}

/// What an index says of a segment, if it has a sound one.
type TableOf<'a> = dyn Fn(ShardId, SegmentNumber) -> Result<Option<SegmentTable>, FilesError> + Sync + 'a;

fn recover_by(
    files: &dyn Files,
    table_of: &TableOf<'_>,
    shard_count: u16,
    recent_max: usize,
) -> Result<Recovered, RecoveryError> {
    let directories = read_directories(files, table_of, recent_max)?;
    let mut all: Rooms<Newest> = Rooms::new();
    let mut reports = Vec::new();
    let mut faults = Vec::new();
    let mut next_segments = vec![SegmentNumber::FIRST; usize::from(shard_count)];
    let mut summary = Summary { directories: directories.len() as u64, ..Summary::default() };
    for directory in directories {
        all.absorb(directory.rooms, |kept, more| {
            kept.messages.extend(more.messages);
            kept.drafts.extend(more.drafts);
        });
        faults.extend(directory.faults);
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
    let may_begin_late = begins_late(&reports);
    let mut rooms = all.into_rooms();
    for room in &mut rooms {
        room.check(files, may_begin_late, &mut faults);
    }
    if !faults.is_empty() {
        return Err(RecoveryError::Faults(faults));
    }
    for report in &reports {
        mend(files, report)?;
    }
    let rooms = rooms.into_iter().map(|room| recovered(room, recent_max)).collect();
    Ok(Recovered { rooms, next_segments, summary })
}

/// Whether some directory's first segments are gone, as retention removes them.
pub fn begins_late(reports: &[SegmentReport]) -> bool {
    let mut firsts = hashbrown::HashMap::new();
    for report in reports {
        let first = firsts.entry(report.shard).or_insert(report.segment);
        *first = report.segment.min(*first);
    }
    firsts.values().any(|first| *first > SegmentNumber::FIRST)
}

/// All directories, on as many threads as there are processors.
fn read_directories(
    files: &dyn Files,
    table_of: &TableOf<'_>,
    recent_max: usize,
) -> Result<Vec<Directory>, FilesError> {
    let shards = files.shards()?;
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(shards.len()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(shards.len());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(shard) = shards.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let directory = read_directory(files, table_of, *shard, recent_max);
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
    table_of: &TableOf<'_>,
    shard: ShardId,
    recent_max: usize,
) -> Result<Directory, FilesError> {
    let plan = Plan::of(files, shard)?;
    let mut directory = Directory { shard, rooms: Rooms::new(), reports: Vec::new(), faults: Vec::new() };
    let Directory { rooms, reports, faults, .. } = &mut directory;
    plan.lost.iter().for_each(|lost| rooms.excuse(lost));
    let mut known: HashMap<SegmentNumber, SegmentReport> = HashMap::new();
    for &segment in plan.segments.iter().filter(|segment| plan.may_be_known(**segment)) {
        if let Some(table) = table_of(shard, segment)?
            && let Some(report) = take_table(files, &table, shard, segment, rooms)
        {
            known.insert(segment, report);
        }
    }
    let mut keep = |at: Location, message: &StoredMessage| {
        let kept = rooms.count(at, message).and_then(|room| keep_newest(room, message, recent_max));
        if let Err(error) = kept {
            faults.push(Fault::new(files, at, FaultKind::Unreadable(error)));
        }
    };
    let mut known = |segment| known.remove(&segment);
    let mut report = |report| reports.push(report);
    walk_unknown(files, &plan, &mut AlignedVec::new(), 1, &mut known, &mut keep, &mut report)?;
    Ok(directory)
}

/// Counts the rooms of an index as if its segment had been read. `None`, and nothing is counted,
/// when it has a name that is none: then reading the segment says more.
fn take_table(
    files: &dyn Files,
    table: &SegmentTable,
    shard: ShardId,
    segment: SegmentNumber,
    rooms: &mut Rooms<Newest>,
) -> Option<SegmentReport> {
    let entries: Vec<_> = table
        .rooms()
        .iter()
        .map(|room| Some((room.room_name().ok()?, room.first, room.last())))
        .collect::<Option<_>>()?;
    let at = Location { shard, segment, offset_bytes: 0 };
    for (name, first, last) in &entries {
        rooms.count_run(name, *first, *last, at);
    }
    let counts = SealRecord { records: table.messages(), ..SealRecord::default() };
    let end_bytes = table.end_offset_bytes() as usize + SEAL_FRAME_BYTES;
    Some(SegmentReport {
        shard,
        segment,
        path: files.path(shard, segment),
        role: Role::Sealed,
        file_bytes: end_bytes as u64,
        counts,
        verdict: Verdict::Sealed { offset_bytes: end_bytes, seal: counts },
        faults: Vec::new(),
    })
}

/// Messages come newest first: what a room has enough of is never decoded.
fn keep_newest(
    room: &mut Room<Newest>,
    message: &StoredMessage,
    recent_max: usize,
) -> Result<(), RecordError> {
    let wants_draft = room.kept.drafts.len() < RECENT_DRAFTS_MAX && !message.draft.is_empty();
    let wants_message = room.kept.messages.len() < recent_max;
    if !wants_draft && !wants_message {
        return Ok(());
    }
    let author = message.author_name()?;
    if wants_draft && let Some(draft) = message.draft_id()? {
        room.kept.drafts.push(RecentDraft { author: author.key(), draft, seq: message.number() });
    }
    if wants_message {
        room.kept.messages.push(Arc::new(message.to_message(room.name.clone(), author)?));
    }
    Ok(())
}

fn recovered(room: Room<Newest>, recent_max: usize) -> RecoveredRoom {
    let head = room.head();
    let lost = room.lost();
    let Newest { messages: mut recent, drafts: mut recent_drafts } = room.kept;
    recent.sort_unstable_by_key(|message| message.seq);
    recent.drain(..recent.len().saturating_sub(recent_max));
    recent.drain(..unconnected(&recent, head));
    recent_drafts.sort_unstable_by_key(|draft| draft.seq);
    recent_drafts.drain(..recent_drafts.len().saturating_sub(RECENT_DRAFTS_MAX));
    RecoveredRoom { name: room.name, head, recent, lost, recent_drafts }
}

/// How many of the oldest do not lead up to the head without a gap, because a repair found some
/// lost: what a room keeps in memory has none.
fn unconnected(recent: &[Arc<Message>], head: Seq) -> usize {
    let wanted = (0..=head.0).rev().map(Seq);
    let connected = recent.iter().rev().zip(wanted).take_while(|(message, seq)| message.seq == *seq);
    recent.len() - connected.count()
}

/// Finishes what a crash left open, and removes what holds nothing.
fn mend(files: &dyn Files, report: &SegmentReport) -> Result<(), FilesError> {
    match report.role {
        Role::Sealed | Role::Abandoned => Ok(()),
        Role::Unused => files.remove(report.shard, report.segment),
        Role::Open => {
            let end_bytes = report.verdict.end_bytes() as u64;
            let place = Place { shard: report.shard, segment: report.segment };
            // The seal is the commit after all others; which number that is, nobody asks.
            let frame = seal_frame(place, end_bytes, u32::MAX, report.counts);
            files.seal(report.shard, report.segment, end_bytes, &frame)
        }
    }
}

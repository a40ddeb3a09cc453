//! Messages of some rooms or all, each room's in order, with the memory of one segment and a few
//! words for each room.

mod deleted;
mod order;
mod selection;
#[cfg(test)]
mod tests;

pub use selection::Selection;

use super::fault::{Fault, FaultKind, Location};
use super::lost::MissingRange;
use super::plan::ReadPlan;
use super::segment::{READS_OF_A_RUNNING_LOG, with_segment};
use super::snapshots::open;
use crate::files::{Files, FilesError};
use crate::format::{SegmentNumber, StoredAmendment, StoredChange, StoredEntry, StoredMessage};
use crate::index::{SnapshotFile, key_bits};
use deleted::note_deleted;
use hashbrown::HashSet;
use madang_model::{RoomName, Seq, ShardId};
use order::reading_order;
use rkyv::util::AlignedVec;
use selection::RoomTable;
use std::io;

/// What an export gives next.
#[derive(Clone, Copy, Debug)]
pub enum Exported<'a> {
    /// A message; erased where it was deleted, with its author if that is known.
    Message(StoredMessage<'a>),
    /// What became of a message, or of the room, in its place among the messages.
    Amendment(StoredAmendment<'a>),
    /// Messages that a repair recorded as lost, in their place.
    Lost {
        /// The room's name.
        room: &'a str,
        /// The numbers.
        gap: MissingRange,
    },
}

/// What an export gave.
#[derive(Debug, Default)]
pub struct Export {
    /// How many entries.
    pub records: u64,
    /// What was in the way. The export continued behind it.
    pub faults: Vec<Fault>,
    /// Selected rooms that the log knows nothing of.
    pub unknown: Vec<RoomName>,
    /// How many segments of which shards have expired before they were read.
    pub expired: Vec<(ShardId, u64)>,
}

/// Why an export ended early.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A file could not be read.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// What was read could not be given on.
    #[error("cannot write the export: {0}")]
    Sink(#[source] io::Error),
}

/// Gives every entry of the selected rooms to `sink`, each room's in the order of their numbers,
/// and the length of each segment read to `progress`.
///
/// # Errors
/// [`ExportError`] when a segment cannot be read, or `sink` fails.
pub fn export(
    files: &dyn Files,
    selection: &Selection,
    sink: &mut dyn FnMut(Exported<'_>) -> io::Result<()>,
    progress: &mut dyn FnMut(u64),
) -> Result<Export, ExportError> {
    let mut buffer = AlignedVec::new();
    let mut plans = Vec::new();
    for shard in files.shards()? {
        let plan = ReadPlan::as_it_stands(files, shard, &mut buffer)?;
        // What reads this may be slow, and old segments may expire meanwhile.
        files.hold(shard, &plan.segments);
        plans.push(plan);
    }
    let mut rooms: RoomTable<History> = RoomTable::new(selection);
    for lost in plans.iter().flat_map(|plan| &plan.lost) {
        if let Some(room) = rooms.find(lost.room.as_str()) {
            let name = || Box::new(Losses { name: lost.room.as_str().into(), gaps: Vec::new() });
            room.losses.get_or_insert_with(name).gaps.push(lost.gap);
        }
    }
    note_deleted(files, &plans, &mut rooms, &mut buffer, progress)?;
    let mut export = Export::default();
    let begins_late =
        |plan: &&ReadPlan| plan.segments.first().is_some_and(|first| *first > SegmentNumber::FIRST);
    let late = plans.iter().filter(begins_late).fold(0, |late, plan| late | bit_of(plan));
    let mut expiry = Expiry { late, expired: 0 };
    for at in reading_order(files, &plans, selection, &mut buffer, progress)? {
        export_segment(files, at, &mut expiry, &mut buffer, &mut rooms, &mut export, sink)?;
        progress(buffer.len() as u64);
    }
    if let Selection::Rooms(names) = selection {
        export.unknown = unknown(files, names, &mut rooms)?;
    }
    for room in rooms.into_states() {
        give_end(room, sink).map_err(ExportError::Sink)?;
    }
    Ok(export)
}

/// Which of these rooms the log knows nothing of: no message, no loss, and none that has expired.
fn unknown(
    files: &dyn Files,
    names: &[RoomName],
    rooms: &mut RoomTable<'_, History>,
) -> Result<Vec<RoomName>, FilesError> {
    let mut is_unknown = |name: &&RoomName| {
        rooms.find(name.as_str()).is_none_or(|room| room.last.is_none() && room.losses.is_none())
    };
    let mut unknown: Vec<RoomName> = names.iter().filter(&mut is_unknown).cloned().collect();
    if let Some(beside) = files.beside().filter(|_| !unknown.is_empty()) {
        for shard in files.shards()? {
            for room in open(beside, shard, SnapshotFile::Newest)?.into_iter().flatten().map_while(Result::ok)
            {
                unknown.retain(|name| room.key_bits() != key_bits(name.key()));
            }
        }
    }
    Ok(unknown)
}

/// Directories that lack old segments, a bit for each number modulo 64.
struct Expiry {
    /// Before this began.
    late: u64,
    /// Since.
    expired: u64,
}

/// What is remembered of a room between its messages: little, as there may be many rooms.
#[derive(Debug, Default)]
struct History {
    last: Option<Seq>,
    /// The messages that were deleted.
    deleted: Option<Box<HashSet<Seq>>>,
    /// The directories that had messages of it, a bit for each number modulo 64.
    seen: u64,
    losses: Option<Box<Losses>>,
}

/// What is known to be lost of a room, and its name.
#[derive(Debug)]
struct Losses {
    name: Box<str>,
    gaps: Vec<MissingRange>,
}

impl History {
    /// An entry without the text of a message that was deleted.
    fn shown<'a>(&self, entry: &StoredEntry<'a>) -> Exported<'a> {
        let is_deleted = |seq: &Seq| self.deleted.as_ref().is_some_and(|deleted| deleted.contains(seq));
        match *entry {
            StoredEntry::Message(message) if is_deleted(&message.seq) => {
                Exported::Message(StoredMessage { is_erased: true, draft: "", text: "", ..message })
            }
            StoredEntry::Message(message) => Exported::Message(message),
            StoredEntry::Amendment(amendment) => {
                let change = match amendment.change {
                    StoredChange::Edit { .. } if is_deleted(&amendment.target) => {
                        StoredChange::Erased(amendment.change.kind())
                    }
                    change => change,
                };
                Exported::Amendment(StoredAmendment { change, ..amendment })
            }
        }
    }

    /// The part of `gap` that is known to be lost.
    fn known(&mut self, gap: MissingRange) -> Vec<MissingRange> {
        let losses = self.losses.as_mut().map_or(&mut [][..], |losses| &mut losses.gaps);
        gap.known(losses)
    }

    /// The rest of it.
    fn unknown(&mut self, gap: MissingRange) -> Vec<MissingRange> {
        let losses = self.losses.as_mut().map_or(&mut [][..], |losses| &mut losses.gaps);
        gap.unknown(losses)
    }
}

/// A directory's bit: its number modulo 64.
fn bit_of(plan: &ReadPlan) -> u64 {
    1 << (plan.shard.index() % 64)
}

/// The rooms of at most this many entries are looked up at once.
const FOUND_TOGETHER: usize = 64;

fn export_segment(
    files: &dyn Files,
    (plan, segment): (&ReadPlan, SegmentNumber),
    expiry: &mut Expiry,
    buffer: &mut AlignedVec,
    rooms: &mut RoomTable<History>,
    export: &mut Export,
    sink: &mut dyn FnMut(Exported<'_>) -> io::Result<()>,
) -> Result<(), ExportError> {
    let mut places = Vec::with_capacity(FOUND_TOGETHER);
    let directory = bit_of(plan);
    let given = with_segment(files, plan, segment, buffer, READS_OF_A_RUNNING_LOG, |contents| {
        // One that is empty is no fault where it was only prepared.
        if !plan.is_void(segment) && (!contents.is_empty() || plan.is_followed(segment)) {
            export.faults.extend(contents.faults(files, plan, segment));
        }
        for entries in contents.entries.chunks(FOUND_TOGETHER) {
            places.clear();
            places.extend(entries.iter().map(|(_, entry)| rooms.place(entry.room())));
            for ((offset, entry), place) in entries.iter().zip(&places) {
                let Some(place) = *place else { continue };
                let (room, seq) = (rooms.at(place), entry.seq());
                if room.last.is_none_or(|last| last.next() != seq) {
                    let at = Location { shard: plan.shard, segment, offset_bytes: *offset as u64 };
                    let fault = |kind| Fault::new(files, at, kind);
                    let may_have_expired = expiry.late & !room.seen | expiry.expired & directory != 0;
                    let mut report = |kind| export.faults.push(fault(kind));
                    give_gap(room, entry, may_have_expired, sink, &mut report)?;
                }
                room.seen |= directory;
                room.last = room.last.max(Some(seq));
                export.records += 1;
                sink(room.shown(entry))?;
            }
        }
        Ok(())
    });
    match given {
        Ok(result) => result.map_err(ExportError::Sink),
        Err(error) if error.is_gone() => {
            expiry.expired |= directory;
            match export.expired.iter_mut().find(|(shard, _)| *shard == plan.shard) {
                Some((_, segments)) => *segments += 1,
                None => export.expired.push((plan.shard, 1)),
            }
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// What lies between a room's last message and one that does not follow it. It may have expired when
/// a directory whose first segments are gone has nothing of the room before it.
fn give_gap(
    room: &mut History,
    entry: &StoredEntry<'_>,
    may_have_expired: bool,
    sink: &mut dyn FnMut(Exported<'_>) -> io::Result<()>,
    report: &mut dyn FnMut(FaultKind),
) -> io::Result<()> {
    let (seq, name) = (entry.seq(), entry.room());
    if room.last.is_some_and(|last| seq <= last) {
        report(FaultKind::Repeated { room: name.to_owned(), seq });
        return Ok(());
    }
    let gap = MissingRange::between(room.last.unwrap_or(Seq::ZERO), seq);
    for gap in room.known(gap) {
        sink(Exported::Lost { room: name, gap })?;
    }
    // Whether a room may begin late is for `verify` to say.
    if room.last.is_some() && !may_have_expired {
        for MissingRange { first, last } in room.unknown(gap) {
            report(FaultKind::Lost { room: name.to_owned(), first, last });
        }
    }
    Ok(())
}

/// Losses behind a room's last message.
fn give_end(room: History, sink: &mut dyn FnMut(Exported<'_>) -> io::Result<()>) -> io::Result<()> {
    let Some(mut losses) = room.losses else { return Ok(()) };
    let behind = MissingRange::between(room.last.unwrap_or(Seq::ZERO), Seq(u64::MAX));
    for gap in behind.known(&mut losses.gaps) {
        sink(Exported::Lost { room: &losses.name, gap })?;
    }
    Ok(())
}

//! The messages of one room, in order, with the memory of one segment.
//!
//! A room's home moves only between starts, and every start begins new segments. So the messages
//! of a room in one segment are one run of numbers, and whole segments can be put in order.

use super::fault::{Fault, FaultKind, Location};
use super::plan::Plan;
use super::segment::{READS_OF_A_RUNNING_LOG, with_segment};
use crate::log::files::{Files, FilesError};
use crate::log::format::{Found, Place, Scan, SegmentNumber, StoredMessage};
use crate::types::{RoomName, Seq};
use rkyv::util::AlignedVec;
use std::io;

/// What an export gave.
#[derive(Debug, Default)]
pub struct Export {
    /// How many messages.
    pub records: u64,
    /// What was in the way. The export went on behind it.
    pub faults: Vec<Fault>,
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

/// Gives every message of `room` to `sink`, in the order of their numbers, and the length of each
/// segment read to `progress`.
///
/// # Errors
/// [`ExportError`] when a segment cannot be read, or `sink` fails.
pub fn export_room(
    files: &dyn Files,
    room: &RoomName,
    sink: &mut dyn FnMut(&StoredMessage) -> io::Result<()>,
    progress: &mut dyn FnMut(u64),
) -> Result<Export, ExportError> {
    let plans = files.shards()?.into_iter().map(|shard| Plan::of(files, shard));
    let plans = plans.collect::<Result<Vec<_>, _>>()?;
    let mut matcher = Matcher::new(room);
    let mut buffer = AlignedVec::new();
    let mut export = Export::default();
    let mut last = None;
    for (plan, segment) in ordered(files, &plans, &mut matcher, &mut buffer, progress)? {
        let given = with_segment(files, plan, segment, &mut buffer, READS_OF_A_RUNNING_LOG, |contents| {
            if !plan.is_void(segment) && !contents.is_empty() {
                export.faults.extend(contents.faults(files, plan, segment));
            }
            for (offset, message) in &contents.messages {
                if !matcher.matches(message) {
                    continue;
                }
                let at = Location { shard: plan.shard, segment, offset_bytes: *offset as u64 };
                export.faults.extend(step(files, room, last, at, message.number()));
                last = Some(message.number());
                export.records += 1;
                sink(message)?;
            }
            Ok(())
        })?;
        given.map_err(ExportError::Sink)?;
        progress(buffer.len() as u64);
    }
    Ok(export)
}

/// What is wrong with a number that follows another.
fn step(files: &dyn Files, room: &RoomName, last: Option<Seq>, at: Location, seq: Seq) -> Option<Fault> {
    let last = last?;
    let room = || room.as_str().to_owned();
    let kind = match seq {
        seq if seq == last.next() => return None,
        seq if seq <= last => FaultKind::Repeated { room: room(), seq },
        seq => FaultKind::Lost { room: room(), first: last.next(), last: Seq(seq.0 - 1) },
    };
    Some(Fault::new(files, at, kind))
}

/// The segments that may hold the room, in the order of its messages.
fn ordered<'a>(
    files: &dyn Files,
    plans: &'a [Plan],
    matcher: &mut Matcher,
    buffer: &mut AlignedVec,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<(&'a Plan, SegmentNumber)>, FilesError> {
    if let [plan] = plans {
        return Ok(plan.segments.iter().map(|segment| (plan, *segment)).collect());
    }
    let mut found = Vec::new();
    for plan in plans {
        for &segment in &plan.segments {
            files.read(plan.shard, segment, buffer)?;
            progress(buffer.len() as u64);
            let place = Place { shard: plan.shard, segment };
            let mut scan = Scan::new(buffer, place, plan.limit_bytes(segment));
            let first = scan.find_map(|found| match found {
                Found::Message(_, message) if matcher.matches(message) => Some(message.number()),
                _ => None,
            });
            found.extend(first.map(|first| (first, plan, segment)));
        }
    }
    found.sort_by_key(|(first, plan, segment)| (*first, plan.shard, *segment));
    Ok(found.into_iter().map(|(_, plan, segment)| (plan, segment)).collect())
}

/// Recognises a room by its stored name, which may be written in more than one way.
struct Matcher {
    room: RoomName,
    /// How it was written last: nearly always the same again.
    same: String,
    /// What was found not to be it, most recently.
    other: String,
}

impl Matcher {
    fn new(room: &RoomName) -> Matcher {
        Matcher { room: room.clone(), same: room.as_str().to_owned(), other: String::new() }
    }

    fn matches(&mut self, message: &StoredMessage) -> bool {
        let stored = message.room.as_str();
        if stored == self.same {
            return true;
        }
        if stored == self.other {
            return false;
        }
        let is_same = message.room_name().is_ok_and(|name| name.key() == self.room.key());
        let known = if is_same { &mut self.same } else { &mut self.other };
        known.clear();
        known.push_str(stored);
        is_same
    }
}

//! The machine that looks for a draft: whether an author has said something already, long ago.

use super::stored_room::StoredRoomPlaces;
use super::window::WindowLookup;
use crate::index::link::RoomTail;
use crate::index::reads::{QueryFault, ReadAnswer, ReadRequest, Step};
use crate::index::segment::OpenRun;
use hashbrown::HashSet;
use madang_model::{RoomName, Seq, Timestamp};

/// The entries that are looked at first; then four times as many each time.
const WIDTH: u64 = 1024;
/// The most entries that are looked at at once: 70 KiB of an index.
const WIDTH_MAX: u64 = 4096;

/// What became of the search for a draft.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DraftOutcome {
    /// It is stored under this number.
    Stored(Seq),
    /// It is not stored.
    Absent,
    /// It would be among entries that have expired, or in too many segments to be looked for.
    OutOfReach,
}

/// Looks for the entry that came from a draft, from the newest back, in indexes alone. Used as
/// [`PageQuery`](super::PageQuery) is.
#[derive(Debug)]
pub struct DraftQuery {
    room: RoomName,
    tail: Option<RoomTail>,
    end: Seq,
    draft: u64,
    /// No entry before this time came from it.
    from: Timestamp,
    segments: HashSet<(madang_model::ShardId, crate::format::SegmentNumber)>,
    looked_at: u64,
    phase: DraftPhase,
}

#[derive(Debug)]
enum DraftPhase {
    Window(WindowLookup, u64),
    Done(Option<Result<DraftOutcome, QueryFault>>),
}

impl DraftQuery {
    /// The most segments that are looked at.
    pub const SEGMENTS_MAX: usize = 64;
    /// The most entries in finished segments that are looked at: some 18 MB of indexes.
    pub const ENTRIES_MAX: u64 = 1 << 20;

    /// Author and draft as [`draft_hash`](crate::draft_hash) has them. No entry before `from` came from it.
    pub fn new(draft: u64, from: Timestamp, places: &StoredRoomPlaces<'_>) -> DraftQuery {
        let mut query = DraftQuery {
            room: places.room.clone(),
            tail: places.tail.cloned(),
            end: places.chain_end(),
            draft,
            from,
            segments: HashSet::new(),
            looked_at: 0,
            phase: DraftPhase::Done(None),
        };
        let found = places.open.iter().rev().find_map(|run| query.in_open(run));
        let outcome = found.map(DraftOutcome::Stored).or_else(|| {
            let is_before = places.open.first().is_some_and(|run| run.time_before(run.first) < from);
            is_before.then_some(DraftOutcome::Absent)
        });
        match outcome {
            Some(outcome) => query.phase = DraftPhase::Done(Some(Ok(outcome))),
            None => query.look_below(places.sealed_last().next(), WIDTH),
        }
        query.advance();
        query
    }

    fn in_open(&self, run: &OpenRun<'_>) -> Option<Seq> {
        let place = run.details.iter().rposition(|details| details.draft == self.draft)?;
        Some(Seq(run.first.0 + place as u64))
    }

    /// What is needed next. Once it is done it gives what it found, a single time.
    ///
    /// # Panics
    /// When that was given already.
    pub fn step(&mut self) -> Step<DraftOutcome> {
        match &mut self.phase {
            DraftPhase::Done(result) => Step::Done(result.take().expect("an outcome is given once")),
            DraftPhase::Window(..) => Step::Read(self.requests()),
        }
    }

    /// Takes the answers to what the last step asked for, in the same order.
    ///
    /// # Panics
    /// When there are more or fewer.
    pub fn supply(&mut self, answers: &[ReadAnswer<'_>]) {
        assert_eq!(answers.len(), self.requests().len(), "each read has one answer");
        let DraftPhase::Window(window, _) = &mut self.phase else { return };
        match window.supply(answers) {
            Ok(()) => self.advance(),
            Err(fault) => self.phase = DraftPhase::Done(Some(Err(fault))),
        }
    }

    fn requests(&self) -> Vec<ReadRequest> {
        match &self.phase {
            DraftPhase::Window(window, _) => window.requests(),
            DraftPhase::Done(_) => Vec::new(),
        }
    }

    fn look_below(&mut self, below: Seq, width: u64) {
        if below <= Seq(1) {
            self.phase = DraftPhase::Done(Some(Ok(DraftOutcome::Absent)));
            return;
        }
        let (first, last) = (Seq(below.0.saturating_sub(width).max(1)), Seq(below.0 - 1));
        let window = WindowLookup::new(&self.room, (first, last), self.tail.as_ref(), self.end);
        self.phase = DraftPhase::Window(window, width);
    }

    /// Continues while nothing needs to be read.
    fn advance(&mut self) {
        while let DraftPhase::Window(window, width) = &mut self.phase
            && window.requests().is_empty()
        {
            let width = *width;
            let found = match window.advance() {
                Ok(Some(found)) => found,
                Ok(None) => continue,
                Err(fault) => {
                    self.phase = DraftPhase::Done(Some(Err(fault)));
                    return;
                }
            };
            self.looked_at += found.entries.len() as u64;
            self.segments.extend(found.segments);
            let stored = found.entries.iter().rev().find(|entry| entry.details.draft == self.draft);
            let is_far = self.segments.len() > Self::SEGMENTS_MAX || self.looked_at >= Self::ENTRIES_MAX;
            let outcome = match (stored, found.entries.first()) {
                (Some(stored), _) => DraftOutcome::Stored(stored.seq),
                (None, _) if found.before < self.from => DraftOutcome::Absent,
                (None, Some(first)) if first.seq == Seq(1) => DraftOutcome::Absent,
                (None, Some(first)) if !found.is_cut && !is_far => {
                    let below = first.seq;
                    self.look_below(below, (width * 4).min(WIDTH_MAX));
                    continue;
                }
                (None, _) => DraftOutcome::OutOfReach,
            };
            self.phase = DraftPhase::Done(Some(Ok(outcome)));
        }
    }
}

//! The machine that counts what a reader has not read.

use super::room_amendments::RoomAmendments;
use super::sources::GroupLookup;
use super::stored_room::StoredRoomPlaces;
use super::window::{FoundWindow, WindowLookup};
use crate::format::RecordKind;
use crate::index::link::RoomTail;
use crate::index::reads::{QueryFault, ReadAnswer, ReadRequest, Step};
use crate::index::segment::StoredDetails;
use madang_model::{RoomName, Seq};

/// The entries that are looked at at once.
const WIDTH: u64 = 1024;

/// What a reader has not read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct UnreadCount {
    /// Messages of others that were not deleted; at most [`UnreadQuery::COUNT_MAX`].
    pub messages: u64,
    /// Whether there are more.
    pub is_more: bool,
}

/// Counts the messages behind a number, from the newest back, in indexes alone. Used as
/// [`PageQuery`](super::PageQuery) is.
#[derive(Debug)]
pub struct UnreadQuery {
    room: RoomName,
    tail: Option<RoomTail>,
    end: Seq,
    /// The last number that was read.
    read: Seq,
    /// Whose messages are not counted.
    reader: u64,
    count: u64,
    amendments: RoomAmendments,
    phase: UnreadPhase,
}

#[derive(Debug)]
enum UnreadPhase {
    Window(WindowLookup),
    /// What became of the messages found, and the number below which to look next, if anywhere.
    Changes(Vec<Seq>, GroupLookup, Option<Seq>),
    Done(Option<Result<UnreadCount, QueryFault>>),
}

impl UnreadQuery {
    /// The most that is counted.
    pub const COUNT_MAX: u64 = 999;

    /// The messages with numbers above `read` that are not by `reader`, an author as
    /// [`author_hash`](crate::author_hash) has it.
    pub fn new(read: Seq, reader: u64, places: &StoredRoomPlaces<'_>) -> UnreadQuery {
        let mut query = UnreadQuery {
            room: places.room.clone(),
            tail: places.tail.cloned(),
            end: places.chain_end(),
            read,
            reader,
            count: 0,
            amendments: RoomAmendments::of(places),
            phase: UnreadPhase::Done(None),
        };
        for run in places.open.iter().rev() {
            // One more than is counted, so that it is known whether there are more.
            let left = (Self::COUNT_MAX + 1 - query.count) as usize;
            let counted = run.stored_details().rev().take_while(|entry| entry.seq > read);
            let is_deleted = |entry: &StoredDetails| query.amendments.is_deleted_in_open(entry.seq);
            let counted = counted.filter(|entry| query.is_counted(entry) && !is_deleted(entry));
            query.count += counted.take(left).count() as u64;
        }
        query.look_below(places.sealed_last().min(places.head).next());
        query.advance();
        query
    }

    fn is_counted(&self, entry: &StoredDetails) -> bool {
        entry.kind == Some(RecordKind::Message) && entry.details.author != self.reader
    }

    /// What is needed next. Once it is done it gives the count, a single time.
    ///
    /// # Panics
    /// When that was given already.
    pub fn step(&mut self) -> Step<UnreadCount> {
        match &mut self.phase {
            UnreadPhase::Done(result) => Step::Done(result.take().expect("a count is given once")),
            _ => Step::Read(self.requests()),
        }
    }

    /// Takes the answers to what the last step asked for, in the same order.
    ///
    /// # Panics
    /// When there are more or fewer.
    pub fn supply(&mut self, answers: &[ReadAnswer<'_>]) {
        assert_eq!(answers.len(), self.requests().len(), "each read has one answer");
        let supplied = match &mut self.phase {
            UnreadPhase::Window(window) => window.supply(answers),
            UnreadPhase::Changes(_, lookup, _) => lookup.supply(answers),
            UnreadPhase::Done(_) => Ok(()),
        };
        match supplied {
            Ok(()) => self.advance(),
            Err(fault) => self.phase = UnreadPhase::Done(Some(Err(fault))),
        }
    }

    fn requests(&self) -> Vec<ReadRequest> {
        match &self.phase {
            UnreadPhase::Window(window) => window.requests(),
            UnreadPhase::Changes(_, lookup, _) => lookup.requests(),
            UnreadPhase::Done(_) => Vec::new(),
        }
    }

    fn look_below(&mut self, below: Seq) {
        let (first, last) = (Seq(below.0.saturating_sub(WIDTH)).max(self.read.next()), Seq(below.0 - 1));
        self.phase = if first > last || self.count > Self::COUNT_MAX {
            let (messages, is_more) = (self.count.min(Self::COUNT_MAX), self.count > Self::COUNT_MAX);
            UnreadPhase::Done(Some(Ok(UnreadCount { messages, is_more })))
        } else {
            UnreadPhase::Window(WindowLookup::new(&self.room, (first, last), self.tail.as_ref(), self.end))
        };
    }

    /// Continues while nothing needs to be read.
    fn advance(&mut self) {
        while !matches!(self.phase, UnreadPhase::Done(_)) && self.requests().is_empty() {
            match std::mem::replace(&mut self.phase, UnreadPhase::Done(None)) {
                UnreadPhase::Window(mut window) => match window.advance() {
                    Ok(Some(found)) => self.take(found),
                    Ok(None) => self.phase = UnreadPhase::Window(window),
                    Err(fault) => self.phase = UnreadPhase::Done(Some(Err(fault))),
                },
                UnreadPhase::Changes(messages, lookup, below) => {
                    let is_deleted = |message: &&Seq| {
                        lookup.changes.get(message).is_some_and(|known| known.deletion.is_some())
                    };
                    self.count += messages.iter().filter(|message| !is_deleted(message)).count() as u64;
                    self.look_below(below.unwrap_or(Seq(1)));
                }
                done @ UnreadPhase::Done(_) => self.phase = done,
            }
        }
    }

    /// Takes the messages of a window, and looks for those that were deleted.
    fn take(&mut self, found: FoundWindow) {
        let FoundWindow { entries, segments, is_cut, .. } = found;
        // Where a window begins with a block, there may be more in it than was asked for.
        let counted = entries.iter().filter(|entry| entry.seq > self.read && self.is_counted(entry));
        let messages: Vec<Seq> = counted.map(|entry| entry.seq).collect();
        let below = entries.first().map(|entry| entry.seq).filter(|first| !is_cut && *first > self.read);
        let mut lookup = self.amendments.search();
        self.amendments.want(&mut lookup, messages.iter().copied(), segments.first().copied(), 0);
        self.phase = UnreadPhase::Changes(messages, lookup, below);
    }
}

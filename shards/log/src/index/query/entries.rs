//! The machine that finds entries by their numbers: for who resumes, and for a room that is loaded.

use super::chain::Chain;
use super::messages::{EntryDecoder, EntryPlace, FoundDraft, FrameRead, change_places, frame_reads, there};
use super::pieces::Piece;
use super::room_amendments::RoomAmendments;
use super::sources::GroupLookup;
use super::stored_room::StoredRoomPlaces;
use crate::index::amendments::TargetChanges;
use crate::index::reads::{QueryFault, ReadAnswer, ReadRequest, Step};
use madang_model::{RoomName, Seq, ShownEntry};
use std::collections::BTreeMap;

/// Entries, as far as they are stored.
#[derive(Clone, Debug, Default)]
pub struct FoundEntries {
    /// In order, as they are now. A number that is missing between two of them is of a lost entry.
    pub entries: Vec<ShownEntry>,
    /// The drafts among them, in order.
    pub drafts: Vec<FoundDraft>,
    /// The first and the last number that were asked for and have expired.
    pub expired: Option<(Seq, Seq)>,
    /// Where the room's stored entries begin now; known when something has expired.
    pub oldest: Option<Seq>,
}

/// Finds the entries between two numbers, and what became of them. Used as [`PageQuery`](super::PageQuery) is.
#[derive(Debug)]
pub struct EntriesQuery {
    room: RoomName,
    range: (Seq, Seq),
    /// What the segments without an index hold of it.
    open: Vec<Piece>,
    amendments: RoomAmendments,
    /// At least this many of the entries before the range are no messages.
    amendments_before: u64,
    expired: Option<(Seq, Seq)>,
    oldest: Option<Seq>,
    decoder: EntryDecoder,
    phase: EntriesPhase,
}

#[derive(Debug)]
enum EntriesPhase {
    Sections(Chain),
    Positions(Vec<Piece>),
    Frames(Vec<EntryPlace>, Vec<FrameRead>),
    Changes(Vec<EntryPlace>, GroupLookup),
    Edits(Vec<EntryPlace>, Vec<FrameRead>, BTreeMap<Seq, TargetChanges>),
    Done(Option<Result<FoundEntries, QueryFault>>),
}

impl EntriesQuery {
    /// The entries with the numbers `first..=last`. Where they lead up to the newest, they say themselves what became of
    /// them: then the sources may be left out.
    pub fn new((first, last): (Seq, Seq), places: &StoredRoomPlaces<'_>) -> EntriesQuery {
        let mut query = EntriesQuery {
            room: places.room.clone(),
            range: (first, last.min(places.head)),
            open: Vec::new(),
            amendments: RoomAmendments::of(places),
            amendments_before: 0,
            expired: None,
            oldest: None,
            decoder: EntryDecoder::new(places.room.clone()),
            phase: EntriesPhase::Done(Some(Ok(FoundEntries::default()))),
        };
        let (first, last) = query.range;
        if first > last {
            return query;
        }
        let stored_last = places.stored_last();
        if last > stored_last {
            let first = first.max(stored_last.next());
            query.phase = EntriesPhase::Done(Some(Err(QueryFault::NotStored { first, last })));
            return query;
        }
        query.open = places.open.iter().filter_map(|run| Piece::of_open(run, query.range)).collect();
        let chain = Chain::new(query.room.clone(), query.range, places.tail, places.chain_end());
        query.phase = EntriesPhase::Sections(chain);
        query.advance();
        query
    }

    /// What is needed next. Once it is done it gives the entries, a single time.
    ///
    /// # Panics
    /// When they were given already.
    pub fn step(&mut self) -> Step<FoundEntries> {
        match &mut self.phase {
            EntriesPhase::Done(result) => Step::Done(result.take().expect("entries are given once")),
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
            EntriesPhase::Sections(chain) => chain.supply(answers),
            EntriesPhase::Positions(pieces) => {
                let waiting = pieces.iter_mut().filter(|piece| piece.request().is_some());
                waiting.zip(answers).try_for_each(|(piece, answer)| piece.supply(answer))
            }
            EntriesPhase::Changes(_, lookup) => lookup.supply(answers),
            EntriesPhase::Frames(_, reads) | EntriesPhase::Edits(_, reads, _) => {
                let reads = std::mem::take(reads);
                reads.iter().zip(answers).try_for_each(|(read, answer)| self.decoder.take(read, answer))
            }
            EntriesPhase::Done(_) => Ok(()),
        };
        match supplied {
            Ok(()) => self.advance(),
            Err(fault) => self.phase = EntriesPhase::Done(Some(Err(fault))),
        }
    }

    fn requests(&self) -> Vec<ReadRequest> {
        match &self.phase {
            EntriesPhase::Sections(chain) => chain.requests(),
            EntriesPhase::Positions(pieces) => pieces.iter().filter_map(Piece::request).collect(),
            EntriesPhase::Changes(_, lookup) => lookup.requests(),
            EntriesPhase::Frames(_, reads) | EntriesPhase::Edits(_, reads, _) => {
                reads.iter().map(FrameRead::request).collect()
            }
            EntriesPhase::Done(_) => Vec::new(),
        }
    }

    /// Continues while nothing needs to be read.
    fn advance(&mut self) {
        while !matches!(self.phase, EntriesPhase::Done(_)) && self.requests().is_empty() {
            self.phase = match std::mem::replace(&mut self.phase, EntriesPhase::Done(None)) {
                EntriesPhase::Sections(chain) => match self.pieces(&chain) {
                    Ok(pieces) => EntriesPhase::Positions(pieces),
                    Err(fault) => EntriesPhase::Done(Some(Err(fault))),
                },
                EntriesPhase::Positions(pieces) => {
                    let before = pieces.iter().map(|piece| piece.amendments_before).min();
                    self.amendments_before = before.unwrap_or(0);
                    let places: Vec<EntryPlace> = pieces.iter().flat_map(Piece::entries).collect();
                    let reads = frame_reads(there(&places));
                    EntriesPhase::Frames(places, reads)
                }
                EntriesPhase::Frames(places, _) => {
                    let lookup = self.lookup(&places);
                    EntriesPhase::Changes(places, lookup)
                }
                EntriesPhase::Changes(places, lookup) => {
                    let changes = change_places(&places, &lookup.changes);
                    let reads = frame_reads(changes.filter(|place| !self.decoder.has(place.seq)));
                    EntriesPhase::Edits(places, reads, lookup.changes)
                }
                EntriesPhase::Edits(places, _, changes) => {
                    EntriesPhase::Done(Some(Ok(self.found(&places, &changes))))
                }
                done @ EntriesPhase::Done(_) => done,
            };
        }
    }

    /// Looks for what became of the messages read, and of those that the edits read are about.
    fn lookup(&self, places: &[EntryPlace]) -> GroupLookup {
        let messages = places.iter().filter(|place| place.position.is_message()).map(|place| place.seq);
        let first = places.first().map(|place| (place.directory, place.segment));
        let mut lookup = self.amendments.search();
        self.amendments.want(
            &mut lookup,
            messages.chain(self.decoder.edited()),
            first,
            self.amendments_before,
        );
        lookup
    }

    /// What makes up the range, without a hole; what is missing below has expired.
    fn pieces(&mut self, chain: &Chain) -> Result<Vec<Piece>, QueryFault> {
        let entries = chain.entries();
        let mut pieces: Vec<Piece> =
            entries.filter_map(|(link, entry)| Piece::of_entry(link, entry, self.range)).collect();
        pieces.append(&mut self.open);
        let (from, oldest) = chain.held_from(pieces.iter().map(|piece| (piece.first, piece.last)))?;
        if oldest.is_some() {
            (self.expired, self.oldest) = (Some((self.range.0, Seq(from.0 - 1))), oldest);
            pieces.retain(|piece| piece.first >= from);
        }
        Ok(pieces)
    }

    fn found(&self, places: &[EntryPlace], changes: &BTreeMap<Seq, TargetChanges>) -> FoundEntries {
        let entries =
            places.iter().filter_map(|place| self.decoder.entry_shown(place.seq, changes)).collect();
        let mut found = FoundEntries {
            entries,
            drafts: self.decoder.drafts(self.range),
            expired: self.expired,
            oldest: self.oldest,
        };
        if let Some(expired_last) = self.decoder.expired_last {
            // Retention may have come between two reads of the same segment.
            found.entries.retain(|entry| entry.seq() > expired_last);
            found.expired = Some((self.range.0, expired_last.min(self.range.1)));
            found.oldest = Some(expired_last.next());
        }
        found
    }
}

//! The machine that finds a page.

use super::chain::Chain;
use super::messages::{EntryDecoder, EntryPlace, FrameRead, change_places, frame_reads, there};
use super::pieces::Piece;
use super::room_amendments::RoomAmendments;
use super::sources::AmendmentLookup;
use super::stored_room::StoredRoomPlaces;
use super::stretch::Stretch;
use crate::index::amendments::TargetChanges;
use crate::index::link::RoomTail;
use crate::index::reads::{QueryFault, ReadAnswer, ReadRequest, Step};
use crate::index::segment::OpenRun;
use madang_model::{Page, RoomName, Seq, ShownMessage};
use std::collections::BTreeMap;

/// A page, as far as it is stored.
#[derive(Clone, Debug, Default)]
pub struct FoundPage {
    /// Oldest first, as they are now. A number that is missing between two of them is of a message that is lost, or of an
    /// entry that is none.
    pub messages: Vec<ShownMessage>,
    /// The first and the last number that were asked for and have expired.
    pub expired: Option<(Seq, Seq)>,
    /// Where the room's stored entries begin now; known when something has expired.
    pub oldest: Option<Seq>,
}

/// Finds a page of stored messages, and what became of each.
///
/// [`step`](Self::step) says what to read, all of it at once; [`supply`](Self::supply) takes it.
/// The messages themselves are asked for last, in one step. Every byte is checked before it is
/// believed.
#[derive(Debug)]
pub struct PageQuery {
    room: RoomName,
    tail: Option<RoomTail>,
    /// The last number that is asked for in finished segments.
    sealed_last: Seq,
    /// Where finished segments end, if there are none.
    chain_end: Seq,
    /// The most messages asked for.
    count: u64,
    amendments: RoomAmendments,
    /// What the segments without an index hold that may follow what is found, in order.
    open_entries: Vec<EntryPlace>,
    stretches: Vec<Stretch>,
    /// The messages found up to where the page begins, and those from there on; each in order.
    below: Vec<EntryPlace>,
    above: Vec<EntryPlace>,
    /// No entry before what is found has more amendments before it.
    amendments_before: u64,
    expired: Option<(Seq, Seq)>,
    oldest: Option<Seq>,
    phase: PagePhase,
}

#[derive(Debug)]
enum PagePhase {
    Entries(Stretch, Chain),
    Positions(Stretch, Vec<Piece>),
    Changes(Vec<EntryPlace>, AmendmentLookup),
    Messages(Vec<EntryPlace>, Vec<FrameRead>, BTreeMap<Seq, TargetChanges>),
    Done(Option<Result<FoundPage, QueryFault>>),
}

impl PageQuery {
    /// A page of a room.
    pub fn new(page: Page, places: &StoredRoomPlaces<'_>) -> PageQuery {
        let amendments = RoomAmendments::of(places);
        let stretches = Stretch::of_page(page, places.head, amendments.count);
        let mut query = PageQuery {
            room: places.room.clone(),
            tail: places.tail.cloned(),
            sealed_last: places.sealed_last().min(places.head),
            chain_end: places.chain_end(),
            count: u64::from(page.count()),
            open_entries: Vec::new(),
            stretches: Vec::new(),
            below: Vec::new(),
            above: Vec::new(),
            amendments_before: amendments.count,
            amendments,
            expired: None,
            oldest: None,
            phase: PagePhase::Done(Some(Ok(FoundPage::default()))),
        };
        let stored_last = places.stored_last();
        for stretch in stretches.into_iter().rev() {
            let (first, last) = stretch.window(places.head);
            if last > stored_last {
                let first = first.max(stored_last.next());
                query.phase = PagePhase::Done(Some(Err(QueryFault::NotStored { first, last })));
                return query;
            }
            query.take_open(stretch, places);
        }
        query.next_stretch();
        query.advance();
        query
    }

    /// Takes what segments without an index hold of a stretch; the rest is looked up.
    fn take_open(&mut self, stretch: Stretch, places: &StoredRoomPlaces<'_>) {
        let mut found = Vec::new();
        let mut take = |run: &OpenRun<'_>, range: (Seq, Seq), wanted: u64, is_down: bool| {
            let Some(piece) = Piece::of_open(run, range) else { return 0 };
            self.amendments_before = self.amendments_before.min(piece.amendments_before);
            let messages = piece.entries().filter(|place| place.position.is_message());
            let before = found.len();
            if is_down {
                found.extend(messages.rev().take(wanted as usize));
            } else {
                found.extend(messages.take(wanted as usize));
            }
            (found.len() - before) as u64
        };
        let end = self.sealed_last;
        match stretch {
            Stretch::Exact(first, last) => {
                for run in places.open {
                    take(run, (first, last), u64::MAX, false);
                }
                self.open_entries = found;
                self.stretches.extend((first <= end).then_some(stretch));
            }
            Stretch::Up { first, wanted, .. } => {
                let mut left = wanted;
                for run in places.open {
                    left -= take(run, (first, places.head), left, false);
                }
                self.open_entries = found;
                self.stretches.extend((first <= end).then_some(stretch));
            }
            Stretch::Down { last, wanted, width } => {
                let mut left = wanted;
                for run in places.open.iter().rev() {
                    left -= take(run, (Seq(1), last), left, true);
                }
                found.reverse();
                self.below = found;
                let rest = Stretch::Down { last: last.min(end), wanted: left, width };
                self.stretches.extend((left > 0 && end > Seq::ZERO).then_some(rest));
            }
        }
    }

    /// What is needed next. Once it is done it gives the page, a single time.
    ///
    /// # Panics
    /// When the page was given already.
    pub fn step(&mut self) -> Step<FoundPage> {
        match &mut self.phase {
            PagePhase::Done(result) => Step::Done(result.take().expect("a page is given once")),
            _ => Step::Read(self.requests()),
        }
    }

    /// Takes the answers to what the last step asked for, in the same order.
    ///
    /// # Panics
    /// When there are more or fewer.
    pub fn supply(&mut self, answers: &[ReadAnswer<'_>]) {
        let asked = self.requests().len();
        assert_eq!(answers.len(), asked, "each read has one answer");
        let supplied = match &mut self.phase {
            PagePhase::Entries(_, chain) => chain.supply(answers),
            PagePhase::Positions(_, pieces) => {
                let waiting = pieces.iter_mut().filter(|piece| piece.request().is_some());
                waiting.zip(answers).try_for_each(|(piece, answer)| piece.supply(answer))
            }
            PagePhase::Changes(_, lookup) => lookup.supply(answers),
            PagePhase::Messages(entries, reads, changes) => {
                let (entries, reads) = (std::mem::take(entries), std::mem::take(reads));
                let changes = std::mem::take(changes);
                self.phase = PagePhase::Done(Some(self.decode(&entries, &reads, &changes, answers)));
                return;
            }
            PagePhase::Done(_) => Ok(()),
        };
        match supplied {
            Ok(()) => self.advance(),
            Err(fault) => self.phase = PagePhase::Done(Some(Err(fault))),
        }
    }

    fn requests(&self) -> Vec<ReadRequest> {
        match &self.phase {
            PagePhase::Entries(_, chain) => chain.requests(),
            PagePhase::Positions(_, pieces) => pieces.iter().filter_map(Piece::request).collect(),
            PagePhase::Changes(_, lookup) => lookup.requests(),
            PagePhase::Messages(_, reads, _) => reads.iter().map(FrameRead::request).collect(),
            PagePhase::Done(_) => Vec::new(),
        }
    }

    /// Continues while nothing needs to be read.
    fn advance(&mut self) {
        while !matches!(self.phase, PagePhase::Done(_)) && self.requests().is_empty() {
            match std::mem::replace(&mut self.phase, PagePhase::Done(None)) {
                PagePhase::Entries(stretch, chain) => match self.pieces(stretch, &chain) {
                    Ok(pieces) => self.phase = PagePhase::Positions(stretch, pieces),
                    Err(fault) => self.phase = PagePhase::Done(Some(Err(fault))),
                },
                PagePhase::Positions(stretch, pieces) => {
                    self.take_pieces(stretch, &pieces);
                    self.next_stretch();
                }
                PagePhase::Changes(entries, lookup) => {
                    let reads = frame_reads(there(&entries).chain(change_places(&entries, &lookup.changes)));
                    self.phase = PagePhase::Messages(entries, reads, lookup.changes);
                }
                PagePhase::Messages(..) | PagePhase::Done(_) => {
                    self.phase = PagePhase::Done(Some(Ok(self.page(Vec::new()))));
                }
            }
        }
    }

    /// Begins with what is still to be looked up, or with what became of what was found.
    fn next_stretch(&mut self) {
        if let Some(stretch) = self.stretches.pop() {
            let window = stretch.window(self.sealed_last);
            let chain = Chain::new(self.room.clone(), window, self.tail.as_ref(), self.chain_end);
            self.phase = PagePhase::Entries(stretch, chain);
            return;
        }
        let entries = self.take_entries();
        let messages = entries.iter().map(|place| place.seq);
        let first = entries.first().map(|place| (place.directory, place.segment));
        let lookup = self.amendments.lookup(messages, first, self.amendments_before);
        self.phase = PagePhase::Changes(entries, lookup);
    }

    /// What makes up a stretch, without a hole; what is missing below has expired.
    fn pieces(&mut self, stretch: Stretch, chain: &Chain) -> Result<Vec<Piece>, QueryFault> {
        let (first, last) = stretch.window(self.sealed_last);
        let entries = chain.entries();
        let mut pieces: Vec<Piece> =
            entries.filter_map(|(link, entry)| Piece::of_entry(link, entry, (first, last))).collect();
        let (from, oldest) = chain.held_from(pieces.iter().map(|piece| (piece.first, piece.last)))?;
        if oldest.is_some() {
            let below = Seq(from.0 - 1);
            self.expired = Some(match self.expired {
                Some((known_first, known_last)) => (known_first.min(first), known_last.max(below)),
                None => (first, below),
            });
            self.oldest = oldest;
            // Older ones than have expired may be there, in another directory.
            pieces.retain(|piece| piece.first >= from);
        }
        Ok(pieces)
    }

    /// Takes the messages of a stretch, and looks further where they are too few.
    fn take_pieces(&mut self, stretch: Stretch, pieces: &[Piece]) {
        let least = pieces.iter().map(|piece| piece.amendments_before).min();
        self.amendments_before = self.amendments_before.min(least.unwrap_or(self.amendments_before));
        let window = stretch.window(self.sealed_last);
        let is_at_the_edge = self.expired.is_some_and(|(_, last)| last >= window.0);
        let messages = || pieces.iter().flat_map(Piece::entries).filter(|place| place.position.is_message());
        let found = match stretch {
            Stretch::Exact(..) => {
                self.below.extend(messages());
                0
            }
            Stretch::Up { wanted, .. } => {
                let before = self.above.len();
                self.above.extend(messages().take(wanted as usize));
                (self.above.len() - before) as u64
            }
            Stretch::Down { wanted, .. } => {
                let skipped = messages().count().saturating_sub(wanted as usize);
                let mut found: Vec<EntryPlace> = messages().skip(skipped).collect();
                let count = found.len() as u64;
                found.append(&mut self.below);
                self.below = found;
                count
            }
        };
        let is_down = matches!(stretch, Stretch::Down { .. });
        let rest = stretch.rest(window, found, self.sealed_last);
        self.stretches.extend(rest.filter(|_| !(is_down && is_at_the_edge)));
    }

    /// The messages of the page: so many on both sides of where it begins, moved as far as it must be to be full.
    fn take_entries(&mut self) -> Vec<EntryPlace> {
        let (mut below, mut above) = (std::mem::take(&mut self.below), std::mem::take(&mut self.above));
        above.append(&mut self.open_entries);
        let count = self.count as usize;
        let above_max = above.len().min(count);
        let below_count = (count / 2).max(count - above_max).min(below.len());
        above.truncate(count - below_count);
        below.drain(..below.len() - below_count);
        below.append(&mut above);
        below
    }

    fn decode(
        &self,
        entries: &[EntryPlace],
        reads: &[FrameRead],
        changes: &BTreeMap<Seq, TargetChanges>,
        answers: &[ReadAnswer<'_>],
    ) -> Result<FoundPage, QueryFault> {
        let mut decoder = EntryDecoder::new(self.room.clone());
        for (read, answer) in reads.iter().zip(answers) {
            decoder.take(read, answer)?;
        }
        let shown = entries.iter().filter_map(|place| decoder.shown(place.seq, changes.get(&place.seq)));
        let mut page = self.page(shown.collect());
        if let Some(expired_last) = decoder.expired_last {
            // Retention may have come between two reads of the same segment.
            page.messages.retain(|message| message.seq() > expired_last);
            let first = entries.first().map_or(expired_last, |place| place.seq);
            let last = entries.last().map_or(expired_last, |place| place.seq);
            page.expired = Some((first, expired_last.min(last)));
            page.oldest = Some(expired_last.next());
        }
        Ok(page)
    }

    fn page(&self, messages: Vec<ShownMessage>) -> FoundPage {
        FoundPage { messages, expired: self.expired, oldest: self.oldest }
    }
}

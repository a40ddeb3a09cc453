//! The machine that finds a page.

use super::chain::Chain;
use super::messages::{EntryDecoder, EntryPlace, FrameRead, change_places, frame_reads, there};
use super::pieces::Piece;
use super::placed::{Between, Placed, groups_within};
use super::room_amendments::RoomAmendments;
use super::sources::GroupLookup;
use super::stored_room::StoredRoomPlaces;
use super::stretch::Stretch;
use crate::index::link::RoomTail;
use crate::index::reads::{QueryFault, ReadAnswer, ReadRequest, Step};
use crate::index::segment::OpenRun;
use madang_model::{Page, RoomName, Seq, ShownMessage};

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
    /// What tables say of the groups that were asked for.
    lookup: GroupLookup,
    /// Whether some of the places are a run's, and what is to be found by links if one of them is wrong.
    is_by_runs: bool,
    again: Option<Box<ToFind>>,
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

/// What a query begins with.
#[derive(Clone, Debug)]
struct ToFind {
    open_entries: Vec<EntryPlace>,
    below: Vec<EntryPlace>,
    stretches: Vec<Stretch>,
}

/// While places are looked for by links, what became of messages is looked for beside them.
#[derive(Debug)]
enum PagePhase {
    /// Where are the entries, by runs? These numbers were looked up.
    Runs(Stretch, (Seq, Seq)),
    Entries(Stretch, Chain),
    Positions(Stretch, Vec<Piece>),
    Changes(Vec<EntryPlace>),
    Messages(Vec<EntryPlace>, Vec<FrameRead>),
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
            lookup: amendments.search(),
            is_by_runs: false,
            again: None,
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
        query.again = Some(Box::new(ToFind {
            open_entries: query.open_entries.clone(),
            below: query.below.clone(),
            stretches: query.stretches.clone(),
        }));
        // Both sides of a page at once.
        for stretch in query.stretches.clone() {
            query.look_up(stretch, stretch.likely(query.sealed_last));
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
        let of_places = self.place_requests().len();
        let (places, tables) = answers.split_at(of_places);
        let supplied = match &mut self.phase {
            PagePhase::Entries(_, chain) => chain.supply(places),
            PagePhase::Positions(_, pieces) => {
                let waiting = pieces.iter_mut().filter(|piece| piece.request().is_some());
                waiting.zip(places).try_for_each(|(piece, answer)| piece.supply(answer))
            }
            PagePhase::Messages(entries, reads) => {
                let (entries, reads) = (std::mem::take(entries), std::mem::take(reads));
                return self.take_messages(&entries, &reads, places);
            }
            PagePhase::Runs(..) | PagePhase::Changes(_) | PagePhase::Done(_) => Ok(()),
        };
        if let Err(fault) = supplied {
            return self.fail(fault);
        }
        match (self.lookup.supply(tables), self.again.take()) {
            (Ok(()), again) => {
                self.again = again;
                self.advance();
            }
            // Nothing became of the messages: runs were asked only where they are.
            (Err(_), Some(again)) if self.amendments.count == 0 => {
                self.lookup = self.amendments.search();
                self.follow_links(*again);
            }
            (Err(fault), _) => self.phase = PagePhase::Done(Some(Err(fault))),
        }
    }

    /// Where a run's place may be to blame, all is looked for once more, by links.
    fn fail(&mut self, fault: QueryFault) {
        match self.again.take() {
            Some(again) if self.is_by_runs => self.follow_links(*again),
            _ => self.phase = PagePhase::Done(Some(Err(fault))),
        }
    }

    fn follow_links(&mut self, ToFind { open_entries, below, stretches }: ToFind) {
        (self.open_entries, self.below, self.stretches) = (open_entries, below, stretches);
        self.above.clear();
        self.is_by_runs = false;
        self.next_stretch();
        self.advance();
    }

    fn take_messages(&mut self, entries: &[EntryPlace], reads: &[FrameRead], answers: &[ReadAnswer<'_>]) {
        match self.decode(entries, reads, answers) {
            // A segment that a run knows is gone: how much has expired is said by links.
            Ok((_, true)) if self.is_by_runs => {
                let again = self.again.take().expect("it is looked for by runs once");
                self.follow_links(*again);
            }
            Ok((page, _)) => self.phase = PagePhase::Done(Some(Ok(page))),
            Err(fault) => self.fail(fault),
        }
    }

    fn requests(&self) -> Vec<ReadRequest> {
        let mut requests = self.place_requests();
        if !matches!(self.phase, PagePhase::Messages(..) | PagePhase::Done(_)) {
            requests.extend(self.lookup.requests());
        }
        requests
    }

    /// What is read besides tables.
    fn place_requests(&self) -> Vec<ReadRequest> {
        match &self.phase {
            PagePhase::Entries(_, chain) => chain.requests(),
            PagePhase::Positions(_, pieces) => pieces.iter().filter_map(Piece::request).collect(),
            PagePhase::Messages(_, reads) => reads.iter().map(FrameRead::request).collect(),
            PagePhase::Runs(..) | PagePhase::Changes(_) | PagePhase::Done(_) => Vec::new(),
        }
    }

    /// Continues while nothing needs to be read for what is under way.
    fn advance(&mut self) {
        while self.is_phase_over() {
            match std::mem::replace(&mut self.phase, PagePhase::Done(None)) {
                PagePhase::Runs(stretch, asked) => self.take_placed(stretch, asked),
                PagePhase::Entries(stretch, chain) => match self.pieces(stretch, &chain) {
                    Ok(pieces) => self.phase = PagePhase::Positions(stretch, pieces),
                    Err(fault) => self.fail(fault),
                },
                PagePhase::Positions(stretch, pieces) => {
                    self.take_pieces(stretch, &pieces);
                    self.next_stretch();
                }
                PagePhase::Changes(entries) => {
                    let changed = change_places(&entries, &self.lookup.changes);
                    let reads = frame_reads(there(&entries).chain(changed));
                    self.phase = PagePhase::Messages(entries, reads);
                }
                PagePhase::Messages(..) | PagePhase::Done(_) => {
                    self.phase = PagePhase::Done(Some(Ok(self.page(Vec::new()))));
                }
            }
        }
    }

    fn is_phase_over(&self) -> bool {
        match &self.phase {
            PagePhase::Runs(..) | PagePhase::Changes(_) => self.lookup.requests().is_empty(),
            PagePhase::Done(_) => false,
            _ => self.place_requests().is_empty(),
        }
    }

    /// Begins with what is still to be looked up, or with what became of what was found.
    fn next_stretch(&mut self) {
        if let Some(stretch) = self.stretches.pop() {
            let likely = stretch.likely(self.sealed_last);
            self.phase = if self.look_up(stretch, likely) {
                PagePhase::Runs(stretch, likely)
            } else {
                self.by_links(stretch)
            };
            return;
        }
        let entries = self.take_entries();
        let messages = entries.iter().map(|place| place.seq);
        let first = entries.first().map(|place| (place.directory, place.segment));
        self.amendments.want(&mut self.lookup, messages, first, self.amendments_before);
        self.phase = PagePhase::Changes(entries);
    }

    /// Asks tables for some numbers of a stretch. Whether there are runs that may say where they are.
    fn look_up(&mut self, stretch: Stretch, numbers: (Seq, Seq)) -> bool {
        let groups = groups_within(numbers);
        let between = Between::of(self.tail.as_ref(), stretch.window(self.sealed_last));
        if self.amendments.count > 0 {
            self.lookup.want(&groups, |source| between.may_amend(source));
        }
        let is_in_runs = self.again.is_some()
            && !groups.is_empty()
            && self.amendments.sources().any(|source| between.may_place(source));
        if is_in_runs {
            self.lookup.want(&groups, |source| between.may_place(source));
        }
        is_in_runs
    }

    fn by_links(&self, stretch: Stretch) -> PagePhase {
        let window = stretch.window(self.sealed_last);
        let chain = Chain::new(self.room.clone(), window, self.tail.as_ref(), self.chain_end);
        PagePhase::Entries(stretch, chain)
    }

    /// Takes what runs say of a stretch, as far as that is enough.
    fn take_placed(&mut self, stretch: Stretch, asked: (Seq, Seq)) {
        let window = stretch.window(self.sealed_last);
        match Placed::of(stretch, window, asked, &self.lookup.placed) {
            Placed::Whole(pieces) => {
                self.is_by_runs = true;
                self.take_pieces(stretch, &pieces);
                self.next_stretch();
            }
            Placed::Few if self.look_up(stretch, window) => self.phase = PagePhase::Runs(stretch, window),
            Placed::Few | Placed::Hole => self.phase = self.by_links(stretch),
        }
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

    /// The page, and whether one of its segments is gone.
    fn decode(
        &self,
        entries: &[EntryPlace],
        reads: &[FrameRead],
        answers: &[ReadAnswer<'_>],
    ) -> Result<(FoundPage, bool), QueryFault> {
        let mut decoder = EntryDecoder::new(self.room.clone());
        for (read, answer) in reads.iter().zip(answers) {
            decoder.take(read, answer)?;
        }
        let changes = &self.lookup.changes;
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
        Ok((page, decoder.expired_last.is_some()))
    }

    fn page(&self, messages: Vec<ShownMessage>) -> FoundPage {
        FoundPage { messages, expired: self.expired, oldest: self.oldest }
    }
}

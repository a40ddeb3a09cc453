//! Who waits for stored messages, and the answers they get.

use super::Archive;
use super::drafts::{DraftAnswer, DraftQuestion, LoadStep, RoomLoading, loaded_first};
use super::page::{cut_entries_to, cut_to};
use super::search::{SearchStep, TimeQuestion, TimeSearch};
use super::target::TargetLookup;
use crate::room::{LookedUpTarget, PageReader, PageRest, RoomHistory};
use madang_log::{
    AmendmentSource, BatchId, DraftQuery, EntriesQuery, FactsPointer, FactsQuery, FoundEntries, FoundPage,
    LoadedFacts, PageQuery, QueryFault, QueryOutcome, RoomQuery, SnapshotRoom, SnapshotScope, StoredFile,
    StoredQuery, StoredRoomPlaces,
};
use madang_model::{
    Event, Gap, GapReason, HistoryPage, Page, Refusal, Reply, ResumedEntries, RoomKey, RoomName, Seq,
    SessionId, ShardId, ShownEntry, ShownMessage, Timestamp,
};

/// Names a lookup until it is answered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct LookupId(u64);

/// Stored messages that someone waits for.
#[derive(Debug)]
pub struct WaitingLookup {
    purpose: LookupPurpose,
    room: RoomName,
    head: Seq,
    /// What is looked up.
    asked: LookedUp,
    /// Not before this batch is committed: the recent messages may be part of it.
    after: BatchId,
    /// The files that were made again for it: never one twice.
    mended: Vec<(ShardId, StoredFile)>,
}

/// What is looked up.
#[derive(Clone, Copy, Debug)]
enum LookedUp {
    /// A room.
    Room,
    /// A page of messages among the entries up to a number.
    Page(Page, Seq),
    /// The entries with numbers between these.
    Entries(Seq, Seq),
    /// Facts: their newest record, when they were asked for.
    Facts(FactsPointer),
    /// A draft, in indexes alone: author and id. No message before this time is of it.
    Draft(u64, Timestamp),
}

impl LookedUp {
    /// The first and the last number, as far as that is known before it is looked up.
    fn range(self) -> (Seq, Seq) {
        match self {
            LookedUp::Room | LookedUp::Facts(_) | LookedUp::Draft(..) => (Seq(1), Seq(1)),
            LookedUp::Page(page, last) => page.range(last).unwrap_or((last, last)),
            LookedUp::Entries(first, last) => (first, last),
        }
    }
}

/// What stored messages are looked up for.
#[derive(Debug)]
enum LookupPurpose {
    /// A session asked for a page; what follows and is in memory.
    Page { session: SessionId, asked: Page, recent: Vec<ShownMessage>, is_sparse: bool },
    /// A session asked for entries; what follows and is in memory.
    Entries { session: SessionId, recent: Vec<ShownEntry> },
    /// A session wants to amend a message: what it is now.
    Target { session: SessionId, target: Seq },
    /// A room is loaded: where its newest messages are.
    Find,
    /// The same: those messages.
    Load(RoomLoading),
    /// The same: its facts. All else of it is there.
    LoadFacts(Box<RoomContents>),
    /// A session asked for a page by time: where that begins.
    Time(TimeSearch),
    /// A session repeats a draft that may be stored.
    Draft { session: SessionId, hash: u64 },
}

/// What a lookup came to.
#[derive(Debug)]
pub enum Answered {
    /// An event for the one who asked.
    Page(ShardId, Event),
    /// A room, as it is loaded.
    Room(RoomContents),
    /// Where a room's messages are could not be found out: not even its newest number is known.
    Unknown(RoomKey),
    /// A page that was asked for by time, as it is by numbers.
    Time {
        /// Who asks.
        session: SessionId,
        /// Who reads.
        reader: PageReader,
        /// The room.
        room: RoomKey,
        /// The page.
        page: Page,
    },
    /// What the first request of a session in a room waits for.
    First {
        /// Who asks.
        session: SessionId,
        /// Where.
        room: RoomKey,
        /// What was found.
        answer: FirstAnswer,
    },
}

/// What was looked up for a request that waits for it.
#[derive(Debug)]
pub enum FirstAnswer {
    /// Whether its draft is stored.
    Draft(DraftAnswer),
    /// The message that it amends.
    Target(LookedUpTarget),
}

/// A room as the log knows it.
#[derive(Debug)]
pub struct RoomContents {
    /// Its name as it was first written.
    pub name: RoomName,
    /// What was said in it; without entries when they could not be read.
    pub stored: RoomHistory,
    /// Its facts, if it has any.
    pub facts: Option<Box<LoadedFacts>>,
}

/// Entries that are not in memory.
#[derive(Debug)]
pub struct EntriesLookup {
    /// Who asks.
    pub session: SessionId,
    /// The room.
    pub room: RoomName,
    /// Its newest entry.
    pub head: Seq,
    /// The first and the last number that is not in memory.
    pub range: (Seq, Seq),
    /// What follows and is.
    pub recent: Vec<ShownEntry>,
    /// The last batch that carries something of the room.
    pub after: BatchId,
}

/// What is asked of the stored messages of a room.
#[derive(Debug)]
pub struct PageLookup {
    /// Who asks.
    pub session: SessionId,
    /// The room.
    pub room: RoomName,
    /// Its newest message.
    pub head: Seq,
    /// The page.
    pub asked: Page,
    /// What of it is not in memory.
    pub rest: PageRest,
    /// What follows and is.
    pub recent: Vec<ShownMessage>,
    /// Whether the room has entries that are no messages.
    pub is_sparse: bool,
    /// The last batch that carries something of the room.
    pub after: BatchId,
}

impl Archive {
    /// Someone asks for what is not in memory. The answer comes later, or at once when too many ask.
    pub fn ask(&mut self, question: PageLookup) -> Option<(SessionId, Reply)> {
        let PageLookup { session, room, head, asked, rest, recent, is_sparse, after } = question;
        let looked_up = LookedUp::Page(rest.page, rest.last);
        if self.waiting.len() >= Self::LOOKUPS_MAX {
            let (first, last) = looked_up.range();
            let gap = Some(Gap { first, last, reason: GapReason::Busy });
            let messages = if follows_rest(asked, is_sparse) { recent } else { Vec::new() };
            let page = HistoryPage { room, messages, is_sparse, head, gap };
            return Some((session, Reply::History(page)));
        }
        let purpose = LookupPurpose::Page { session, asked, recent, is_sparse };
        self.enqueue(purpose, room, head, looked_up, after);
        None
    }

    /// Someone resumes behind what is in memory. The answer comes later, or at once when too many ask.
    pub fn ask_entries(&mut self, question: EntriesLookup) -> Option<(SessionId, Reply)> {
        let EntriesLookup { session, room, head, range: (first, last), recent, after } = question;
        if self.waiting.len() >= Self::LOOKUPS_MAX {
            let gap = Some(Gap { first, last, reason: GapReason::Busy });
            return Some((session, Reply::Resumed(ResumedEntries { room, entries: recent, head, gap })));
        }
        let purpose = LookupPurpose::Entries { session, recent };
        self.enqueue(purpose, room, head, LookedUp::Entries(first, last), after);
        None
    }

    /// Someone wants to amend a message that is not in memory: it comes as [`Answered::First`].
    ///
    /// # Errors
    /// [`Refusal`] when too many ask.
    pub fn ask_target(&mut self, question: TargetLookup) -> Result<(), Refusal> {
        let TargetLookup { session, room, head, target, after } = question;
        if self.waiting.len() >= Self::LOOKUPS_MAX {
            return Err(Refusal::NotStored { reason: "too many wait for the disk".into() });
        }
        let page = Page::After { seq: Seq(target.0 - 1), count: 1 };
        // Nothing behind it is asked for: where it is no message, there is none.
        let asked = LookedUp::Page(page, target);
        self.enqueue(LookupPurpose::Target { session, target }, room, head, asked, after);
        Ok(())
    }

    /// Someone asks for a page by time that begins below a number. The answer comes later, or at once when too many ask.
    pub fn search(
        &mut self,
        room: RoomName,
        head: Seq,
        question: TimeQuestion,
    ) -> Option<(SessionId, Reply)> {
        if self.waiting.len() >= Self::LOOKUPS_MAX {
            let gap = Some(Gap { first: Seq(1), last: head, reason: GapReason::Busy });
            let page = HistoryPage { room, messages: Vec::new(), is_sparse: true, head, gap };
            return Some((question.session, Reply::History(page)));
        }
        let (search, first) = TimeSearch::new(question);
        let asked = look_at(first, 1, head);
        self.enqueue(LookupPurpose::Time(search), room, head, asked, question.after);
        None
    }

    /// Someone says a draft that may be stored. The answer comes later; false when too many ask.
    pub fn look_for_draft(&mut self, question: DraftQuestion) -> bool {
        if self.waiting.len() >= Self::LOOKUPS_MAX {
            return false;
        }
        let DraftQuestion { session, room, head, hash, from, after } = question;
        let purpose = LookupPurpose::Draft { session, hash };
        self.enqueue(purpose, room, head, LookedUp::Draft(hash, from), after);
        true
    }

    /// Reads further of a room that is loaded, or gives it.
    fn loaded(
        &mut self,
        waiting: WaitingLookup,
        loading: RoomLoading,
        found: Option<FoundEntries>,
        now: Timestamp,
    ) -> Option<Answered> {
        let WaitingLookup { head, asked, .. } = waiting;
        match loading.found(asked.range(), found, now) {
            (loading, LoadStep::Read(first, last)) => {
                let (purpose, asked) = (LookupPurpose::Load(loading), LookedUp::Entries(first, last));
                self.look_on(WaitingLookup { purpose, asked, ..waiting });
                None
            }
            (_, LoadStep::Done { entries, drafts }) => {
                let amendments = self.amendments(waiting.room.key());
                let stored = RoomHistory { head, amendments, entries, drafts };
                self.messages_loaded(RoomContents { name: waiting.room, stored, facts: None })
            }
        }
    }

    /// The next step of a lookup, before all that came later.
    fn look_on(&mut self, waiting: WaitingLookup) {
        let id = self.new_id();
        self.waiting.insert(id, waiting);
        self.queue.push_front(id);
    }

    /// Looks further, or gives the page by numbers. `page` is what the last look found; `None` when that cannot be read.
    fn searched(
        &mut self,
        waiting: WaitingLookup,
        mut search: TimeSearch,
        page: Option<FoundPage>,
    ) -> Option<Answered> {
        let WaitingLookup { room, head, after, .. } = waiting;
        let TimeQuestion { session, reader, page: asked, .. } = search.question;
        match search.found(page.as_ref()) {
            SearchStep::Look { first, count } => {
                let (purpose, mended) = (LookupPurpose::Time(search), waiting.mended);
                let asked = look_at(first, count, head);
                self.look_on(WaitingLookup { purpose, room, head, asked, after, mended });
                None
            }
            SearchStep::Done(since) => {
                Some(Answered::Time { session, reader, room: room.key(), page: asked.at(since) })
            }
            SearchStep::Unreadable => {
                let gap = Some(Gap { first: Seq(1), last: head, reason: GapReason::Unreadable });
                let page = HistoryPage { room, messages: Vec::new(), is_sparse: true, head, gap };
                let reply = Reply::History(page);
                Some(Answered::Page(session.shard, Event::Reply { to: session.connection, reply }))
            }
        }
    }

    /// A room that is not in memory is wanted. Gives it at once when nothing of it is stored;
    /// otherwise it comes as [`Answered::Room`]. Nothing of it may be on its way to the disk.
    pub fn load(&mut self, wanted: &RoomName) -> Option<RoomContents> {
        let key = wanted.key();
        match self.known(key) {
            Some(name) => self.begin_loading(name),
            None if self.snapshots.iter().any(|scope| scope.may_hold(key)) => {
                let asked = LookedUp::Room;
                self.enqueue(LookupPurpose::Find, wanted.clone(), Seq::ZERO, asked, BatchId::ZERO);
            }
            None => return Some(self.unstored(wanted.clone())),
        }
        None
    }

    /// A room that no segment holds a message of.
    fn unstored(&self, wanted: RoomName) -> RoomContents {
        let lost = self.lost_heads.get(&wanted.key()).cloned();
        let (name, head) = lost.unwrap_or((wanted, Seq::ZERO));
        RoomContents { name, stored: RoomHistory { head, ..RoomHistory::default() }, facts: None }
    }

    /// Reads the latest messages of a room that is known, and then those that may have drafts to remember.
    fn begin_loading(&mut self, name: RoomName) {
        let head = self.head(name.key());
        let first = Seq((head.0 + 1).saturating_sub(loaded_first(self.amendments(name.key()))).max(1));
        let (purpose, asked) = (LookupPurpose::Load(RoomLoading::default()), LookedUp::Entries(first, head));
        self.enqueue(purpose, name, head, asked, BatchId::ZERO);
    }

    /// How many lookups are not answered yet.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn new_id(&mut self) -> LookupId {
        self.next_id += 1;
        LookupId(self.next_id)
    }

    fn enqueue(
        &mut self,
        purpose: LookupPurpose,
        room: RoomName,
        head: Seq,
        asked: LookedUp,
        after: BatchId,
    ) {
        let id = self.new_id();
        self.waiting.insert(id, WaitingLookup { purpose, room, head, asked, after, mended: Vec::new() });
        self.queue.push_back(id);
    }

    /// The next query to carry out, if one may begin. While an index is on its way to the disk its
    /// segment can be found in neither place, so that queries wait.
    pub fn next_query(&mut self, committed: BatchId) -> Option<(LookupId, StoredQuery)> {
        if self.index_jobs() > 0 {
            return None;
        }
        let id = *self.queue.front()?;
        let waiting = self.waiting.get(&id).expect("what is queued waits");
        if waiting.after > committed {
            return None;
        }
        self.queue.pop_front();
        let (room, head, asked) = (waiting.room.clone(), waiting.head, waiting.asked);
        // The latest entries lead up to the newest, and say themselves what became of them.
        let is_loaded = matches!(waiting.purpose, LookupPurpose::Load(_));
        let query = match asked {
            LookedUp::Room => StoredQuery::Room(RoomQuery::new(&room, &self.snapshots)),
            LookedUp::Facts(known) => {
                let facts = self.facts(room.key()).unwrap_or(known);
                StoredQuery::Facts(FactsQuery::new(&room, facts))
            }
            LookedUp::Page(page, last) => self
                .ask_stored(&room, head.min(last), |places| StoredQuery::Page(PageQuery::new(page, &places))),
            LookedUp::Draft(hash, from) => self
                .ask_stored(&room, head, |places| StoredQuery::Draft(DraftQuery::new(hash, from, &places))),
            LookedUp::Entries(first, last) => self.ask_stored(&room, head, |places| {
                let sources = if is_loaded { &[] } else { places.sources };
                let places = StoredRoomPlaces { sources, ..places };
                StoredQuery::Entries(EntriesQuery::new((first, last), &places))
            }),
        };
        Some((id, query))
    }

    /// Asks something of the stored entries of a room up to a number.
    fn ask_stored(
        &mut self,
        room: &RoomName,
        head: Seq,
        ask: impl FnOnce(StoredRoomPlaces<'_>) -> StoredQuery,
    ) -> StoredQuery {
        let key = room.key();
        let tail = self.tails.get(&key).and_then(|known| known.tail.as_ref());
        // A gap before the open segment is of lost messages.
        self.open.excuse_gap_of(key, tail);
        let runs = self.open.room(key);
        // Where a room moved when the number of shards changed, an earlier directory may say something of it, too.
        let may_say = |directory: ShardId| {
            let holds = |scope: &&SnapshotScope| scope.directory == directory && scope.may_hold(key);
            directory == self.directory || self.snapshots.iter().any(|scope| holds(&scope))
        };
        let sources: Vec<AmendmentSource> =
            self.sources.iter().filter(|source| may_say(source.directory())).copied().collect();
        let places = StoredRoomPlaces { room, head, tail, open: runs.as_slice(), sources: &sources };
        // Numbers above the last stored entry are of entries that a repair recorded as lost.
        let head = head.min(places.stored_last());
        ask(StoredRoomPlaces { head, ..places })
    }

    /// A lookup met an index or a snapshot that is gone or damaged. Whether it is to be made again
    /// for it: once.
    pub fn may_mend(&mut self, id: LookupId, fault: &QueryFault) -> bool {
        let Some(file) = fault.mendable() else { return false };
        let Some(waiting) = self.waiting.get_mut(&id) else { return false };
        let is_new = !waiting.mended.contains(&file);
        waiting.mended.push(file);
        is_new
    }

    /// What a lookup has missed is there again: once more.
    pub fn ask_again(&mut self, id: LookupId) {
        self.queue.push_front(id);
    }

    /// A lookup is answered.
    pub fn answer(
        &mut self,
        id: LookupId,
        found: Result<QueryOutcome, QueryFault>,
        now: Timestamp,
    ) -> Option<Answered> {
        let waiting = self.waiting.remove(&id)?;
        if let Err(fault) = &found {
            tracing::error!(shard = self.directory.0, %fault, "stored messages cannot be shown");
        }
        let (mut page, mut entries, mut draft) = (None, None, None);
        match found {
            Ok(QueryOutcome::Room(room)) => return self.found(waiting.room, room),
            Ok(QueryOutcome::Page(found)) => page = Some(found),
            Ok(QueryOutcome::Entries(found)) => entries = Some(found),
            Ok(QueryOutcome::Draft(found)) => draft = Some(found),
            Ok(QueryOutcome::Facts(facts)) => return facts_loaded(waiting, facts),
            // Nobody asks for it yet: it is for accounts.
            Ok(QueryOutcome::Unread(_)) | Err(_) => {}
        }
        let rest = WaitingLookup { purpose: LookupPurpose::Find, ..waiting };
        let (session, asked, mut recent, is_sparse) = match waiting.purpose {
            LookupPurpose::Find | LookupPurpose::LoadFacts(_) => {
                return Some(Answered::Unknown(rest.room.key()));
            }
            LookupPurpose::Load(loading) => return self.loaded(rest, loading, entries, now),
            LookupPurpose::Time(search) => return self.searched(rest, search, page),
            LookupPurpose::Draft { session, hash } => {
                let answer = DraftAnswer { hash, head: rest.head, found: draft.into() };
                let answer = FirstAnswer::Draft(answer);
                return Some(Answered::First { session, room: rest.room.key(), answer });
            }
            LookupPurpose::Target { session, target } => {
                let found = page.and_then(|page| page.messages.into_iter().next());
                let mut found = found.filter(|shown| shown.seq() == target);
                self.erasing.hide(found.as_mut_slice());
                let found = LookedUpTarget { target, head: rest.head, found };
                let answer = FirstAnswer::Target(found);
                return Some(Answered::First { session, room: rest.room.key(), answer });
            }
            LookupPurpose::Entries { session, recent } => {
                return Some(self.resumed(session, rest, entries, recent));
            }
            LookupPurpose::Page { session, asked, recent, is_sparse } => (session, asked, recent, is_sparse),
        };
        let WaitingLookup { room, head, asked: looked_up, .. } = rest;
        let (first, last) = looked_up.range();
        let (mut messages, mut gap) = match page {
            Some(page) => {
                // Where something has expired the page may end before what is in memory begins.
                if page.expired.is_some() && !follows_rest(asked, is_sparse) {
                    recent.clear();
                }
                let reason = GapReason::Expired;
                let mut gap = page.expired.map(|(first, last)| Gap { first, last, reason });
                if let (Some(gap), Some(oldest), true) =
                    (&mut gap, page.oldest, page.messages.is_empty() && recent.is_empty())
                {
                    // All that was asked for has expired: the answer says where the others begin.
                    gap.last = gap.last.max(Seq(oldest.0.saturating_sub(1)).min(head));
                }
                (page.messages, gap)
            }
            None => {
                if !follows_rest(asked, is_sparse) {
                    recent.clear();
                }
                (Vec::new(), Some(Gap { first, last, reason: GapReason::Unreadable }))
            }
        };
        #[cfg(any(test, feature = "deliberate-faults"))]
        if crate::mutation::is_on(crate::mutation::Mutation::ShortenPage) && !messages.is_empty() {
            messages.remove(0);
        }
        #[cfg(any(test, feature = "deliberate-faults"))]
        crate::mutation::as_said(&mut messages);
        messages.extend(recent);
        if matches!(asked, Page::After { .. }) {
            messages.truncate(asked.count() as usize);
        }
        self.erasing.hide(&mut messages);
        if let Some(cut) = cut_to(&mut messages, self.page_bytes_max) {
            gap = Some(cut);
        }
        let reply = Reply::History(HistoryPage { room, messages, is_sparse, head, gap });
        Some(Answered::Page(session.shard, Event::Reply { to: session.connection, reply }))
    }

    /// What someone who resumes is answered.
    fn resumed(
        &self,
        session: SessionId,
        waiting: WaitingLookup,
        found: Option<FoundEntries>,
        recent: Vec<ShownEntry>,
    ) -> Answered {
        let WaitingLookup { room, head, asked, .. } = waiting;
        let (first, last) = asked.range();
        let (mut entries, mut gap) = match found {
            Some(FoundEntries { entries, expired, .. }) => {
                let reason = GapReason::Expired;
                (entries, expired.map(|(first, last)| Gap { first, last, reason }))
            }
            None => (Vec::new(), Some(Gap { first, last, reason: GapReason::Unreadable })),
        };
        entries.extend(recent);
        #[cfg(any(test, feature = "deliberate-faults"))]
        crate::mutation::without_amendments(&mut entries);
        self.erasing.hide_entries(&mut entries);
        // What does not fit is asked for next.
        cut_entries_to(&mut entries, self.page_bytes_max);
        if gap.is_none() && entries.is_empty() {
            gap = Some(Gap { first, last, reason: GapReason::TooMuch });
        }
        let reply = Reply::Resumed(ResumedEntries { room, entries, head, gap });
        Answered::Page(session.shard, Event::Reply { to: session.connection, reply })
    }

    /// Continues with the messages of a room that was found.
    fn found(&mut self, wanted: RoomName, room: Option<SnapshotRoom>) -> Option<Answered> {
        // The query has checked its name.
        let Some((name, room)) = room.and_then(|room| Some((room.room_name().ok()?, room))) else {
            return Some(Answered::Room(self.unstored(wanted)));
        };
        self.know(name.clone(), room.tail, room.facts);
        self.begin_loading(name);
        None
    }

    /// Continues with the facts of a room, of which all else is there.
    fn messages_loaded(&mut self, room: RoomContents) -> Option<Answered> {
        let facts = self.facts(room.name.key());
        #[cfg(any(test, feature = "deliberate-faults"))]
        let facts = facts.filter(|_| !crate::mutation::is_on(crate::mutation::Mutation::ForgetStoredFacts));
        let Some(facts) = facts else { return Some(Answered::Room(room)) };
        let (name, head) = (room.name.clone(), room.stored.head);
        let purpose = LookupPurpose::LoadFacts(Box::new(room));
        self.enqueue(purpose, name, head, LookedUp::Facts(facts), BatchId::ZERO);
        None
    }
}

/// The facts of a room are there, and with them all of it.
fn facts_loaded(waiting: WaitingLookup, facts: Box<LoadedFacts>) -> Option<Answered> {
    let LookupPurpose::LoadFacts(room) = waiting.purpose else { return None };
    Some(Answered::Room(RoomContents { facts: Some(facts), ..*room }))
}

/// Whether what is in memory of a page is known to follow what is not, though that cannot be read.
fn follows_rest(asked: Page, is_sparse: bool) -> bool {
    !(is_sparse && matches!(asked, Page::After { .. }))
}

/// A look at so many messages from a number on.
fn look_at(first: Seq, count: u32, head: Seq) -> LookedUp {
    LookedUp::Page(Page::After { seq: Seq(first.0 - 1), count }, head)
}

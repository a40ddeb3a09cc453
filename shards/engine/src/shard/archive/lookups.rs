//! Who waits for stored messages, and the answers they get.

use super::Archive;
use super::drafts::{DraftFound, DraftQuestion, DraftSearch, DraftStep, LOADED_FIRST, LoadStep, RoomLoading};
use super::page::cut_to;
use super::search::{SearchStep, TimeQuestion, TimeSearch};
use crate::room::Drafts;
use madang_log::{
    BatchId, FactsQuery, FoundPage, LoadedFacts, OpenRun, PageQuery, QueryFault, QueryOutcome, RoomQuery,
    SnapshotRoom, StoredFile, StoredQuery,
};
use madang_model::{
    Event, Gap, GapReason, HistoryPage, Message, Page, Reply, RoomKey, RoomName, Seq, SessionId, ShardId,
    Timestamp, UserKey,
};
use std::sync::Arc;

/// Names a lookup until it is answered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct LookupId(u64);

/// Stored messages that someone waits for.
#[derive(Debug)]
pub struct WaitingLookup {
    purpose: LookupPurpose,
    room: RoomName,
    head: Seq,
    /// What is looked up: `count` numbers from the first.
    first: Seq,
    count: u32,
    /// Not before this batch is committed: the recent messages may be part of it.
    after: BatchId,
    /// The files that were made again for it: never one twice.
    mended: Vec<(ShardId, StoredFile)>,
}

/// What stored messages are looked up for.
#[derive(Debug)]
enum LookupPurpose {
    /// A session asked for a page; what follows and is in memory.
    Page { session: SessionId, recent: Vec<Arc<Message>> },
    /// A room is loaded: where its newest messages are.
    Find,
    /// The same: those messages.
    Load(RoomLoading),
    /// The same: its facts. All else of it is there.
    LoadFacts(Box<RoomContents>),
    /// A session asked for a page by time: where that begins.
    Time(TimeSearch),
    /// A session repeats a draft that may be stored.
    Draft(DraftSearch),
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
        /// Its user.
        user: UserKey,
        /// The room.
        room: RoomKey,
        /// The page.
        page: Page,
    },
    /// Whether a draft is stored.
    Draft {
        /// Who says it.
        session: SessionId,
        /// Where.
        room: RoomKey,
        /// Author and id.
        hash: u64,
        /// What was found.
        found: DraftFound,
    },
}

/// A room as the log knows it.
#[derive(Debug)]
pub struct RoomContents {
    /// Its name as it was first written.
    pub name: RoomName,
    /// Its newest number.
    pub head: Seq,
    /// Its latest messages, oldest first; none when they could not be read.
    pub messages: Vec<Arc<Message>>,
    /// Its latest drafts.
    pub drafts: Drafts,
    /// Its facts, if it has any.
    pub facts: Option<Box<LoadedFacts>>,
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
    /// The first and the last number that is not in memory.
    pub gap: (Seq, Seq),
    /// What follows and is.
    pub recent: Vec<Arc<Message>>,
    /// The last batch that carries something of the room.
    pub after: BatchId,
}

impl Archive {
    /// Someone asks for what is not in memory. The answer comes later, or at once when too many ask.
    pub fn ask(&mut self, question: PageLookup) -> Option<(SessionId, Reply)> {
        let PageLookup { session, room, head, gap: (first, last), recent, after } = question;
        if self.waiting.len() >= Self::LOOKUPS_MAX {
            let gap = Some(Gap { first, last, reason: GapReason::Busy });
            return Some((session, Reply::History(HistoryPage { room, messages: recent, head, gap })));
        }
        let id = self.new_id();
        let count = u32::try_from(last.0 - first.0 + 1).unwrap_or(Page::MESSAGES_MAX);
        let purpose = LookupPurpose::Page { session, recent };
        self.enqueue(id, WaitingLookup { purpose, room, head, first, count, after, mended: Vec::new() });
        None
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
            let reply = Reply::History(HistoryPage { room, messages: Vec::new(), head, gap });
            return Some((question.session, reply));
        }
        let (search, first) = TimeSearch::new(question);
        let (id, after, purpose) = (self.new_id(), question.after, LookupPurpose::Time(search));
        self.enqueue(id, WaitingLookup { purpose, room, head, first, count: 1, after, mended: Vec::new() });
        None
    }

    /// Someone says a draft that may be stored. The answer comes later; false when too many ask.
    pub fn look_for_draft(&mut self, question: DraftQuestion) -> bool {
        if self.waiting.len() >= Self::LOOKUPS_MAX {
            return false;
        }
        let (search, first, count) = DraftSearch::new(&question);
        let DraftQuestion { room, head, after, .. } = question;
        let (id, purpose) = (self.new_id(), LookupPurpose::Draft(search));
        self.enqueue(id, WaitingLookup { purpose, room, head, first, count, after, mended: Vec::new() });
        true
    }

    /// Looks further back for a draft, or says what became of it.
    fn draft_searched(
        &mut self,
        waiting: WaitingLookup,
        mut search: DraftSearch,
        page: Option<&FoundPage>,
    ) -> Option<Answered> {
        match search.found(waiting.first, page) {
            DraftStep::Read(first, count) => {
                self.look_on(WaitingLookup {
                    purpose: LookupPurpose::Draft(search),
                    first,
                    count,
                    ..waiting
                });
                None
            }
            DraftStep::Done(found) => {
                let DraftSearch { session, hash, .. } = search;
                Some(Answered::Draft { session, room: waiting.room.key(), hash, found })
            }
        }
    }

    /// Reads further of a room that is loaded, or gives it.
    fn loaded(
        &mut self,
        waiting: WaitingLookup,
        loading: RoomLoading,
        page: Option<FoundPage>,
        now: Timestamp,
    ) -> Option<Answered> {
        let WaitingLookup { head, first, count, .. } = waiting;
        match loading.found((first, count), page, now) {
            (loading, LoadStep::Read(first, count)) => {
                self.look_on(WaitingLookup {
                    purpose: LookupPurpose::Load(loading),
                    first,
                    count,
                    ..waiting
                });
                None
            }
            (_, LoadStep::Done { messages, drafts }) => {
                self.messages_loaded(RoomContents { name: waiting.room, head, messages, drafts, facts: None })
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
        let TimeQuestion { session, user, page: asked, .. } = search.question;
        match search.found(page.as_ref()) {
            SearchStep::Look { first, count } => {
                let (purpose, mended) = (LookupPurpose::Time(search), waiting.mended);
                self.look_on(WaitingLookup { purpose, room, head, first, count, after, mended });
                None
            }
            SearchStep::Done(since) => {
                Some(Answered::Time { session, user, room: room.key(), page: asked.at(since) })
            }
            SearchStep::Unreadable => {
                let gap = Some(Gap { first: Seq(1), last: head, reason: GapReason::Unreadable });
                let reply = Reply::History(HistoryPage { room, messages: Vec::new(), head, gap });
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
                self.look_up(LookupPurpose::Find, wanted.clone(), Seq::ZERO, 0);
            }
            None => return Some(self.unstored(wanted.clone())),
        }
        None
    }

    /// A room that no segment holds a message of.
    fn unstored(&self, wanted: RoomName) -> RoomContents {
        let lost = self.lost_heads.get(&wanted.key()).cloned();
        let (name, head) = lost.unwrap_or((wanted, Seq::ZERO));
        RoomContents { name, head, messages: Vec::new(), drafts: Drafts::default(), facts: None }
    }

    /// Reads the latest messages of a room that is known, and then those that may have drafts to remember.
    fn begin_loading(&mut self, name: RoomName) {
        let head = self.head(name.key());
        self.look_up(LookupPurpose::Load(RoomLoading::default()), name, head, LOADED_FIRST);
    }

    fn look_up(&mut self, purpose: LookupPurpose, room: RoomName, head: Seq, count: u32) {
        let first = Seq(head.0.saturating_sub(u64::from(count)) + 1);
        let id = self.new_id();
        let after = BatchId::ZERO;
        self.enqueue(id, WaitingLookup { purpose, room, head, first, count, after, mended: Vec::new() });
    }

    /// How many lookups are not answered yet.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn new_id(&mut self) -> LookupId {
        self.next_id += 1;
        LookupId(self.next_id)
    }

    fn enqueue(&mut self, id: LookupId, waiting: WaitingLookup) {
        self.waiting.insert(id, waiting);
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
        if matches!(waiting.purpose, LookupPurpose::Find) {
            return Some((id, StoredQuery::Room(RoomQuery::new(&waiting.room, &self.snapshots))));
        }
        let key = waiting.room.key();
        if matches!(waiting.purpose, LookupPurpose::LoadFacts(_))
            && let Some(facts) = self.facts(key)
        {
            return Some((id, StoredQuery::Facts(FactsQuery::new(&waiting.room, facts))));
        }
        let tail = self.tails.get(&key).and_then(|known| known.tail.as_ref());
        // A gap before the open segment is of lost messages.
        self.open.excuse_gap_of(key, tail);
        let runs = self.open.room(key).map(|(first, positions)| OpenRun {
            directory: self.directory,
            segment: self.open.segment(),
            first,
            positions,
        });
        let page = Page::After { seq: Seq(waiting.first.0 - 1), count: waiting.count };
        // Numbers above the last stored message are of messages that a repair recorded as lost.
        let stored_last = runs.and_then(|run| run.last()).max(tail.map(|tail| tail.head)).unwrap_or_default();
        let head = waiting.head.min(stored_last);
        Some((id, StoredQuery::Page(PageQuery::new(&waiting.room, page, head, tail, runs.as_slice()))))
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
        let page = match found {
            Ok(QueryOutcome::Room(room)) => return self.found(waiting.room, room),
            Ok(QueryOutcome::Page(page)) => Some(page),
            Ok(QueryOutcome::Facts(facts)) => return facts_loaded(waiting, facts),
            Err(_) => None,
        };
        let rest = WaitingLookup { purpose: LookupPurpose::Find, ..waiting };
        let (session, recent) = match waiting.purpose {
            LookupPurpose::Find | LookupPurpose::LoadFacts(_) => {
                return Some(Answered::Unknown(rest.room.key()));
            }
            LookupPurpose::Load(loading) => return self.loaded(rest, loading, page, now),
            LookupPurpose::Time(search) => return self.searched(rest, search, page),
            LookupPurpose::Draft(search) => return self.draft_searched(rest, search, page.as_ref()),
            LookupPurpose::Page { session, recent } => (session, recent),
        };
        let WaitingLookup { room, head, first, count, .. } = rest;
        let last = Seq(first.0 + u64::from(count) - 1);
        let (mut messages, mut gap) = match page {
            Some(page) => {
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
            None => (Vec::new(), Some(Gap { first, last, reason: GapReason::Unreadable })),
        };
        #[cfg(any(test, feature = "deliberate-faults"))]
        if crate::mutation::is_on(crate::mutation::Mutation::ShortenPage) && !messages.is_empty() {
            messages.remove(0);
        }
        messages.extend(recent);
        self.erasing.hide(&mut messages);
        if let Some(cut) = cut_to(&mut messages, self.page_bytes_max) {
            gap = Some(cut);
        }
        let reply = Reply::History(HistoryPage { room, messages, head, gap });
        Some(Answered::Page(session.shard, Event::Reply { to: session.connection, reply }))
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
        let has_facts = self.facts(room.name.key()).is_some();
        #[cfg(any(test, feature = "deliberate-faults"))]
        let has_facts = has_facts && !crate::mutation::is_on(crate::mutation::Mutation::ForgetStoredFacts);
        if !has_facts {
            return Some(Answered::Room(room));
        }
        let (id, name, head) = (self.new_id(), room.name.clone(), room.head);
        let (purpose, after, mended) = (LookupPurpose::LoadFacts(Box::new(room)), BatchId::ZERO, Vec::new());
        self.enqueue(id, WaitingLookup { purpose, room: name, head, first: head, count: 0, after, mended });
        None
    }
}

/// The facts of a room are there, and with them all of it.
fn facts_loaded(waiting: WaitingLookup, facts: Box<LoadedFacts>) -> Option<Answered> {
    let LookupPurpose::LoadFacts(room) = waiting.purpose else { return None };
    Some(Answered::Room(RoomContents { facts: Some(facts), ..*room }))
}

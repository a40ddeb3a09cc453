//! Drafts in the log: those of a room that is loaded, and those that are looked for.

use crate::room::{Drafts, KnownDraft, Recent, draft_of};
use madang_log::{BatchId, FoundPage};
use madang_model::{DRAFT_WINDOW_US, Message, Page, RoomName, Seq, SessionId, Timestamp};
use std::sync::Arc;

/// Messages that are read for the drafts of a room that is loaded, at most: some 16 reads. Where more were said within
/// ten minutes, the drafts of the others are looked for when they are repeated.
const LOADED_MAX: u64 = Drafts::MAX as u64;
/// Pages that are read for one draft, at most.
const PAGES_MAX: u32 = 64;

/// A room that is being loaded: its latest messages, and behind them as many as were said within ten minutes.
#[derive(Debug, Default)]
pub struct RoomLoading {
    messages: Vec<Arc<Message>>,
    /// Newest first.
    drafts: Vec<KnownDraft>,
    /// How many numbers were read.
    read: u64,
    /// When the oldest message was said that was read.
    oldest: Option<Timestamp>,
}

/// What follows from a page.
#[derive(Debug)]
pub enum LoadStep {
    /// Read these numbers: the first, and how many.
    Read(Seq, u32),
    /// It is loaded.
    Done {
        /// Its latest messages, oldest first.
        messages: Vec<Arc<Message>>,
        /// Its drafts.
        drafts: Drafts,
    },
}

impl RoomLoading {
    /// Takes what was found where it read: `count` numbers from the first; `None` is unreadable.
    pub fn found(
        mut self,
        (first, count): (Seq, u32),
        page: Option<FoundPage>,
        now: Timestamp,
    ) -> (RoomLoading, LoadStep) {
        let window = Timestamp(now.0.saturating_sub(DRAFT_WINDOW_US));
        let is_first_page = self.read == 0;
        let Some(page) = page else {
            return self.done_in_part(now);
        };
        self.oldest = page.messages.first().map(|message| message.time).or(self.oldest);
        self.read += u64::from(count);
        self.drafts.extend(page.messages.iter().rev().filter_map(|message| draft_of(message)));
        if is_first_page {
            self.messages = page.messages;
        }
        let is_whole = first <= Seq(1) && page.expired.is_none();
        if is_whole || self.oldest.is_some_and(|oldest| oldest < window) {
            self.done(window)
        } else if page.expired.is_some() || self.read >= LOADED_MAX {
            self.done_in_part(now)
        } else {
            let (first, count) = below(first);
            (self, LoadStep::Read(first, count))
        }
    }

    /// Drafts from before what was read may be known to the log, or to nobody any more.
    fn done_in_part(self, now: Timestamp) -> (RoomLoading, LoadStep) {
        let since = self.oldest.map_or(now, |oldest| Timestamp(oldest.0.saturating_add(1)));
        self.done(since)
    }

    fn done(mut self, since: Timestamp) -> (RoomLoading, LoadStep) {
        let drafts = Drafts::restore(self.drafts.drain(..).rev(), since);
        let messages = std::mem::take(&mut self.messages);
        (RoomLoading::default(), LoadStep::Done { messages, drafts })
    }
}

/// How many messages are read first of a room that is loaded.
pub const LOADED_FIRST: u32 = Recent::MESSAGES_MAX as u32;

/// The page before one that begins with `first`, which is not #1: its first, and how many.
fn below(first: Seq) -> (Seq, u32) {
    let count = (first.0 - 1).min(u64::from(Page::MESSAGES_MAX));
    // At most a page.
    (Seq(first.0 - count), count as u32)
}

/// A draft that may be stored.
#[derive(Debug)]
pub struct DraftQuestion {
    /// Who says it.
    pub session: SessionId,
    /// Where.
    pub room: RoomName,
    /// The room's newest message.
    pub head: Seq,
    /// Author and id.
    pub hash: u64,
    /// No message before this time is of it.
    pub from: Timestamp,
    /// The last batch that carries something of the room.
    pub after: BatchId,
}

/// What became of the search for a draft.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DraftFound {
    /// It is stored under this number.
    Stored(Seq),
    /// It is not stored.
    Absent,
    /// It would be among messages that have expired, or too many messages ago.
    OutOfReach,
    /// Its room cannot be read.
    Unreadable,
}

/// The search for a draft, from the newest message back.
#[derive(Debug)]
pub struct DraftSearch {
    pub session: SessionId,
    pub hash: u64,
    from: Timestamp,
    pages_left: u32,
}

/// What follows from a page.
#[derive(Debug)]
pub enum DraftStep {
    /// Read these numbers: the first, and how many.
    Read(Seq, u32),
    /// It is known.
    Done(DraftFound),
}

impl DraftSearch {
    /// Begins with the page before the next message.
    pub fn new(question: &DraftQuestion) -> (DraftSearch, Seq, u32) {
        let DraftQuestion { session, hash, from, .. } = *question;
        let (first, count) = below(question.head.next());
        (DraftSearch { session, hash, from, pages_left: PAGES_MAX }, first, count)
    }

    /// Takes what a page gave that begins with `first`; `None` is unreadable.
    pub fn found(&mut self, first: Seq, page: Option<&FoundPage>) -> DraftStep {
        let Some(page) = page else { return DraftStep::Done(DraftFound::Unreadable) };
        let mut drafts = page.messages.iter().filter_map(|message| draft_of(message));
        if let Some(draft) = drafts.find(|draft| draft.hash == self.hash) {
            return DraftStep::Done(DraftFound::Stored(draft.seq));
        }
        self.pages_left -= 1;
        let is_before = page.messages.first().is_some_and(|oldest| oldest.time < self.from);
        if is_before || first <= Seq(1) && page.expired.is_none() {
            DraftStep::Done(DraftFound::Absent)
        } else if page.expired.is_some() || self.pages_left == 0 {
            DraftStep::Done(DraftFound::OutOfReach)
        } else {
            let (first, count) = below(first);
            DraftStep::Read(first, count)
        }
    }
}

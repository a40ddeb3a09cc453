//! Drafts in the log: those of a room that is loaded, and those that are looked for.

use crate::room::{Drafts, KnownDraft, Recent};
use madang_log::{BatchId, DraftOutcome, FoundDraft, FoundEntries};
use madang_model::{DRAFT_WINDOW_US, Page, RoomName, Seq, SessionId, ShownEntry, Timestamp};

/// Entries that are read for the drafts of a room that is loaded, at most: some 16 reads. Where more were accepted within
/// ten minutes, the drafts of the others are looked for when they are repeated.
const LOADED_MAX: u64 = Drafts::MAX as u64;

/// A room that is being loaded: its latest entries, and behind them as many as were accepted within ten minutes.
#[derive(Debug, Default)]
pub struct RoomLoading {
    entries: Vec<ShownEntry>,
    /// Newest first.
    drafts: Vec<KnownDraft>,
    /// How many numbers were read.
    read: u64,
    /// The last number that was not read.
    unread: Seq,
    /// When the oldest entry was accepted that was read.
    oldest: Option<Timestamp>,
}

/// What follows from what was read.
#[derive(Debug)]
pub enum LoadStep {
    /// Read the entries with these numbers: the first and the last.
    Read(Seq, Seq),
    /// It is loaded.
    Done {
        /// Its latest entries, oldest first.
        entries: Vec<ShownEntry>,
        /// Its drafts.
        drafts: Drafts,
    },
}

impl RoomLoading {
    /// Takes what was found where it read, between these numbers; `None` is unreadable.
    pub fn found(
        mut self,
        (first, last): (Seq, Seq),
        found: Option<FoundEntries>,
        now: Timestamp,
    ) -> (RoomLoading, LoadStep) {
        let window = Timestamp(now.0.saturating_sub(DRAFT_WINDOW_US));
        let is_first = self.read == 0;
        let Some(FoundEntries { entries, drafts, expired, .. }) = found else {
            self.unread = last;
            return self.done_in_part(now);
        };
        self.oldest = entries.first().map(ShownEntry::time).or(self.oldest);
        self.read += (last.0 + 1).saturating_sub(first.0);
        self.unread = Seq(first.0.saturating_sub(1));
        self.drafts.extend(drafts.iter().rev().map(known));
        if is_first {
            self.entries = brought_up_to_date(entries);
        }
        let is_whole = first <= Seq(1) && expired.is_none();
        if is_whole || self.oldest.is_some_and(|oldest| oldest < window) {
            self.done(window)
        } else if expired.is_some() || self.read >= LOADED_MAX {
            self.done_in_part(now)
        } else {
            let last = self.unread;
            (self, LoadStep::Read(Seq(first.0.saturating_sub(u64::from(Page::MESSAGES_MAX)).max(1)), last))
        }
    }

    /// Drafts from before what was read may be known to the log, or to nobody any more.
    fn done_in_part(self, now: Timestamp) -> (RoomLoading, LoadStep) {
        let since = self.oldest.map_or(now, |oldest| Timestamp(oldest.0.saturating_add(1)));
        self.done(since)
    }

    fn done(mut self, since: Timestamp) -> (RoomLoading, LoadStep) {
        let drafts = Drafts::restore(self.drafts.drain(..).rev(), since, self.unread);
        let entries = std::mem::take(&mut self.entries);
        (RoomLoading::default(), LoadStep::Done { entries, drafts })
    }
}

fn known(draft: &FoundDraft) -> KnownDraft {
    let FoundDraft { author, hash, seq, time } = *draft;
    KnownDraft { author, hash, seq, time }
}

/// Entries that lead up to the newest: later ones say what became of the others.
fn brought_up_to_date(mut entries: Vec<ShownEntry>) -> Vec<ShownEntry> {
    for later in 0..entries.len() {
        let (known, rest) = entries.split_at_mut(later);
        if let Some(ShownEntry::Amendment(amendment)) = rest.first() {
            known.iter_mut().for_each(|entry| entry.amend(amendment));
        }
    }
    entries
}

/// How many entries are read first of a room that is loaded, of whose entries so many are no messages.
pub fn loaded_first(amendments: u64) -> u64 {
    let entries = if amendments > 0 { Recent::ENTRIES_MAX } else { Recent::MESSAGES_MAX };
    entries as u64
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

/// The answer to a [`DraftQuestion`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DraftAnswer {
    /// Author and id.
    pub hash: u64,
    /// The room's newest message when it was asked: the answer says nothing of later ones.
    pub head: Seq,
    /// What became of the search.
    pub found: DraftFound,
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

impl From<Option<DraftOutcome>> for DraftFound {
    /// Nothing is of a room that cannot be read.
    fn from(outcome: Option<DraftOutcome>) -> DraftFound {
        match outcome {
            Some(DraftOutcome::Stored(seq)) => DraftFound::Stored(seq),
            Some(DraftOutcome::Absent) => DraftFound::Absent,
            Some(DraftOutcome::OutOfReach) => DraftFound::OutOfReach,
            None => DraftFound::Unreadable,
        }
    }
}

//! The drafts that a room knows: a repeat of one is answered with its number.
//!
//! Kept are each author's last [`Drafts::PER_AUTHOR_MAX`] within [`DRAFT_WINDOW_US`], and at most [`Drafts::MAX`]
//! altogether, as hashes. What is not known any more may still be in the log: ids that say when they were made are
//! looked for there.

use hashbrown::HashMap;
use madang_model::{DRAFT_AGE_US_MAX, DRAFT_CLOCK_US_MAX, DRAFT_WINDOW_US, DraftId, Seq, Timestamp, UserKey};
use std::collections::VecDeque;

/// A draft that is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KnownDraft {
    /// Whose it is.
    pub author: UserKey,
    /// Author and id, as [`madang_log::draft_hash`] has them.
    pub hash: u64,
    /// The number of its message.
    pub seq: Seq,
    /// When that was accepted.
    pub time: Timestamp,
}

/// What is known of a draft that is to be said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DraftVerdict {
    /// It was not said yet.
    New,
    /// It is stored under this number.
    Stored(Seq),
    /// It may be stored, by a message of this time or later.
    Unknown {
        /// The time.
        from: Timestamp,
    },
    /// It may be stored, too long ago to be looked for.
    TooOld,
}

/// The drafts that a room knows.
#[derive(Debug)]
pub struct Drafts {
    by_author: HashMap<UserKey, OfAuthor>,
    /// Whose drafts are how old: oldest first. An entry whose number is below those of its author is void.
    order: VecDeque<(Timestamp, UserKey, Seq)>,
    /// How many are known.
    count: usize,
    /// Drafts of this time or later are known, but for those of authors that had too many.
    since: Timestamp,
    /// The highest number of a draft that is not known any more, but for those of authors that had too many.
    forgotten: Seq,
    /// How many were forgotten before their time because the room had too many.
    forgotten_early: u64,
}

/// The drafts of one author.
#[derive(Debug)]
struct OfAuthor {
    /// Oldest first: hash, number and time.
    drafts: VecDeque<(u64, Seq, Timestamp)>,
    /// Those before this time are not known, as there were too many.
    since: Timestamp,
    /// The highest number of those that are not known.
    forgotten: Seq,
}

impl Default for Drafts {
    /// Those of a room in which nothing was said.
    fn default() -> Drafts {
        Drafts::restore([], Timestamp(i64::MIN), Seq::ZERO)
    }
}

impl Drafts {
    /// The most drafts known of one author.
    pub const PER_AUTHOR_MAX: usize = 64;
    /// The most drafts known of a room, of some 60 bytes each: it has so many only where more than 13 a second are said.
    pub const MAX: usize = 8192;

    /// What the log gives, oldest first; drafts of `since` or later are all there, and those behind `forgotten`.
    pub fn restore(stored: impl IntoIterator<Item = KnownDraft>, since: Timestamp, forgotten: Seq) -> Drafts {
        let (by_author, order) = (HashMap::new(), VecDeque::new());
        let mut drafts = Drafts { by_author, order, count: 0, since, forgotten, forgotten_early: 0 };
        #[cfg(any(test, feature = "deliberate-faults"))]
        if crate::mutation::is_on(crate::mutation::Mutation::ForgetDraftsOnRestart) {
            return drafts;
        }
        stored.into_iter().for_each(|draft| drafts.add(draft));
        drafts
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many were forgotten before their time since the last call, as the room had too many.
    pub fn take_forgotten_early(&mut self) -> u64 {
        std::mem::take(&mut self.forgotten_early)
    }

    /// A draft was said.
    pub fn push(&mut self, draft: KnownDraft) {
        self.expire(draft.time);
        self.add(draft);
    }

    fn add(&mut self, draft: KnownDraft) {
        let KnownDraft { author, hash, seq, time } = draft;
        let own = self.by_author.entry(author);
        let own = own.or_insert_with(|| OfAuthor {
            drafts: VecDeque::new(),
            since: Timestamp(i64::MIN),
            forgotten: Seq::ZERO,
        });
        if own.drafts.len() >= Self::PER_AUTHOR_MAX
            && let Some((_, seq, time)) = own.drafts.pop_front()
        {
            self.count -= 1;
            own.since = Timestamp(time.0.saturating_add(1));
            own.forgotten = seq;
        }
        own.drafts.push_back((hash, seq, time));
        self.count += 1;
        self.order.push_back((time, author, seq));
        while self.count > Self::MAX {
            self.forget_oldest();
        }
        // As many void entries as drafts at most, so that each is looked at twice at most.
        if self.order.len() > 2 * self.count.max(Self::PER_AUTHOR_MAX) {
            let by_author = &self.by_author;
            self.order.retain(|(_, author, seq)| {
                let oldest = by_author.get(author).and_then(|own| own.drafts.front());
                oldest.is_some_and(|(_, oldest, _)| oldest <= seq)
            });
        }
    }

    fn forget_oldest(&mut self) {
        let Some((time, author, seq)) = self.order.pop_front() else { return };
        if self.forget(author, seq) {
            self.forgotten_early += 1;
            self.since = self.since.max(Timestamp(time.0.saturating_add(1)));
        }
    }

    /// Forgets an author's oldest draft if it is this one. Whether it was.
    fn forget(&mut self, author: UserKey, seq: Seq) -> bool {
        let Some(own) = self.by_author.get_mut(&author) else { return false };
        if own.drafts.front().is_none_or(|(_, oldest, _)| *oldest != seq) {
            return false;
        }
        own.drafts.pop_front();
        self.count -= 1;
        self.forgotten = self.forgotten.max(seq);
        if own.drafts.is_empty() {
            self.by_author.remove(&author);
        }
        true
    }

    /// Forgets those whose time has passed, and gives their memory back when none is left.
    pub fn expire(&mut self, now: Timestamp) {
        let since = Timestamp(now.0.saturating_sub(DRAFT_WINDOW_US));
        while let Some((_, author, seq)) = self.order.pop_front_if(|(time, _, _)| *time < since) {
            self.forget(author, seq);
        }
        self.since = self.since.max(since);
        if self.count == 0 && self.order.capacity() > Self::PER_AUTHOR_MAX {
            (self.order, self.by_author) = (VecDeque::new(), HashMap::new());
        }
    }

    /// Whether each draft of this author that was said after the room's `head` is known.
    pub fn knows_after(&self, author: UserKey, head: Seq) -> bool {
        let own = self.by_author.get(&author).map_or(Seq::ZERO, |own| own.forgotten);
        self.forgotten.max(own) <= head
    }

    /// What is known of an author's draft.
    pub fn judge(&self, author: UserKey, hash: u64, id: &DraftId, now: Timestamp) -> DraftVerdict {
        #[cfg(any(test, feature = "deliberate-faults"))]
        if crate::mutation::is_on(crate::mutation::Mutation::AcceptDraftTwice) {
            return DraftVerdict::New;
        }
        let own = self.by_author.get(&author);
        let known = own.and_then(|own| own.drafts.iter().rev().find(|(known, _, _)| *known == hash));
        let window = Timestamp(now.0.saturating_sub(DRAFT_WINDOW_US));
        let made = id.made_at();
        if let Some((_, seq, time)) = known
            && (*time >= window || made.is_some())
        {
            return DraftVerdict::Stored(*seq);
        }
        let Some(made) = made else { return DraftVerdict::New };
        if made.0 > now.0.saturating_add(DRAFT_CLOCK_US_MAX) {
            // By a clock that says nothing.
            return DraftVerdict::New;
        }
        let from = Timestamp(made.0.saturating_sub(DRAFT_CLOCK_US_MAX));
        // Where something within the window is not known, the clock of an author must not be ahead: else each draft that
        // is made soon after would be looked for.
        let is_known_since = made >= self.since && own.is_none_or(|own| made >= own.since);
        if from >= window && is_known_since {
            DraftVerdict::New
        } else if now.0.saturating_sub(made.0) > DRAFT_AGE_US_MAX {
            DraftVerdict::TooOld
        } else {
            #[cfg(any(test, feature = "deliberate-faults"))]
            if crate::mutation::is_on(crate::mutation::Mutation::TrustOldDraft) {
                return DraftVerdict::New;
            }
            DraftVerdict::Unknown { from }
        }
    }
}

#[cfg(test)]
mod tests;

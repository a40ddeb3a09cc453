//! The latest entries of a room.

use madang_model::{Amendment, Change, Message, Page, Seq, ShownEntry, ShownMessage, Timestamp};
use std::collections::VecDeque;
use std::sync::Arc;

/// A ring of the latest entries, each as it is now.
///
/// Invariant: the entries' numbers follow one another and end at the room's head.
#[derive(Debug, Default)]
pub struct Recent {
    entries: VecDeque<ShownEntry>,
    /// How many of them are messages.
    messages: usize,
}

/// What of some entries is in memory, and the first and the last number of what is not.
pub type RecentEntries = (Vec<ShownEntry>, Option<(Seq, Seq)>);

/// What of a page is in memory.
#[derive(Debug)]
pub struct RecentPage {
    /// Oldest first.
    pub messages: Vec<ShownMessage>,
    /// What is not in memory and comes before those.
    pub rest: Option<PageRest>,
}

/// What of a page is not in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageRest {
    /// The page of it, among the entries up to `last`.
    pub page: Page,
    /// The last entry that is not in memory.
    pub last: Seq,
}

/// What is known of a message that is to be amended.
#[derive(Debug)]
pub enum TargetState<'a> {
    /// It is in memory.
    Message(&'a ShownMessage),
    /// There is no such message.
    None,
    /// It is not in memory.
    Unknown,
}

impl Recent {
    /// The most messages held.
    pub const MESSAGES_MAX: usize = 64;
    /// The most entries held: where many are no messages, fewer messages are.
    pub const ENTRIES_MAX: usize = 256;

    /// What was read from the log, oldest first, as far as it leads up to `head` without a gap.
    pub fn restore(stored: Vec<ShownEntry>, head: Seq) -> Recent {
        let wanted = (0..=head.0).rev().map(Seq);
        let connected = stored.iter().rev().zip(wanted).take_while(|(entry, seq)| entry.seq() == *seq);
        let skipped = stored.len() - connected.count();
        let entries: VecDeque<ShownEntry> = stored.into_iter().skip(skipped).collect();
        let messages = entries.iter().filter(|entry| is_message(entry)).count();
        let mut recent = Recent { entries, messages };
        recent.bound();
        recent
    }

    /// Adds the newest entry, a message.
    pub fn push(&mut self, message: Arc<Message>) {
        self.add(ShownEntry::Message(ShownMessage::AsSaid(message)));
    }

    /// Adds the newest entry, which amends others.
    pub fn amend(&mut self, amendment: &Arc<Amendment>) {
        #[cfg(any(test, feature = "deliberate-faults"))]
        if crate::mutation::is_on(crate::mutation::Mutation::ForgetAmendment) {
            return self.add(ShownEntry::Amendment(Arc::clone(amendment)));
        }
        match (&amendment.change, self.place_of(amendment.target)) {
            (Change::Reactions(of), _) => {
                for message in of {
                    if let Some(place) = self.place_of(message.message) {
                        self.entries[place].amend(amendment);
                    }
                }
            }
            // Earlier edits are outdated, too.
            (Change::Edit { .. } | Change::Deletion, _) => {
                self.entries.iter_mut().for_each(|entry| entry.amend(amendment));
            }
            (_, Some(place)) => self.entries[place].amend(amendment),
            (_, None) => {}
        }
        self.add(ShownEntry::Amendment(Arc::clone(amendment)));
    }

    fn add(&mut self, entry: ShownEntry) {
        if let Some(last) = self.entries.back() {
            assert_eq!(last.seq().next(), entry.seq(), "entries of a room follow one another");
        }
        self.messages += usize::from(is_message(&entry));
        self.entries.push_back(entry);
        self.bound();
    }

    fn place_of(&self, seq: Seq) -> Option<usize> {
        let first = self.entries.front()?.seq();
        let place = usize::try_from(seq.0.checked_sub(first.0)?).ok()?;
        (place < self.entries.len()).then_some(place)
    }

    /// Whether each entry behind a number is held, in a room with this head.
    pub fn holds_after(&self, seq: Seq, head: Seq) -> bool {
        seq >= head || self.entries.front().is_some_and(|first| first.seq() <= seq.next())
    }

    /// What is known of a message in a room with this head.
    pub fn target(&self, seq: Seq, head: Seq) -> TargetState<'_> {
        if seq == Seq::ZERO || seq > head {
            return TargetState::None;
        }
        match self.place_of(seq).map(|place| &self.entries[place]) {
            Some(ShownEntry::Message(shown)) => TargetState::Message(shown),
            Some(ShownEntry::Amendment(_) | ShownEntry::Gone { .. }) => TargetState::None,
            None => TargetState::Unknown,
        }
    }

    /// What became since of a message that was looked up.
    pub fn bring_up_to_date(&self, shown: &mut ShownMessage) {
        for entry in &self.entries {
            if let ShownEntry::Amendment(amendment) = entry {
                shown.amend(amendment);
            }
        }
    }

    /// Of what is erased nothing can be read from now on. Drafts stay known. Returns how many entries that are.
    pub fn erase(&mut self, hide: &dyn Fn(&mut ShownEntry) -> bool) -> u64 {
        self.entries.iter_mut().map(|entry| u64::from(hide(entry))).sum()
    }

    /// When the entries held were accepted, newest first.
    pub fn times(&self) -> impl Iterator<Item = Timestamp> {
        self.entries.iter().rev().map(ShownEntry::time)
    }

    /// The number of the first message that was said at this time or later, or that the next one will get; as far as
    /// that is known here.
    ///
    /// # Errors
    /// The number below which it must be looked for: all messages held are of that time or later.
    pub fn first_since(&self, time: Timestamp, head: Seq) -> Result<Seq, Seq> {
        let first = self.messages().find(|message| message.time() >= time);
        let first = first.map_or(head.next(), ShownMessage::seq);
        let is_oldest = self.messages().next().is_none_or(|oldest| oldest.seq() == first);
        if is_oldest && first > Seq(1) { Err(first) } else { Ok(first) }
    }

    fn bound(&mut self) {
        while self.messages > Self::MESSAGES_MAX || self.entries.len() > Self::ENTRIES_MAX {
            let gone = self.entries.pop_front();
            self.messages -= usize::from(gone.as_ref().is_some_and(is_message));
        }
    }

    /// The messages held, oldest first.
    fn messages(&self) -> impl DoubleEndedIterator<Item = &ShownMessage> {
        self.entries.iter().filter_map(|entry| match entry {
            ShownEntry::Message(message) => Some(message),
            ShownEntry::Amendment(_) | ShownEntry::Gone { .. } => None,
        })
    }

    /// The newest `count` messages, oldest first.
    pub fn last(&self, count: usize) -> Vec<ShownMessage> {
        let skipped = self.messages.saturating_sub(count);
        self.messages().skip(skipped).cloned().collect()
    }

    /// What of a page is held here, and what of it is stored but not held.
    /// Where all entries are messages, it is known of each number which page it is in.
    pub fn page(&self, page: Page, head: Seq, is_sparse: bool) -> RecentPage {
        let held_from = self.entries.front().map_or(head.next(), ShownEntry::seq);
        let unheld_last = Seq(held_from.0 - 1);
        let rest = |page: Page| PageRest { page, last: unheld_last };
        let newest_below = |seq: Seq, count: u32| -> RecentPage {
            let mut messages: Vec<ShownMessage> = self
                .messages()
                .rev()
                .skip_while(|message| message.seq() >= seq)
                .take(count as usize)
                .cloned()
                .collect();
            messages.reverse();
            let left = count - messages.len() as u32;
            let below = seq.min(held_from);
            let is_more = left > 0 && below > Seq(1) && unheld_last > Seq::ZERO;
            let rest = is_more.then(|| rest(Page::Before { seq: below, count: left }));
            RecentPage { messages, rest }
        };
        let count = page.count();
        match page {
            _ if count == 0 => RecentPage { messages: Vec::new(), rest: None },
            Page::Last { .. } => newest_below(head.next(), count),
            Page::Before { seq, .. } => newest_below(seq, count),
            Page::After { seq, .. } => {
                let last = if is_sparse { head } else { Seq(seq.0.saturating_add(u64::from(count))) };
                let above = self.messages().filter(|message| message.seq() > seq && message.seq() <= last);
                let messages = above.take(count as usize).cloned().collect();
                let rest = (seq < unheld_last).then(|| rest(page));
                RecentPage { messages, rest }
            }
            Page::Around { seq, .. } => {
                let above =
                    self.messages().filter(|message| message.seq() >= seq).count().min(count as usize);
                let below = self.messages().filter(|message| message.seq() < seq).count();
                let wanted_below = (count as usize / 2).max(count as usize - above);
                if seq.0.max(1) < held_from.0 || (below < wanted_below && unheld_last > Seq::ZERO) {
                    return RecentPage { messages: Vec::new(), rest: Some(PageRest { page, last: head }) };
                }
                let skipped = below.saturating_sub(wanted_below);
                let messages = self.messages().skip(skipped).take(count as usize).cloned().collect();
                RecentPage { messages, rest: None }
            }
            Page::Since { .. } | Page::Until { .. } => RecentPage { messages: Vec::new(), rest: None },
        }
    }

    /// The entries with numbers above `after`, at most `count`, as far as they are held; and the first and the last number
    /// of what is not.
    pub fn entries_after(&self, after: Seq, count: u32, head: Seq) -> RecentEntries {
        let (first, last) = (after.next(), Seq(after.0.saturating_add(u64::from(count))).min(head));
        let held_from = self.entries.front().map_or(head.next(), ShownEntry::seq);
        let within = self.entries.iter().filter(|entry| (first..=last).contains(&entry.seq()));
        let unheld_last = last.min(Seq(held_from.0 - 1));
        (within.cloned().collect(), (first <= unheld_last).then_some((first, unheld_last)))
    }
}

fn is_message(entry: &ShownEntry) -> bool {
    matches!(entry, ShownEntry::Message(_))
}

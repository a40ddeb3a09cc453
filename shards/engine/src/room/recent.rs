//! The latest messages of a room.

use madang_model::{Message, Page, Seq, Timestamp};
use std::collections::VecDeque;
use std::sync::Arc;

/// A ring of the latest messages.
///
/// Invariant: the messages' numbers follow one another and end at the room's head.
#[derive(Debug, Default)]
pub struct Recent {
    messages: VecDeque<Arc<Message>>,
}

impl Recent {
    /// The most messages held.
    pub const MESSAGES_MAX: usize = 64;

    /// What was read from the log, oldest first, as far as it leads up to `head` without a gap.
    pub fn restore(stored: Vec<Arc<Message>>, head: Seq) -> Recent {
        let wanted = (0..=head.0).rev().map(Seq);
        let connected = stored.iter().rev().zip(wanted).take_while(|(message, seq)| message.seq == *seq);
        let skipped = stored.len() - connected.count();
        let mut recent = Recent { messages: stored.into_iter().skip(skipped).collect() };
        recent.bound();
        recent
    }

    /// Adds the newest message.
    pub fn push(&mut self, message: Arc<Message>) {
        if let Some(last) = self.messages.back() {
            assert_eq!(last.seq.next(), message.seq, "messages of a room follow one another");
        }
        self.messages.push_back(message);
        self.bound();
    }

    /// Of what is erased nothing can be read from now on. Drafts stay known. Returns how many messages that are.
    pub fn erase(&mut self, includes: &dyn Fn(&Message) -> bool) -> u64 {
        let mut erased = 0;
        for message in &mut self.messages {
            if !message.is_erased() && includes(message) {
                *message = Arc::new(message.to_erased());
                erased += 1;
            }
        }
        erased
    }

    /// When the messages held were said, newest first.
    pub fn times(&self) -> impl Iterator<Item = Timestamp> {
        self.messages.iter().rev().map(|message| message.time)
    }

    /// The number of the first message that was said at this time or later, or that the next one will get; as far as
    /// that is known here.
    ///
    /// # Errors
    /// The number below which it must be looked for: all messages held are of that time or later.
    pub fn first_since(&self, time: Timestamp, head: Seq) -> Result<Seq, Seq> {
        let first = self.messages.iter().find(|message| message.time >= time);
        let first = first.map_or(head.next(), |message| message.seq);
        let is_oldest = self.messages.front().is_none_or(|oldest| oldest.seq == first);
        if is_oldest && first > Seq(1) { Err(first) } else { Ok(first) }
    }

    fn bound(&mut self) {
        while self.messages.len() > Self::MESSAGES_MAX {
            self.messages.pop_front();
        }
    }

    /// The newest `count`, oldest first.
    pub fn last(&self, count: usize) -> Vec<Arc<Message>> {
        let skipped = self.messages.len().saturating_sub(count);
        self.messages.iter().skip(skipped).cloned().collect()
    }

    /// What of a page is held here, oldest first, and the numbers of what is stored but not held.
    pub fn page(&self, page: Page, head: Seq) -> (Vec<Arc<Message>>, Option<(Seq, Seq)>) {
        let Some((first, last)) = page.range(head) else { return (Vec::new(), None) };
        let held_from = self.messages.front().map_or(head.next(), |oldest| oldest.seq);
        let found =
            self.messages.iter().filter(|m| (first..=last).contains(&m.seq)).cloned().collect::<Vec<_>>();
        let gap_last = last.min(Seq(held_from.0 - 1));
        (found, (first <= gap_last).then_some((first, gap_last)))
    }
}

//! What waits in the outboxes of a shard, all together: bounded, so that no number of slow readers
//! takes the machine's memory.
//!
//! Counting costs an addition where bytes are put into an outbox and a subtraction where they are
//! sent. Two bounds follow from it. What still waits after every connection was written once a
//! turn may not pass the budget: the fullest outboxes are cut off. And what one turn adds before
//! it writes may not pass a quarter of the budget: then input and events wait for the next turn.

use super::Shard;
use madang_model::connection::{CloseReason, Surface};
use madang_model::{ConnectionId, Event};
use std::collections::VecDeque;

/// A second in which this much waited at once is a burst: what it took is worth giving back.
const BURST_BYTES: usize = 4 * 1024 * 1024;

/// The bytes in the outboxes of a shard.
#[derive(Debug)]
pub struct Outboxes {
    bytes_max: usize,
    /// Invariant: the sum of the lengths of all outboxes.
    waiting_bytes: usize,
    /// What was added since everyone was written last, less what was taken out since.
    turn_bytes: usize,
    /// The most that waited since the last tick.
    peak_bytes: usize,
    /// The most that waited in any second since the last burst was over.
    burst_bytes: usize,
    /// Events that wait for the next turn, in the order in which they came. Bounded by what one
    /// commit or one mesh batch brings, as no input is taken while there are any.
    pub delayed: VecDeque<Event>,
}

impl Outboxes {
    pub fn new(bytes_max: usize) -> Outboxes {
        Outboxes {
            bytes_max,
            waiting_bytes: 0,
            turn_bytes: 0,
            peak_bytes: 0,
            burst_bytes: 0,
            delayed: VecDeque::new(),
        }
    }

    /// From now on this many bytes may wait.
    pub fn limit(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
    }

    /// Bytes were put into outboxes.
    pub fn added(&mut self, bytes: usize) {
        self.waiting_bytes += bytes;
        self.turn_bytes += bytes;
        self.peak_bytes = self.peak_bytes.max(self.waiting_bytes);
    }

    /// Bytes wait that waited for slow readers in another process: they are not this turn's.
    pub fn carried(&mut self, bytes: usize) {
        self.added(bytes);
        self.turn_bytes -= bytes;
    }

    /// A second has passed. Says whether a burst was over in it: much waited before, and little since.
    pub fn tick(&mut self) -> bool {
        let peak_bytes = std::mem::replace(&mut self.peak_bytes, self.waiting_bytes);
        let is_over = self.burst_bytes >= BURST_BYTES && peak_bytes < self.burst_bytes / 8;
        self.burst_bytes = if is_over { peak_bytes } else { self.burst_bytes.max(peak_bytes) };
        is_over
    }

    /// Bytes were taken out of outboxes: sent or thrown away.
    pub fn removed(&mut self, bytes: usize) {
        #[cfg(any(test, feature = "deliberate-faults"))]
        if crate::mutation::now_and_then(crate::mutation::Mutation::MiscountOutboxes) {
            return;
        }
        debug_assert!(bytes <= self.waiting_bytes, "what is taken out was put in");
        self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
        self.turn_bytes = self.turn_bytes.saturating_sub(bytes);
    }

    /// The length of one outbox has changed.
    pub fn changed(&mut self, before: usize, after: usize) {
        match after.checked_sub(before) {
            Some(more) => self.added(more),
            None => self.removed(before - after),
        }
    }

    /// Every connection with something to send is about to be written.
    pub fn begin_flush(&mut self) {
        self.turn_bytes = 0;
    }

    /// Whether connections must be written before more is put into outboxes.
    pub fn is_flush_due(&self) -> bool {
        self.turn_bytes > self.bytes_max / 4
    }

    /// Whether events or input wait for the next turn.
    pub fn is_pausing(&self) -> bool {
        self.is_flush_due() || !self.delayed.is_empty()
    }

    pub fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    fn is_over(&self) -> bool {
        self.waiting_bytes > self.bytes_max
    }

    /// Connections are cut off down to an eighth below the bound: the search for the fullest is then paid
    /// for by the bytes that must come before the next one.
    fn is_well_below(&self) -> bool {
        self.waiting_bytes <= self.bytes_max - self.bytes_max / 8
    }
}

impl<S: Surface> Shard<S> {
    /// Puts an event into outboxes, now or, in its turn, when connections were written.
    pub(super) fn deliver(&mut self, event: Event) {
        if self.outboxes.is_pausing() {
            return self.outboxes.delayed.push_back(event);
        }
        self.deliver_now(event);
    }

    fn deliver_now(&mut self, event: Event) {
        match event {
            Event::Reply { to, reply } => self.deliver_reply(to, reply),
            Event::Room { room, event } => self.deliver_to_room(room, event),
            Event::GivenBack { to } => self.given_back(to),
            Event::Carried { to, user, room, head } => self.carried_into(to, user, &room, head),
        }
    }

    /// Begins a turn: what waits now waits for peers. The fullest are cut off, then delayed events continue.
    pub(super) fn look_after_outboxes(&mut self) {
        // Whom another process still has is not cut off here.
        if self.outboxes.is_over() && !self.is_adopting {
            self.cut_off_fullest();
            self.settle();
        }
        if self.outboxes.delayed.is_empty() {
            return;
        }
        while !self.outboxes.is_flush_due()
            && let Some(event) = self.outboxes.delayed.pop_front()
        {
            self.deliver_now(event);
        }
        self.settle();
    }

    fn cut_off_fullest(&mut self) {
        let length = |id: &ConnectionId| self.connections.get(*id).map_or(0, |one| one.waiting_bytes());
        let mut fullest: Vec<(usize, ConnectionId)> = self
            .connections
            .ids()
            .into_iter()
            .map(|id| (length(&id), id))
            .filter(|(bytes, _)| *bytes > 0)
            .collect();
        fullest.sort_unstable_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        for (bytes, id) in fullest {
            if self.outboxes.is_well_below() {
                return;
            }
            self.counters.outbox_budget_cuts += 1;
            let has_no_use_for_words =
                |one: &super::Connection<S::Session>| one.has_left() || one.held_bytes > 0;
            if self.connections.get(id).is_some_and(has_no_use_for_words) {
                // It has its last words already, and does not take them; or a record before them, which
                // cannot give way to them.
                self.drop_slow_reader(id, bytes - 1);
            } else {
                self.cut_off(id, CloseReason::SlowReader { outbox_bytes_max: bytes - 1 });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_over_once_when_a_second_has_passed_with_little() {
        let mut outboxes = Outboxes::new(1 << 30);
        let mut second = |bytes: usize| {
            outboxes.added(bytes);
            outboxes.removed(bytes);
            outboxes.tick()
        };
        assert!(!second(1_000) && !second(0), "nothing to speak of");
        assert!(!second(2 * BURST_BYTES) && !second(BURST_BYTES), "it lasts");
        assert!(second(1_000));
        assert!(!second(1_000) && !second(0), "and is over once");
    }
}

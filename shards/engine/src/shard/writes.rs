//! Which connections are to be written, and when. What many receive with low priority (the talk of a large room,
//! joins and leaves) is written bit by bit, so that nobody's talk waits for it.

use madang_model::ConnectionId;
use std::collections::VecDeque;

/// A room in which more than this many of the shard's connections receive a message is a large room.
pub const CROWD_MEMBERS: usize = 256;
/// At most this many of the deferred ones are written a turn: some 25 µs, as sockets that were not used lately take
/// 6 µs each. What others send waits for that.
const WAITING_WRITES_PER_TURN: usize = 4;

/// Connections with something to send, each at most once in either list.
#[derive(Debug, Default)]
pub struct Writes {
    now: Vec<ConnectionId>,
    /// In the order in which they got something. What they get while they wait goes out in the same
    /// write, so that a large room with much to send is written less often, not later and later. A connection
    /// that is written before, as talk came, keeps the place: it is passed over if there is nothing new.
    deferred: VecDeque<ConnectionId>,
}

impl Writes {
    /// One is to be written at the end of this turn.
    pub fn add(&mut self, id: ConnectionId) {
        self.now.push(id);
    }

    /// One is to be written in this turn or one of the next.
    pub fn add_deferred(&mut self, id: ConnectionId) {
        self.deferred.push_back(id);
    }

    /// How many are to be written at the end of this turn, whatever happens.
    pub fn due(&self) -> usize {
        self.now.len()
    }

    /// Takes only those, and says whether none is left.
    pub fn take_hurried(&mut self, into: &mut Vec<ConnectionId>) -> bool {
        into.append(&mut self.now);
        self.deferred.is_empty()
    }

    /// Takes those that are to be written now, and some of the deferred ones, and says whether none is left.
    /// `is_waiting` is asked once of each whose place is reached: whether it still has something to send.
    pub fn take(
        &mut self,
        into: &mut Vec<ConnectionId>,
        mut is_waiting: impl FnMut(ConnectionId) -> bool,
    ) -> bool {
        into.append(&mut self.now);
        let mut left = WAITING_WRITES_PER_TURN;
        while left > 0
            && let Some(id) = self.deferred.pop_front()
        {
            if is_waiting(id) {
                into.push(id);
                left -= 1;
            }
        }
        self.deferred.is_empty()
    }

    /// A second has passed: memory that a large room took is given back when it was written.
    pub fn tick(&mut self) {
        self.now.shrink_to(CROWD_MEMBERS);
        self.deferred.shrink_to(CROWD_MEMBERS);
    }

    /// Whether no connection is to be written.
    pub fn is_empty(&self) -> bool {
        self.now.is_empty() && self.deferred.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(index: usize) -> ConnectionId {
        ConnectionId { index: u32::try_from(index).expect("a small number"), generation: 0 }
    }

    #[test]
    fn a_few_pass_many_deferred_ones_which_keep_their_order() {
        let mut writes = Writes::default();
        (0..1_000).map(number).for_each(|id| writes.add_deferred(id));
        let mut deferred = Vec::new();
        let mut turns = 0;
        loop {
            writes.add(number(5_000));
            let mut written = Vec::new();
            assert_eq!(writes.due(), 1);
            let is_done = writes.take(&mut written, |_| true);
            assert_eq!(written[0], number(5_000));
            deferred.extend_from_slice(&written[1..]);
            turns += 1;
            if is_done {
                break;
            }
        }
        assert_eq!(deferred, (0..1_000).map(number).collect::<Vec<_>>());
        assert_eq!(turns, 1_000_usize.div_ceil(WAITING_WRITES_PER_TURN));
        assert!(writes.is_empty());
        writes.tick();
        assert!(writes.deferred.capacity() <= 2 * CROWD_MEMBERS, "what it took is given back");
    }

    #[test]
    fn those_in_a_hurry_can_be_taken_alone() {
        let mut writes = Writes::default();
        writes.add_deferred(number(1));
        writes.add(number(2));
        let mut written = Vec::new();
        assert!(!writes.take_hurried(&mut written), "somebody is left");
        assert_eq!(written, [number(2)]);
        assert!(writes.take(&mut written, |_| true));
        assert_eq!(written, [number(2), number(1)]);
    }

    #[test]
    fn who_has_nothing_left_to_send_takes_nobodys_turn() {
        let mut writes = Writes::default();
        (0..1_000).map(number).for_each(|id| writes.add_deferred(id));
        let mut written = Vec::new();
        let waiting: Vec<_> = (0..1_000).map(number).rev().take(WAITING_WRITES_PER_TURN).rev().collect();
        let is_done = writes.take(&mut written, |id| waiting.contains(&id));
        assert!(is_done && writes.is_empty());
        assert_eq!(written, waiting);
    }
}

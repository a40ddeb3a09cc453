//! Who is to be written to, and when: a crowd's turn comes bit by bit, so that no other room waits for it.

use crate::types::ConnectionId;
use std::collections::VecDeque;

/// A room in which more than so many of the shard's connections hear a message is a crowd.
pub const CROWD_MEMBERS: usize = 256;
/// Of crowds, so many connections are written a turn: some 200 µs, as sockets that were not used lately
/// take 6 µs each.
const CROWD_WRITES_PER_TURN: usize = 32;

/// Connections with something to send, each once.
#[derive(Debug, Default)]
pub struct Writes {
    now: Vec<ConnectionId>,
    /// In the order in which they got something. What they get while they wait goes out in the same
    /// write, so that a crowd that is told much is written less often, not later and later.
    by_and_by: VecDeque<ConnectionId>,
}

impl Writes {
    /// One is to be written at the end of this turn.
    pub fn add(&mut self, id: ConnectionId) {
        self.now.push(id);
    }

    /// One is to be written in this turn or one of the next.
    pub fn add_of_crowd(&mut self, id: ConnectionId) {
        self.by_and_by.push_back(id);
    }

    /// How many the next [`Writes::take`] gives.
    pub fn due(&self) -> usize {
        self.now.len() + self.by_and_by.len().min(CROWD_WRITES_PER_TURN)
    }

    /// Takes those who are to be written now, and says whether nobody is left.
    pub fn take(&mut self, into: &mut Vec<ConnectionId>) -> bool {
        into.append(&mut self.now);
        let count = self.by_and_by.len().min(CROWD_WRITES_PER_TURN);
        into.extend(self.by_and_by.drain(..count));
        self.by_and_by.is_empty()
    }

    /// A second has passed: memory that a crowd took is given back when it was written.
    pub fn tick(&mut self) {
        self.now.shrink_to(CROWD_MEMBERS);
        self.by_and_by.shrink_to(CROWD_MEMBERS);
    }

    /// Whether nobody is to be written.
    pub fn is_empty(&self) -> bool {
        self.now.is_empty() && self.by_and_by.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(index: usize) -> ConnectionId {
        ConnectionId { index: u32::try_from(index).expect("a small number"), generation: 0 }
    }

    #[test]
    fn a_few_pass_a_crowd_and_the_crowd_keeps_its_order() {
        let mut writes = Writes::default();
        (0..1_000).map(number).for_each(|id| writes.add_of_crowd(id));
        let mut crowd = Vec::new();
        let mut turns = 0;
        loop {
            writes.add(number(5_000));
            let mut written = Vec::new();
            assert_eq!(writes.due(), 1 + CROWD_WRITES_PER_TURN.min(1_000 - crowd.len()));
            let is_done = writes.take(&mut written);
            assert_eq!(written[0], number(5_000));
            crowd.extend_from_slice(&written[1..]);
            turns += 1;
            if is_done {
                break;
            }
        }
        assert_eq!(crowd, (0..1_000).map(number).collect::<Vec<_>>());
        assert_eq!(turns, 1_000_usize.div_ceil(CROWD_WRITES_PER_TURN));
        assert!(writes.is_empty());
        writes.tick();
        assert!(writes.by_and_by.capacity() <= 2 * CROWD_MEMBERS, "what it took is given back");
    }
}

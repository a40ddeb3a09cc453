//! What was sent and what came: every delivery is accounted for.

use crate::report::Figures;
use std::collections::BTreeSet;

/// Deliveries that are remembered as missing, in case they come late. More are lost at once.
const MISSING_MAX: usize = 1_000_000;

/// What was wrong with the deliveries. All are 0 in a server that keeps its promises.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Faults {
    /// Deliveries that never came.
    pub lost: u64,
    /// Deliveries that came again.
    pub repeated: u64,
    /// Deliveries that came behind a later one of the same author.
    pub disordered: u64,
    /// Lines that should be deliveries and are not what was sent, or came to the wrong room.
    pub damaged: u64,
    /// Rooms whose members saw the same messages in different orders.
    pub rooms_in_disagreement: u64,
}

impl Faults {
    /// Whether every delivery came once, whole and in order.
    pub fn is_none(&self) -> bool {
        *self == Faults::default()
    }

    pub(crate) fn add_to(&self, figures: &mut Figures) {
        figures.count("lost", self.lost, "");
        figures.count("repeated", self.repeated, "");
        figures.count("disordered", self.disordered, "");
        figures.count("damaged", self.damaged, "");
        figures.count("rooms without one order", self.rooms_in_disagreement, "");
    }
}

/// A delivery that should have come: receiver, writer, number.
type Missing = (u32, u32, u32);

/// The account of one measurement. Connections are numbered room by room.
#[derive(Debug)]
pub(super) struct Ledger {
    members: usize,
    /// Messages sent, by writer.
    sent: Vec<u32>,
    /// The number expected next, by receiver and then by writer in the same room.
    next: Vec<u32>,
    /// A hash over all that came, in its order, by receiver.
    order: Vec<u64>,
    missing: BTreeSet<Missing>,
    delivered: u64,
    expected: u64,
    faults: Faults,
}

impl Ledger {
    pub(super) fn new(rooms: usize, members: usize) -> Ledger {
        let connections = rooms * members;
        Ledger {
            members,
            sent: vec![0; connections],
            next: vec![0; connections * members],
            order: vec![0; connections],
            missing: BTreeSet::new(),
            delivered: 0,
            expected: 0,
            faults: Faults::default(),
        }
    }

    /// Numbers the next message of a writer. Everyone in the room is now owed it.
    pub(super) fn send(&mut self, writer: usize) -> u32 {
        let sequence = self.sent[writer];
        self.sent[writer] += 1;
        self.expected += self.members as u64;
        sequence
    }

    /// Whether a message of `writer` may come to `receiver` at all.
    pub(super) fn is_plausible(&self, receiver: usize, writer: usize, sequence: u32) -> bool {
        writer / self.members == receiver / self.members
            && self.sent.get(writer).is_some_and(|sent| sequence < *sent)
    }

    /// Notes a delivery that [`Ledger::is_plausible`]. Returns whether it is the first of its kind.
    pub(super) fn receive(&mut self, receiver: usize, writer: usize, sequence: u32) -> bool {
        let next = &mut self.next[receiver * self.members + writer % self.members];
        if sequence < *next {
            if !self.missing.remove(&(receiver as u32, writer as u32, sequence)) {
                self.faults.repeated += 1;
                return false;
            }
            self.faults.disordered += 1;
        }
        for skipped in *next..sequence {
            if self.missing.len() < MISSING_MAX {
                self.missing.insert((receiver as u32, writer as u32, skipped));
            } else {
                self.faults.lost += 1;
            }
        }
        *next = (*next).max(sequence + 1);
        let order = &mut self.order[receiver];
        let message = (writer as u64) << 32 | u64::from(sequence);
        // An odd multiplier makes the hash depend on the place of every message.
        *order = (*order ^ message).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
        self.delivered += 1;
        true
    }

    /// Notes a line that is not what anybody sent.
    pub(super) fn damaged(&mut self) {
        self.faults.damaged += 1;
    }

    /// Messages sent.
    pub(super) fn messages(&self) -> u64 {
        self.sent.iter().map(|sent| u64::from(*sent)).sum()
    }

    /// First deliveries so far.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Whether everything sent has come.
    pub(super) fn is_settled(&self) -> bool {
        self.delivered == self.expected
    }

    /// Closes the account: what has not come now is lost.
    pub(super) fn close(mut self) -> Faults {
        self.faults.lost += self.missing.len() as u64;
        for (place, next) in self.next.iter().enumerate() {
            let (receiver, member) = (place / self.members, place % self.members);
            let writer = receiver / self.members * self.members + member;
            self.faults.lost += u64::from(self.sent[writer] - next);
        }
        // Only rooms where everything came can be compared; the others are at fault already.
        if self.faults.lost == 0 {
            let differ = |room: &&[u64]| room.iter().any(|order| *order != room[0]);
            self.faults.rooms_in_disagreement = self.order.chunks(self.members).filter(differ).count() as u64;
        }
        self.faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One room of two, in which the first has written three messages.
    fn three_sent() -> Ledger {
        let mut ledger = Ledger::new(1, 2);
        assert_eq!([ledger.send(0), ledger.send(0), ledger.send(0)], [0, 1, 2]);
        ledger
    }

    fn faults_after(deliveries: &[(usize, u32)]) -> Faults {
        let mut ledger = three_sent();
        for (receiver, sequence) in deliveries {
            assert!(ledger.is_plausible(*receiver, 0, *sequence));
            ledger.receive(*receiver, 0, *sequence);
        }
        ledger.close()
    }

    #[test]
    fn everything_once_in_order_is_no_fault() {
        let faults = faults_after(&[(0, 0), (1, 0), (0, 1), (0, 2), (1, 1), (1, 2)]);
        assert!(faults.is_none(), "{faults:?}");
    }

    #[test]
    fn what_never_comes_is_lost_in_the_middle_and_at_the_end() {
        let faults = faults_after(&[(0, 0), (0, 2), (1, 0), (1, 1)]);
        assert_eq!(faults, Faults { lost: 2, ..Faults::default() });
    }

    #[test]
    fn what_comes_again_is_repeated() {
        let faults = faults_after(&[(0, 0), (0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (1, 1)]);
        assert_eq!(faults, Faults { repeated: 2, ..Faults::default() });
    }

    #[test]
    fn what_comes_late_is_disordered_and_not_lost() {
        let faults = faults_after(&[(0, 1), (0, 0), (0, 2), (1, 1), (1, 0), (1, 2)]);
        assert_eq!(faults, Faults { disordered: 2, ..Faults::default() });
    }

    #[test]
    fn members_that_saw_two_authors_in_other_orders_disagree() {
        let mut ledger = Ledger::new(2, 2);
        ledger.send(0);
        ledger.send(1);
        for (receiver, writer) in [(0, 0), (0, 1), (1, 1), (1, 0)] {
            ledger.receive(receiver, writer, 0);
        }
        assert_eq!(ledger.close(), Faults { rooms_in_disagreement: 1, ..Faults::default() });
    }

    #[test]
    fn what_nobody_sent_or_another_room_heard_is_not_plausible() {
        let mut ledger = Ledger::new(2, 2);
        ledger.send(0);
        assert!(ledger.is_plausible(1, 0, 0));
        assert!(!ledger.is_plausible(1, 0, 1), "not sent yet");
        assert!(!ledger.is_plausible(2, 0, 0), "the other room");
        assert!(!ledger.is_plausible(1, 7, 0), "no such writer");
    }
}

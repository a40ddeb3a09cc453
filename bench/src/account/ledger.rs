//! What was sent and what came: every delivery is accounted for.

use super::fault_list::{FaultKind, FaultList};
use crate::protocol::Names;
use std::collections::BTreeSet;

/// Deliveries that are remembered as missing, in case they come late. More are lost at once.
const MISSING_MAX: usize = 1_000_000;

/// A delivery that should have come: receiver, writer, number.
type Missing = (u32, u32, u32);

/// What a server promises of deliveries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Promises {
    /// An author receives its own messages.
    pub(crate) hears_itself: bool,
    /// All members of a room see one order.
    pub(crate) has_one_order: bool,
}

/// The account of one measurement. Members are numbered room by room: `number / members` is the room.
#[derive(Debug)]
pub(crate) struct Ledger {
    members: usize,
    promises: Promises,
    names: Names,
    /// Messages sent, by writer.
    sent: Vec<u32>,
    /// The number expected next, by receiver and then by writer in the same room.
    next: Vec<u32>,
    /// A hash over all that came, in its order, by receiver.
    order: Vec<u64>,
    missing: BTreeSet<Missing>,
    delivered: u64,
    expected: u64,
    faults: FaultList,
}

impl Ledger {
    /// An account of rooms with `members` members each, whose names are those of the crowd.
    pub(crate) fn new(rooms: usize, members: usize, promises: Promises, names: Names) -> Ledger {
        let connections = rooms * members;
        Ledger {
            members,
            promises,
            names,
            sent: vec![0; connections],
            next: vec![0; connections * members],
            order: vec![0; connections],
            missing: BTreeSet::new(),
            delivered: 0,
            expected: 0,
            faults: FaultList::default(),
        }
    }

    /// Numbers the next message of a writer. Everyone in the room is now owed it.
    pub(crate) fn send(&mut self, writer: usize) -> u32 {
        let sequence = self.sent[writer];
        self.sent[writer] += 1;
        self.expected += (self.members - usize::from(!self.promises.hears_itself)) as u64;
        sequence
    }

    /// Whether a message of `writer` may come to `receiver` at all.
    pub(crate) fn is_plausible(&self, receiver: usize, writer: usize, sequence: u32) -> bool {
        writer / self.members == receiver / self.members
            && self.sent.get(writer).is_some_and(|sent| sequence < *sent)
            && (self.promises.hears_itself || writer != receiver)
    }

    /// Notes a delivery that [`Ledger::is_plausible`]. Returns whether it is the first of its kind.
    pub(crate) fn receive(&mut self, receiver: usize, writer: usize, sequence: u32) -> bool {
        let next = &mut self.next[receiver * self.members + writer % self.members];
        if sequence < *next {
            let is_late = self.missing.remove(&(receiver as u32, writer as u32, sequence));
            let kind = if is_late { FaultKind::Disordered } else { FaultKind::Repeated };
            let words = if is_late { "came after a later one" } else { "came again" };
            self.fault(kind, receiver, writer, sequence, words);
            if !is_late {
                return false;
            }
        } else {
            let skipped = *next..sequence;
            *next = sequence + 1;
            for skipped in skipped {
                if self.missing.len() < MISSING_MAX {
                    self.missing.insert((receiver as u32, writer as u32, skipped));
                } else {
                    self.fault(FaultKind::Lost, receiver, writer, skipped, "never came");
                }
            }
        }
        let order = &mut self.order[receiver];
        let message = (writer as u64) << 32 | u64::from(sequence);
        // An odd multiplier makes the hash depend on the place of every message.
        *order = (*order ^ message).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
        self.delivered += 1;
        true
    }

    /// Notes what is not what anybody sent, or was not meant for the receiver.
    pub(crate) fn damaged(&mut self, receiver: usize, words: &[u8]) {
        let Ledger { members, names, faults, .. } = self;
        faults.add(FaultKind::Damaged, || {
            let (room, user) = (names.room(receiver / *members), names.user(receiver));
            let words = String::from_utf8_lossy(&words[..words.len().min(200)]).escape_debug().to_string();
            format!("damaged or misdelivered: {user} in {room} got '{words}'")
        });
    }

    fn fault(&mut self, kind: FaultKind, receiver: usize, writer: usize, sequence: u32, words: &str) {
        let Ledger { members, names, faults, .. } = self;
        faults.add(kind, || {
            let room = names.room(writer / *members);
            let (from, to) = (names.user(writer), names.user(receiver));
            format!("{kind:?}: message {} of {from} in {room} to {to} {words}", sequence + 1)
        });
    }

    /// Whether an author is owed its own messages.
    pub(crate) fn hears_itself(&self) -> bool {
        self.promises.hears_itself
    }

    /// Messages sent.
    pub(crate) fn messages(&self) -> u64 {
        self.sent.iter().map(|sent| u64::from(*sent)).sum()
    }

    /// First deliveries so far.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Whether everything sent has come.
    pub(crate) fn is_settled(&self) -> bool {
        self.delivered == self.expected
    }

    /// Closes the account: what has not come now is lost.
    pub(crate) fn close(mut self) -> FaultList {
        let mut lost = 0;
        for (receiver, writer, sequence) in std::mem::take(&mut self.missing) {
            self.fault(FaultKind::Lost, receiver as usize, writer as usize, sequence, "never came");
            lost += 1;
        }
        for place in 0..self.next.len() {
            let (receiver, member) = (place / self.members, place % self.members);
            let writer = receiver / self.members * self.members + member;
            if !self.promises.hears_itself && writer == receiver {
                continue;
            }
            for sequence in self.next[place]..self.sent[writer] {
                self.fault(FaultKind::Lost, receiver, writer, sequence, "never came");
                lost += 1;
            }
        }
        // Only rooms where everything came can be compared; the others are at fault already.
        let is_comparable = self.promises.has_one_order && self.promises.hears_itself;
        if lost == 0 && is_comparable {
            for (room, orders) in self.order.chunks(self.members).enumerate() {
                if orders.iter().any(|order| *order != orders[0]) {
                    let room = self.names.room(room);
                    self.faults.add(FaultKind::Disordered, || {
                        format!("Disordered: the members of {room} saw the same messages in different orders")
                    });
                }
            }
        }
        self.faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Faults;

    const ALL: Promises = Promises { hears_itself: true, has_one_order: true };

    fn counts(faults: FaultList) -> (u64, u64, u64, u64) {
        let Faults { lost, repeated, disordered, damaged, .. } = faults.into_faults();
        (lost, repeated, disordered, damaged)
    }

    fn ledger(rooms: usize, promises: Promises) -> Ledger {
        Ledger::new(rooms, 2, promises, Names::fresh())
    }

    /// One room of two, in which the first has written three messages.
    fn faults_after(deliveries: &[(usize, u32)]) -> (u64, u64, u64, u64) {
        let mut ledger = ledger(1, ALL);
        assert_eq!([ledger.send(0), ledger.send(0), ledger.send(0)], [0, 1, 2]);
        for (receiver, sequence) in deliveries {
            assert!(ledger.is_plausible(*receiver, 0, *sequence));
            ledger.receive(*receiver, 0, *sequence);
        }
        counts(ledger.close())
    }

    #[test]
    fn everything_once_in_order_is_no_fault() {
        assert_eq!(faults_after(&[(0, 0), (1, 0), (0, 1), (0, 2), (1, 1), (1, 2)]), (0, 0, 0, 0));
    }

    #[test]
    fn what_never_comes_is_lost_in_the_middle_and_at_the_end() {
        assert_eq!(faults_after(&[(0, 0), (0, 2), (1, 0), (1, 1)]), (2, 0, 0, 0));
    }

    #[test]
    fn what_comes_again_is_repeated() {
        let deliveries = [(0, 0), (0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (1, 1)];
        assert_eq!(faults_after(&deliveries), (0, 2, 0, 0));
    }

    #[test]
    fn what_comes_late_is_disordered_and_not_lost() {
        assert_eq!(faults_after(&[(0, 1), (0, 0), (0, 2), (1, 1), (1, 0), (1, 2)]), (0, 0, 2, 0));
    }

    #[test]
    fn members_that_saw_two_authors_in_other_orders_disagree_where_one_order_is_promised() {
        for (promises, disordered) in [(ALL, 1), (Promises { has_one_order: false, ..ALL }, 0)] {
            let mut ledger = ledger(2, promises);
            ledger.send(0);
            ledger.send(1);
            for (receiver, writer) in [(0, 0), (0, 1), (1, 1), (1, 0)] {
                ledger.receive(receiver, writer, 0);
            }
            assert_eq!(counts(ledger.close()), (0, 0, disordered, 0));
        }
    }

    #[test]
    fn an_author_is_not_owed_its_own_where_the_protocol_keeps_them() {
        let mut ledger = ledger(1, Promises { hears_itself: false, has_one_order: false });
        ledger.send(0);
        assert!(!ledger.is_plausible(0, 0, 0));
        ledger.receive(1, 0, 0);
        assert!(ledger.is_settled());
        assert_eq!(counts(ledger.close()), (0, 0, 0, 0));
    }

    #[test]
    fn what_nobody_sent_or_another_room_heard_is_not_plausible() {
        let mut ledger = ledger(2, ALL);
        ledger.send(0);
        assert!(ledger.is_plausible(1, 0, 0));
        assert!(!ledger.is_plausible(1, 0, 1), "not sent yet");
        assert!(!ledger.is_plausible(2, 0, 0), "the other room");
        assert!(!ledger.is_plausible(1, 7, 0), "no such writer");
    }

    #[test]
    fn examples_name_room_author_and_number() {
        let mut ledger = ledger(1, ALL);
        ledger.send(1);
        ledger.receive(1, 1, 0);
        let (names, faults) = (ledger.names.clone(), ledger.close().into_faults());
        let expected = format!(
            "Lost: message 1 of {} in {} to {} never came",
            names.user(1),
            names.room(0),
            names.user(0)
        );
        assert_eq!(faults.examples, [expected]);
    }
}

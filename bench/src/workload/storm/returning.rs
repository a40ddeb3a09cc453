//! Users that are cut off: what each has seen, and how it catches up.

use crate::account::{FaultKind, FaultList, PayloadFormat, empty_histogram};
use crate::crowd::{Arrived, Crowd};
use crate::error::BenchError;
use crate::protocol::{Frame, Guest, Protocol, Stage};
use hdrhistogram::Histogram;
use std::collections::{BTreeSet, VecDeque};

/// How long a name or a page that was refused is waited with, in nanoseconds.
const RETRY_NS: u64 = 20_000_000;

/// Where one of them is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// It hears live talk.
    Live,
    /// It was cut off.
    Gone,
    /// It has connected again and is on its way to its room.
    Returning(Stage),
    /// It is in its room and reads what it missed.
    CatchingUp {
        /// There is more than one page.
        is_more: bool,
    },
}

/// A user that is cut off. Messages are counted from 0: the room's number less one.
#[derive(Clone, Copy, Debug)]
struct Member {
    place: Place,
    /// All messages below it were seen, or are known to be missing.
    next: u32,
    /// Live talk since it came back: the first message, and the one that should come next.
    live: Option<(u32, u32)>,
    cut_at_ns: u64,
}

/// All users that are cut off and return.
pub(super) struct Crowding {
    guests: Vec<Guest>,
    /// The first of them; connections below talk and stay.
    base: usize,
    format: PayloadFormat,
    members: Vec<Member>,
    /// Messages said, by room.
    said: Vec<u32>,
    /// Messages that came neither live nor by history, in case they come late.
    missing: BTreeSet<(u32, u32)>,
    next_cut: usize,
    next_open: usize,
    under_way: usize,
    back: usize,
    /// Users that are to say their name or ask for their page again, and when.
    again: VecDeque<(u64, usize)>,
    faults: FaultList,
    returns_ns: Histogram<u64>,
    deliveries: u64,
    caught_up: u64,
    gaps: u64,
    retries: u64,
}

impl Crowding {
    /// All guests from `talkers` on. Guest `talkers + n` is in room `n % talkers`, which guest
    /// `n % talkers` alone talks in.
    pub(super) fn new(guests: &[Guest], talkers: usize, format: PayloadFormat) -> Crowding {
        let member = Member { place: Place::Live, next: 0, live: None, cut_at_ns: 0 };
        Crowding {
            guests: guests.to_vec(),
            base: talkers,
            format,
            members: vec![member; guests.len() - talkers],
            said: vec![0; talkers],
            missing: BTreeSet::new(),
            next_cut: 0,
            next_open: 0,
            under_way: 0,
            back: 0,
            again: VecDeque::new(),
            faults: FaultList::default(),
            returns_ns: empty_histogram(),
            deliveries: 0,
            caught_up: 0,
            gaps: 0,
            retries: 0,
        }
    }

    /// Whether a connection is one of them.
    pub(super) fn is_one_of(&self, connection: usize) -> bool {
        connection >= self.base
    }

    /// A room's talker says its next message: everyone there is owed it.
    pub(super) fn said(&mut self, room: usize) {
        self.said[room] += 1;
    }

    /// Cuts some of them off. Returns whether there was anybody to cut.
    pub(super) fn cut_some(&mut self, most: usize, crowd: &mut Crowd) -> Result<bool, BenchError> {
        let end = self.members.len().min(self.next_cut + most);
        let is_any = self.next_cut < end;
        for number in self.next_cut..end {
            crowd.cut(self.base + number)?;
            self.members[number].place = Place::Gone;
            self.members[number].cut_at_ns = crowd.now_ns();
        }
        self.next_cut = end;
        Ok(is_any)
    }

    /// Lets some of them return.
    pub(super) fn open_some(
        &mut self,
        most: usize,
        under_way_max: usize,
        crowd: &mut Crowd,
    ) -> Result<(), BenchError> {
        for _ in 0..most {
            if self.next_open == self.members.len() || self.under_way == under_way_max {
                break;
            }
            let number = self.next_open;
            let connection = self.base + number;
            crowd.open_again(connection)?;
            let guest = &self.guests[connection];
            let stage = Protocol::Line.greet(guest, false, crowd.outbox(connection));
            self.members[number].place = Place::Returning(stage);
            self.members[number].live = None;
            self.next_open += 1;
            self.under_way += 1;
        }
        Ok(())
    }

    /// Whether somebody can be cut or let return at once.
    pub(super) fn has_changes(&self) -> bool {
        self.next_cut < self.members.len()
    }

    /// Users that were refused say their name or ask for their page once more.
    pub(super) fn ask_again(&mut self, crowd: &mut Crowd) {
        let now_ns = crowd.now_ns();
        while let Some((_, number)) = self.again.front().copied().filter(|(due_ns, _)| *due_ns <= now_ns) {
            self.again.pop_front();
            let connection = self.base + number;
            let member = &self.members[number];
            match member.place {
                Place::Returning(_) => {
                    let name = &self.guests[connection].name;
                    crowd.outbox(connection).extend_from_slice(format!("{name}\n").as_bytes());
                }
                Place::CatchingUp { .. } => ask(member.next, crowd.outbox(connection)),
                Place::Live | Place::Gone => {}
            }
        }
    }

    /// Takes account of a frame.
    pub(super) fn take(&mut self, arrived: &Arrived<'_>, outbox: &mut Vec<u8>) {
        let number = arrived.connection - self.base;
        match (self.members[number].place, arrived.frame) {
            (Place::Returning(mut stage), frame) => {
                let guest = &self.guests[arrived.connection];
                if Protocol::Line.proceed(&mut stage, guest, &frame, outbox).is_err() {
                    self.retries += 1;
                    self.again.push_back((arrived.read_at_ns + RETRY_NS, number));
                    return;
                }
                self.members[number].place = Place::Returning(stage);
                if stage == Stage::In {
                    self.members[number].place = Place::CatchingUp { is_more: false };
                    ask(self.members[number].next, outbox);
                }
            }
            (_, Frame::Said { text, .. }) => self.live(number, text),
            (Place::CatchingUp { .. }, Frame::Stored { number: stored, text, .. }) => {
                self.stored(number, stored, text);
            }
            (Place::CatchingUp { .. }, Frame::Refusal(_)) => {
                // Too many ask for stored messages: the pong of this request is no end.
                self.retries += 1;
                self.members[number].place = Place::CatchingUp { is_more: true };
            }
            (Place::CatchingUp { is_more }, Frame::Answer(b"pong")) => {
                if is_more {
                    self.members[number].place = Place::CatchingUp { is_more: false };
                    ask(self.members[number].next, outbox);
                } else {
                    self.caught_up_at(number, arrived.read_at_ns);
                }
            }
            (Place::CatchingUp { .. }, Frame::Answer(words))
                if words.starts_with(b"* ") && memchr::memmem::find(words, MORE).is_some() =>
            {
                self.members[number].place = Place::CatchingUp { is_more: true };
            }
            _ => {}
        }
    }

    /// Live talk, or a room's recent messages on entering it, which look alike and follow each other without a gap.
    fn live(&mut self, number: usize, text: &[u8]) {
        let Some(sequence) = self.sequence_of(number, text) else { return };
        let member = &mut self.members[number];
        match (member.place, &mut member.live) {
            (Place::Live, _) => {
                let expected = member.next;
                member.next = expected.max(sequence + 1);
                self.deliveries += 1;
                self.compare(number, expected, sequence);
            }
            (_, live @ None) => *live = Some((sequence, sequence + 1)),
            (_, Some((_, expected))) => {
                let due = *expected;
                *expected = due.max(sequence + 1);
                self.compare(number, due, sequence);
            }
        }
    }

    /// A stored message of the page that was asked for.
    fn stored(&mut self, number: usize, stored: u64, text: &[u8]) {
        let Some(sequence) = self.sequence_of(number, text) else { return };
        if u64::from(sequence) + 1 != stored {
            let name = &self.guests[self.base + number].name;
            self.faults.add(FaultKind::Disordered, || {
                format!("disordered: message {} of its room came to {name} as #{stored}", sequence + 1)
            });
        }
        let expected = self.members[number].next;
        self.members[number].next = expected.max(sequence + 1);
        self.deliveries += 1;
        self.caught_up += 1;
        self.compare(number, expected, sequence);
    }

    /// Holds what came against what was due.
    fn compare(&mut self, number: usize, expected: u32, sequence: u32) {
        let name = &self.guests[self.base + number].name;
        for skipped in expected..sequence {
            self.missing.insert((number as u32, skipped));
        }
        if sequence < expected {
            if self.missing.remove(&(number as u32, sequence)) {
                let words =
                    || format!("disordered: message {} came to {name} after a later one", sequence + 1);
                self.faults.add(FaultKind::Disordered, words);
            } else {
                let words = || format!("repeated: message {} came to {name} again", sequence + 1);
                self.faults.add(FaultKind::Repeated, words);
            }
        }
    }

    /// Puts what it read and what it has heard since together.
    fn caught_up_at(&mut self, number: usize, now_ns: u64) {
        let member = &mut self.members[number];
        member.place = Place::Live;
        let next = member.next;
        if let Some((first, after)) = member.live {
            if first > next {
                self.gaps += 1;
                self.missing.extend((next..first).map(|skipped| (number as u32, skipped)));
            }
            self.deliveries += u64::from(after.saturating_sub(next.max(first)));
            member.next = next.max(after);
        }
        self.returns_ns.saturating_record(now_ns.saturating_sub(member.cut_at_ns));
        self.back += 1;
        self.under_way -= 1;
    }

    /// The message's place in its room, when it is what the room's talker said.
    fn sequence_of(&mut self, number: usize, text: &[u8]) -> Option<u32> {
        let room = number % self.base;
        let payload = self.format.read(text);
        let payload = payload.filter(|told| told.writer as usize == room && told.sequence < self.said[room]);
        if payload.is_none() {
            let name = &self.guests[self.base + number].name;
            let text = String::from_utf8_lossy(&text[..text.len().min(200)]).into_owned();
            self.faults.add(FaultKind::Damaged, || format!("damaged or misdelivered: {name} got '{text}'"));
        }
        payload.map(|told| told.sequence)
    }

    /// Whether all are back and have caught up.
    pub(super) fn is_caught_up(&self) -> bool {
        self.back == self.members.len()
    }

    /// The share of users that have caught up.
    pub(super) fn share(&self) -> f64 {
        self.back as f64 / self.members.len() as f64
    }

    /// Whether all of them have everything.
    pub(super) fn is_settled(&self) -> bool {
        let has_all = |(number, member): (usize, &Member)| {
            member.place == Place::Live && member.next == self.said[number % self.base]
        };
        self.missing.is_empty() && self.members.iter().enumerate().all(has_all)
    }

    pub(super) fn back_count(&self) -> usize {
        self.back
    }

    pub(super) fn deliveries(&self) -> u64 {
        self.deliveries
    }

    pub(super) fn caught_up(&self) -> u64 {
        self.caught_up
    }

    pub(super) fn gaps(&self) -> u64 {
        self.gaps
    }

    pub(super) fn retries(&self) -> u64 {
        self.retries
    }

    pub(super) fn returns_ns(&self) -> Histogram<u64> {
        self.returns_ns.clone()
    }

    /// What has not come by now is lost, to users that are back.
    pub(super) fn close(mut self) -> FaultList {
        for (number, sequence) in std::mem::take(&mut self.missing) {
            let name = &self.guests[self.base + number as usize].name;
            self.faults
                .add(FaultKind::Lost, || format!("lost: message {} never came to {name}", sequence + 1));
        }
        for (number, member) in self.members.iter().enumerate() {
            let lost = self.said[number % self.base] - member.next;
            // A user still on its way when somebody stopped the measurement is owed nothing.
            if member.place == Place::Live {
                let name = &self.guests[self.base + number].name;
                self.faults.add_many(FaultKind::Lost, u64::from(lost), || {
                    format!("lost: message {} and what follows never came to {name}", member.next + 1)
                });
            }
        }
        self.faults
    }
}

/// What a page ends with when there is more: `* 7 more (try /history after 512)`.
const MORE: &[u8] = b" more (try /history after ";

/// Asks for all above what was seen, and for a sign that it has been answered.
fn ask(next: u32, outbox: &mut Vec<u8>) {
    // Messages below `next` have the numbers up to `next`.
    outbox.extend_from_slice(format!("/history after {next}\n/ping\n").as_bytes());
}

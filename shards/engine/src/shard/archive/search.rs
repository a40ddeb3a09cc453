//! The search for the first message of a time, by halves.

use crate::room::PageReader;
use madang_log::{BatchId, FoundPage};
use madang_model::{Page, Seq, SessionId, Timestamp};

/// This many messages that cannot be read are passed over in one search: then most of the room cannot be.
const UNREADABLE_MAX: u32 = 16;

/// A page by time that does not begin in memory.
#[derive(Clone, Copy, Debug)]
pub struct TimeQuestion {
    /// Who asks.
    pub session: SessionId,
    /// Who reads.
    pub reader: PageReader,
    /// The page.
    pub page: Page,
    /// Its time.
    pub time: Timestamp,
    /// All messages from this number on were said then or later.
    pub below: Seq,
    /// The last batch that carries something of the room.
    pub after: BatchId,
}

/// The search for where a page by time begins.
///
/// Times of a room do not fall, but for those of older logs and for a clock that was far ahead: then it finds one of the
/// places where they rise to the time. It ends in any case: each look leaves fewer numbers.
#[derive(Debug)]
pub struct TimeSearch {
    pub question: TimeQuestion,
    /// Every message up to this one was said before.
    before: Seq,
    /// Every message from this one on was not.
    since: Seq,
    /// The middle between the two, where the looks begin.
    middle: Seq,
    /// What is looked at now: `count` numbers from the first. All between the middle and it are lost, or unreadable.
    look: (Seq, u32),
    unreadable: u32,
}

/// What follows from a look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SearchStep {
    /// Look at these numbers.
    Look {
        /// The first.
        first: Seq,
        /// How many.
        count: u32,
    },
    /// The page begins with this number, or with the first that is there behind it.
    Done(Seq),
    /// Too many messages cannot be read.
    Unreadable,
}

impl TimeSearch {
    /// Begins with a look at this number alone.
    pub fn new(question: TimeQuestion) -> (TimeSearch, Seq) {
        let (before, since) = (Seq::ZERO, question.below);
        let middle = middle(before, since);
        let look = (middle, 1);
        (TimeSearch { question, before, since, middle, look, unreadable: 0 }, middle)
    }

    /// What was found where it looked; `None` is unreadable.
    pub fn found(&mut self, page: Option<&FoundPage>) -> SearchStep {
        let (first, count) = self.look;
        let Some(page) = page else {
            self.unreadable += 1;
            if self.unreadable > UNREADABLE_MAX {
                return SearchStep::Unreadable;
            }
            // One by one, so that what is readable behind it is not lost with it.
            return self.look_on(first.next(), 1);
        };
        match (page.messages.first(), page.expired) {
            (Some(message), _) if message.time() < self.question.time => {
                self.narrow(message.seq(), self.since)
            }
            (Some(_), _) => self.narrow(self.before, self.middle),
            // What is before the oldest message is gone.
            (None, Some((_, last))) => {
                let oldest = page.oldest.map_or(last, |oldest| Seq(oldest.0.saturating_sub(1)));
                self.narrow(oldest.max(last).min(Seq(self.since.0 - 1)), self.since)
            }
            (None, None) => self.look_on(Seq(first.0 + u64::from(count)), Page::MESSAGES_MAX),
        }
    }

    /// Looks behind what is lost.
    fn look_on(&mut self, first: Seq, count_max: u32) -> SearchStep {
        if first >= self.since {
            // Nothing is there from the middle on.
            return self.narrow(self.before, self.middle);
        }
        let left = u32::try_from(self.since.0 - first.0).unwrap_or(u32::MAX);
        self.look = (first, count_max.min(left));
        SearchStep::Look { first, count: self.look.1 }
    }

    fn narrow(&mut self, before: Seq, since: Seq) -> SearchStep {
        (self.before, self.since) = (before, since);
        if before.next() >= since {
            return SearchStep::Done(since);
        }
        self.middle = middle(before, since);
        self.look = (self.middle, 1);
        SearchStep::Look { first: self.middle, count: 1 }
    }
}

fn middle(before: Seq, since: Seq) -> Seq {
    Seq(before.0 + (since.0 - before.0) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::tests::Chance;
    use madang_model::{Message, RoomName, Text, UserName};

    /// A room: the time of each message from #1 on, `None` where it is lost; up to `expired` they are gone.
    struct Stored {
        times: Vec<Option<i64>>,
        expired: usize,
        unreadable: Vec<usize>,
    }

    impl Stored {
        fn look(&self, first: Seq, count: u32) -> Option<FoundPage> {
            let numbers = first.0 as usize..first.0 as usize + count as usize;
            if numbers.clone().any(|number| self.unreadable.contains(&number)) {
                return None;
            }
            let message = |number: usize| {
                let time = Timestamp(self.times[number - 1]?);
                let room = RoomName::parse("r1").expect("a room");
                let (author, text) =
                    (UserName::parse("bob").expect("a name"), Text::sanitise("x").expect("a text"));
                Some(Message { room, seq: Seq(number as u64), time, author, draft: None, text }.into())
            };
            let there = numbers.clone().filter(|number| *number > self.expired);
            let last = (numbers.end - 1).min(self.expired);
            let is_expired = numbers.start <= self.expired;
            Some(FoundPage {
                messages: there.filter_map(message).collect(),
                expired: is_expired.then_some((first, Seq(last as u64))),
                oldest: is_expired.then_some(Seq(self.expired as u64 + 1)),
            })
        }

        fn search(&self, time: i64, below: usize) -> (SearchStep, usize) {
            let question = TimeQuestion {
                session: SessionId::NOBODY,
                reader: PageReader::Member(madang_model::UserKey::of("bob")),
                page: Page::Last { count: 1 },
                time: Timestamp(time),
                below: Seq(below as u64),
                after: BatchId::ZERO,
            };
            let (mut search, first) = TimeSearch::new(question);
            let (mut next, mut looks) = (SearchStep::Look { first, count: 1 }, 0);
            while let SearchStep::Look { first, count } = next {
                looks += 1;
                assert!(looks < 10_000, "it goes on and on");
                next = search.found(self.look(first, count).as_ref());
            }
            (next, looks)
        }
    }

    /// The first number of that time or later that is there, or where the next would be.
    fn begins(stored: &Stored, time: i64) -> usize {
        let is_there = |(index, said): &(usize, &Option<i64>)| {
            *index >= stored.expired && said.is_some_and(|said| said >= time)
        };
        let found = stored.times.iter().enumerate().find(is_there);
        found.map_or(stored.times.len(), |(index, _)| index) + 1
    }

    /// What a page from there on begins with.
    fn first_there(stored: &Stored, from: usize) -> usize {
        let is_there = |number: &usize| *number > stored.expired && stored.times[number - 1].is_some();
        (from.max(1)..=stored.times.len()).find(is_there).unwrap_or(stored.times.len() + 1)
    }

    #[test]
    fn it_finds_the_first_of_a_time_whatever_is_lost_or_has_expired() {
        let mut chance = Chance(11);
        let (mut most, mut lost) = (0, 0);
        for round in 0..600 {
            let length = 1 + chance.below(if round % 3 == 0 { 30 } else { 5_000 }) as usize;
            let mut time = 0;
            let mut times: Vec<Option<i64>> = Vec::new();
            while times.len() < length {
                if chance.below(40) == 0 {
                    let longest = if chance.below(4) == 0 { 2_000 } else { 3 };
                    let run = 1 + chance.below(longest) as usize;
                    times.extend(std::iter::repeat_n(None, run.min(length - times.len())));
                } else {
                    time += [0, 0, 1, 90][chance.below(4) as usize];
                    times.push(Some(time));
                }
            }
            lost += times.iter().filter(|time| time.is_none()).count();
            let expired = if chance.below(2) == 0 { 0 } else { chance.below(length as u64) as usize };
            let stored = Stored { times, expired, unreadable: Vec::new() };
            for time in [0, time / 2, chance.below(time as u64 + 2) as i64, time, time + 1] {
                let (found, looks) = stored.search(time, length + 1);
                let SearchStep::Done(found) = found else { panic!("round {round}: {found:?}") };
                let expected = first_there(&stored, begins(&stored, time));
                assert_eq!(first_there(&stored, found.0 as usize), expected, "round {round}, time {time}");
                most = most.max(looks);
            }
        }
        assert!(lost > 10_000 && most < 80, "{lost} lost, at most {most} looks");
    }

    #[test]
    fn it_passes_over_what_cannot_be_read_unless_that_is_too_much() {
        let times: Vec<Option<i64>> = (0..1_000).map(Some).collect();
        let mut stored = Stored { times, expired: 0, unreadable: vec![500, 501, 750, 875, 3] };
        for time in [2, 400, 499, 502, 600, 999] {
            let (found, _) = stored.search(time, 1_001);
            let SearchStep::Done(found) = found else { panic!("{time}: {found:?}") };
            // A message that cannot be read may be taken for one of the page: it is shown as a gap.
            let is_unreadable = |number: usize| stored.unreadable.contains(&number);
            let first = (found.0 as usize..).find(|number| !is_unreadable(*number)).expect("endless");
            let expected = (time as usize + 1..).find(|number| !is_unreadable(*number)).expect("endless");
            assert_eq!(first, expected, "{time}");
        }
        stored.unreadable = (1..=1_000).collect();
        assert_eq!(stored.search(500, 1_001).0, SearchStep::Unreadable);
    }
}

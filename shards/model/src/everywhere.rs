//! What happens to a user in several rooms at once is seen once by whoever shares several of them.

use super::id::{ClaimNumber, RoomKey, SessionId, UserKey};
use super::name::UserName;
use super::time::Moment;
use hashbrown::HashMap;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::hash::Hash;
use std::sync::Arc;

/// What a session does in all its rooms at once: it ends, or goes by another name.
#[derive(PartialEq, Eq, Debug)]
pub struct Everywhere {
    /// The session.
    pub session: SessionId,
    /// The new name and the grant of it, which homes number each for itself; none when the session ends.
    pub renamed: Option<(UserKey, ClaimNumber)>,
    /// When it was known, not later than the rooms were asked.
    pub at: Moment,
    /// The rooms, at least two.
    pub rooms: Box<[RoomKey]>,
}

impl Everywhere {
    /// What a new name of a session is seen as: once where it is in several rooms. Of an account each room sees its own,
    /// as its other sessions may stay in some under the old one.
    pub fn of_rename(
        session: SessionId,
        (old, new, claim): (&UserName, &UserName, ClaimNumber),
        at: Moment,
        rooms: &[RoomKey],
    ) -> Option<Arc<Everywhere>> {
        let are_guests = old.account().is_none() && new.account().is_none();
        (are_guests && rooms.len() > 1).then(|| {
            Arc::new(Everywhere { session, renamed: Some((new.key(), claim)), at, rooms: rooms.into() })
        })
    }
}

/// Rooms that one reader shares with somebody.
pub type SharedRooms = SmallVec<[RoomKey; 4]>;

/// What a reader is to see of an event that comes from one of several rooms.
#[derive(PartialEq, Eq, Debug)]
pub enum Sight {
    /// It has seen it.
    Nothing,
    /// What happened in this room.
    Here,
    /// What happens in all of these: what comes from the others is no news.
    InAll(SharedRooms),
}

/// What readers have seen of events before these came from all of their rooms.
///
/// A home that lags behind says later what its readers know by then: what a session does in all its rooms is certain when
/// the first of them says so. But a room that a reader came into meanwhile may have said it before, and may have the user
/// back: that one speaks for itself. So does a room that says first that somebody came in under the name that is gone, or
/// went under the one that is taken: it lags behind by more than that.
#[derive(Debug)]
pub struct SeenEvents<R> {
    /// Of each reader, the rooms whose event is still to come; none when all have come.
    to_come: HashMap<(What, R), SharedRooms>,
    /// The same, oldest first, with the time of each.
    ages: VecDeque<(u32, What, R)>,
    /// What rooms are still to come of, by reader, and the name that nobody has there after it.
    waiting: HashMap<R, SmallVec<[(What, UserKey); 2]>>,
    /// When readers of several rooms came into them, within [`SECONDS_MAX`].
    entered: HashMap<(R, RoomKey), (Moment, u32)>,
    /// The same, oldest first.
    entries: VecDeque<(u32, (R, RoomKey))>,
    /// Until then it is not known who came into rooms: too many did.
    overrun_until: u32,
    /// Goes up each second.
    second: u32,
}

/// What a session did.
type What = (SessionId, Option<(UserKey, ClaimNumber)>);

/// At most this many readers that have seen something are remembered, and this many that came into rooms; more see each
/// room's event.
const READERS_MAX: usize = 65_536;
/// Seconds after which no home lags behind any more: a shard that is stuck for 30 s ends the process.
const SECONDS_MAX: u32 = 60;
/// Clocks of shards are apart by a turn: longer than that a reader must have been in a room.
const TURN_MS_MAX: u64 = 1_000;

impl<R> Default for SeenEvents<R> {
    fn default() -> SeenEvents<R> {
        SeenEvents {
            to_come: HashMap::new(),
            ages: VecDeque::new(),
            waiting: HashMap::new(),
            entered: HashMap::new(),
            entries: VecDeque::new(),
            overrun_until: 0,
            second: 0,
        }
    }
}

impl<R: Copy + Eq + Hash> SeenEvents<R> {
    /// What a reader is to see of an event that comes from this room, where from then on nobody has the one name, and
    /// somebody the other. `shared` are the rooms of `everywhere` that the reader is in, who may be in others, too.
    pub fn sight(
        &mut self,
        everywhere: Option<&Everywhere>,
        (room, gone, come): (RoomKey, Option<UserKey>, Option<UserKey>),
        (reader, is_in_several): (R, bool),
        shared: impl FnOnce(&Everywhere) -> SharedRooms,
    ) -> Sight {
        let sight = match everywhere.zip(gone) {
            Some((everywhere, gone)) => {
                self.see(everywhere, (room, gone), (reader, is_in_several), || shared(everywhere))
            }
            None => Sight::Here,
        };
        if sight != Sight::Nothing {
            self.sees(reader, room, (gone, come));
        }
        sight
    }

    /// The same of what happens in several rooms.
    fn see(
        &mut self,
        everywhere: &Everywhere,
        (room, name): (RoomKey, UserKey),
        (reader, is_in_several): (R, bool),
        shared: impl FnOnce() -> SharedRooms,
    ) -> Sight {
        let what = (everywhere.session, everywhere.renamed);
        if let Some(to_come) = self.to_come.get_mut(&(what, reader)) {
            let Some(place) = to_come.iter().position(|other| *other == room) else { return Sight::Here };
            to_come.swap_remove(place);
            if to_come.is_empty() {
                self.waits_no_more(what, reader);
            }
            return Sight::Nothing;
        }
        if self.ages.len() >= READERS_MAX || self.second < self.overrun_until {
            return Sight::Here;
        }
        let mut shared = shared();
        if shared.len() < 2 && !is_in_several {
            return Sight::Here;
        }
        shared.retain(|other| *other == room || self.was_in(reader, *other, everywhere.at));
        let to_come = shared.iter().copied().filter(|other| *other != room).collect();
        self.to_come.insert((what, reader), to_come);
        self.ages.push_back((self.second, what, reader));
        if shared.len() < 2 {
            return Sight::Here;
        }
        self.waiting.entry(reader).or_default().push((what, name));
        Sight::InAll(shared)
    }

    fn was_in(&self, reader: R, room: RoomKey, at: Moment) -> bool {
        self.entered.get(&(reader, room)).is_none_or(|(since, _)| since.0 + TURN_MS_MAX < at.0)
    }

    fn waits_no_more(&mut self, what: What, reader: R) {
        let Some(waiting) = self.waiting.get_mut(&reader) else { return };
        waiting.retain(|(other, _)| *other != what);
        if waiting.is_empty() {
            self.waiting.remove(&reader);
        }
    }

    /// A reader comes into a room, at the latest now, and finds it as it is: what the room says from then on is news. To
    /// be called for readers of several rooms.
    pub fn enter(&mut self, reader: R, room: RoomKey, now: Moment) {
        self.look(reader, room);
        self.is_in(reader, room, now);
    }

    /// The same for the first room of a reader that comes into a second one, when is not known: what it has seen of that
    /// room stays seen.
    pub fn is_in(&mut self, reader: R, room: RoomKey, now: Moment) {
        if self.entries.len() < READERS_MAX {
            self.entered.insert((reader, room), (now, self.second));
            self.entries.push_back((self.second, (reader, room)));
        } else {
            self.overrun_until = self.second + SECONDS_MAX;
        }
    }

    /// A reader looks who is in a room, and what the room says from then on is news.
    pub fn look(&mut self, reader: R, room: RoomKey) {
        self.expect_news(reader, room, |_, _| true);
    }

    /// A reader sees that a room has a name no more, or has one from now on: what undoes that is news.
    fn sees(&mut self, reader: R, room: RoomKey, (gone, come): (Option<UserKey>, Option<UserKey>)) {
        self.expect_news(reader, room, |(_, renamed), name| {
            come == Some(name) || renamed.is_some_and(|(new, _)| gone == Some(new))
        });
    }

    /// What a room is still to say of these is news to a reader.
    fn expect_news(&mut self, reader: R, room: RoomKey, is_of: impl Fn(What, UserKey) -> bool) {
        let SeenEvents { waiting, to_come, .. } = self;
        let waits = waiting.get(&reader).into_iter().flatten().filter(|(what, name)| is_of(*what, *name));
        for (what, _) in waits {
            if let Some(rooms) = to_come.get_mut(&(*what, reader)) {
                rooms.retain(|other| *other != room);
            }
        }
    }

    /// A second has passed.
    pub fn tick(&mut self) {
        self.second += 1;
        let is_old = |since: u32, now: u32| now - since > SECONDS_MAX;
        while let Some(&(since, what, reader)) = self.ages.front()
            && is_old(since, self.second)
        {
            self.to_come.remove(&(what, reader));
            self.waits_no_more(what, reader);
            self.ages.pop_front();
        }
        while let Some(&(since, key)) = self.entries.front()
            && is_old(since, self.second)
        {
            if self.entered.get(&key).is_some_and(|(_, second)| *second == since) {
                self.entered.remove(&key);
            }
            self.entries.pop_front();
        }
        if self.ages.is_empty()
            && self.entries.is_empty()
            && self.ages.capacity() + self.entries.capacity() > 0
        {
            let (second, overrun_until) = (self.second, self.overrun_until);
            *self = SeenEvents { second, overrun_until, ..SeenEvents::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::RoomName;

    fn key(room: &str) -> RoomKey {
        RoomName::parse(room).expect("a room name").key()
    }

    fn alice() -> UserKey {
        UserName::parse("alice").expect("a user name").key()
    }

    fn bob() -> UserKey {
        UserName::parse("bob").expect("a user name").key()
    }

    fn in_room(room: &str) -> (RoomKey, UserKey) {
        (key(room), alice())
    }

    fn everywhere(rooms: &[&str]) -> Everywhere {
        let rooms = rooms.iter().map(|room| key(room)).collect();
        Everywhere { session: SessionId::NOBODY, renamed: None, at: Moment(10_000), rooms }
    }

    fn renamed(claim: u64) -> (UserKey, ClaimNumber) {
        (alice(), ClaimNumber(claim))
    }

    fn shared(rooms: &[&str]) -> SharedRooms {
        rooms.iter().map(|room| key(room)).collect()
    }

    #[test]
    fn a_reader_sees_once_what_happens_in_several_of_its_rooms() {
        let (mut seen, quit) = (SeenEvents::<u32>::default(), everywhere(&["r1", "r2", "r3"]));
        let both = || shared(&["r1", "r2"]);
        assert_eq!(seen.see(&quit, in_room("r2"), (1, true), both), Sight::InAll(both()));
        assert_eq!(seen.see(&quit, in_room("r2"), (2, false), || shared(&["r2"])), Sight::Here);
        assert_eq!(seen.see(&quit, in_room("r1"), (1, true), both), Sight::Nothing);
        assert_eq!(
            seen.see(&quit, in_room("r1"), (3, true), || shared(&["r1", "r3"])),
            Sight::InAll(shared(&["r1", "r3"]))
        );
        let renamed = Everywhere { renamed: Some(renamed(1)), ..everywhere(&["r1", "r2"]) };
        assert_eq!(
            seen.see(&renamed, in_room("r1"), (1, true), both),
            Sight::InAll(both()),
            "that is something else"
        );
    }

    #[test]
    fn who_comes_into_a_room_sees_what_happens_there_from_then_on() {
        let (mut seen, quit) = (SeenEvents::<u32>::default(), everywhere(&["r1", "r2"]));
        let both = || shared(&["r1", "r2"]);
        assert_eq!(seen.see(&quit, in_room("r1"), (1, true), both), Sight::InAll(both()));
        seen.look(1, key("r2"));
        assert_eq!(seen.see(&quit, in_room("r2"), (1, true), both), Sight::Here);
        for (entered, sight) in [(8_000, Sight::InAll(both())), (9_500, Sight::Here), (11_000, Sight::Here)] {
            seen.enter(2, key("r2"), Moment(entered));
            let quit = Everywhere { renamed: Some(renamed(entered)), ..everywhere(&["r1", "r2"]) };
            assert_eq!(seen.see(&quit, in_room("r1"), (2, true), both), sight, "entered at {entered} ms");
            let later = if sight == Sight::Here { Sight::Here } else { Sight::Nothing };
            assert_eq!(seen.see(&quit, in_room("r2"), (2, true), both), later, "r1 has been seen");
        }
    }

    #[test]
    fn who_goes_from_one_room_to_another_does_not_see_again_what_comes_late_from_a_third() {
        let (mut seen, quit) = (SeenEvents::<u32>::default(), everywhere(&["r1", "r2"]));
        let both = || shared(&["r1", "r2"]);
        assert_eq!(seen.see(&quit, in_room("r1"), (1, true), both), Sight::InAll(both()));
        // It leaves r1, so that r2 is its first room when it comes into r3.
        seen.is_in(1, key("r2"), Moment(11_000));
        seen.enter(1, key("r3"), Moment(11_000));
        assert_eq!(seen.see(&quit, in_room("r2"), (1, true), || shared(&["r2"])), Sight::Nothing);
    }

    #[test]
    fn who_is_seen_to_come_into_a_room_that_lags_behind_is_seen_to_go_from_it() {
        let (mut seen, quit) = (SeenEvents::<u32>::default(), everywhere(&["r1", "r2", "r3"]));
        let all = || shared(&["r1", "r2", "r3"]);
        assert_eq!(seen.see(&quit, in_room("r1"), (1, true), all), Sight::InAll(all()));
        seen.sees(1, key("r2"), (None, Some(bob())));
        seen.sees(1, key("r3"), (None, Some(alice())));
        assert_eq!(seen.see(&quit, in_room("r2"), (1, true), all), Sight::Nothing, "bob is somebody else");
        assert_eq!(seen.see(&quit, in_room("r3"), (1, true), all), Sight::Here, "r3 has said that she came");
    }

    #[test]
    fn who_takes_a_name_is_seen_again_after_a_room_that_lags_behind_has_seen_its_last_owner_go() {
        let mut seen = SeenEvents::<u32>::default();
        let all = || shared(&["r1", "r2", "r3"]);
        // Bob is alice from now on.
        let rename = Everywhere { renamed: Some(renamed(1)), ..everywhere(&["r1", "r2", "r3"]) };
        let bob_in = |room: &str| (key(room), bob());
        assert_eq!(seen.see(&rename, bob_in("r1"), (1, true), all), Sight::InAll(all()));
        seen.sees(1, key("r2"), (Some(alice()), None));
        seen.sees(1, key("r3"), (Some(bob()), None));
        assert_eq!(seen.see(&rename, bob_in("r2"), (1, true), all), Sight::Here, "alice went before");
        assert_eq!(seen.see(&rename, bob_in("r3"), (1, true), all), Sight::Nothing, "nobody hides that one");
    }

    #[test]
    fn what_was_seen_is_forgotten_when_no_home_can_lag_behind_and_a_bound_holds_before() {
        let (mut seen, quit) = (SeenEvents::<usize>::default(), everywhere(&["r1", "r2"]));
        let both = || shared(&["r1", "r2"]);
        for reader in 0..READERS_MAX {
            assert_eq!(seen.see(&quit, in_room("r1"), (reader, true), both), Sight::InAll(both()));
        }
        assert_eq!(seen.see(&quit, in_room("r1"), (READERS_MAX, true), both), Sight::Here);
        assert_eq!(seen.see(&quit, in_room("r2"), (READERS_MAX, true), both), Sight::Here);
        for _ in 0..=SECONDS_MAX {
            assert_eq!(seen.to_come.len(), READERS_MAX);
            seen.tick();
        }
        assert_eq!((seen.to_come.len(), seen.ages.len()), (0, 0));
    }
}

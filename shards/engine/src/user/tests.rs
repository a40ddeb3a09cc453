//! Each rule of names and presence.

use super::*;
use madang_model::{
    Away, CarriedUser, ConnectionId, Holder, Moment, Now, Presence, Refusal, RoomName, SessionId, ShardId,
    Text, Timestamp, UserName,
};
use std::time::Duration;

const LIMITS: UserLimits = UserLimits { grace: Duration::from_secs(30), sessions_max: 3 };

fn name(name: &str) -> UserName {
    UserName::parse(name).expect("a user name")
}

fn session(index: u32) -> SessionId {
    SessionId { shard: ShardId(0), connection: ConnectionId { index, generation: 0 } }
}

fn at(seconds: u64) -> Now {
    Now { monotonic: Moment(seconds * 1000), wall: Timestamp(seconds as i64 * 1_000_000) }
}

fn away(text: &str) -> Option<Away> {
    Some(Away { text: Text::sanitise(text) })
}

#[test]
fn a_name_is_one_sessions_until_it_is_released() {
    let mut users = Users::default();
    users.claim(session(1), &name("alice"), at(0), &LIMITS).unwrap();
    assert!(matches!(
        users.claim(session(2), &name("ALICE"), at(0), &LIMITS),
        Err(Refusal::NameTaken { .. })
    ));
    users.release(session(1), &name("alice"), (true, None), at(1), &LIMITS);
    users.claim(session(2), &name("ALICE"), at(1), &LIMITS).unwrap();
}

#[test]
fn a_look_alike_is_refused_and_named() {
    let mut users = Users::default();
    users.claim(session(1), &name("paypal"), at(0), &LIMITS).unwrap();
    let cyrillic = name("раураl");
    let refused = users.claim(session(2), &cyrillic, at(0), &LIMITS);
    assert!(matches!(refused, Err(Refusal::NameConfusable { with, .. }) if with == name("paypal")));
}

#[test]
fn the_holder_may_write_its_name_another_way() {
    let mut users = Users::default();
    users.claim(session(1), &name("alice"), at(0), &LIMITS).unwrap();
    users.claim(session(1), &name("Alice"), at(0), &LIMITS).unwrap();
    assert_eq!(users.whois(&name("alice")).unwrap().name.as_str(), "Alice");
}

#[test]
fn a_lost_user_keeps_its_name_through_the_grace_time_and_may_take_it_up_again() {
    let mut users = Users::default();
    users.claim(session(1), &name("alice"), at(0), &LIMITS).unwrap();
    assert_eq!(
        users.release(session(1), &name("alice"), (false, None), at(10), &LIMITS),
        Some(Moment(40_000))
    );
    assert!(matches!(users.whois(&name("alice")).unwrap().presence, Presence::Online));
    users.expire(name("alice").skeleton(), at(39));
    users.claim(session(2), &name("alice"), at(39), &LIMITS).unwrap();
    users.expire(name("alice").skeleton(), at(40));
    assert!(
        matches!(users.whois(&name("alice")).unwrap().presence, Presence::Online),
        "the deadline is void"
    );
}

#[test]
fn a_lost_user_hears_once_in_which_room_that_was_and_one_who_left_does_not() {
    let (mut users, alice) = (Users::default(), name("alice"));
    let lost_in = |room: &str| Some(RoomName::parse(room).expect("a room"));
    let mut came_back = |number, how| {
        users.claim(session(number), &alice, at(0), &LIMITS).unwrap();
        users.release(session(number), &alice, how, at(1), &LIMITS);
        users
            .claim(session(number + 1), &alice, at(2), &LIMITS)
            .unwrap()
            .room
            .map(|room| room.as_str().to_owned())
    };
    assert_eq!(came_back(1, (false, lost_in("r1"))).as_deref(), Some("r1"));
    assert_eq!(came_back(2, (false, None)), None, "it was the lobby this time");
    assert_eq!(came_back(3, (true, lost_in("r1"))), None);
}

#[test]
fn a_lost_user_is_offline_when_the_grace_time_ends() {
    let mut users = Users::default();
    users.claim(session(1), &name("alice"), at(0), &LIMITS).unwrap();
    users.release(session(1), &name("alice"), (false, None), at(10), &LIMITS);
    users.expire(name("alice").skeleton(), at(40));
    let presence = users.whois(&name("alice")).unwrap().presence;
    assert!(matches!(presence, Presence::Offline { since: Timestamp(40_000_000) }));
    assert!(matches!(users.whois(&name("bob")), Err(Refusal::NoSuchUser { .. })));
}

#[test]
fn an_older_session_cannot_release_a_name_that_was_taken_up_again() {
    let mut users = Users::default();
    users.claim(session(1), &name("alice"), at(0), &LIMITS).unwrap();
    users.release(session(1), &name("alice"), (false, None), at(1), &LIMITS);
    users.claim(session(2), &name("alice"), at(2), &LIMITS).unwrap();
    assert_eq!(users.release(session(1), &name("alice"), (true, None), at(3), &LIMITS), None);
    assert!(matches!(
        users.claim(session(3), &name("alice"), at(4), &LIMITS),
        Err(Refusal::NameTaken { .. })
    ));
}

#[test]
fn whispers_find_the_reader_or_say_why_not() {
    let mut users = Users::default();
    let (alice, bob) = (name("alice"), name("bob"));
    assert!(matches!(users.route_whisper(&alice, &bob), Err(Refusal::NoSuchUser { .. })));
    users.claim(session(2), &bob, at(0), &LIMITS).unwrap();
    assert_eq!(users.route_whisper(&alice, &name("BOB")).unwrap().sessions, [session(2)]);
    users.set_away(&bob, away("lunch"));
    assert_eq!(users.route_whisper(&alice, &bob).unwrap().away, away("lunch"));
    users.set_away(&bob, None);
    assert_eq!(users.route_whisper(&alice, &bob).unwrap().away, None);
    users.release(session(2), &bob, (true, None), at(1), &LIMITS);
    assert!(matches!(users.route_whisper(&alice, &bob), Err(Refusal::UserOffline { .. })));
}

#[test]
fn whispers_to_a_lost_user_are_counted_and_listed_on_return() {
    let mut users = Users::default();
    let (alice, bob) = (name("alice"), name("bob"));
    users.claim(session(2), &bob, at(0), &LIMITS).unwrap();
    users.release(session(2), &bob, (false, None), at(1), &LIMITS);
    assert_eq!(users.route_whisper(&alice, &bob).unwrap().sessions, []);
    users.miss_whisper(&alice, &users.whois(&bob).unwrap().name);
    let claimed = users.claim(session(3), &bob, at(2), &LIMITS).unwrap();
    assert_eq!(claimed.missed_whispers, [(alice.clone(), 2)]);
}

#[test]
fn the_next_holder_of_a_name_learns_nothing_of_the_last() {
    let mut users = Users::default();
    let (alice, bob) = (name("alice"), name("bob"));
    users.claim(session(2), &bob, at(0), &LIMITS).unwrap();
    users.release(session(2), &bob, (false, None), at(1), &LIMITS);
    users.route_whisper(&alice, &bob).unwrap();
    users.expire(bob.skeleton(), at(60));
    assert_eq!(users.claim(session(3), &bob, at(61), &LIMITS).unwrap().missed_whispers, []);
}

#[test]
fn who_takes_a_guests_name_is_another_and_a_late_whisper_to_the_first_is_none_of_its() {
    let mut users = Users::default();
    let (alice, bob) = (name("alice"), name("bob"));
    let first = users.claim(session(2), &bob, at(0), &LIMITS).unwrap().user;
    let again = users.claim(session(2), &name("Bob"), at(1), &LIMITS).unwrap().user;
    assert_eq!(again.identity(), first.identity(), "it has only written its name another way");
    users.release(session(2), &bob, (false, None), at(2), &LIMITS);
    let second = users.claim(session(3), &bob, at(2), &LIMITS).unwrap().user;
    users.release(session(3), &bob, (false, None), at(2), &LIMITS);
    users.miss_whisper(&alice, &first);
    let third = users.claim(session(4), &bob, at(2), &LIMITS).unwrap();
    assert_eq!(third.missed_whispers, []);
    users.release(session(4), &bob, (true, None), at(2), &LIMITS);
    let fourth = users.claim(session(5), &bob, at(1), &LIMITS).unwrap().user;
    let numbers = [first, second, third.user, fourth].map(|user| user.identity().guest_number());
    assert!(numbers.is_sorted_by(|one, next| one < next) && numbers[0].is_some(), "{numbers:?}");
}

#[test]
fn a_name_is_refused_that_looks_like_another_as_either_is_shown() {
    for (held, wanted) in [
        ("alice", "aIice"),
        ("aIice", "alice"),
        ("Alice", "AIice"),
        ("PayPal", "PayPaI"),
        ("larry", "Iarry"),
        ("Iarry", "Larry"),
        ("coco", "сосо"),
        ("сосо", "coco"),
        ("Νan", "nan"),
    ] {
        let mut users = Users::default();
        users.claim(session(1), &name(held), at(0), &LIMITS).unwrap();
        let refused = users.claim(session(2), &name(wanted), at(0), &LIMITS);
        assert!(matches!(refused, Err(Refusal::NameConfusable { .. })), "{held} {wanted}: {refused:?}");
        users.release(session(1), &name(held), (true, None), at(1), &LIMITS);
        users.claim(session(2), &name(wanted), at(1), &LIMITS).unwrap();
    }
    let mut users = Users::default();
    users.claim(session(1), &name("ian"), at(0), &LIMITS).unwrap();
    users.claim(session(2), &name("lan"), at(0), &LIMITS).unwrap();
    let refused = users.claim(session(1), &name("Ian"), at(0), &LIMITS);
    assert!(matches!(refused, Err(Refusal::NameConfusable { with, .. }) if with == name("lan")));
    // One's own name is no other's.
    users.claim(session(2), &name("Lan"), at(0), &LIMITS).unwrap();
    users.claim(session(2), &name("LAN"), at(0), &LIMITS).unwrap();
    users.release(session(2), &name("LAN"), (true, None), at(1), &LIMITS);
    users.claim(session(1), &name("Ian"), at(1), &LIMITS).unwrap();
}

#[test]
fn look_alikes_that_an_earlier_release_let_in_both_go_on() {
    let mut users = Users::default();
    for (index, held) in ["alice", "aIice", "b0b", "bob"].into_iter().enumerate() {
        let carried = CarriedUser {
            name: name(held),
            online_since: Timestamp(0),
            away: None,
            missed_whispers: Vec::new(),
            holder: Holder::Session(session(index as u32)),
            others: Vec::new(),
        };
        assert_eq!(users.take_over(carried, at(0)), Ok(None), "{held}");
    }
    users.release(session(1), &name("aIice"), (true, None), at(1), &LIMITS);
    let refused = users.claim(session(9), &name("aIice"), at(1), &LIMITS);
    assert!(matches!(refused, Err(Refusal::NameConfusable { .. })));
    assert_eq!(users.len(), 3);
}

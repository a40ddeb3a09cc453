//! Each rule of a room.

use super::*;
use madang_model::{
    AmendRequest, ClaimNumber, ConnectionId, DraftId, Event, Everywhere, LeaveReason, Moment, Now, Page,
    Refusal, Reply, RoomEvent, RoomName, Seq, SessionId, ShardId, Text, UserKey, UserName,
};
use std::sync::Arc;
use std::time::Duration;

const LIMITS: RoomLimits = RoomLimits {
    members_max: 3,
    announce_members_max: 100,
    history_on_join: 15,
    grace: Duration::from_secs(30),
};

fn name(name: &str) -> UserName {
    UserName::parse(name).expect("a user name")
}

fn room_name() -> RoomName {
    RoomName::parse("r1").expect("a room name")
}

fn text(text: &str) -> Text {
    Text::sanitise(text).expect("a text")
}

fn session(shard: u16, index: u32) -> SessionId {
    SessionId { shard: ShardId(shard), connection: ConnectionId { index, generation: 0 } }
}

fn at(seconds: u64) -> Now {
    Now { monotonic: Moment(seconds * 1000), ..Now::default() }
}

fn draft(id: &str) -> Option<DraftId> {
    Some(DraftId::parse(id).expect("a draft id"))
}

/// A room with members, and what it sent.
struct Scene {
    room: Room,
    events: Vec<ShardEvent>,
}

impl Scene {
    fn new() -> Scene {
        Scene { room: Room::new(room_name(), RoomKind::Channel), events: Vec::new() }
    }

    fn join(&mut self, who: &str, session: SessionId) -> Result<(), Refusal> {
        self.room.join(session, (&name(who), ClaimNumber(0)), &room_name(), false, &LIMITS, &mut self.events)
    }

    fn join_by(&mut self, who: &str, session: SessionId, claim: u64) -> Result<(), Refusal> {
        let user = name(who);
        let grant = (&user, ClaimNumber(claim));
        self.room.join(session, grant, &room_name(), false, &LIMITS, &mut self.events)
    }

    fn leave(&mut self, who: &str, session: SessionId, reason: LeaveReason, now: Now) -> Option<Moment> {
        self.room.leave(session, name(who).key(), (reason, None), now, &LIMITS, &mut self.events)
    }

    fn say(&mut self, who: &str, session: SessionId, said: &str) -> Result<Seq, Refusal> {
        let author = name(who).key();
        self.room.publish(session, author, None, text(said), at(0), &mut self.events).map(|m| m.seq)
    }

    /// What was sent since the last call: the shard, and a word for the event.
    fn sent(&mut self) -> Vec<(u16, String)> {
        let word_of = |event: &Event| match event {
            Event::Reply { reply: Reply::Joined(joined), .. } => format!(
                "you joined: {} members, head {}, resumed {:?}",
                joined.members, joined.head, joined.resumed_from
            ),
            Event::Reply { reply: Reply::Left { .. }, .. } => "you left".to_owned(),
            Event::Room { event: RoomEvent::Joined { user }, .. } => format!("{user} joined"),
            Event::Room { event: RoomEvent::Left { user, reason, .. }, .. } => {
                format!("{user} {}", reason.name())
            }
            Event::Room { event: RoomEvent::Renamed { old, new, .. }, .. } => format!("{old} is now {new}"),
            Event::Room { event: RoomEvent::Message { message, .. }, .. } => {
                format!("#{} {}: {}", message.seq, message.author, message.text)
            }
            other => format!("{other:?}"),
        };
        self.events.drain(..).map(|(shard, event)| (shard.0, word_of(&event))).collect()
    }
}

fn sent(expected: &[(u16, &str)]) -> Vec<(u16, String)> {
    expected.iter().map(|(shard, event)| (*shard, (*event).to_owned())).collect()
}

#[test]
fn members_see_who_joins_and_the_one_who_joins_gets_the_state() {
    let mut scene = Scene::new();
    scene.join("alice", session(0, 1)).unwrap();
    scene.sent();
    scene.join("bob", session(1, 1)).unwrap();
    assert_eq!(scene.sent(), sent(&[(0, "bob joined"), (1, "you joined: 2 members, head 0, resumed None")]));
}

#[test]
fn one_event_goes_to_each_shard_not_to_each_member() {
    let mut scene = Scene::new();
    scene.join("alice", session(0, 1)).unwrap();
    scene.join("bob", session(0, 2)).unwrap();
    scene.join("carol", session(1, 1)).unwrap();
    scene.sent();
    scene.say("alice", session(0, 1), "hi").unwrap();
    assert_eq!(scene.sent(), sent(&[(0, "#1 alice: hi"), (1, "#1 alice: hi")]));
}

#[test]
fn messages_are_numbered_without_gap_or_repeat() {
    let mut scene = Scene::new();
    scene.join("alice", session(0, 1)).unwrap();
    let numbers: Vec<u64> = (0..100).map(|_| scene.say("alice", session(0, 1), "hi").unwrap().0).collect();
    assert_eq!(numbers, (1..=100).collect::<Vec<_>>());
}

#[test]
fn only_members_may_speak_and_read() {
    let mut scene = Scene::new();
    scene.join("alice", session(0, 1)).unwrap();
    assert!(matches!(scene.say("bob", session(0, 2), "hi"), Err(Refusal::NotMember { .. })));
    assert!(matches!(scene.say("alice", session(0, 9), "hi"), Err(Refusal::NotMember { .. })));
    let read = scene.room.history(PageReader::Member(name("bob").key()), Page::Last { count: 5 });
    assert!(matches!(read, Err(Refusal::NotMember { .. })));
    assert_eq!(scene.room.head(), Seq::ZERO);
}

#[test]
fn a_full_channel_refuses_and_names_the_bound_but_a_lobby_does_not() {
    let mut scene = Scene::new();
    for (index, who) in ["a1", "a2", "a3"].iter().enumerate() {
        scene.join(who, session(0, index as u32)).unwrap();
    }
    let refused = scene.join("a4", session(0, 9));
    assert_eq!(refused, Err(Refusal::RoomFull { room: "r1".into(), members_max: 3 }));
    let mut lobby = Room::new(room_name(), RoomKind::Lobby);
    for index in 0..10 {
        let who = name(&format!("user{index}"));
        lobby
            .join(session(0, index), (&who, ClaimNumber(0)), &room_name(), false, &LIMITS, &mut Vec::new())
            .unwrap();
    }
}

#[test]
fn joins_and_leaves_of_a_large_room_are_not_announced() {
    let limits = RoomLimits { announce_members_max: 2, ..LIMITS };
    let mut room = Room::new(room_name(), RoomKind::Lobby);
    let mut events = Vec::new();
    for index in 0..3 {
        let who = name(&format!("user{index}"));
        room.join(session(0, index), (&who, ClaimNumber(0)), &room_name(), false, &limits, &mut events)
            .unwrap();
    }
    let announced = |events: &[ShardEvent]| {
        events.iter().filter(|(_, event)| matches!(event, Event::Room { .. })).count()
    };
    assert_eq!(announced(&events), 1, "the second was announced to the first, the third to nobody");
    events.clear();
    room.leave(session(0, 2), name("user2").key(), (LeaveReason::Left, None), at(0), &limits, &mut events);
    assert_eq!(announced(&events), 0);
    room.leave(session(0, 1), name("user1").key(), (LeaveReason::Left, None), at(0), &limits, &mut events);
    assert_eq!(announced(&events), 1);
}

#[test]
fn a_lost_connection_does_not_flicker() {
    let mut scene = Scene::new();
    scene.join("alice", session(0, 1)).unwrap();
    scene.join("bob", session(1, 1)).unwrap();
    scene.sent();
    let ends = scene.leave("bob", session(1, 1), LeaveReason::Lost, at(10));
    assert_eq!(ends, Some(Moment(40_000)));
    scene.say("alice", session(0, 1), "still here?").unwrap();
    assert_eq!(scene.sent(), sent(&[(0, "#1 alice: still here?")]));
    scene.join("bob", session(2, 7)).unwrap();
    assert_eq!(
        scene.sent(),
        sent(&[(2, "you joined: 2 members, head 1, resumed Some(Seq(0))")]),
        "the return of bob is not announced, as his loss was not"
    );
    scene.room.expire(name("bob").key(), at(50), &LIMITS, &mut scene.events);
    assert_eq!(scene.sent(), sent(&[]), "the old deadline is void");
}

#[test]
fn a_lost_member_who_does_not_return_leaves_when_the_grace_ends() {
    let mut scene = Scene::new();
    scene.join("alice", session(0, 1)).unwrap();
    scene.join("bob", session(1, 1)).unwrap();
    scene.leave("bob", session(1, 1), LeaveReason::Lost, at(10));
    scene.sent();
    scene.room.expire(name("bob").key(), at(39), &LIMITS, &mut scene.events);
    assert_eq!(scene.sent(), sent(&[]));
    scene.room.expire(name("bob").key(), at(40), &LIMITS, &mut scene.events);
    assert_eq!(scene.sent(), sent(&[(0, "bob lost")]));
}

#[test]
fn a_clean_leave_shows_at_once() {
    let mut scene = Scene::new();
    scene.join("alice", session(0, 1)).unwrap();
    scene.join("bob", session(1, 1)).unwrap();
    scene.sent();
    assert_eq!(scene.leave("bob", session(1, 1), LeaveReason::Left, at(0)), None);
    assert_eq!(scene.sent(), sent(&[(1, "you left"), (0, "bob left")]));
}

#[test]
fn a_late_leave_of_an_older_session_changes_nothing() {
    let mut scene = Scene::new();
    scene.join("bob", session(0, 1)).unwrap();
    scene.join("bob", session(1, 2)).unwrap();
    scene.sent();
    scene.leave("bob", session(0, 1), LeaveReason::Left, at(0));
    scene.sent();
    scene.say("bob", session(1, 2), "here").unwrap();
    assert_eq!(scene.sent(), sent(&[(1, "#1 bob: here")]));
}

#[test]
fn a_renamed_member_keeps_its_place() {
    let mut scene = Scene::new();
    scene.join("alice", session(0, 1)).unwrap();
    scene.sent();
    scene.room.rename(
        session(0, 1),
        &name("alice"),
        (&name("지수"), ClaimNumber(1)),
        None,
        &LIMITS,
        &mut scene.events,
    );
    assert_eq!(scene.sent(), sent(&[(0, "alice is now 지수")]));
    scene.say("지수", session(0, 1), "안녕").unwrap();
    assert_eq!(scene.sent(), sent(&[(0, "#1 지수: 안녕")]));
    assert!(scene.say("alice", session(0, 1), "hi").is_err());
}

#[test]
fn a_new_name_in_a_large_room_is_sent_to_its_owner_alone_and_shown_from_then_on() {
    let limits = RoomLimits { announce_members_max: 2, ..LIMITS };
    let mut scene = Scene::new();
    for (index, who) in ["alice", "bob", "carol"].iter().enumerate() {
        scene.join(who, session(0, index as u32)).unwrap();
    }
    scene.sent();
    let (old, new) = (name("alice"), name("지수"));
    scene.room.rename(session(0, 0), &old, (&new, ClaimNumber(1)), None, &limits, &mut scene.events);
    let [(ShardId(0), Event::Reply { to, reply: Reply::Renamed { old: before, new: after } })] =
        &scene.events[..]
    else {
        panic!("{:?}", scene.events)
    };
    assert_eq!((to.index, before, after), (0, &old, &new));
    scene.sent();
    scene.say("지수", session(0, 0), "안녕").unwrap();
    assert_eq!(scene.sent(), sent(&[(0, "#1 지수: 안녕")]));
    scene.room.who(session(0, 0), &mut scene.events);
    let Some((_, Event::Reply { reply: Reply::Who(page), .. })) = scene.events.pop() else {
        panic!("no list")
    };
    let listed: Vec<_> = page.members.iter().map(|member| member.name.as_str().to_owned()).collect();
    assert_eq!(listed, ["bob", "carol", "지수"]);
}

#[test]
fn a_repeated_draft_is_stored_once_and_keeps_its_number() {
    let mut scene = Scene::new();
    scene.join("alice", session(0, 1)).unwrap();
    scene.join("bob", session(0, 2)).unwrap();
    let mut send = |who: &str, index, id| {
        let author = name(who).key();
        scene.room.publish(session(0, index), author, draft(id), text("hi"), at(0), &mut Vec::new())
    };
    assert_eq!(send("alice", 1, "d1").unwrap().seq, Seq(1));
    assert_eq!(send("alice", 1, "d2").unwrap().seq, Seq(2));
    let repeated = send("alice", 1, "d1").unwrap_err();
    assert!(matches!(repeated, Refusal::DraftRepeated { seq: Seq(1), .. }), "{repeated:?}");
    assert_eq!(send("bob", 2, "d1").unwrap().seq, Seq(3), "ids are each author's own");
}

#[test]
fn pages_hold_what_is_asked_and_name_what_is_missing() {
    let mut scene = Scene::new();
    scene.join("alice", session(0, 1)).unwrap();
    for _ in 0..Recent::MESSAGES_MAX + 36 {
        scene.say("alice", session(0, 1), "hi").unwrap();
    }
    let cases = [
        (Page::Last { count: 2 }, vec![99, 100], None),
        (Page::Before { seq: Seq(50), count: 3 }, vec![47, 48, 49], None),
        (Page::Before { seq: Seq(38), count: 3 }, vec![37], Some((35, 36))),
        (Page::Before { seq: Seq(10), count: 3 }, vec![], Some((7, 9))),
        (Page::Before { seq: Seq(3), count: 100 }, vec![], Some((1, 2))),
        (Page::Before { seq: Seq(1), count: 5 }, vec![], None),
        (Page::After { seq: Seq(98), count: 50 }, vec![99, 100], None),
        (Page::After { seq: Seq(100), count: 50 }, vec![], None),
        (Page::After { seq: Seq(34), count: 4 }, vec![37, 38], Some((35, 36))),
        (Page::After { seq: Seq(u64::MAX), count: u32::MAX }, vec![], None),
        (Page::Before { seq: Seq(u64::MAX), count: 1 }, vec![100], None),
        (Page::Last { count: 0 }, vec![], None),
        (Page::Before { seq: Seq(0), count: 5 }, vec![], None),
    ];
    for (page, numbers, gap) in cases {
        let found = scene.room.history(PageReader::Member(name("alice").key()), page).unwrap();
        let found_numbers: Vec<u64> = found.messages.iter().map(|m| m.seq().0).collect();
        assert_eq!(found_numbers, numbers, "{page:?}");
        let rest = found.rest.and_then(|rest| rest.page.range(rest.last));
        assert_eq!(rest, gap.map(|(first, last)| (Seq(first), Seq(last))), "{page:?}");
    }
}

#[test]
fn a_whisper_reaches_the_reader_and_comes_back_as_receipt() {
    let room_name = RoomName::direct(&name("alice"), &name("bob"));
    let mut room = Room::new(room_name, RoomKind::Direct);
    let mut events = Vec::new();
    let (alice, bob) = (name("alice"), name("bob"));
    room.publish_direct(
        session(0, 1),
        (&[session(1, 2)], &[]),
        &alice,
        &bob,
        None,
        text("psst"),
        at(0),
        &mut events,
    )
    .unwrap();
    let receipts: Vec<(u16, bool)> = events
        .iter()
        .map(|(shard, event)| match event {
            Event::Reply { reply: Reply::Whisper { is_receipt, .. }, .. } => (shard.0, *is_receipt),
            other => panic!("only whispers are sent: {other:?}"),
        })
        .collect();
    assert_eq!(receipts, [(1, false), (0, true)]);
    assert_eq!(room.head(), Seq(1));
    assert!(room.summary().is_none(), "nobody sees direct rooms in a list");
}

#[test]
fn a_room_of_another_name_with_the_same_key_is_refused() {
    let mut scene = Scene::new();
    let other = RoomName::parse("r2").expect("a room name");
    let refused = scene.room.join(
        session(0, 1),
        (&name("alice"), ClaimNumber(0)),
        &other,
        false,
        &LIMITS,
        &mut Vec::new(),
    );
    assert_eq!(refused, Err(Refusal::RoomNameCollides { room: "r2".into() }));
}

#[test]
fn a_join_that_a_later_one_has_overtaken_changes_nothing() {
    // The session of the earlier grant is gone; its join waited behind a full channel (simulator, seed 88).
    let mut scene = Scene::new();
    scene.join_by("bob", session(0, 2), 7).unwrap();
    assert!(matches!(scene.join_by("bob", session(1, 1), 6), Err(Refusal::NameTaken { .. })));
    scene.leave("bob", session(1, 1), LeaveReason::Lost, at(0));
    assert_eq!(scene.say("bob", session(0, 2), "still here").unwrap(), Seq(1));
}

#[test]
fn one_whose_name_is_taken_before_word_of_its_new_one_has_come_stays_in_the_room() {
    let mut scene = Scene::new();
    scene.join_by("bob", session(0, 1), 1).unwrap();
    scene.join_by("bob", session(1, 2), 2).unwrap();
    assert_eq!(scene.say("bob", session(0, 1), "not renamed here yet").unwrap(), Seq(1));
    let new = name("rob");
    scene.room.rename(session(0, 1), &name("bob"), (&new, ClaimNumber(3)), None, &LIMITS, &mut scene.events);
    assert_eq!(scene.room.departing(), 0);
    for (who, session) in [("rob", session(0, 1)), ("bob", session(1, 2))] {
        scene.say(who, session, "here").unwrap();
    }
}

#[test]
fn one_whose_new_name_has_gone_to_another_too_hears_the_room_until_it_leaves() {
    let mut scene = Scene::new();
    scene.join_by("alice", session(0, 1), 1).unwrap();
    scene.join_by("bob", session(0, 2), 5).unwrap();
    scene.room.rename(
        session(0, 1),
        &name("alice"),
        (&name("bob"), ClaimNumber(4)),
        None,
        &LIMITS,
        &mut scene.events,
    );
    assert_eq!(scene.say("bob", session(0, 2), "mine").unwrap(), Seq(1));
    scene.leave("bob", session(0, 1), LeaveReason::Left, at(0));
    assert_eq!(scene.room.departing(), 0);
    assert_eq!(scene.say("bob", session(0, 2), "still mine").unwrap(), Seq(2));
}

#[test]
fn one_who_left_everywhere_and_is_here_again_before_the_room_knows_is_seen_to_come_back() {
    let mut scene = Scene::new();
    scene.join_by("bob", session(0, 9), 1).unwrap();
    scene.join_by("alice", session(0, 1), 2).unwrap();
    scene.join_by("alice", session(0, 2), 3).unwrap();
    scene.sent();
    let rooms = [scene.room.key(), RoomName::parse("r2").expect("a room name").key()].into();
    let everywhere = Everywhere { session: session(0, 1), renamed: None, at: Moment(0), rooms };
    let why = (LeaveReason::Quit, Some(Arc::new(everywhere)));
    scene.room.leave(session(0, 1), name("alice").key(), why, at(0), &LIMITS, &mut scene.events);
    assert_eq!(scene.sent(), sent(&[(0, "you left"), (0, "alice quit"), (0, "alice joined")]));
}

#[test]
fn a_guest_that_is_no_member_or_repeats_a_draft_is_told_that_and_else_that_it_needs_an_account() {
    let mut scene = Scene::new();
    scene.join("alice", session(0, 1)).unwrap();
    let Scene { room, events } = &mut scene;
    let alice = name("alice").key();
    let said = room.publish(session(0, 1), alice, draft("d1"), text("mine"), at(0), events).unwrap();
    let mut delete = |by: UserKey, from: SessionId, id: Option<DraftId>, seq: Seq| {
        room.amend(from, by, id, (seq, AmendRequest::Delete), None, at(1), events).unwrap_err()
    };
    let (own, none, repeated) = (said.seq, Seq(9), draft("d1").expect("one"));
    let not_member = Refusal::NotMember { room: "r1".into() };
    assert_eq!(delete(name("bob").key(), session(0, 2), None, own), not_member);
    assert_eq!(
        delete(alice, session(0, 1), draft("d1"), own),
        Refusal::DraftRepeated { seq: own, draft: repeated }
    );
    assert_eq!(delete(alice, session(0, 1), draft("d2"), own), Refusal::AccountNeeded { seq: own });
    assert_eq!(delete(alice, session(0, 1), None, none), Refusal::AccountNeeded { seq: none });
}

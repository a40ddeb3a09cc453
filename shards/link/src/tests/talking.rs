//! What is sent, and which sessions receive it.

use super::rig::{LINK, Rig, SHARDS, draft, room, say, settings, text, user};
use crate::{
    AskError, CoreEnd, CoreSettings, EdgeEnd, EdgeEvent, EdgeRequest, LinkEnd, RequestFault, Versions,
};
use madang_model::{
    Account, AccountId, AccountKind, Away, ClaimNumber, ConnectionId, Event, Gap, GapReason, HistoryPage,
    LogEpoch, Message, Moment, Page, Presence, Refusal, Reply, Request, RoomSummary, RoomsPage, Seq,
    SessionId, Timestamp, UserSummary, WhoMember, WhoPage,
};
use std::sync::Arc;

fn id(number: u32) -> SessionId {
    SessionId { shard: LINK, connection: ConnectionId { index: number, generation: 1 } }
}

#[test]
fn ends_of_one_release_greet_each_other_and_the_edge_learns_what_it_may() {
    let rig = Rig::new();
    let limits = rig.edge.limits().expect("the core has answered");
    assert_eq!(limits.shard_count, SHARDS);
    assert_eq!(limits.sessions_max, crate::bounds::SESSIONS_MAX);
}

#[test]
fn an_edge_asks_nothing_before_the_core_has_answered() {
    let mut edge = EdgeEnd::new(Moment(0));
    assert_eq!(edge.open(None), Err(AskError::NotReady));
}

#[test]
fn a_core_takes_the_version_before_its_own() {
    for (core, edge, agreed) in [((1, 2), (1, 1), Some(1)), ((1, 1), (1, 2), Some(1)), ((2, 3), (1, 1), None)]
    {
        let versions = |(oldest, newest)| Versions { oldest, newest };
        let settings = crate::CoreSettings { versions: versions(core), ..super::rig::settings() };
        let mut rig = Rig::with(settings);
        rig.edge = EdgeEnd::speaking(versions(edge), rig.now);
        rig.exchange();
        assert_eq!(rig.core.is_up(), agreed.is_some());
        if agreed.is_none() {
            let (ours, theirs) = (versions(edge), versions(core));
            assert_eq!(rig.edge.ended(), Some(&LinkEnd::VersionsApart { ours, theirs }));
            let words = rig.core.ended().map(ToString::to_string);
            let expected =
                "the other end speaks version 1 of the link, this one versions 2 to 3: upgrade the older one";
            assert_eq!(words.as_deref(), Some(expected));
        }
    }
}

#[test]
fn what_one_says_everyone_in_the_room_hears_once_a_link() {
    let mut rig = Rig::new();
    let (alice, bob) = (rig.named("alice"), rig.named("bob"));
    rig.join(alice, "r1");
    rig.ask(bob, EdgeRequest::Join { room: room("r1") });
    assert!(matches!(rig.hear(), Some(EdgeEvent::UserJoined { user, .. }) if user.as_str() == "bob"));
    assert!(matches!(rig.answer(bob), Reply::Joined(_)));
    rig.ask(alice, EdgeRequest::Publish { room: room("r1"), draft: draft("7f3a"), text: text("안녕하세요") });
    match rig.hear() {
        Some(EdgeEvent::Message { message, author }) => {
            assert_eq!(author, Some(alice), "it is the author's acknowledgement");
            assert_eq!((message.room.as_str(), message.seq), ("r1", Seq(1)));
            assert_eq!((message.author.as_str(), message.text.as_str()), ("alice", "안녕하세요"));
            assert_eq!(message.draft, draft("7f3a"));
        }
        other => panic!("a message, not {other:?}"),
    }
    assert!(rig.hear().is_none(), "two sessions are in the room, and the link hears it once");
}

#[test]
fn a_room_is_silent_once_no_session_is_in_it() {
    let mut rig = Rig::new();
    let alice = rig.named("alice");
    rig.join(alice, "r1");
    rig.ask(alice, EdgeRequest::Leave { room: room("r1") });
    assert!(matches!(rig.answer(alice), Reply::Left { room } if room.as_str() == "r1"));
    let event = madang_model::RoomEvent::Joined { user: user("bob") };
    rig.event(Event::Room { room: room("r1").key(), event });
    assert!(rig.hear().is_none());
}

#[test]
fn a_room_is_heard_as_long_as_one_session_is_in_it() {
    let mut rig = Rig::new();
    let (alice, bob) = (rig.named("alice"), rig.named("bob"));
    for session in [alice, bob] {
        rig.ask(session, EdgeRequest::Join { room: room("r1") });
    }
    rig.ask(bob, EdgeRequest::Leave { room: room("r1") });
    while rig.hear().is_some() {}
    rig.ask(alice, say("r1", "hello"));
    assert!(matches!(rig.hear(), Some(EdgeEvent::Message { .. })));
}

/// What the edge asks becomes what shards know, with the session's name.
#[test]
fn every_request_reaches_its_home() {
    let mut rig = Rig::new();
    let alice = rig.named("alice");
    rig.join(alice, "r1");
    let page = Page::Before { seq: Seq(9), count: 5 };
    for request in [
        EdgeRequest::Whois { name: user("bob") },
        EdgeRequest::Whisper { to: user("bob"), draft: draft("d"), text: text("psst") },
        EdgeRequest::History { room: room("r1"), page },
        EdgeRequest::Who { room: room("r1") },
        EdgeRequest::Rooms { pattern: "r".into() },
        EdgeRequest::SetAway { away: Some(Away { text: Some(text("lunch")) }) },
        EdgeRequest::SetAway { away: None },
    ] {
        rig.ask(alice, request);
    }
    rig.settle();
    let others: Vec<String> = rig.homes.others.iter().map(|request| format!("{request:?}")).collect();
    let (session, key, name) = (id(1), room("r1").key(), user("bob"));
    let alice = user("alice");
    let away = Some(Away { text: Some(text("lunch")) });
    let expected = [
        Request::Whois { session, name: name.clone() },
        Request::Whisper {
            session,
            from: alice.clone(),
            to: name,
            draft: draft("d"),
            text: text("psst"),
            copies_to: None,
        },
        Request::History { session, user: alice.key(), room: key, page },
        Request::Who { session, room: room("r1") },
        Request::Rooms { session, pattern: "r".into() },
        Request::SetAway { user: alice.clone(), room: Some(key), away: away.clone() },
        Request::SetAway { user: alice.clone(), room: None, away },
        Request::SetAway { user: alice.clone(), room: Some(key), away: None },
        Request::SetAway { user: alice, room: None, away: None },
    ];
    assert_eq!(others, expected.map(|request| format!("{request:?}")));
}

/// Sessions that only ask from outside have no name, and need none.
#[test]
fn what_is_asked_from_outside_a_room_needs_an_account_and_no_name() {
    let mut rig = Rig::new();
    let session = rig.edge.open(None).expect("a session");
    let account = Account::new(AccountKind::User, AccountId(300));
    let author = user("alice").known_as(account.into());
    let page = Page::Last { count: 5 };
    let say =
        |author| EdgeRequest::PublishAs { room: room("r1"), author, draft: draft("d"), text: text("hi") };
    rig.ask(session, say(author.clone()));
    rig.ask(session, EdgeRequest::HistoryOf { room: room("r1"), page });
    rig.ask(session, say(user("guest")));
    rig.settle();
    let others: Vec<String> = rig.homes.others.iter().map(|request| format!("{request:?}")).collect();
    let (id, room) = (id(1), room("r1"));
    let expected = [
        Request::PublishAs {
            session: id,
            author: author.clone(),
            room: room.clone(),
            draft: draft("d"),
            text: text("hi"),
        },
        Request::HistoryOf { session: id, room, page },
    ];
    assert_eq!(others, expected.map(|request| format!("{request:?}")));
    let Request::PublishAs { author: read, .. } = &rig.homes.others[0] else { panic!("it is the first") };
    assert_eq!(read.account(), account);
    let refused = rig.edge.next_event();
    assert!(
        matches!(&refused, Some(EdgeEvent::BadRequest { fault: RequestFault::UserName, .. })),
        "a guest says nothing from outside: {refused:?}"
    );
}

#[test]
fn an_edge_knows_the_epoch_of_the_log() {
    let epoch = LogEpoch(0x0123_4567_89ab_cdef);
    let mut rig = Rig::with(CoreSettings { epoch: Box::new(move || epoch), ..settings() });
    assert_eq!(rig.edge.epoch(), None);
    rig.exchange();
    assert_eq!((rig.edge.epoch(), rig.edge.waiting_events()), (Some(epoch), 0));
}

/// All answers that there are, as a shard gives them.
pub fn every_reply() -> Vec<Reply> {
    let message = |seq, room_name: &str| {
        let room = madang_model::RoomName::from_log(room_name).expect("a room's name");
        let (time, author) = (Timestamp(1_795_176_191_000_000), user("bob"));
        Arc::new(Message {
            room,
            seq: Seq(seq),
            time,
            author,
            draft: draft("7f3a"),
            text: text("hello, 마당"),
        })
    };
    let (since, away) = (Timestamp(-7), Away { text: Some(text("lunch")) });
    let summary = |presence| Reply::Whois(UserSummary { name: user("bob"), presence, online_since: since });
    let gap = |reason| Some(Gap { first: Seq(1), last: Seq(4), reason });
    let page = |gap| {
        let messages = vec![message(5, "r1").into(), message(6, "r1").into()];
        Reply::History(HistoryPage { room: room("r1"), messages, is_sparse: true, head: Seq(6), gap })
    };
    let claim = ClaimNumber::default();
    let joined = madang_model::Joined {
        room: room("r1"),
        user: user("alice"),
        head: Seq(6),
        history: vec![message(6, "r1").into()],
        members: 3,
        resumed_from: Some(Seq(2)),
    };
    let direct = message(1, "alice&bob");
    let whisper = |is_receipt| Reply::Whisper {
        from: user("bob"),
        to: user("alice"),
        message: Arc::clone(&direct),
        is_receipt,
    };
    let member = WhoMember { name: user("bob"), is_away: true, is_lost: false };
    let listed = RoomSummary { room: room("r1"), members: 3, head: Seq(6) };
    let mut replies = vec![
        Reply::Claimed { user: user("alice"), claim, missed_whispers: vec![(user("bob"), 2)], room: None },
        Reply::Joined(Box::new(joined)),
        Reply::Left { room: room("r1") },
        Reply::Renamed { old: user("alice"), new: user("alicia") },
        whisper(true),
        whisper(false),
        Reply::WhisperReaderAway { to: user("bob"), away: away.clone() },
        Reply::WhisperReaderAway { to: user("bob"), away: Away { text: None } },
        summary(Presence::Online),
        summary(Presence::Away(away)),
        summary(Presence::Offline { since }),
        Reply::Who(WhoPage { room: room("r1"), members: vec![member], total: 7 }),
        Reply::Rooms(RoomsPage { rooms: vec![listed], more: 2, is_busy: true }),
        page(None),
    ];
    let reasons = [GapReason::Expired, GapReason::TooMuch, GapReason::Busy, GapReason::Unreadable];
    replies.extend(reasons.map(|reason| page(gap(reason))));
    replies.extend(every_refusal().into_iter().map(Reply::NotSaid));
    replies
}

fn every_refusal() -> Vec<Refusal> {
    let (name, with) = (user("alice"), user("aIice"));
    let (since, room) = (Timestamp(5), || Box::<str>::from("r1"));
    vec![
        Refusal::NameTaken { name: name.clone() },
        Refusal::NameConfusable { name: name.clone(), with },
        Refusal::RoomConfusable { room: room(), with: "rl".into() },
        Refusal::RoomNotMade { room: room(), reason: "the disk is slow".into() },
        Refusal::NoSuchUser { name: name.clone() },
        Refusal::UserOffline { name, since },
        Refusal::NoSuchRoom { room: room() },
        Refusal::RoomFull { room: room(), members_max: 5 },
        Refusal::RoomNameCollides { room: room() },
        Refusal::NotMember { room: room() },
        Refusal::NotStored { reason: "the disk is full".into() },
        Refusal::TooManyFromAddress { connections_max: 2 },
        Refusal::DraftRepeated { seq: Seq(3), draft: draft("7f3a").expect("one") },
    ]
}

#[test]
fn every_answer_reaches_the_edge_as_the_shard_gave_it() {
    let mut rig = Rig::new();
    let alice = rig.named("alice");
    for reply in every_reply() {
        let expected = format!("{reply:?}");
        let to = id(alice.get()).connection;
        rig.event(Event::Reply { to, reply });
        assert_eq!(format!("{:?}", rig.answer(alice)), expected);
    }
}

#[test]
fn a_session_without_a_name_says_nothing_and_learns_why() {
    let mut rig = Rig::new();
    let nameless = rig.edge.open(None).expect("a session");
    rig.ask(nameless, say("r1", "hello"));
    match rig.hear() {
        Some(EdgeEvent::BadRequest { session, fault, words }) => {
            assert_eq!((session, fault), (nameless, crate::RequestFault::NoName));
            assert_eq!(&*words, "the session has no name yet; claim one");
        }
        other => panic!("a refusal, not {other:?}"),
    }
    assert!(rig.edge.ended().is_none(), "a bad request ends no link");
}

#[test]
fn nothing_comes_for_an_edge_that_is_not_there() {
    let mut core = CoreEnd::new(super::rig::settings());
    core.event(Event::GivenBack { to: id(1).connection });
    let reply = Reply::Claimed {
        user: user("alice"),
        claim: ClaimNumber(1),
        missed_whispers: Vec::new(),
        room: None,
    };
    core.event(Event::Reply { to: id(1).connection, reply });
    assert!(core.output().is_empty());
    // A name that was granted too late goes back.
    assert!(matches!(core.next_request(), Some(Request::Release { is_clean: true, .. })));
}

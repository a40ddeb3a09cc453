//! Every bound, and what happens there.

use super::rig::{Rig, SHARDS, room, say, text, user};
use crate::bounds::{
    EVENT_WINDOW_BYTES, EVENTS_WAITING_BYTES_MAX, PAGE_BYTES_MAX, REQUEST_WINDOW_BYTES,
    REQUESTS_WAITING_BYTES_MAX,
};
use crate::{AskError, EdgeEvent, EdgeRequest, LinkEnd};
use madang_model::{
    ConnectionId, Event, HistoryPage, ListStart, LogEpoch, MembersPage, Message, Page, Refusal, Reply,
    Request, ResumedEntries, RoomEvent, RoomsPage, RoomsPart, Seq, SessionId, ShardId, Timestamp, WhoPage,
};
use std::sync::Arc;

/// What a list may have.
const LIST_BYTES_MAX: usize = 64 * 1024;

/// Something is said in a room by somebody at a shard.
fn said(name: &str, seq: u64, words: &str) -> Event {
    let (room, author) = (room(name), user("bob"));
    let key = room.key();
    let message = Message { room, seq: Seq(seq), time: Timestamp(0), author, draft: None, text: text(words) };
    let event = RoomEvent::Message { message: Arc::new(message), author: SessionId::NOBODY };
    Event::Room { room: key, event }
}

/// As long as [`full_page`] is.
const PAGE: Page = Page::Last { count: 64 };

/// 64 messages of 2,000 bytes.
fn full_page() -> HistoryPage {
    let words = "x".repeat(2_000);
    let message = |seq| {
        let (room, author) = (room("r1"), user("bob"));
        Message { room, seq: Seq(seq), time: Timestamp(0), author, draft: None, text: text(&words) }.into()
    };
    let messages = (1..=64).map(message).collect();
    HistoryPage { room: room("r1"), messages, is_sparse: false, head: Seq(64), gap: None }
}

/// Both ends of a server where texts have at most so many bytes.
fn with_texts_of(bytes_max: u32) -> Rig {
    let text_bytes_max = Box::new(move || bytes_max);
    let mut rig = Rig::with(crate::CoreSettings { text_bytes_max, ..super::rig::settings() });
    rig.exchange();
    rig
}

#[test]
fn a_core_that_takes_nothing_makes_the_edge_busy_and_no_request_is_lost() {
    let mut rig = Rig::new();
    let (alice, other) = (rig.named("alice"), rig.named("bob"));
    rig.join(alice, "r1");
    let words = "x".repeat(1000);
    let mut asked = 0_u64;
    // The core's window and what may wait at the edge fill up; bytes that are on their way are among them.
    loop {
        match rig.edge.ask(alice, &say("r1", &words)) {
            Ok(()) => asked += 1,
            Err(error) => {
                assert_eq!(error, AskError::Busy);
                if rig.carry_to_core(usize::MAX) == 0 {
                    break;
                }
            }
        }
    }
    assert!(rig.edge.waiting_request_bytes() <= REQUESTS_WAITING_BYTES_MAX);
    let bytes = asked as usize * 1064;
    assert!(bytes <= REQUEST_WINDOW_BYTES as usize + REQUESTS_WAITING_BYTES_MAX, "{bytes} bytes wait");
    assert!(bytes > REQUEST_WINDOW_BYTES as usize, "{bytes} bytes wait");
    // A session can still be closed: what it holds would stay held.
    rig.edge.close(other, true).expect("closing is never refused");
    for seq in 1..=asked {
        match rig.hear() {
            Some(EdgeEvent::Message { message, .. }) => assert_eq!(message.seq, Seq(seq)),
            other => panic!("message {seq}, not {other:?}"),
        }
    }
    assert!(matches!(rig.hear(), Some(EdgeEvent::Closed { session, .. }) if session == other));
    rig.named("bob");
}

#[test]
fn an_edge_that_has_not_taken_what_waits_is_asked_for_nothing_more_until_it_has() {
    let mut rig = Rig::new();
    let alice = rig.named("alice");
    rig.join(alice, "r1");
    let words = "x".repeat(4000);
    let mut seq = 0;
    while rig.core.waiting_event_bytes() <= EVENTS_WAITING_BYTES_MAX / 2 {
        seq += 1;
        rig.event(said("r1", seq, &words));
        rig.carry_to_edge(usize::MAX);
    }
    rig.edge.ask(alice, &say("r1", "hello")).expect("there is credit");
    rig.carry_to_core(usize::MAX);
    assert!(rig.core.next_request().is_none(), "its answer would come on top");
    for _ in 0..seq {
        rig.settle();
        assert!(rig.hear().is_some(), "nothing is lost");
    }
    rig.settle();
    assert!(rig.core.ended().is_none() && rig.core.waiting_event_bytes() == 0);
}

#[test]
fn an_edge_is_given_no_more_long_answers_at_a_time_than_can_wait_for_it() {
    let mut rig = with_texts_of(2_000);
    let alice = rig.named("alice");
    rig.join(alice, "r1");
    let asked = 300;
    for _ in 0..asked {
        rig.ask(alice, EdgeRequest::History { room: room("r1"), page: PAGE });
    }
    rig.exchange();
    let to = ConnectionId { index: alice.get(), generation: 1 };
    let mut pages = 0;
    while pages < asked {
        let taken: Vec<_> = std::iter::from_fn(|| rig.core.next_request()).collect();
        assert!(
            (1..=EVENTS_WAITING_BYTES_MAX / 2 / (64 * 2_000) + 1).contains(&taken.len()),
            "{}",
            taken.len()
        );
        // All at once, before any byte is written; every second one is refused.
        for (index, request) in taken.iter().enumerate() {
            assert!(matches!(request, Request::History { .. }));
            let reply = match index % 2 {
                0 => Reply::History(full_page()),
                _ => Reply::Refused(Refusal::NotMember { room: "r1".into() }),
            };
            rig.event(Event::Reply { to, reply });
        }
        pages += taken.len();
        assert!(rig.core.ended().is_none(), "{:?} after {pages} pages", rig.core.ended());
        while rig.exchange() || rig.edge.next_event().is_some() {}
    }
    assert!(rig.core.next_request().is_none() && rig.core.ended().is_none());
}

/// What a session may ask whose answer is long: with the bytes that its answers have, at most, and the answers.
fn every_long_question() -> [(EdgeRequest, usize, Vec<Reply>); 5] {
    let (at, pattern): (_, Box<str>) = (room("r1"), "".into());
    let start = ListStart { epoch: LogEpoch(0), after: None, count: 2 };
    let epoch = start.epoch;
    let members = MembersPage { room: at.clone(), members: Vec::new(), total: 0, epoch, next: None };
    let resumed = ResumedEntries { room: at.clone(), entries: Vec::new(), head: Seq(0), gap: None };
    let who = WhoPage { room: at.clone(), members: Vec::new(), total: 0 };
    let parts = (0..SHARDS).map(|shard| Reply::RoomsPart(RoomsPart::new(ShardId(shard), start)));
    let lists = (0..SHARDS).map(|_| Reply::Rooms(RoomsPage::default()));
    let of_shards = LIST_BYTES_MAX * usize::from(SHARDS);
    [
        (
            EdgeRequest::Resume { room: at.clone(), after: Seq(0), count: 500 },
            PAGE_BYTES_MAX,
            vec![Reply::Resumed(resumed)],
        ),
        (EdgeRequest::Who { room: at.clone() }, LIST_BYTES_MAX, vec![Reply::Who(who)]),
        (
            EdgeRequest::Members { room: at, cursor: None, count: 2 },
            LIST_BYTES_MAX,
            vec![Reply::Members(members)],
        ),
        (EdgeRequest::Rooms { pattern: pattern.clone() }, of_shards, lists.collect()),
        (EdgeRequest::RoomsInOrder { pattern, cursor: None, count: 2 }, of_shards, parts.collect()),
    ]
}

#[test]
fn a_long_answer_of_any_kind_counts_from_its_question_until_it_has_come() {
    for (question, bytes, replies) in every_long_question() {
        let mut rig = Rig::new();
        let alice = rig.named("alice");
        let to = ConnectionId { index: alice.get(), generation: 1 };
        let asked = 400;
        (0..asked).for_each(|_| rig.ask(alice, question.clone()));
        rig.exchange();
        let at_once = EVENTS_WAITING_BYTES_MAX / 2 / bytes + 1;
        let mut left = asked;
        while left > 0 {
            let taken = std::iter::from_fn(|| rig.core.next_request()).count();
            assert_eq!(taken, left.min(at_once), "{question:?} with {left} left");
            for reply in std::iter::repeat_n(&replies, taken).flatten() {
                rig.event(Event::Reply { to, reply: reply.clone() });
            }
            left -= taken;
            while rig.exchange() || rig.edge.next_event().is_some() {}
        }
    }
}

#[test]
fn answers_that_a_closed_session_would_have_had_are_waited_for_no_more() {
    let mut rig = with_texts_of(2_000);
    let (alice, bob) = (rig.named("alice"), rig.named("bob"));
    rig.join(alice, "r1");
    let taken_for = |rig: &mut Rig, session, count: usize| {
        (0..count).for_each(|_| rig.ask(session, EdgeRequest::History { room: room("r1"), page: PAGE }));
        rig.exchange();
        let taken = std::iter::from_fn(|| rig.core.next_request());
        taken.filter(|request| matches!(request, Request::History { .. })).count()
    };
    assert_eq!(taken_for(&mut rig, alice, 30), 30);
    rig.edge.close(alice, true).expect("it is open");
    assert_eq!(taken_for(&mut rig, bob, 40), 40);
    let left = taken_for(&mut rig, bob, 40);
    assert!(left < 10, "{left} more, beside 40 that wait");
}

#[test]
fn an_edge_that_takes_no_events_is_disconnected_and_its_sessions_are_lost() {
    let mut rig = Rig::new();
    let alice = rig.named("alice");
    rig.join(alice, "r1");
    let words = "x".repeat(4000);
    let (mut seq, mut sent) = (0, 0);
    while rig.core.ended().is_none() {
        seq += 1;
        rig.event(said("r1", seq, &words));
        sent += rig.carry_to_edge(usize::MAX);
        assert!(rig.core.waiting_event_bytes() <= EVENTS_WAITING_BYTES_MAX);
    }
    assert!(matches!(rig.core.ended(), Some(LinkEnd::SlowEdge { .. })));
    let window = EVENT_WINDOW_BYTES as usize;
    assert!((window * 9 / 10..window * 11 / 10).contains(&sent), "{sent} bytes were sent to who takes none");
    assert_eq!(rig.core.session_count(), 0);
    assert_eq!(rig.core.counters.ends().find(|(name, _)| *name == "slow_edge"), Some(("slow_edge", 1)));
    rig.exchange();
    assert!(matches!(rig.edge.ended(), Some(LinkEnd::Goodbye(words)) if words.contains("too slow")));
    assert_eq!(rig.edge.ask(alice, &say("r1", "too late")), Err(AskError::Ended));
    // What came until then is whole and in order.
    let mut last = 0;
    while let Some(EdgeEvent::Message { message, .. }) = rig.edge.next_event() {
        last += 1;
        assert_eq!(message.seq, Seq(last));
    }
    assert!(last > 0 && last < seq);
    rig.reconnect();
    rig.settle();
    assert_eq!(rig.homes.held(), Vec::<String>::new());
}

#[test]
fn credit_comes_back_as_events_are_taken() {
    let mut rig = Rig::new();
    let alice = rig.named("alice");
    rig.join(alice, "r1");
    let words = "x".repeat(4000);
    // More than the window and what may wait together.
    for first in (1..=6_000).step_by(500) {
        (first..first + 500).for_each(|seq| rig.event(said("r1", seq, &words)));
        rig.exchange();
        for expected in first..first + 500 {
            match rig.edge.next_event() {
                Some(EdgeEvent::Message { message, .. }) => assert_eq!(message.seq, Seq(expected)),
                other => panic!("message {expected}, not {other:?}"),
            }
        }
        rig.exchange();
    }
    assert!(rig.core.ended().is_none());
    assert_eq!(rig.core.waiting_event_bytes(), 0);
}

#[test]
fn requests_of_a_full_core_do_not_keep_events_from_the_edge() {
    let mut rig = Rig::new();
    let alice = rig.named("alice");
    rig.join(alice, "r1");
    let words = "x".repeat(1000);
    while rig.edge.ask(alice, &say("r1", &words)).is_ok() {
        rig.carry_to_core(usize::MAX);
    }
    for seq in 1..=2_000 {
        rig.event(said("r1", seq, &words));
        rig.exchange();
        assert!(
            matches!(rig.edge.next_event(), Some(EdgeEvent::Message { message, .. }) if message.seq == Seq(seq))
        );
    }
}

#[test]
fn no_more_sessions_are_opened_than_there_may_be() {
    let mut rig = Rig::new();
    let sessions_max = crate::bounds::SESSIONS_MAX;
    let mut first = None;
    for _ in 0..sessions_max {
        let session = loop {
            match rig.edge.open(None) {
                Ok(session) => break session,
                Err(AskError::Busy) => rig.settle(),
                Err(error) => panic!("{error}"),
            }
        };
        first.get_or_insert(session);
    }
    assert_eq!(rig.edge.open(None), Err(AskError::TooManySessions { sessions_max }));
    rig.edge.close(first.expect("the first"), true).expect("it is open");
    rig.settle();
    assert_eq!(rig.core.session_count(), sessions_max as usize - 1);
    assert!(matches!(rig.hear(), Some(EdgeEvent::Closed { .. })));
    rig.edge.open(None).expect("one was closed");
}

#[test]
fn texts_and_patterns_have_the_length_that_the_core_says() {
    let mut rig = with_texts_of(100);
    let alice = rig.named("alice");
    rig.join(alice, "r1");
    rig.edge.ask(alice, &say("r1", &"x".repeat(100))).expect("as long as it may be");
    let too_long = Err(AskError::TooLong { bytes: 101, bytes_max: 100 });
    assert_eq!(rig.edge.ask(alice, &say("r1", &"x".repeat(101))), too_long);
    let pattern = "x".repeat(crate::bounds::PATTERN_BYTES_MAX + 1).into();
    assert!(matches!(rig.edge.ask(alice, &EdgeRequest::Rooms { pattern }), Err(AskError::TooLong { .. })));
}

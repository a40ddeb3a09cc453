//! What sessions hold, and that it is given back.

use super::rig::{Rig, room, say, text, user};
use crate::{AskError, EdgeEvent, EdgeRequest, RequestFault, SessionEnd};
use madang_model::{Moment, Reply, Request};
use std::net::IpAddr;

const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

fn bad_request(rig: &mut Rig) -> RequestFault {
    match rig.hear() {
        Some(EdgeEvent::BadRequest { fault, .. }) => fault,
        other => panic!("a bad request, not {other:?}"),
    }
}

#[test]
fn a_session_that_closes_gives_everything_back_before_the_edge_hears_of_it() {
    let mut rig = Rig::new();
    let alice = rig.named_from("alice", Some(ADDRESS));
    rig.join(alice, "r1");
    rig.join(alice, "r2");
    rig.edge.close(alice, true).expect("it is open");
    assert_eq!(rig.edge.ask(alice, &say("r1", "too late")), Err(AskError::NoSession { session: alice }));
    rig.exchange();
    // Homes have granted it, and have not answered yet.
    while let Some(request) = rig.core.next_request() {
        rig.homes.handle(request);
    }
    // Both rooms, the name and the address answer, one after another.
    for _ in 0..3 {
        let event = rig.homes.next_event().expect("four answers");
        rig.event(event);
        rig.exchange();
        assert!(rig.edge.next_event().is_none());
    }
    assert!(matches!(
        rig.hear(),
        Some(EdgeEvent::Closed { session, reason: SessionEnd::Asked }) if session == alice
    ));
    assert_eq!(rig.homes.held(), Vec::<String>::new());
    assert_eq!((rig.core.session_count(), rig.edge.session_count()), (0, 0));
}

#[test]
fn a_lost_link_gives_back_what_its_sessions_held_uncleanly() {
    let mut rig = Rig::new();
    let alice = rig.named_from("alice", Some(ADDRESS));
    rig.join(alice, "r1");
    rig.core.disconnected();
    let requests: Vec<Request> = std::iter::from_fn(|| rig.core.next_request()).collect();
    assert!(matches!(
        &requests[..],
        [
            Request::Leave { reason: madang_model::LeaveReason::Lost, .. },
            Request::Release { is_clean: false, .. },
            Request::Discharge { .. }
        ]
    ));
}

/// Answers that are on their way when the link is lost may be lost with it, as when it is cut for being full.
#[test]
fn what_was_asked_for_and_never_answered_is_given_back_too() {
    let mut rig = Rig::new();
    let alice = rig.named("alice");
    rig.ask(alice, EdgeRequest::Join { room: room("r1") });
    let nameless = rig.edge.open(Some(ADDRESS)).expect("a session");
    rig.ask(nameless, EdgeRequest::Claim { name: user("bob") });
    rig.exchange();
    while let Some(request) = rig.core.next_request() {
        rig.homes.handle(request);
    }
    rig.homes.lose_events();
    assert_eq!(rig.homes.held().len(), 4, "two names, a member and an address");
    rig.reconnect();
    rig.settle();
    assert_eq!(rig.homes.held(), Vec::<String>::new());
}

#[test]
fn answers_that_come_after_the_link_was_lost_go_back() {
    let mut rig = Rig::new();
    let alice = rig.named("alice");
    rig.ask(alice, EdgeRequest::Join { room: room("r1") });
    let bob = rig.edge.open(None).expect("a session");
    rig.ask(bob, EdgeRequest::Claim { name: user("bob") });
    rig.exchange();
    while let Some(request) = rig.core.next_request() {
        rig.homes.handle(request);
    }
    rig.reconnect();
    rig.exchange();
    // These have the numbers of the earlier ones.
    for _ in 0..2 {
        rig.edge.open(None).expect("a session");
    }
    assert!(rig.hear().is_none(), "the answers are not theirs");
    assert_eq!(rig.homes.held(), Vec::<String>::new());
    // Later sessions may have the names, and do not get the answers to earlier ones.
    let alice = rig.named("alice");
    rig.join(alice, "r1");
}

#[test]
fn sessions_of_a_new_link_come_after_those_of_the_old_have_left() {
    let mut rig = Rig::new();
    rig.named("alice");
    rig.reconnect();
    let alice = {
        rig.exchange();
        let session = rig.edge.open(None).expect("a session");
        rig.ask(session, EdgeRequest::Claim { name: user("alice") });
        session
    };
    assert!(matches!(rig.answer(alice), Reply::Claimed { .. }), "the name was given back before");
}

#[test]
fn a_new_name_is_acknowledged_once_the_old_one_is_free_and_rooms_know_it() {
    let mut rig = Rig::new();
    let alice = rig.named("alice");
    rig.join(alice, "r1");
    rig.ask(alice, EdgeRequest::Claim { name: user("alicia") });
    assert!(matches!(rig.answer(alice), Reply::Claimed { user, .. } if user.as_str() == "alicia"));
    assert!(matches!(rig.hear(), Some(EdgeEvent::UserRenamed { new, .. }) if new.as_str() == "alicia"));
    assert_eq!(rig.homes.members(&room("r1")), ["alicia"]);
    assert!(rig.hear().is_none());
    rig.named("alice");
}

#[test]
fn what_a_session_does_in_several_rooms_comes_once() {
    let mut rig = Rig::new();
    let (alice, bob) = (rig.named("alice"), rig.named("bob"));
    for name in ["r1", "r2", "r3"] {
        for session in [bob, alice] {
            rig.ask(session, EdgeRequest::Join { room: room(name) });
        }
        while rig.hear().is_some() {}
    }
    rig.core.tick(Moment(8_000));
    while rig.hear().is_some() {}
    rig.ask(alice, EdgeRequest::Claim { name: user("alicia") });
    assert!(matches!(rig.answer(alice), Reply::Claimed { .. }));
    let Some(EdgeEvent::UserRenamedInAll { rooms, old, new }) = rig.hear() else { panic!("one event") };
    assert_eq!((rooms.len(), old.as_str(), new.as_str()), (3, "alice", "alicia"));
    assert!(rig.hear().is_none());
    rig.edge.close(alice, true).expect("the link is up");
    rig.exchange();
    let heard: Vec<EdgeEvent> = std::iter::from_fn(|| rig.hear()).collect();
    let all =
        heard.iter().filter(|it| matches!(it, EdgeEvent::UserLeftAll { rooms, .. } if rooms.len() == 3));
    assert_eq!((all.count(), heard.len()), (1, 2), "and that the session has ended: {heard:?}");
}

#[test]
fn a_name_that_is_taken_is_refused_and_another_can_be_claimed() {
    let mut rig = Rig::new();
    rig.named("alice");
    let other = rig.edge.open(None).expect("a session");
    rig.ask(other, EdgeRequest::Claim { name: user("alice") });
    assert!(matches!(rig.answer(other), Reply::Refused(_)));
    rig.ask(other, EdgeRequest::Claim { name: user("bob") });
    assert!(matches!(rig.answer(other), Reply::Claimed { .. }));
}

#[test]
fn names_and_rooms_wait_for_each_other() {
    let mut rig = Rig::new();
    let alice = rig.named("alice");
    rig.ask(alice, EdgeRequest::Claim { name: user("alicia") });
    rig.ask(alice, EdgeRequest::Claim { name: user("ali") });
    rig.ask(alice, EdgeRequest::Join { room: room("r1") });
    assert_eq!([bad_request(&mut rig), bad_request(&mut rig)], [RequestFault::Waiting; 2]);
    assert!(matches!(rig.answer(alice), Reply::Claimed { .. }));
    rig.ask(alice, EdgeRequest::Join { room: room("r1") });
    rig.ask(alice, EdgeRequest::Claim { name: user("ali") });
    assert_eq!(bad_request(&mut rig), RequestFault::Waiting);
    assert!(matches!(rig.answer(alice), Reply::Joined(_)));
}

/// One at a time is asked for, so that it is known which room an answer is about.
#[test]
fn several_rooms_can_be_asked_for_at_once_and_one_of_them_may_be_refused() {
    let mut rig = Rig::new();
    let alice = rig.named("alice");
    for name in ["r1", "full", "r2", "r3"] {
        rig.ask(alice, EdgeRequest::Join { room: room(name) });
    }
    rig.ask(alice, EdgeRequest::Leave { room: room("r3") });
    let mut heard = Vec::new();
    while let Some(EdgeEvent::Reply { reply, .. }) = rig.hear() {
        heard.push(match reply {
            Reply::Joined(joined) => joined.room.as_str().to_owned(),
            Reply::Refused(_) => "refused".to_owned(),
            Reply::Left { room } => format!("not {room}"),
            other => panic!("a room is joined or refused, not {other:?}"),
        });
    }
    assert_eq!(heard, ["not r3", "r1", "refused", "r2"]);
    rig.ask(alice, EdgeRequest::Claim { name: user("alicia") });
    assert!(matches!(rig.answer(alice), Reply::Claimed { .. }), "no room is waited for any more");
}

#[test]
fn a_session_is_in_a_bounded_number_of_rooms() {
    let mut rig = Rig::new();
    let alice = rig.named("alice");
    for number in 0..crate::bounds::ROOMS_PER_SESSION_MAX {
        rig.join(alice, &format!("r{number}"));
    }
    rig.ask(alice, EdgeRequest::Join { room: room("one-more") });
    assert_eq!(bad_request(&mut rig), RequestFault::TooManyRooms);
    rig.ask(alice, EdgeRequest::Leave { room: room("r7") });
    assert!(matches!(rig.answer(alice), Reply::Left { .. }));
    rig.join(alice, "one-more");
}

#[test]
fn a_session_whose_address_has_too_many_is_closed_and_counts_no_more() {
    let mut rig = Rig::new();
    for name in ["alice", "bob"] {
        rig.named_from(name, Some(ADDRESS));
    }
    let third = rig.edge.open(Some(ADDRESS)).expect("a session");
    // What it asks meanwhile is not answered, and is no fault.
    rig.ask(third, EdgeRequest::Claim { name: user("carol") });
    let end = SessionEnd::TooManyFromAddress { connections_max: 2 };
    let heard: Vec<EdgeEvent> = std::iter::from_fn(|| rig.hear()).collect();
    assert!(
        matches!(&heard[..], [EdgeEvent::Closed { session, reason }] if *session == third && *reason == end),
        "{heard:?}"
    );
    assert!(rig.homes.held().contains(&"2 from 192.0.2.1".to_owned()));
    rig.named("carol");
}

#[test]
fn a_whisper_that_comes_for_a_closed_session_is_counted_as_missed() {
    let mut rig = Rig::new();
    let alice = rig.named("alice");
    let to = madang_model::ConnectionId { index: alice.get(), generation: 1 };
    rig.edge.close(alice, false).expect("it is open");
    rig.settle();
    let reply = super::talking::every_reply()
        .into_iter()
        .find(|reply| matches!(reply, Reply::Whisper { is_receipt: false, .. }))
        .expect("one of them is a whisper");
    rig.event(madang_model::Event::Reply { to, reply });
    assert!(matches!(rig.core.next_request(), Some(Request::WhisperMissed { .. })));
}

#[test]
fn nobody_whispers_to_oneself() {
    let mut rig = Rig::new();
    let alice = rig.named("alice");
    rig.ask(alice, EdgeRequest::Whisper { to: user("alice"), draft: None, text: text("psst") });
    assert_eq!(bad_request(&mut rig), RequestFault::ToOneself);
}

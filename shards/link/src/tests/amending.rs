//! What became of messages: asked by sessions, and as the edge learns it.

use super::rig::{Rig, draft, room, text, user};
use crate::{EdgeEvent, EdgeRequest};
use madang_model::{
    AmendRequest, AmendedMessage, Amendment, Change, ConnectionId, Edited, Event, Gap, GapReason,
    HistoryPage, Message, MessageReactions, Reaction, ReactionSums, Refusal, Reply, Request, ResumedEntries,
    RoomEvent, Seq, SessionId, ShownEntry, ShownMessage, Timestamp, Tombstone,
};
use std::sync::Arc;

fn thumb() -> Reaction {
    Reaction::parse("👍").expect("a reaction")
}

fn sums() -> ReactionSums {
    let mut sums = ReactionSums::default();
    [thumb(), thumb(), Reaction::parse("🎉").expect("a reaction")].iter().for_each(|mark| {
        sums.count(mark, true);
    });
    sums
}

pub fn every_change() -> Vec<Change> {
    vec![
        Change::Edit { text: text("안녕, edited") },
        Change::Deletion,
        Change::Reactions(vec![MessageReactions { message: Seq(3), sums: sums() }]),
        Change::Pin { is_pinned: true },
        Change::Pin { is_pinned: false },
        Change::Topic { topic: Some(text("games")) },
        Change::Topic { topic: None },
    ]
}

pub fn amendment(seq: u64, change: Change) -> Arc<Amendment> {
    let (room, author, target) = (room("r1"), user("bob"), Seq(if seq.is_multiple_of(2) { 3 } else { 0 }));
    Arc::new(Amendment {
        room,
        seq: Seq(seq),
        time: Timestamp(7),
        author,
        draft: draft("7f3a"),
        target,
        change,
    })
}

fn every_shown() -> Vec<ShownMessage> {
    let (room, author) = (room("r1"), user("bob"));
    let message = |seq| Message {
        room: room.clone(),
        seq: Seq(seq),
        time: Timestamp(-5),
        author: author.clone(),
        draft: None,
        text: text("hello, 마당"),
    };
    let amended = |seq, edited, reactions, is_pinned| {
        ShownMessage::Amended(Arc::new(AmendedMessage {
            message: message(seq),
            edited,
            reactions,
            is_pinned,
        }))
    };
    let edited = Some(Edited { seq: Seq(9), time: Timestamp(8) });
    let (time, none) = (Timestamp(-5), ReactionSums::default());
    vec![
        message(1).into(),
        amended(2, edited, sums(), true),
        amended(3, edited, none.clone(), false),
        amended(4, None, none, true),
        ShownMessage::Deleted(Arc::new(Tombstone { seq: Seq(5), time, author: Some(user("bob")) })),
        ShownMessage::Deleted(Arc::new(Tombstone { seq: Seq(6), time, author: None })),
    ]
}

pub fn every_amend_request() -> [AmendRequest; 8] {
    [
        AmendRequest::Edit { text: text("edited") },
        AmendRequest::Delete,
        AmendRequest::React { reaction: thumb(), is_added: true },
        AmendRequest::React { reaction: thumb(), is_added: false },
        AmendRequest::Pin { is_pinned: true },
        AmendRequest::Pin { is_pinned: false },
        AmendRequest::Topic { topic: Some(text("games")) },
        AmendRequest::Topic { topic: None },
    ]
}

/// A page, and what follows a number, with messages and entries of every kind.
pub fn every_shown_reply() -> [Reply; 2] {
    let gap = Some(Gap { first: Seq(1), last: Seq(4), reason: GapReason::Expired });
    let (messages, head) = (every_shown(), Seq(30));
    let page = HistoryPage { room: room("r1"), messages, is_sparse: true, head, gap };
    let mut entries: Vec<ShownEntry> = every_shown().into_iter().map(ShownEntry::Message).collect();
    entries.extend(
        (10..).zip(every_change()).map(|(seq, change)| ShownEntry::Amendment(amendment(seq, change))),
    );
    entries.push(ShownEntry::Gone { seq: Seq(29), time: Timestamp(3) });
    let resumed = ResumedEntries { room: room("r1"), entries, head, gap };
    [Reply::History(page), Reply::Resumed(resumed)]
}

pub fn every_refusal_to_amend() -> [Refusal; 3] {
    [
        Refusal::NoSuchMessage { seq: Seq(3) },
        Refusal::NotYours { seq: Seq(3) },
        Refusal::NothingChanges { seq: Seq(3) },
    ]
}

pub fn refusal_of_a_guest() -> Refusal {
    Refusal::AccountNeeded { seq: Seq(3) }
}

#[test]
fn what_a_session_asks_to_change_reaches_the_rooms_home() {
    let mut rig = Rig::new();
    let alice = rig.named("alice");
    rig.join(alice, "r1");
    let (session, user, key) = (
        SessionId { shard: super::rig::LINK, connection: ConnectionId { index: 1, generation: 1 } },
        user("alice").key(),
        room("r1").key(),
    );
    let mut expected = Vec::new();
    for change in every_amend_request() {
        let (room, draft, target) = (room("r1"), draft("7f3a"), Seq(3));
        rig.ask(alice, EdgeRequest::Amend { room, draft: draft.clone(), target, change: change.clone() });
        expected.push(Request::Amend { session, user, room: key, draft, target, change });
    }
    rig.ask(alice, EdgeRequest::Resume { room: room("r1"), after: Seq(4), count: 70 });
    expected.push(Request::Resume { session, user, room: key, after: Seq(4), count: 70 });
    rig.settle();
    let others: Vec<String> = rig.homes.others.iter().map(|request| format!("{request:?}")).collect();
    assert_eq!(others, expected.iter().map(|request| format!("{request:?}")).collect::<Vec<_>>());
}

#[test]
fn the_edge_hears_what_became_of_messages_as_the_room_says_it() {
    let mut rig = Rig::new();
    let alice = rig.named("alice");
    rig.join(alice, "r1");
    for (seq, change) in (10..).zip(every_change()) {
        let amendment = amendment(seq, change);
        let event = RoomEvent::Amended { amendment: Arc::clone(&amendment), author: SessionId::NOBODY };
        rig.event(Event::Room { room: room("r1").key(), event });
        match rig.hear() {
            Some(EdgeEvent::Amended { amendment: heard, author: None }) => {
                assert_eq!(format!("{heard:?}"), format!("{amendment:?}"));
            }
            other => panic!("an amendment, not {other:?}"),
        }
    }
}

#[test]
fn pages_and_what_follows_a_number_come_as_they_are_now() {
    let mut rig = Rig::new();
    let alice = rig.named("alice");
    let refusals = every_refusal_to_amend().into_iter().chain([refusal_of_a_guest()]);
    for reply in every_shown_reply().into_iter().chain(refusals.map(Reply::NotSaid)) {
        let expected = format!("{reply:?}");
        rig.event(Event::Reply { to: ConnectionId { index: alice.get(), generation: 1 }, reply });
        assert_eq!(format!("{:?}", rig.answer(alice)), expected);
    }
}

#[test]
fn a_text_that_is_too_long_is_not_asked_for() {
    let settings = crate::CoreSettings { text_bytes_max: Box::new(|| 4_096), ..super::rig::settings() };
    let mut rig = Rig::with(settings);
    rig.exchange();
    let alice = rig.named("alice");
    rig.join(alice, "r1");
    let long = text(&"x".repeat(5_000));
    let change = AmendRequest::Edit { text: long };
    let request = EdgeRequest::Amend { room: room("r1"), draft: None, target: Seq(1), change };
    assert!(rig.edge.ask(alice, &request).is_err());
}

//! Pages that are longer than an envelope.

use super::rig::{Rig, draft, room, text, user};
use madang_model::{
    ConnectionId, Event, Gap, GapReason, HistoryPage, Joined, Message, Reply, Seq, ShownMessage, Timestamp,
};

fn messages(first: u64, count: u64, bytes: usize) -> Vec<ShownMessage> {
    let (room, author, text) = (room("r1"), user("bob"), text(&"x".repeat(bytes)));
    let message = |seq| {
        let (room, author, text) = (room.clone(), author.clone(), text.clone());
        Message { room, seq: Seq(seq), time: Timestamp(0), author, draft: draft("d"), text }.into()
    };
    (first..first + count).map(message).collect()
}

#[test]
fn the_older_part_of_a_page_that_is_too_long_is_left_out_and_said_to_be() {
    let mut rig = Rig::new();
    let alice = rig.named("alice");
    let to = ConnectionId { index: alice.get(), generation: 1 };
    for gap in [None, Some(Gap { first: Seq(1), last: Seq(9), reason: GapReason::Expired })] {
        let messages = messages(10, 500, 64 * 1024);
        let reply =
            Reply::History(HistoryPage { room: room("r1"), messages, is_sparse: false, head: Seq(509), gap });
        rig.event(Event::Reply { to, reply });
        let Reply::History(page) = rig.answer(alice) else { panic!("a page is answered") };
        let first = page.messages.first().expect("some fit").seq();
        assert_eq!(page.messages.len(), 11);
        assert_eq!(page.messages.last().map(|message| message.seq()), Some(Seq(509)));
        let expected_first = if gap.is_some() { 1 } else { 10 };
        let last = Seq(first.0 - 1);
        assert_eq!(page.gap, Some(Gap { first: Seq(expected_first), last, reason: GapReason::TooMuch }));
    }
}

#[test]
fn a_page_that_fits_is_left_as_it_is() {
    let mut rig = Rig::new();
    let alice = rig.named("alice");
    let to = ConnectionId { index: alice.get(), generation: 1 };
    let gap = Some(Gap { first: Seq(1), last: Seq(9), reason: GapReason::Unreadable });
    let messages = messages(10, 500, 1000);
    let page = HistoryPage { room: room("r1"), messages, is_sparse: false, head: Seq(509), gap };
    rig.event(Event::Reply { to, reply: Reply::History(page) });
    let Reply::History(page) = rig.answer(alice) else { panic!("a page is answered") };
    assert_eq!((page.messages.len(), page.gap), (500, gap));
}

#[test]
fn who_joins_is_shown_as_many_of_the_latest_messages_as_fit() {
    let mut rig = Rig::new();
    let alice = rig.named("alice");
    let to = ConnectionId { index: alice.get(), generation: 1 };
    let joined = Joined {
        room: room("r1"),
        user: user("alice"),
        head: Seq(64),
        history: messages(1, 64, 64 * 1024),
        members: 1,
        resumed_from: None,
    };
    rig.event(Event::Reply { to, reply: Reply::Joined(Box::new(joined)) });
    let Reply::Joined(joined) = rig.answer(alice) else { panic!("the room is joined") };
    assert_eq!(joined.history.len(), 11);
    assert_eq!(joined.history.last().map(|message| message.seq()), Some(Seq(64)));
}

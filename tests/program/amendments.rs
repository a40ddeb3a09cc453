//! Messages that are edited, deleted, reacted to and pinned: as everyone sees them, and after a crash.

use crate::harness::Server;
use crate::harness::edge::{Edge, room};
use madang_link::{EdgeEvent, EdgeRequest, SessionNumber};
use madang_model::{
    AmendRequest, Change, HistoryPage, Page, Reaction, Refusal, Reply, ResumedEntries, Seq, ShownEntry, Text,
};

const EDGE: &str = "edge.enabled=true";
const ROOM: &str = "r1";
/// An account.
const BOB: u64 = 7;

fn ask(edge: &mut Edge, session: SessionNumber, target: u64, change: AmendRequest) {
    let (room, target) = (room(ROOM), Seq(target));
    edge.ask(session, &EdgeRequest::Amend { room, draft: None, target, change });
}

/// Asks for a change, and waits until it is made.
fn amend(edge: &mut Edge, session: SessionNumber, target: u64, change: AmendRequest) -> Change {
    ask(edge, session, target, change);
    match edge.expect("the change", |event| matches!(event, EdgeEvent::Amended { .. })) {
        EdgeEvent::Amended { amendment, .. } => amendment.change.clone(),
        other => panic!("a change, not {other:?}"),
    }
}

/// Asks for a change, and waits until it is refused.
fn refused(edge: &mut Edge, session: SessionNumber, target: u64, change: AmendRequest) -> Refusal {
    ask(edge, session, target, change);
    let is_refusal = |event: &EdgeEvent| matches!(event, EdgeEvent::Reply { reply: Reply::NotSaid(_), .. });
    match edge.expect("a refusal", is_refusal) {
        EdgeEvent::Reply { reply: Reply::NotSaid(refusal), session: of } if of == session => refusal,
        other => panic!("a refusal, not {other:?}"),
    }
}

fn edit(text: &str) -> AmendRequest {
    AmendRequest::Edit { text: Text::sanitise(text).expect("a text") }
}

fn react() -> AmendRequest {
    AmendRequest::React { reaction: Reaction::parse("👍").expect("a reaction"), is_added: true }
}

fn page(edge: &mut Edge, session: SessionNumber, page: Page) -> HistoryPage {
    edge.ask(session, &EdgeRequest::History { room: room(ROOM), page });
    let answer =
        edge.expect("a page", |event| matches!(event, EdgeEvent::Reply { reply: Reply::History(_), .. }));
    match answer {
        EdgeEvent::Reply { reply: Reply::History(page), .. } => page,
        other => panic!("a page, not {other:?}"),
    }
}

/// Each message of a page: its number, its text, whether it was edited and is pinned, and how many reacted.
fn shown(page: &HistoryPage) -> Vec<(u64, Option<String>, bool, bool, u64)> {
    let line = |shown: &madang_model::ShownMessage| {
        let text = shown.message().map(|message| message.text.as_str().to_owned());
        let reactions = shown.reactions().iter().map(|(_, count)| u64::from(count)).sum();
        (shown.seq().0, text, shown.edited().is_some(), shown.is_pinned(), reactions)
    };
    page.messages.iter().map(line).collect()
}

#[test]
fn what_became_of_messages_is_seen_by_everyone_and_survives_a_crash() {
    for shards in [1, 3] {
        let mut server = Server::start(shards, &[EDGE]);
        let mut alice = server.login_to("alice", ROOM);
        let mut edge = Edge::connect(&server);
        let bob = edge.login_as(BOB, "bob", ROOM);
        alice.expect("bob has joined r1");
        for (number, text) in ["a secret", "one", "two"].into_iter().enumerate() {
            edge.say(bob, ROOM, text);
            alice.expect(&format!("bob: {text}"));
            edge.expect_line(&format!("bob: {text}"));
            assert!(number < 3);
        }
        amend(&mut edge, bob, 2, edit("ONE"));
        alice.expect("* bob edited #2: ONE");
        amend(&mut edge, bob, 1, AmendRequest::Delete);
        alice.expect("* bob deleted #1");
        amend(&mut edge, bob, 2, AmendRequest::Pin { is_pinned: true });
        alice.expect("* bob pinned #2");
        assert!(matches!(amend(&mut edge, bob, 3, react()), Change::Reactions(_)));
        alice.send("mine");
        edge.expect_line("alice: mine");
        assert_eq!(refused(&mut edge, bob, 8, AmendRequest::Delete), Refusal::NotYours { seq: Seq(8) });
        let expected = [
            (1, None, false, false, 0),
            (2, Some("ONE".to_owned()), true, true, 0),
            (3, Some("two".to_owned()), false, false, 1),
            (8, Some("mine".to_owned()), false, false, 0),
        ];
        assert_eq!(shown(&page(&mut edge, bob, Page::Last { count: 15 })), expected);
        server.kill_nine();
        server.start_again();
        let mut edge = Edge::connect(&server);
        let carol = edge.login("carol", ROOM);
        assert_eq!(shown(&page(&mut edge, carol, Page::Last { count: 15 })), expected);
        assert_eq!(shown(&page(&mut edge, carol, Page::Last { count: 2 })), expected[2..]);
        let mut alice = server.login_to("alice", ROOM);
        let lines = alice.ask("/history 15");
        let ends = |end: &str| lines.iter().any(|line| line.ends_with(end));
        assert!(ends("* bob: this message was deleted") && ends("bob: ONE (edited)"), "{lines:?}");
        assert!(!lines.iter().any(|line| line.contains("secret")), "{lines:?}");
        resumes(&mut edge, carol);
        drop(edge);
        server.terminate();
        server.verify();
        let exported = server.log_tool(&["export", "--room", ROOM]);
        let words = String::from_utf8_lossy(&exported.stdout).into_owned();
        assert!(words.contains("* deleted") && words.contains("edited #2: ONE"), "{words}");
        assert!(!words.contains("secret"), "{words}");
    }
}

/// Everything after #1, as it is now.
fn resumes(edge: &mut Edge, session: SessionNumber) {
    edge.ask(session, &EdgeRequest::Resume { room: room(ROOM), after: Seq(1), count: 100 });
    let answer =
        edge.expect("entries", |event| matches!(event, EdgeEvent::Reply { reply: Reply::Resumed(_), .. }));
    let EdgeEvent::Reply { reply: Reply::Resumed(resumed), .. } = answer else { panic!("{answer:?}") };
    let ResumedEntries { entries, head, gap, .. } = resumed;
    assert_eq!((head, gap), (Seq(8), None));
    let numbers: Vec<u64> = entries.iter().map(|entry| entry.seq().0).collect();
    assert_eq!(numbers, [2, 3, 4, 5, 6, 7, 8]);
    let amendments = entries.iter().filter(|entry| matches!(entry, ShownEntry::Amendment(_)));
    assert_eq!(amendments.count(), 4);
}

#[test]
fn a_guest_edits_nothing_that_an_earlier_one_of_its_name_said_and_an_account_its_own_under_any_name() {
    let mut server = Server::start(2, &[EDGE]);
    let mut edge = Edge::connect(&server);
    let first = edge.login("carol", ROOM);
    edge.say(first, ROOM, "mine");
    edge.expect_line("carol: mine");
    let bob = edge.login_as(BOB, "bob", ROOM);
    edge.say(bob, ROOM, "bobs");
    edge.expect_line("bob: bobs");
    drop(edge);
    server.kill_nine();
    server.start_again();
    let mut edge = Edge::connect(&server);
    let second = edge.login("carol", ROOM);
    for change in [edit("other"), AmendRequest::Delete] {
        assert_eq!(refused(&mut edge, second, 1, change), Refusal::AccountNeeded { seq: Seq(1) });
    }
    // The account has another name since.
    let robert = edge.login_as(BOB, "robert", ROOM);
    assert_eq!(refused(&mut edge, robert, 1, AmendRequest::Delete), Refusal::NotYours { seq: Seq(1) });
    amend(&mut edge, robert, 2, edit("roberts"));
    amend(&mut edge, second, 2, AmendRequest::Pin { is_pinned: true });
    let expected =
        [(1, Some("mine".to_owned()), false, false, 0), (2, Some("roberts".to_owned()), true, true, 0)];
    assert_eq!(shown(&page(&mut edge, second, Page::Last { count: 15 })), expected);
}

//! What its author deletes is in no file after `log.erase_hours`, here 0.

use crate::harness::edge::{Edge, room};
use crate::harness::{PATIENCE, Server, files_with};
use madang_link::{EdgeEvent, EdgeRequest, SessionNumber};
use madang_model::{AmendRequest, Change, Seq, Text};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

const SETTINGS: [&str; 2] = ["edge.enabled=true", "log.erase_hours=0"];
const ROOM: &str = "점심";
/// An account.
const BOB: u64 = 7;
const LOOK: Duration = Duration::from_millis(50);

fn said(number: u64) -> String {
    format!("<said 비밀 {number}>")
}

fn edited(number: u64) -> String {
    format!("<edited 비밀 {number}>")
}

/// Asks for a change of a message, and waits until it is acknowledged.
fn amend(edge: &mut Edge, session: SessionNumber, target: u64, change: AmendRequest) {
    let target = Seq(target);
    edge.ask(session, &EdgeRequest::Amend { room: room(ROOM), draft: None, target, change });
    edge.expect(
        "the change",
        |event| matches!(event, EdgeEvent::Amended { amendment, .. } if amendment.target == target),
    );
}

/// Says and edits this many messages, which get the first numbers of the room.
fn say(edge: &mut Edge, session: SessionNumber, count: u64) {
    for number in 1..=count {
        edge.say(session, ROOM, &said(number));
        edge.expect_line(&format!("bob: {}", said(number)));
    }
    for number in 1..=count {
        let text = Text::sanitise(&edited(number)).expect("a text");
        amend(edge, session, number, AmendRequest::Edit { text });
    }
}

#[track_caller]
fn is_soon_nowhere(data: &Path, words: &str) {
    let began = Instant::now();
    while !files_with(data, words).is_empty() {
        assert!(began.elapsed() < PATIENCE, "{words} is in {:?}", files_with(data, words));
        sleep(LOOK);
    }
}

fn asked(data: &Path) -> usize {
    let list = std::fs::read_to_string(data.join("madang.erasures")).expect("a list");
    list.lines().filter(|line| line.contains(" ask ")).count()
}

#[test]
fn what_an_author_deletes_leaves_all_files_with_its_edits_and_nothing_else_does() {
    let server = Server::start(2, &SETTINGS);
    let data = server.data();
    let mut edge = Edge::connect(&server);
    let bob = edge.login_as(BOB, "bob", ROOM);
    say(&mut edge, bob, 6);
    // Those that follow one another are one request, unless the looks part them.
    for number in [2, 3, 4, 6] {
        amend(&mut edge, bob, number, AmendRequest::Delete);
    }
    for number in [2, 3, 4, 6] {
        is_soon_nowhere(&data, &said(number));
        is_soon_nowhere(&data, &edited(number));
    }
    for number in [1, 5] {
        assert!(!files_with(&data, &said(number)).is_empty(), "{number} is not deleted");
        assert!(!files_with(&data, &edited(number)).is_empty(), "{number} is not deleted");
    }
    let requests = asked(&data);
    assert!((2..=4).contains(&requests), "{requests}");
    // The server still serves, and what is deleted later goes, too.
    amend(&mut edge, bob, 5, AmendRequest::Delete);
    is_soon_nowhere(&data, &said(5));
    is_soon_nowhere(&data, &edited(5));
    let mut carol = server.login_to("carol", ROOM);
    let page = carol.ask("/history 20");
    assert!(page.iter().any(|line| line.ends_with(&format!("bob: {} (edited)", edited(1)))), "{page:?}");
    assert!(!page.iter().any(|line| line.contains("cannot be read")), "{page:?}");
    server.verify();
}

#[test]
fn what_was_deleted_just_before_kill_nine_is_found_again_and_asked_for_once() {
    let mut server = Server::start(2, &SETTINGS);
    let data = server.data();
    let mut edge = Edge::connect(&server);
    let bob = edge.login_as(BOB, "bob", ROOM);
    say(&mut edge, bob, 3);
    amend(&mut edge, bob, 2, AmendRequest::Delete);
    server.kill_nine();
    assert!(!files_with(&data, &said(2)).is_empty(), "it was killed before it erased anything");
    server.start_again();
    is_soon_nowhere(&data, &said(2));
    is_soon_nowhere(&data, &edited(2));
    assert_eq!(asked(&data), 1);
    assert!(!files_with(&data, &said(3)).is_empty());
    // What is erased is asked for no more, whatever the next start reads.
    server.kill_nine();
    server.start_again();
    let mut edge = Edge::connect(&server);
    let bob = edge.login_as(BOB, "bob", ROOM);
    amend(&mut edge, bob, 3, AmendRequest::Delete);
    is_soon_nowhere(&data, &said(3));
    is_soon_nowhere(&data, &edited(3));
    assert_eq!(asked(&data), 2);
    server.verify();
}

#[test]
fn many_deletions_are_few_requests_and_few_passes() {
    const COUNT: u64 = 2_000;
    let server = Server::start(1, &SETTINGS);
    let data = server.data();
    let mut edge = Edge::connect(&server);
    let bob = edge.login_as(BOB, "bob", ROOM);
    let delete = |edge: &mut Edge, target: u64| {
        let (room, target, change) = (room(ROOM), Seq(target), AmendRequest::Delete);
        edge.ask(bob, &EdgeRequest::Amend { room, draft: None, target, change });
    };
    for number in 1..=COUNT {
        edge.say(bob, ROOM, &said(number));
        if number % 100 == 0 {
            edge.expect_line(&format!("bob: {}", said(number)));
        }
    }
    for number in 1..=COUNT {
        delete(&mut edge, number);
        if number % 100 == 0 {
            edge.expect("the deletion", |event| {
                matches!(event, EdgeEvent::Amended { amendment, .. }
                    if amendment.target == Seq(number) && matches!(amendment.change, Change::Deletion))
            });
        }
    }
    is_soon_nowhere(&data, "<said 비밀");
    let requests = asked(&data);
    assert!(requests < 40, "{requests} requests");
    let passes = || server.words().lines().filter(|line| line.contains("it is in no file any more")).count();
    let began = Instant::now();
    while passes() == 0 {
        assert!(began.elapsed() < PATIENCE, "{}", server.words());
        sleep(LOOK);
    }
    let passes = passes();
    println!("{COUNT} deletions: {requests} requests, {passes} passes");
    assert!((1..40).contains(&passes), "{passes} passes");
    server.verify();
}

use super::{SECRET, erase, erased, is_nowhere, messages, only_these_are_erased, refused, talked};
use crate::harness::{PATIENCE, Server, files_with};
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

const LOOK: Duration = Duration::from_millis(50);

#[test]
fn a_running_server_erases_what_is_open_too_and_shows_it_to_nobody_meanwhile() {
    let server = Server::start(2, &[]);
    let mut alice = server.login_to("alice", "점심");
    for number in 1..=20 {
        let words = if number % 5 == 0 { SECRET } else { "lunch" };
        alice.send(&format!("{words} {number}"));
        alice.expect(&format!("alice: {words} {number}"));
    }
    let data = server.data();
    assert!(!files_with(&data, SECRET).is_empty(), "it is in an open segment");
    // It is remembered, hidden at once, and may wait.
    let output = erase(&data, &["--room", "점심", "--seq", "5", "--no-wait"]);
    refused(&output, 0, &["1 message will be erased within log.erase_hours"]);
    let mut bob = server.login_to("bob", "점심");
    let page = bob.ask("/history 20");
    assert!(
        page.iter().any(|line| line.starts_with("#5 ") && line.ends_with("* [deleted / 삭제됨]")),
        "{page:?}"
    );
    assert!(!page.iter().any(|line| line.ends_with(&format!("{SECRET} 5"))), "{page:?}");
    assert!(page.iter().any(|line| line.ends_with(&format!("{SECRET} 10"))), "{page:?}");
    assert_eq!(super::messages(&data)[&("점심".to_owned(), 5)]["erased"], true, "no export shows it");
    let metrics = fs::read_to_string(data.join("madang.erasures")).expect("a list");
    assert!(metrics.contains(" entries 점심 5 5"), "{metrics}");
    erased(&data, &["--room", "점심", "--seq", "10-20"], "erased 11 messages");
    is_nowhere(&data, SECRET);
    alice.send("still here");
    alice.expect("alice: still here");
    bob.hears("alice: still here");
    let mut carol = server.login_to("carol", "점심");
    let page = carol.ask("/history 30");
    assert_eq!(page.iter().filter(|line| line.ends_with("* [deleted / 삭제됨]")).count(), 12, "{page:?}");
    server.verify();
}

#[test]
fn beside_load_nothing_else_changes_and_pages_of_erased_messages_are_never_refused() {
    let server = talked();
    let data = server.data();
    let before = messages(&data);
    let mut reader = server.login_to("reader", "r2");
    let mut writer = server.login_to("writer", "r3");
    let eraser = std::thread::spawn({
        let data = data.clone();
        move || erase(&data, &["--author", "mallory"])
    });
    let mut number = 0;
    while !eraser.is_finished() {
        number += 1;
        writer.send(&format!("beside {number}"));
        writer.expect(&format!("writer: beside {number}"));
        for asked in ["/history 50 after 2990", "/history 20 before 3050"] {
            let page = reader.ask(asked);
            assert!(!page.iter().any(|line| line.contains("cannot be read")), "{page:?}");
        }
    }
    refused(&eraser.join().expect("it ends"), 0, &["erased 120 messages"]);
    is_nowhere(&data, SECRET);
    let mut after = messages(&data);
    after.retain(|(room, _), _| room != "r3");
    only_these_are_erased(&before, &after, |was| was["author"] == "mallory");
    let page = reader.ask("/history 50 after 2990");
    assert_eq!(page.iter().filter(|line| line.contains("cannot be read")).count(), 0, "{page:?}");
    server.verify();
}

#[test]
fn what_was_asked_for_is_done_by_the_next_process_whichever_it_is() {
    let mut server = talked();
    let data = server.data();
    let ask = |author: &str, room: &str| {
        refused(&erase(&data, &["--author", author, "--room", room, "--no-wait"]), 0, &["will be erased"]);
    };
    let is_done = |what: &str| {
        let asked_at = Instant::now();
        while !files_with(&data, what).is_empty() {
            assert!(asked_at.elapsed() < PATIENCE, "{what} is in {:?}", files_with(&data, what));
            sleep(LOOK);
        }
    };
    ask("mallory", "r2");
    server.kill_nine();
    server.start_again();
    // Nobody saw it before it was erased.
    let mut carol = server.login_to("carol", "r2");
    let page = carol.ask("/history 100");
    assert!(!page.iter().any(|line| line.contains(SECRET)), "{page:?}");
    ask("mallory", "점심");
    server.take_over(3);
    is_done(SECRET);
    let mut dave = server.login_to("dave", "점심");
    let page = dave.ask("/history 100");
    assert_eq!(page.iter().filter(|line| line.ends_with("* [deleted / 삭제됨]")).count(), 60, "{page:?}");
    server.verify();
}

//! The epoch of a log: one as long as the log continues, another where an older copy is served.

use crate::harness::{Server, copy};
use std::fs;
use std::process::Command;

fn epoch_of(server: &Server) -> String {
    let epoch = server.status()["epoch"].as_str().expect("the status names it").to_owned();
    assert!(epoch.len() == 32 && epoch.bytes().all(|byte| byte.is_ascii_hexdigit()), "{epoch}");
    epoch
}

#[test]
fn an_epoch_outlasts_restarts_kills_and_upgrades() {
    let mut server = Server::start(2, &[]);
    let epoch = epoch_of(&server);
    server.kill_nine();
    server.start_again();
    assert_eq!(epoch_of(&server), epoch);
    server.take_over(3);
    assert_eq!(epoch_of(&server), epoch);
    server.terminate();
    server.start_again();
    assert_eq!(epoch_of(&server), epoch);
}

#[test]
fn a_restored_copy_begins_another_epoch_and_the_journal_says_why() {
    let server = Server::start(1, &[]);
    let epoch = epoch_of(&server);
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    copy(&server.data(), directory.path());
    let mut restored = Server::start_on(directory, 1, &[]);
    let new = epoch_of(&restored);
    assert_ne!(new, epoch);
    restored.expect_words(&["is a copy or was restored", &new]);
    restored.kill_nine();
    restored.start_again();
    assert_eq!(epoch_of(&restored), new, "it is no copy any more");
    assert_eq!(epoch_of(&server), epoch);
}

#[test]
fn a_log_whose_epoch_cannot_be_read_begins_another() {
    let mut server = Server::start(1, &[]);
    let epoch = epoch_of(&server);
    server.kill_nine();
    fs::write(server.data().join("madang.epoch"), "unreadable").expect("space");
    server.start_again();
    assert_ne!(epoch_of(&server), epoch);
    server.expect_words(&["madang.epoch", "names no epoch of the log"]);
}

#[test]
fn shards_that_are_put_back_alone_begin_another_epoch() {
    let mut server = Server::start(1, &[]);
    let epoch = epoch_of(&server);
    server.kill_nine();
    let [there, copy] = ["shard-00", "copy"].map(|name| server.data().join(name));
    let copied = Command::new("cp").arg("-a").args([&there, &copy]).status().expect("cp");
    assert!(copied.success());
    fs::remove_dir_all(&there).expect("remove");
    fs::rename(&copy, &there).expect("one file system");
    server.start_again();
    assert_ne!(epoch_of(&server), epoch);
}

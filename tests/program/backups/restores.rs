//! What is restored, and what is refused.

use super::{
    ROOM, back_up, check_starts, damage, new_directory, newest, number_of, restore, segments, stopped, words,
};
use crate::harness::long_talk::talk;
use crate::harness::madang;
use std::fs;

#[test]
fn what_is_damaged_in_a_backup_is_found_before_it_is_served_and_a_full_one_is_without_it() {
    let server = stopped();
    let place = new_directory();
    let to = place.path().join("backups");
    let data = place.path().join("data");
    back_up(&server.data(), &to, &[], 0);
    damage(&segments(&newest(&to))[0]);
    let told = restore(&to, &data, &[], 1);
    assert!(told.contains("bytes are damaged") && told.contains("was removed"), "{told}");
    assert!(!data.exists() && !place.path().join("data.restoring").exists());
    // What is linked is not read again.
    let linked = back_up(&server.data(), &to, &[], 0);
    assert!(number_of(&linked, " bytes linked") > 1_000_000, "{linked}");
    restore(&to, &data, &[], 1);
    back_up(&server.data(), &to, &["--full"], 0);
    restore(&to, &data, &[], 0);
}

#[test]
fn a_restore_replaces_nothing_and_takes_the_backup_of_the_time_that_is_said() {
    let mut server = stopped();
    let place = new_directory();
    let to = place.path().join("backups");
    back_up(&server.data(), &to, &[], 0);
    fs::rename(newest(&to), to.join("2026-11-01T00-00-00Z")).expect("rename");
    server.start_again();
    let mut alice = server.login_to("alice", ROOM);
    talk(&mut alice, 401, 410);
    back_up(&server.data(), &to, &["--keep-days", "0"], 0);
    assert!(restore(&to, &server.data(), &[], 2).contains("a server runs on"));
    server.kill_nine();
    let told = restore(&to, &server.data(), &[], 2);
    assert!(told.contains("is not empty, and a restore replaces nothing; move it away"), "{told}");
    let data = place.path().join("data");
    for at in ["2026-11-01T00-00-00Z", "2026-11-02", "2026-11-01T09:00:00+09:00"] {
        assert!(restore(&to, &data, &["--at", at], 0).contains(" 400 messages "), "{at}");
        fs::remove_dir_all(&data).expect("remove");
    }
    let told = restore(&to, &data, &["--at", "2026-10-31"], 2);
    assert!(told.contains("has no whole backup that began by 2026-10-31 00:00:00"), "{told}");
    let told = restore(place.path(), &data, &[], 2);
    assert!(told.contains("is no backup, and no directory with a whole one"), "{told}");
    // An empty directory is none that would be replaced, and what an interrupted restore left goes.
    fs::create_dir(&data).expect("a directory");
    fs::create_dir_all(place.path().join("data.restoring/shard-00")).expect("a directory");
    restore(&to, &data, &[], 0);
    let list = madang().args(["restore", "--list"]).arg(&to).output().expect("run madang");
    let told = words(&list);
    let rows: Vec<Vec<&str>> = told.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["time", "messages", "rooms", "bytes", "state"]);
    assert_eq!(rows[1][..3], ["2026-11-01T00-00-00Z", "400", "1"]);
    assert_eq!((rows[2][1], rows[2][4], rows.len()), ("410", "whole", 3));
    let (_, texts) = check_starts(place, 1);
    assert_eq!(texts.len(), 410);
}

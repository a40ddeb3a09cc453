//! What is restored, and what is refused.

use super::{
    ROOM, back_up, check_starts, damage, log, new_directory, newest, number_of, restore, segments, stopped,
    words,
};
use crate::harness::long_talk::talk;
use crate::harness::{SmallDisk, madang};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

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

#[test]
fn a_data_directory_that_is_a_file_system_of_its_own_is_filled_and_not_served_by_half() {
    let server = stopped();
    let place = new_directory();
    let to = place.path().join("backups");
    back_up(&server.data(), &to, &[], 0);
    let Some(disk) = SmallDisk::mount(place.path().join("disk"), "64m") else {
        eprintln!("not tried: this user may not mount");
        return;
    };
    let data = disk.path();
    fs::create_dir(data.join("lost+found")).expect("space");
    restore(&to, data, &[], 0);
    assert!(!data.join(".restoring").exists() && data.join("shard-00").is_dir());
    assert!(log(data, &["verify"]).contains("400 messages, 0 faults"));
    assert!(restore(&to, data, &[], 2).contains("is not empty"));
    empty(data);
    interrupt_restore(&to, data);
    let mut program = madang();
    let output =
        program.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data).output().expect("madang");
    let told = words(&output);
    assert!(told.contains("was interrupted, and a part of it may be missing; repeat it"), "{told}");
    assert!(told.contains(&format!("remove '{}'", data.join(".restoring").display())), "{told}");
    restore(&to, data, &[], 0);
    assert!(log(data, &["verify"]).contains("400 messages, 0 faults"));
}

/// Removes everything in a directory.
fn empty(data: &Path) {
    for entry in fs::read_dir(data).expect("a directory").flatten() {
        let path = entry.path();
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.expect("remove");
    }
}

/// Restores into the root of a file system, and interrupts that between two names: one of them is taken meanwhile.
fn interrupt_restore(from: &Path, data: &Path) {
    let taken = data.join("shard-00/taken");
    for _ in 0..20 {
        let mut program = madang();
        program.arg("restore").arg(from).arg("--data").arg(data).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = program.spawn().expect("run madang");
        while !data.join(".restoring").exists() && child.try_wait().expect("wait").is_none() {}
        let _ = fs::create_dir(data.join("shard-00")).and_then(|()| fs::write(&taken, ""));
        if child.wait().expect("wait").code() == Some(2) {
            fs::remove_dir_all(data.join("shard-00")).expect("remove");
            assert!(data.join(".restoring").exists());
            return;
        }
        empty(data);
    }
    panic!("no restore was interrupted");
}

#[test]
fn what_came_into_the_root_of_a_file_system_after_an_interrupted_restore_is_not_removed_by_the_next() {
    let server = stopped();
    let place = new_directory();
    let (to, aside) = (place.path().join("backups"), place.path().join("aside"));
    back_up(&server.data(), &to, &[], 0);
    let Some(disk) = SmallDisk::mount(place.path().join("disk"), "64m") else {
        eprintln!("not tried: this user may not mount");
        return;
    };
    let data = disk.path();
    interrupt_restore(&to, data);
    // Another whole log is put there.
    restore(&to, &aside, &[], 0);
    for entry in fs::read_dir(&aside).expect("a directory").flatten() {
        let copied = Command::new("cp").arg("-a").arg(entry.path()).arg(data).status().expect("cp");
        assert!(copied.success());
    }
    let told = restore(&to, data, &[], 2);
    let remedy = format!("remove '{}'", data.join(".restoring").display());
    for part in ["the restore that was interrupted there did not put there", &remedy] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(log(data, &["verify"]).contains("400 messages, 0 faults"));
    let lines = place.path().join("lines");
    fs::write(&lines, "").expect("space");
    for arguments in [&["log", "erase", "--author", "bob"][..], &["log", "import"]] {
        let mut program = madang();
        program.args(arguments).arg("--data").arg(data);
        if arguments.contains(&"import") {
            program.arg(&lines);
        }
        let told = words(&program.output().expect("run madang"));
        assert!(told.contains("repeat it (`madang restore`), or, ") && told.contains(&remedy), "{told}");
    }
    fs::remove_dir_all(data.join(".restoring")).expect("remove");
    assert!(restore(&to, data, &[], 2).contains("is not empty"));
    assert!(log(data, &["verify"]).contains("400 messages, 0 faults"));
}

/// What makes a backup of several segments incomplete without damaging what is left.
#[test]
fn a_backup_of_which_a_part_is_missing_is_not_restored() {
    let server = stopped();
    let place = new_directory();
    let (to, data) = (place.path().join("backups"), place.path().join("data"));
    back_up(&server.data(), &to, &[], 0);
    let backup = newest(&to);
    let list = || words(&madang().args(["restore", "--list"]).arg(&to).output().expect("run madang"));
    assert!(list().contains("whole"));
    let aside = place.path().join("aside");
    let rest = |path: &Path| fs::rename(path, &aside).expect("one file system");

    // Half of it was copied.
    rest(&backup.join("shard-00"));
    fs::create_dir(backup.join("shard-00")).expect("space");
    let told = restore(&to, &data, &[], 1);
    assert!(told.contains("has 0 messages in 0 rooms, and should have 400 messages in 1 room"), "{told}");
    assert!(told.contains("was removed; restore another backup") && !data.exists(), "{told}");
    fs::remove_dir(backup.join("shard-00")).expect("it is empty");
    fs::rename(&aside, backup.join("shard-00")).expect("one file system");

    // Only the index of the oldest segment shows that there was one.
    let oldest = segments(&backup)[0].clone();
    rest(&oldest);
    let told = restore(&backup, &data, &[], 1);
    assert!(told.contains("segment 1 is missing"), "{told}");
    fs::rename(&aside, &oldest).expect("one file system");

    // Nothing says what it should hold.
    rest(&backup.join("madang.backup"));
    assert!(list().contains("faulty") && !list().contains("whole"));
    assert!(restore(&to, &data, &[], 2).contains("no directory with a whole one"));
    let told = restore(&backup, &data, &["--accept-faults"], 0);
    assert!(told.contains("does not say what it should have; it has 400 messages"), "{told}");
}

#[test]
fn an_oldest_segment_that_is_missing_makes_the_backup_a_faulty_one() {
    let server = stopped();
    let place = new_directory();
    let to = place.path().join("backups");
    fs::remove_file(&segments(&server.data())[0]).expect("a segment");
    let told = back_up(&server.data(), &to, &[], 1);
    assert!(told.contains("segment 1 is missing") && newest(&to).extension().is_some(), "{told}");
}

#[test]
fn faults_are_named_by_names_that_are_there_afterwards_and_the_faulty_backup_by_itself() {
    let server = stopped();
    let place = new_directory();
    let (to, data) = (place.path().join("backups"), place.path().join("data"));
    damage(&server.files(0, "seg").remove(0));
    let told = back_up(&server.data(), &to, &[], 1);
    let fault = "in the copy, shard-00/00000000000000000001.seg at byte ";
    assert!(told.contains(fault) && !told.contains(".unfinished"), "{told}");
    let faulty = newest(&to);
    assert!(told.contains(&format!("kept as '{}'", faulty.display())), "{told}");
    let told = restore(&to, &data, &[], 2);
    for part in [
        format!("no directory with a whole one: the newest in it, '{}', has faults", faulty.display()),
        format!("`madang restore --list {}`", to.display()),
        format!("`madang restore --accept-faults {}`", faulty.display()),
    ] {
        assert!(told.contains(&part), "{part}: {told}");
    }
    let told = restore(&faulty, &data, &["--accept-faults"], 0);
    assert!(told.contains(fault) && !told.contains(".restoring"), "{told}");
}

#[test]
fn a_backup_stays_as_it_was_made() {
    let server = stopped();
    let place = new_directory();
    let to = place.path().join("backups");
    back_up(&server.data(), &to, &[], 0);
    let backup = newest(&to);
    let lines = place.path().join("lines");
    fs::write(&lines, "").expect("space");
    for arguments in [&["serve", "--listen", "127.0.0.1:0"][..], &["log", "repair"], &["log", "import"]] {
        let mut program = madang();
        program.args(arguments).arg("--data").arg(&backup);
        if arguments.contains(&"import") {
            program.arg(&lines);
        }
        let output = program.output().expect("run madang");
        let told = words(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(told.contains("is a backup, which stays as it was made"), "{told}");
    }
    assert!(!backup.join("madang.lock").exists());
}

#[test]
fn options_that_say_nothing_are_refused_and_a_slash_at_the_end_is_none() {
    let server = stopped();
    let place = new_directory();
    let (to, data) = (place.path().join("backups"), place.path().join("data/"));
    back_up(&server.data(), &to, &[], 0);
    let told = restore(&to, &data, &["--accept-faults"], 2);
    assert!(told.contains("with --accept-faults name the backup itself"), "{told}");
    let told = restore(&newest(&to), &data, &["--at", "2026-11-01"], 2);
    assert!(told.contains("is one backup; name the directory of backups with --at"), "{told}");
    restore(&to, &data, &[], 0);
}

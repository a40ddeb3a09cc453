//! Where backups go, what refuses them, and how long they are kept.

use super::{back_up, damage, names, new_directory, newest, number_of, restore, stopped};
use crate::harness::{SmallDisk, madang};
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

#[test]
fn a_place_that_cannot_be_used_is_refused_with_the_remedy() {
    let server = stopped();
    let place = new_directory();
    let data = server.data();
    let expect = |to: &Path, parts: &[&str]| {
        let told = back_up(&data, to, &[], 2);
        for part in parts {
            assert!(told.contains(part), "{part}: {told}");
        }
    };
    expect(&data.join("backups"), &["is inside the data directory", "choose a directory elsewhere"]);
    expect(&data, &["is inside the data directory"]);
    std::os::unix::fs::symlink(&data, place.path().join("link")).expect("a link");
    expect(&place.path().join("link/backups"), &["is inside the data directory"]);
    fs::create_dir(place.path().join("others")).expect("a directory");
    fs::write(place.path().join("others/file"), "").expect("space");
    expect(&place.path().join("others"), &["is no directory of backups and is not empty"]);
    expect(&place.path().join("missing/backups"), &["create the directory above it (is its disk mounted?)"]);
    let later = place.path().join("later");
    fs::create_dir(&later).expect("a directory");
    fs::write(later.join("madang.backups"), "madang backups 2\n").expect("space");
    expect(&later, &["later madang", "'madang backups 2'"]);
    let to = place.path().join("backups");
    back_up(&data, &to, &[], 0);
    let lock = File::open(to.join("madang.backups.lock")).expect("a lock file");
    lock.lock().expect("it is free");
    fs::write(to.join("madang.backups.lock"), format!("process {} (madang backup)\n", std::process::id()))
        .expect("space");
    expect(&to, &["are in use by process ", " (madang backup); try again"]);
    assert_eq!(names(&to).len(), 1);
    let told = back_up(&place.path().join("others"), &to, &[], 2);
    assert!(told.contains("no log in"), "{told}");
    drop(lock);
    let index = server.files(0, "idx").remove(0);
    fs::remove_file(&index).expect("remove");
    fs::create_dir(&index).expect("a directory");
    expect(&to, &["cannot read index '", "it is a directory, not a regular file; move it away"]);
    assert_eq!(names(&to).len(), 1, "what was begun is removed");
}

#[test]
fn a_full_disk_is_named_and_gets_its_space_back() {
    let server = stopped();
    let place = new_directory();
    let Some(disk) = SmallDisk::mount(place.path().join("disk"), "1m") else {
        eprintln!("not tried: this user may not mount");
        return;
    };
    let to = disk.path().join("backups");
    let told = back_up(&server.data(), &to, &[], 2);
    for part in ["cannot copy '", ".seg': No space left on device", "free some space on its file system"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(told.contains("a lower --keep-days"), "{told}");
    assert!(names(&to).is_empty(), "{:?}", names(&to));
    // Where there are no older backups to remove, none is said to be.
    let elsewhere = place.path().join("elsewhere.tar");
    back_up(&server.data(), &elsewhere, &[], 0);
    for told in [
        back_up(&server.data(), &disk.path().join("a.tar"), &[], 2),
        restore(&elsewhere, &disk.path().join("data"), &[], 2),
    ] {
        assert!(told.contains("free some space on its file system, or choose another"), "{told}");
        assert!(!told.contains("--keep-days"), "{told}");
    }
    disk.resize("20m");
    back_up(&server.data(), &to, &[], 0);
    // So it is where the backup is restored to.
    let told = restore(&to, &disk.path().join("data"), &[], 0);
    assert!(told.contains(" 400 messages in 1 room, "), "{told}");
    let mount =
        Command::new("mount").args(["-o", "remount,ro"]).arg(disk.path()).status().expect("run mount");
    assert!(mount.success());
    assert!(back_up(&server.data(), &to, &[], 2).contains("mount its file system for writing"));
    // Backups can be restored from what cannot be written.
    restore(&to, &place.path().join("data"), &[], 0);
}

#[test]
fn old_backups_go_the_newest_whole_one_stays_and_what_is_not_ours_is_left_alone() {
    let server = stopped();
    let place = new_directory();
    let to = place.path().join("backups");
    back_up(&server.data(), &to, &[], 0);
    fs::rename(newest(&to), to.join("2020-01-02T00-00-00Z")).expect("rename");
    for name in ["2019-01-01T00-00-00Z", "2019-01-01", "2019-01-01T00-00-00Z.old", "notes"] {
        fs::create_dir(to.join(name)).expect("a directory");
    }
    let said = |name: &str| to.join(name).join("madang.backup");
    fs::copy(said("2020-01-02T00-00-00Z"), said("2019-01-01T00-00-00Z")).expect("space");
    fs::write(to.join("2019-01-03T00-00-00Z"), "a file").expect("space");
    let all = names(&to);
    back_up(&server.data(), &to, &["--keep-days", "0"], 0);
    assert_eq!(names(&to).len(), all.len() + 1, "0 keeps all");
    fs::remove_dir_all(newest(&to.clone()).with_file_name("notes")).expect("remove");
    fs::remove_dir_all(newest(&to)).expect("remove");
    // A backup with faults takes the place of none.
    let segment = server.files(0, "seg").remove(0);
    let sound = fs::read(&segment).expect("a segment");
    damage(&segment);
    let told = back_up(&server.data(), &to, &["--full", "--set", "backup.keep_days=9"], 1);
    assert!(told.contains("bytes are damaged") && told.contains(".faulty'"), "{told}");
    let left = names(&to);
    assert!(left.contains(&"2020-01-02T00-00-00Z".to_owned()), "{left:?}");
    assert!(!left.contains(&"2019-01-01T00-00-00Z".to_owned()), "{left:?}");
    let faulty = newest(&to);
    assert!(faulty.to_string_lossy().ends_with("Z.faulty"));
    fs::write(&segment, sound).expect("space");
    let told = back_up(&server.data(), &to, &["--keep-days", "9"], 0);
    assert!(told.contains("; 1 old backup removed"), "{told}");
    let left = names(&to);
    assert!(!left.contains(&"2020-01-02T00-00-00Z".to_owned()), "{left:?}");
    for name in ["2019-01-01", "2019-01-01T00-00-00Z.old", "2019-01-03T00-00-00Z"] {
        assert!(left.contains(&name.to_owned()), "{left:?}");
    }
    // It is restored only by name, and when that is said.
    let data = place.path().join("data");
    assert!(restore(&faulty, &data, &[], 1).contains("--accept-faults"));
    assert!(!data.exists());
    restore(&faulty, &data, &["--accept-faults"], 0);
    assert!(data.exists());
}

#[test]
fn a_mistake_in_the_configuration_stops_no_backup_and_removes_none() {
    let server = stopped();
    let place = new_directory();
    let to = place.path().join("backups");
    back_up(&server.data(), &to, &[], 0);
    fs::rename(newest(&to), to.join("2020-01-01T00-00-00Z")).expect("rename");
    let told = back_up(&server.data(), &to, &["--set", "limits.burst=-1"], 2);
    for part in ["limits.burst = -1", "no older backup is removed", " 400 messages "] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(names(&to).len(), 2);
}

#[test]
fn a_backup_of_a_clock_that_was_wrong_is_named_and_stays() {
    let server = stopped();
    let place = new_directory();
    let to = place.path().join("backups");
    back_up(&server.data(), &to, &[], 0);
    let later = to.join("2099-01-01T00-00-00Z");
    fs::rename(newest(&to), &later).expect("rename");
    let told = back_up(&server.data(), &to, &["--keep-days", "1"], 0);
    assert!(told.contains("2099-01-01T00-00-00Z' has a later time than now"), "{told}");
    assert!(number_of(&told, " bytes copied") < number_of(&told, " bytes linked"), "{told}");
    assert_eq!(names(&to).len(), 2);
    // One that was renamed is still one.
    fs::rename(&later, to.join("kept")).expect("rename");
    let told = restore(&to.join("kept"), &place.path().join("data"), &[], 0);
    assert!(told.contains(" 400 messages in 1 room"), "{told}");
}

#[test]
fn backups_of_two_logs_do_not_go_into_one_directory() {
    let (server, other) = (stopped(), stopped());
    let place = new_directory();
    let to = place.path().join("backups");
    back_up(&server.data(), &to, &[], 0);
    let told = back_up(&other.data(), &to, &[], 2);
    for part in
        [&*newest(&to).to_string_lossy(), &*other.data().to_string_lossy(), "choose another directory"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(names(&to).len(), 1);
    back_up(&server.data(), &to, &[], 0);
    let list = || {
        let output = madang().args(["restore", "--list"]).arg(&to).output().expect("run madang");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    assert!(!list().contains("log"), "{}", list());
    // As an earlier release put them there.
    let elsewhere = place.path().join("elsewhere");
    back_up(&other.data(), &elsewhere, &[], 0);
    fs::rename(newest(&elsewhere), to.join("2026-11-01T00-00-00Z")).expect("one file system");
    let lines: Vec<String> = list().lines().map(str::to_owned).collect();
    assert!(lines[0].ends_with("log"), "{lines:?}");
    let log = |line: &String| line.rsplit(' ').next().expect("a word").parse::<i64>().expect("a number");
    let logs: Vec<i64> = lines[1..].iter().map(log).collect();
    assert!(logs[0] != logs[1] && logs[1] == logs[2], "{logs:?}");
}

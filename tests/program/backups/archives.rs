//! A backup as one file.

use super::{ROOM, back_up, check_starts, damage, new_directory, number_of, restore, stopped, words};
use crate::harness::long_talk::talk;
use crate::harness::{Server, madang};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn one_file_holds_what_was_acknowledged_and_people_continue_from_it() {
    let server = Server::start(2, &[]);
    let mut alice = server.login_to("alice", ROOM);
    talk(&mut alice, 1, 700);
    let place = new_directory();
    let file = place.path().join("마당.tar");
    let told = back_up(&server.data(), &file, &[], 0);
    assert_eq!(number_of(&told, " messages in "), 700);
    assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(place.path()).expect("a directory").count(), 1, "nothing is left beside it");
    assert!(back_up(&server.data(), &file, &[], 2).contains("exists, and a backup replaces nothing"));
    let list = words(&madang().args(["restore", "--list"]).arg(&file).output().expect("run madang"));
    assert!(list.contains(" 700 ") && list.contains("whole"), "{list}");
    let directory = new_directory();
    let told = restore(&file, &directory.path().join("data"), &[], 0);
    assert!(told.contains(" 700 messages in 1 room"), "{told}");
    assert_eq!(check_starts(directory, 2).1.len(), 700);
    let tar = Command::new("tar").arg("-tf").arg(&file).output().expect("run tar");
    let names = words(&tar);
    assert!(tar.status.success() && names.starts_with("madang.backup\nmadang.erasures\nshard-00"), "{names}");
}

#[test]
fn a_file_that_was_cut_changed_or_never_was_a_backup_is_not_restored() {
    let server = stopped();
    let place = new_directory();
    let (file, data) = (place.path().join("a.tar"), place.path().join("data"));
    back_up(&server.data(), &file, &[], 0);
    let whole = fs::read(&file).expect("a file");
    for cut in [0, 100, 600, whole.len() / 2, whole.len() - 1024 * 100] {
        fs::write(&file, &whole[..cut]).expect("space");
        let mut program = madang();
        let output = program.arg("restore").arg(&file).arg("--data").arg(&data).output().expect("run madang");
        assert!(matches!(output.status.code(), Some(1 | 2)), "{cut}: {}", words(&output));
        if cut > 600 {
            let told = words(&output);
            assert!(told.contains(&format!("'{}' ends too early", file.display())), "{cut}: {told}");
            assert!(!told.contains("dmesg") && !told.contains("cannot write"), "{cut}: {told}");
        }
        assert!(!data.exists() && !place.path().join("data.restoring").exists(), "{cut}");
    }
    let mut changed = whole.clone();
    let at = changed.windows(7).position(|bytes| bytes == b"number ").expect("a message");
    changed[at] ^= 1;
    fs::write(&file, changed).expect("space");
    assert!(restore(&file, &data, &[], 1).contains("bytes are damaged"));
    // Other archives, and names that lead elsewhere.
    fs::write(place.path().join("passwd"), "x").expect("space");
    let tar = |arguments: &[&str]| {
        let made =
            Command::new("tar").current_dir(place.path()).args(arguments).stderr(Stdio::null()).status();
        assert!(made.expect("run tar").success());
    };
    tar(&["-cf", "b.tar", "passwd"]);
    let told = restore(&place.path().join("b.tar"), &data, &[], 2);
    assert!(told.contains("is no backup"), "{told}");
    fs::write(&file, &whole).expect("space");
    tar(&["-rPf", "a.tar", "--transform", "s,passwd,../../escaped,", "passwd"]);
    let told = restore(&file, &data, &[], 2);
    assert!(told.contains("has an entry '../../escaped' that no backup has"), "{told}");
    assert!(!data.exists() && !place.path().join("escaped").exists());
}

#[test]
fn a_file_with_faults_has_a_name_that_says_so_and_is_restored_only_when_that_is_said() {
    let server = stopped();
    let place = new_directory();
    let (file, data) = (place.path().join("a.tar"), place.path().join("data"));
    damage(&server.files(0, "seg").remove(0));
    let told = back_up(&server.data(), &file, &[], 1);
    let faulty = place.path().join("a.tar.faulty");
    assert!(told.contains(&format!("kept as '{}'", faulty.display())), "{told}");
    assert!(!file.exists() && faulty.is_file());
    assert_eq!(fs::read_dir(place.path()).expect("a directory").count(), 1, "nothing is left beside it");
    let told = back_up(&server.data(), &file, &[], 2);
    assert!(told.contains("a.tar.faulty' exists, and a backup replaces nothing"), "{told}");
    let told = restore(&faulty, &data, &[], 1);
    assert!(told.contains("has faults; restore another, or pass --accept-faults"), "{told}");
    restore(&faulty, &data, &["--accept-faults"], 0);
    assert!(data.is_dir());
}

#[test]
fn one_log_is_as_large_restored_from_a_file_as_from_a_directory() {
    let mut server = Server::start(1, &[]);
    let mut alice = server.login_to("alice", ROOM);
    talk(&mut alice, 1, 700);
    // One that runs may write a snapshot between the two backups.
    assert!(server.terminate().0.success());
    let place = new_directory();
    let (file, to) = (place.path().join("a.tar"), place.path().join("backups"));
    back_up(&server.data(), &file, &[], 0);
    back_up(&server.data(), &to, &[], 0);
    let bytes = |from: &Path, data: &str| {
        let told = restore(from, &place.path().join(data), &[], 0);
        let before = told.split(" bytes, ").next().expect("a number");
        before.rsplit(' ').next().expect("a number").parse::<u64>().expect("a number")
    };
    assert_eq!(bytes(&file, "of-file"), bytes(&to, "of-directory"));
    let list = words(&madang().args(["restore", "--list"]).arg(&to).output().expect("run madang"));
    assert!(list.contains(&format!(" {}  whole", bytes(&to, "again"))), "{list}");
}

#[test]
fn an_interrupted_file_counts_as_nothing_and_the_next_one_takes_its_place() {
    let server = stopped();
    let place = new_directory();
    let file = place.path().join("a.tar");
    fs::create_dir_all(place.path().join("a.tar.unfinished/contents/shard-00")).expect("space");
    back_up(&server.data(), &file, &[], 0);
    assert_eq!(fs::read_dir(place.path()).expect("a directory").count(), 1);
    let inside = server.data().join("a.tar");
    assert!(back_up(&server.data(), &inside, &[], 2).contains("is inside the data directory"));
}

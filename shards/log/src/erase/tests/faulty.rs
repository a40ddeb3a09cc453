//! Files that are not as they must be: nothing of what is to be erased stays in them unnamed.

use super::held::{on_disk, pass};
use super::world::{SECRET, has_secret, name, world};
use crate::append::Durability;
use crate::erase::{DeletionSearch, ErasureRule, Erasures, PassOptions, PassOutcome, erase};
use crate::files::{Files, MemoryFiles, StdFiles};
use crate::format::{HEADER_BYTES, NewEntry, SegmentNumber};
use crate::index::index_file_name;
use crate::read::{read_messages, rebuild_index};
use crate::testing::{SHARD, Writer, amendment, message, on_disk as files_on_disk};
use madang_model::{Change, Message, Seq, Text, Timestamp};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use tempfile::TempDir;

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("a file");
    bytes[at] ^= 0x5a;
    fs::write(path, bytes).expect("space");
}

fn holds_secret(path: &Path) -> bool {
    has_secret(&fs::read(path).unwrap_or_default())
}

fn named(outcome: &PassOutcome) -> String {
    outcome.faults.iter().map(|fault| format!("{fault}\n")).collect()
}

#[test]
fn of_the_last_segment_that_was_used_a_damaged_header_is_named_and_of_one_that_never_was_none_is_missed() {
    let world = world();
    let directory = on_disk(&world);
    fs::remove_file(directory.path().join(name(5))).expect("a segment");
    let last = directory.path().join(name(4));
    flip(&last, 9);
    let outcome = pass(&directory, &world.erasures, false);
    assert!(!outcome.is_complete() && named(&outcome).contains("its header is damaged"), "{outcome:?}");
    assert!(holds_secret(&last));
    let mut blank = fs::read(&last).expect("a segment");
    blank[..HEADER_BYTES].fill(0);
    fs::write(directory.path().join(name(5)), blank).expect("space");
    assert!(!pass(&directory, &world.erasures, false).is_complete(), "frames behind no header");
    fs::write(directory.path().join(name(5)), [0; 4_096]).expect("space");
    flip(&last, 9);
    let outcome = pass(&directory, &world.erasures, false);
    assert!(outcome.is_complete(), "one that was prepared has nothing: {outcome:?}");
    assert!(!holds_secret(&last));
}

#[test]
fn what_was_written_in_vain_behind_a_damaged_header_is_wiped() {
    let memory = MemoryFiles::default();
    let mut writer = Writer::with(&memory, SHARD, SegmentNumber(1), Durability::Commit);
    let said =
        |seq, text: &str| Message { text: Text::sanitise(text).expect("a text"), ..message("방", seq, "x") };
    writer.commit(&[said(1, "a")]);
    writer.appender.append(&said(2, std::str::from_utf8(SECRET).expect("text")));
    for _ in 0..2 {
        let unlucky = writer.write().expect("it waits");
        writer.appender.failed(unlucky);
    }
    let batch = writer.write().expect("it waits again");
    assert_eq!(batch.segment, SegmentNumber(3));
    writer.appender.committed(batch);
    let (directory, files) = files_on_disk(&memory);
    let void = files.path(SHARD, SegmentNumber(2));
    assert!(holds_secret(&void));
    flip(&void, 9);
    let mut erasures = Erasures::default();
    erasures.add(&super::world::entries(2, 2), Timestamp(i64::MAX));
    pass(&directory, &erasures, false);
    assert!(!holds_secret(&void));
    let outcome = pass(&directory, &erasures, false);
    assert_eq!((outcome.files, outcome.faults.len()), (0, 0), "{outcome:?}");
}

#[test]
fn where_a_file_that_was_set_aside_should_have_a_header_nothing_else_stays() {
    let world = world();
    let directory = on_disk(&world);
    let aside = directory.path().join(format!("set-aside-2/{}.bytes-0-{}", name(1), 200));
    fs::create_dir_all(aside.parent().expect("a directory")).expect("space");
    let mut bytes = vec![7; 200];
    bytes[10..10 + SECRET.len()].copy_from_slice(SECRET);
    fs::write(&aside, &bytes).expect("space");
    assert!(pass(&directory, &world.erasures, false).is_complete());
    assert!(!holds_secret(&aside));
    // A header stays.
    let whole = fs::read(directory.path().join(name(1))).expect("a segment");
    fs::write(&aside, &whole[..200]).expect("space");
    pass(&directory, &world.erasures, false);
    assert_eq!(fs::read(&aside).expect("a file")[..HEADER_BYTES], whole[..HEADER_BYTES]);
}

#[test]
fn where_directories_are_links_everything_in_them_is_seen() {
    let world = world();
    let (directory, elsewhere) = (on_disk(&world), tempfile::tempdir().expect("a directory"));
    for moved in ["shard-00", "set-aside-1"] {
        let (from, to) = (directory.path().join(moved), elsewhere.path().join(moved));
        let copied = std::process::Command::new("mv").args([&from, &to]).status().expect("mv");
        assert!(copied.success());
        symlink(&to, &from).expect("space");
    }
    let left = elsewhere.path().join(format!("{}.erasing", name(2)));
    fs::write(&left, SECRET).expect("space");
    let outcome = pass(&directory, &world.erasures, false);
    assert!(outcome.is_complete() && !left.exists(), "{outcome:?}");
    for (name, ..) in world.start.files() {
        assert!(!holds_secret(&elsewhere.path().join(name)), "{name}");
    }
}

#[test]
fn a_segment_that_is_a_link_is_named_as_the_text_would_stay_where_it_leads() {
    let world = world();
    let (directory, elsewhere) = (on_disk(&world), tempfile::tempdir().expect("a directory"));
    let (path, target) = (directory.path().join(name(2)), elsewhere.path().join("segment"));
    fs::copy(&path, &target).expect("space");
    fs::remove_file(&path).expect("a segment");
    symlink(&target, &path).expect("space");
    let outcome = pass(&directory, &world.erasures, false);
    assert!(!outcome.is_complete() && named(&outcome).contains("is a symbolic link"), "{outcome:?}");
    assert!(!holds_secret(&directory.path().join(name(4))), "the rest is erased");
    // In its place it is erased.
    fs::rename(&target, &path).or_else(|_| fs::copy(&target, &path).map(drop)).expect("space");
    assert!(pass(&directory, &world.erasures, false).is_complete());
    assert!(!holds_secret(&path));
}

fn pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).expect("space");
}

#[test]
fn a_file_that_cannot_be_used_is_named_and_the_rest_is_erased() {
    type Put = fn(&Path, &TempDir);
    let puts: [(String, Put); 5] = [
        // A directory that cannot be listed.
        ("set-aside-9".to_owned(), |path, _| symlink(path, path).expect("space")),
        (name(1), |path, _| fs::create_dir(path).expect("space")),
        (format!("{}.erasing", name(2)), |path, _| fs::create_dir(path).expect("space")),
        (format!("{}.erasing", name(2)), |path, _| pipe(path)),
        (format!("{}.erasing", name(2)), |path, elsewhere| {
            let target = elsewhere.path().join("other");
            fs::write(&target, b"not ours").expect("space");
            symlink(target, path).expect("space");
        }),
    ];
    let world = world();
    for (at, put) in puts {
        let (directory, elsewhere) = (on_disk(&world), tempfile::tempdir().expect("a directory"));
        let path = directory.path().join(&at);
        let _ = fs::remove_file(&path);
        put(&path, &elsewhere);
        let outcome = pass(&directory, &world.erasures, false);
        let is_named = outcome.faults.iter().any(|fault| fault.is_unusable() && fault.path == path);
        assert!(is_named && !outcome.is_complete(), "{at}: {outcome:?}");
        let remedy = if at == "set-aside-9" { "check that it exists" } else { "move it away" };
        assert!(named(&outcome).contains(remedy), "{}", named(&outcome));
        assert!(!holds_secret(&directory.path().join(name(4))), "the rest is erased");
        let other = elsewhere.path().join("other");
        assert!(!other.exists() || fs::read(&other).expect("a file") == b"not ours");
        let faults = read_messages(&StdFiles::new(directory.path()), &mut |_| (), &mut |_| ());
        let faults = faults.expect("what can be read is");
        assert_eq!(faults.iter().any(|fault| fault.path == path), at == name(1), "{faults:?}");
    }
}

/// A log of one finished segment with two rooms, with its index. In the second one something is deleted.
fn log_of(rooms: [&str; 2]) -> (TempDir, StdFiles) {
    let memory = MemoryFiles::default();
    let mut writer = Writer::new(&memory, SHARD, SegmentNumber::FIRST);
    for room in rooms {
        writer.commit(&(1..=3).map(|seq| message(room, seq, "said")).collect::<Vec<_>>());
    }
    writer.appender.append(NewEntry::amendment(&amendment(rooms[1], 4, 2, Change::Deletion), 0));
    let batch = writer.write().expect("it waits");
    writer.appender.committed(batch);
    let sealed = writer.finish();
    let end_bytes = sealed.end_offset_bytes as usize + sealed.frame.len();
    memory.edit(SHARD, SegmentNumber::FIRST, |bytes| bytes.truncate(end_bytes));
    let (data, files) = files_on_disk(&memory);
    rebuild_index(&files, SHARD, SegmentNumber::FIRST).expect("an index");
    (data, files)
}

#[test]
fn an_index_that_was_made_from_another_segment_is_not_believed() {
    let (data, files) = log_of(["r1", "r3"]);
    let (other, _) = log_of(["r1", "r2"]);
    let index = Path::new("shard-00").join(index_file_name(SegmentNumber::FIRST));
    let lengths = |data: &TempDir| fs::metadata(data.path().join(name(1))).expect("a segment").len();
    assert_eq!(lengths(&data), lengths(&other), "they differ in a name alone");
    fs::copy(other.path().join(&index), data.path().join(&index)).expect("space");
    let mut erasures = Erasures::default();
    let room = message("r3", 1, "x").room;
    let rule = ErasureRule::Entries { room, first: Seq(1), last: Seq(1) };
    erasures.add(&rule, Timestamp(i64::MAX));
    let options = PassOptions { is_served: true, ..PassOptions::default() };
    let outcome = erase(&files, &erasures, options, &mut |_| ()).expect("nothing fails");
    assert_eq!(outcome.entries, 1, "{outcome:?}");
    let found = DeletionSearch::new().look(&files, &Erasures::default(), Timestamp(1), 9, &mut || ());
    let found = found.expect("files that can be read");
    assert!(
        found.segments_read == 1 && found.rules.iter().any(|rule| rule.to_string().contains("r3")),
        "{found:?}"
    );
    // Its own index is believed, also where something of the segment is erased.
    fs::remove_file(data.path().join(&index)).expect("an index");
    rebuild_index(&files, SHARD, SegmentNumber::FIRST).expect("an index");
    let found = DeletionSearch::new().look(&files, &Erasures::default(), Timestamp(1), 9, &mut || ());
    assert_eq!(found.expect("files that can be read").segments_read, 0);
}

#[test]
fn a_pipe_in_the_place_of_an_index_hinders_nothing() {
    let (data, files) = log_of(["방", "r2"]);
    let index = data.path().join("shard-00").join(index_file_name(SegmentNumber::FIRST));
    fs::remove_file(&index).expect("an index");
    pipe(&index);
    let mut erasures = Erasures::default();
    erasures.add(&super::world::entries(1, 1), Timestamp(i64::MAX));
    let options = PassOptions { is_served: true, ..PassOptions::default() };
    let outcome = erase(&files, &erasures, options, &mut |_| ()).expect("nothing fails");
    assert!(outcome.is_complete() && outcome.entries == 1, "{outcome:?}");
    let found = DeletionSearch::new().look(&files, &Erasures::default(), Timestamp(1), 9, &mut || ());
    assert_eq!(found.expect("files that can be read").rules.len(), 1);
}

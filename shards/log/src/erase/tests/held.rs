//! Programs that read a file for long while it is erased in.

use super::world::{World, entries, has_secret, name, world};
use crate::erase::{Erasures, PassOptions, PassOutcome, erase};
use crate::files::{Files, StdFiles};
use crate::format::SegmentNumber;
use crate::read::{Export, Exported, Selection, export};
use crate::testing::SHARD;
use madang_model::Timestamp;
use rkyv::util::AlignedVec;
use std::fs;
use tempfile::TempDir;

/// A segment with several secrets; the first of them is this number.
const SEGMENT: SegmentNumber = SegmentNumber(2);
const FIRST_SECRET: u64 = 24;

pub fn on_disk(world: &World) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, bytes, _) in world.start.files() {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("space");
        fs::write(path, bytes).expect("space");
    }
    directory
}

pub fn pass(directory: &TempDir, erasures: &Erasures, is_last_call: bool) -> PassOutcome {
    let options = PassOptions { is_served: false, is_last_call, is_opened: false };
    erase(&StdFiles::new(directory.path()), erasures, options, &mut |_| ()).expect("nothing fails")
}

fn one() -> Erasures {
    let mut erasures = Erasures::default();
    erasures.add(&entries(FIRST_SECRET, FIRST_SECRET), Timestamp(i64::MAX));
    erasures
}

fn read(reader: &StdFiles) -> Vec<u8> {
    let mut bytes = AlignedVec::new();
    reader.read(SHARD, SEGMENT, &mut bytes).expect("a segment");
    bytes.to_vec()
}

/// Exports all, and does something while the first message is given. Returns how many secrets it gave.
fn exported(directory: &TempDir, mut meanwhile: impl FnMut()) -> (usize, Export) {
    let (mut given, mut secrets) = (0, 0);
    let mut sink = |item: Exported<'_>| {
        if let Exported::Message(message) = item {
            given += 1;
            secrets += usize::from(has_secret(message.text.as_bytes()));
        }
        if given == 1 {
            meanwhile();
        }
        Ok(())
    };
    let reader = StdFiles::new(directory.path());
    let export = export(&reader, &Selection::All, &mut sink, &mut |_| ()).expect("readable");
    (secrets, export)
}

#[test]
fn another_erasure_in_the_same_segment_leaves_the_old_file_to_whoever_holds_it() {
    let world = world();
    let directory = on_disk(&world);
    let reader = StdFiles::new(directory.path());
    reader.hold(SHARD, &[SEGMENT]);
    let before = read(&reader);
    assert_eq!(pass(&directory, &one(), false).held, 1);
    for _ in 0..2 {
        let outcome = pass(&directory, &world.erasures, false);
        assert!(outcome.held == 1 && !outcome.is_complete(), "{outcome:?}");
        assert!(read(&reader) == before, "what is held stays as it was");
    }
    drop(reader);
    pass(&directory, &world.erasures, false);
    let outcome = pass(&directory, &world.erasures, false);
    assert!(outcome.is_complete() && outcome.files == 0, "{outcome:?}");
    for (name, ..) in world.start.files() {
        let bytes = fs::read(directory.path().join(name)).unwrap_or_default();
        assert!(!has_secret(&bytes), "{name}");
    }
}

#[test]
fn an_export_that_the_last_call_does_not_wait_for_continues_with_the_new_files_and_loses_nothing() {
    let world = world();
    let directory = on_disk(&world);
    let (secrets, before) = exported(&directory, || ());
    assert!(secrets > 1 && before.faults.is_empty(), "{before:?}");
    let (given, after) = exported(&directory, || {
        assert!(pass(&directory, &world.erasures, false).held > 1);
        assert_eq!(pass(&directory, &world.erasures, true).held, 0);
    });
    assert!(given < secrets, "{given} of {secrets}: only what was read before");
    assert_eq!((after.records, after.faults.len(), after.expired.len()), (before.records, 0, 0), "{after:?}");
}

#[test]
fn what_a_killed_import_left_is_wiped_where_no_server_may_use_it() {
    let world = world();
    let directory = on_disk(&world);
    let left = directory.path().join(name(9).replace(".seg", ".new"));
    fs::copy(directory.path().join(name(2)), &left).expect("space");
    let options = PassOptions { is_served: true, is_last_call: false, is_opened: false };
    erase(&StdFiles::new(directory.path()), &one(), options, &mut |_| ()).expect("nothing fails");
    assert!(left.exists(), "a server may be about to use it");
    pass(&directory, &one(), false);
    assert!(!left.exists());
}

#[test]
fn an_export_names_a_segment_that_should_hold_messages_and_is_blank() {
    let world = world();
    let directory = on_disk(&world);
    let path = directory.path().join(name(2));
    let length = fs::metadata(&path).expect("a segment").len();
    fs::write(&path, vec![0; usize::try_from(length).expect("small")]).expect("space");
    let (_, export) = exported(&directory, || ());
    let named = export.faults.iter().any(|fault| fault.to_string().contains("its header was never written"));
    assert!(named, "{export:?}");
}

//! A snapshot that is lost, with other files or without, is made again so that it covers all it covered.

use super::*;
use crate::SnapshotWriter;
use crate::index::SnapshotScope;
use crate::read::evidence::Evidence;
use crate::read::expired::keep_copy;
use crate::read::snapshots::info_of;
use crate::read::{NoRenewal, Retention, renew_snapshot, retain};
use std::time::SystemTime;

const SHARD: ShardId = ShardId(0);

/// A log that was started on and stopped, and its segments.
fn opened_log(data: &Path) -> (StdFiles, Vec<SegmentNumber>) {
    let segments = write_log(data, 3_000);
    let files = StdFiles::new(data);
    open_log(&files, 1).expect("a log");
    (files, segments)
}

fn index_path(files: &StdFiles, segment: SegmentNumber) -> PathBuf {
    files.path(SHARD, segment).with_file_name(index_file_name(segment))
}

fn snapshot_path(files: &StdFiles, file: SnapshotFile) -> PathBuf {
    files.path(SHARD, SegmentNumber::FIRST).with_file_name(file.name())
}

fn covers(files: &StdFiles, file: SnapshotFile) -> Option<SegmentNumber> {
    info_of(files, SHARD, file).expect("it can be read").map(|info| info.scope.covers)
}

/// A snapshot of no rooms up to `covers`, in the place of another.
fn write_short(files: &StdFiles, file: SnapshotFile, covers: SegmentNumber) {
    let scope = SnapshotScope { directory: SHARD, shard_count: 1, covers };
    let writer = SnapshotWriter::new(Vec::new(), scope, 0).expect("memory");
    fs::write(snapshot_path(files, file), writer.finish().expect("memory").0).expect("written");
}

fn faults(files: &StdFiles) -> Vec<String> {
    let verified = crate::verify(files, &mut |_| {}).expect("files can be read");
    verified.all_faults().map(ToString::to_string).collect()
}

#[test]
fn a_mended_snapshot_covers_all_that_the_lost_one_covered_whichever_index_is_lost_with_it() {
    let data = tempfile::tempdir().expect("a directory");
    let (files, segments) = opened_log(data.path());
    let (before, last) = (heads(&files), segments.last().copied());
    let path = snapshot_path(&files, SnapshotFile::Newest);
    let whole = fs::read(&path).expect("a snapshot");
    let mut lost: Vec<Vec<SegmentNumber>> = segments.iter().map(|segment| vec![*segment]).collect();
    lost.push(segments.clone());
    for lost in lost {
        let harms: [&dyn Fn(); 3] = [
            &|| fs::remove_file(&path).expect("a snapshot"),
            &|| fs::write(&path, &whole[..whole.len() - 1]).expect("its end"),
            // As a mend that found less once left it.
            &|| write_short(&files, SnapshotFile::Newest, SegmentNumber::FIRST),
        ];
        for (way, harm) in harms.into_iter().enumerate() {
            harm();
            lost.iter().for_each(|lost| fs::remove_file(index_path(&files, *lost)).expect("an index"));
            mend_snapshot(&files, SHARD).expect("a snapshot");
            assert_eq!(covers(&files, SnapshotFile::Newest), last, "way {way}, without {lost:?}");
            assert_eq!(heads(&files), before, "way {way}, without {lost:?}");
        }
    }
}

#[test]
fn a_mended_snapshot_ends_before_the_segment_that_is_appended_to_or_was_cut() {
    let data = tempfile::tempdir().expect("a directory");
    let (files, segments) = opened_log(data.path());
    let [.., finished, open] = segments[..] else { panic!("several segments") };
    let path = files.path(SHARD, open);
    let mut bytes = fs::read(&path).expect("a segment");
    bytes.truncate(bytes.len() - crate::format::SEAL_FRAME_BYTES);
    fs::remove_file(index_path(&files, open)).expect("an index");
    for length_bytes in [bytes.len(), SEGMENT_BYTES_MIN as usize] {
        bytes.resize(length_bytes, 0);
        fs::write(&path, &bytes).expect("written");
        fs::remove_file(index_path(&files, finished)).expect("an index");
        fs::remove_file(snapshot_path(&files, SnapshotFile::Newest)).expect("a snapshot");
        mend_snapshot(&files, SHARD).expect("a snapshot");
        assert_eq!(covers(&files, SnapshotFile::Newest), Some(finished));
        assert!(!index_path(&files, open).exists(), "it is not finished");
    }
}

/// A room may have had its newest messages there.
#[test]
fn a_snapshot_covers_nothing_behind_a_segment_that_is_missing() {
    let data = tempfile::tempdir().expect("a directory");
    let (files, segments) = opened_log(data.path());
    let (known, missing, last) = (segments[0], segments[2], segments[segments.len() - 1]);
    write_short(&files, SnapshotFile::Newest, known);
    renew_snapshot(&files, SHARD, false).expect("a snapshot");
    assert_eq!(covers(&files, SnapshotFile::Newest), Some(last));
    let segment = fs::read(files.path(SHARD, missing)).expect("a segment");
    fs::remove_file(files.path(SHARD, missing)).expect("a segment");
    fs::remove_file(index_path(&files, missing)).expect("an index");
    write_short(&files, SnapshotFile::Newest, known);
    renew_snapshot(&files, SHARD, false).expect("a snapshot");
    assert_eq!(covers(&files, SnapshotFile::Newest), Some(segments[1]), "it ends in front of the gap");

    let path = snapshot_path(&files, SnapshotFile::Newest);
    fs::remove_file(&path).expect("a snapshot");
    let refused = mend_snapshot(&files, SHARD).expect_err("a room may begin anew").to_string();
    assert!(refused.contains("segments 3 to 3 are missing"), "{refused}");
    assert!(!path.exists(), "nothing is written");
    fs::write(files.path(SHARD, missing), segment).expect("put back");
    mend_snapshot(&files, SHARD).expect("a snapshot");
    assert_eq!(covers(&files, SnapshotFile::Newest), Some(last));
}

#[test]
fn nothing_may_expire_until_a_copy_covers_it() {
    let data = tempfile::tempdir().expect("a directory");
    let (files, segments) = opened_log(data.path());
    let last = segments[segments.len() - 1];
    let refused = keep_copy(&files, SHARD, last.next(), false).expect_err("no snapshot covers it");
    assert!(refused.to_string().contains("no copy of the snapshot covers"), "{refused}");
    keep_copy(&files, SHARD, segments[1], false).expect("a copy");
    assert_eq!(covers(&files, SnapshotFile::Copy), Some(last));
    // Of a snapshot that covers less: it is made whole first.
    write_short(&files, SnapshotFile::Newest, segments[1]);
    keep_copy(&files, SHARD, segments[1], true).expect("a copy");
    assert_eq!(covers(&files, SnapshotFile::Copy), Some(last), "no copy is replaced by one that covers less");

    let empty = tempfile::tempdir().expect("a directory");
    let files = StdFiles::new(empty.path());
    let directory = empty.path().join(directory_name(SHARD));
    fs::create_dir_all(&directory).expect("a directory");
    start_segment(&directory, SHARD, SegmentNumber::FIRST);
    keep_copy(&files, SHARD, SegmentNumber::FIRST, false).expect_err("nothing is finished");
}

#[test]
fn a_copy_that_is_missing_damaged_or_behind_what_has_expired_is_noted_and_no_fault() {
    let data = tempfile::tempdir().expect("a directory");
    let (files, segments) = opened_log(data.path());
    let notes = || -> Vec<String> {
        let verified = crate::verify(&files, &mut |_| {}).expect("files can be read");
        assert_eq!(verified.all_faults().count(), 0);
        verified.snapshot_notes.iter().map(ToString::to_string).collect()
    };
    assert_eq!(notes(), [""; 0], "before anything expires there is none");
    let all = Retention { age_max: None, bytes_max: Some(0) };
    retain(&files, &all, SystemTime::now(), &mut NoRenewal, &mut |_| ()).expect("removed");
    assert_eq!(notes(), [""; 0]);
    let copy = snapshot_path(&files, SnapshotFile::Copy);
    let whole = fs::read(&copy).expect("a copy");
    let harms: [(&dyn Fn(), &str); 3] = [
        (&|| fs::remove_file(&copy).expect("a copy"), "it is missing; nothing is lost"),
        (&|| fs::write(&copy, &whole[1..]).expect("written"), "it is damaged; nothing is lost"),
        (
            &|| write_short(&files, SnapshotFile::Copy, segments[0]),
            "it covers segments up to 1 only; nothing",
        ),
    ];
    for (harm, words) in harms {
        harm();
        let [note] = &notes()[..] else { panic!("one note: {:?}", notes()) };
        assert!(note.contains(words) && note.contains("rooms.snapshot.copy"), "{note}");
    }
    open_log(&files, 1).expect("a log");
    assert_eq!(notes(), [""; 0], "a start makes it again");
}

/// Before there were copies a segment was removed before its index, and the power may have been cut in between.
#[test]
fn the_index_that_a_removal_of_earlier_versions_left_is_no_loss_and_goes_at_the_start() {
    let data = tempfile::tempdir().expect("a directory");
    let (files, segments) = opened_log(data.path());
    let before = heads(&files);
    files.remove_finished(SHARD, segments[0]).expect("it expires");
    let (segment, index) = (files.path(SHARD, segments[1]), index_path(&files, segments[1]));
    let (whole, indexed) = (fs::read(&segment).expect("it"), fs::read(&index).expect("an index"));
    fs::remove_file(&segment).expect("a segment");
    assert_eq!(faults(&files), [""; 0]);
    for _ in 0..2 {
        open_log(&files, 1).expect("a log");
        assert_eq!((heads(&files), faults(&files)), (before.clone(), vec![]));
        assert!(!index.exists(), "beside the copy that is there now it would prove a loss");
    }
    // With a copy it was not left over.
    assert!(covers(&files, SnapshotFile::Copy).is_some());
    fs::write(&index, &indexed).expect("written");
    assert!(faults(&files)[0].contains("before it, segment 2 is missing"));
    open_log(&files, 1).expect_err("a loss");
    fs::write(&segment, whole).expect("put back");
    open_log(&files, 1).expect("a log");
}

#[test]
fn an_index_is_no_leftover_where_others_stand_before_it_or_nothing_shows_that_its_segment_expired() {
    let data = tempfile::tempdir().expect("a directory");
    let (files, segments) = opened_log(data.path());
    let leftover = |first| Evidence::of(&files, SHARD).expect("files can be read").leftover(first);
    assert_eq!(leftover(segments[1]), None, "the first segment of all");
    assert_eq!(leftover(segments[2]), None, "the one before it has an index, too");
    fs::remove_file(index_path(&files, segments[0])).expect("an index");
    assert_eq!(leftover(segments[2]), Some(segments[1]));
    write_short(&files, SnapshotFile::Newest, segments[0]);
    assert_eq!(leftover(segments[2]), None, "no snapshot covers it");
}

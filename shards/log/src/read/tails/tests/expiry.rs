//! What has expired: heads, links and pages beyond it.

use super::*;
use crate::read::{NoRenewal, Retention, retain};

#[test]
fn what_has_expired_goes_oldest_first_and_heads_outlive_it() {
    use std::time::{Duration, SystemTime};
    const DAY: Duration = Duration::from_secs(86_400);
    let data = tempfile::tempdir().expect("a directory");
    let segments = write_log(data.path(), 3_000);
    let files = StdFiles::new(data.path());
    open_log(&files, 1).expect("a log");
    let before = heads(&files);
    let now = SystemTime::now();
    for (age, segment) in segments.iter().rev().enumerate() {
        let file = fs::File::options().write(true).open(files.path(ShardId(0), *segment)).expect("a segment");
        file.set_modified(now - DAY * age as u32).expect("a time");
    }
    let mut gone = Vec::new();
    let by_age = Retention { age_max: Some(DAY * 5 / 2), bytes_max: None };
    retain(&files, &by_age, now, &mut NoRenewal, &mut |removed| gone.push(removed.segment)).expect("removed");
    assert_eq!(gone, segments[..segments.len() - 3]);
    open_log(&files, 1).expect("a log that begins late");
    let tails = snapshot(&files);
    assert_eq!(heads(&files), before);
    let oldest = page(data.path(), &tails, "r1", Page::After { seq: Seq(0), count: 500 });
    assert!(oldest.is_empty(), "the first have expired");
    let newest = page(data.path(), &tails, "r1", Page::Last { count: 20 });
    assert_eq!(newest.len(), 20);

    let none = Retention { age_max: Some(Duration::ZERO), bytes_max: Some(0) };
    retain(&files, &none, now + DAY, &mut NoRenewal, &mut |_| ()).expect("removed");
    let left = files.segments(ShardId(0)).expect("a directory");
    assert_eq!(left, [*segments.last().expect("a segment")], "the newest stays: numbers continue from it");
    open_log(&files, 1).expect("a log");
    assert_eq!(heads(&files), before);
}

#[test]
fn what_expires_is_removed_by_the_snapshot_there_is() {
    use std::time::SystemTime;
    let data = tempfile::tempdir().expect("a directory");
    write_log(data.path(), 3_000);
    let files = StdFiles::new(data.path());
    open_log(&files, 1).expect("a log");
    let path = files.path(ShardId(0), SegmentNumber::FIRST).with_file_name("rooms.snapshot");
    let modified = || fs::metadata(&path).and_then(|metadata| metadata.modified()).expect("a snapshot");
    let (written_at, all) = (modified(), files.segments(ShardId(0)).expect("a directory"));
    let bytes_of = |segment: &SegmentNumber| files.finished(ShardId(0), *segment).expect("a segment").0;
    let newest = bytes_of(all.last().expect("a segment"));
    for kept in (1..all.len()).rev() {
        let kept_bytes = all[all.len() - kept..].iter().map(bytes_of).sum();
        let by_bytes = Retention { age_max: None, bytes_max: Some(kept_bytes) };
        retain(&files, &by_bytes, SystemTime::now(), &mut NoRenewal, &mut |_| ()).expect("removed");
        assert_eq!(files.segments(ShardId(0)).expect("a directory"), all[all.len() - kept..]);
    }
    assert!(newest > 0 && modified() == written_at, "retention works from the snapshot there is");
}

/// The age of a segment is what the wall clock makes of it.
#[test]
fn a_clock_set_back_keeps_what_has_expired_and_one_set_forward_expires_all_but_the_newest() {
    use std::time::{Duration, SystemTime};
    const YEAR: Duration = Duration::from_secs(365 * 86_400);
    let data = tempfile::tempdir().expect("a directory");
    let segments = write_log(data.path(), 3_000);
    let files = StdFiles::new(data.path());
    open_log(&files, 1).expect("a log");
    let by_age = Retention { age_max: Some(Duration::from_secs(3_600)), bytes_max: None };
    let now = SystemTime::now();
    retain(&files, &by_age, now - YEAR, &mut NoRenewal, &mut |gone| panic!("{gone:?}"))
        .expect("nothing to remove");
    assert_eq!(files.segments(ShardId(0)).expect("a directory"), segments);
    retain(&files, &by_age, now + YEAR, &mut NoRenewal, &mut |_| ()).expect("removed");
    let left = files.segments(ShardId(0)).expect("a directory");
    assert_eq!(left, [*segments.last().expect("a segment")]);
}

#[test]
fn an_index_made_again_behind_what_expired_is_found_by_the_links_to_it() {
    let data = tempfile::tempdir().expect("a directory");
    let segments = write_log(data.path(), 1_500);
    let files = StdFiles::new(data.path());
    open_log(&files, 1).expect("a log");
    let tails = snapshot(&files);
    let table = read_table(&files, ShardId(0), segments[2]).expect("read").expect("an index");
    let first = table.tails().flatten().find(|(name, _)| name.as_str() == "r2").expect("r2").1.last.first;
    files.remove_finished(ShardId(0), segments[1]).expect("it expires");
    rebuild_index(&files, ShardId(0), segments[1]).expect("nothing to make");
    let directory = data.path().join(directory_name(ShardId(0)));
    fs::remove_file(directory.join(index_file_name(segments[2]))).expect("a loss");
    rebuild_index(&files, ShardId(0), segments[2]).expect("an index");
    let left = page(data.path(), &tails, "r2", Page::After { seq: Seq(first.0 - 1), count: 500 });
    assert_eq!(left, (first.0..=500).collect::<Vec<_>>());
}

/// A front that is gone with its indexes is taken for one that has expired. Everything else that is lost is reported,
/// though numbers alone would no longer show it.
#[test]
fn behind_a_front_that_has_expired_every_other_loss_is_reported() {
    let data = tempfile::tempdir().expect("a directory");
    let segments = write_log(data.path(), 3_000);
    let (files, shard) = (StdFiles::new(data.path()), ShardId(0));
    open_log(&files, 1).expect("a log");
    segments[..2].iter().for_each(|gone| files.remove_finished(shard, *gone).expect("a segment"));
    let faults = || -> Vec<String> {
        let verified = crate::verify(&files, &mut |_| {}).expect("files can be read");
        verified.all_faults().map(ToString::to_string).collect()
    };
    assert_eq!(faults(), [""; 0], "what has expired is no fault");
    let last = segments.len() - 1;
    for segment in &segments[3..last] {
        let path = files.path(shard, *segment);
        let whole = fs::read(&path).expect("a segment");
        let harms: [&dyn Fn(); 3] = [
            &|| fs::remove_file(&path).expect("a segment"),
            &|| fs::write(&path, &whole[..whole.len() / 2]).expect("half of it"),
            &|| {
                let mut bytes = whole.clone();
                bytes[whole.len() / 2] ^= 1;
                fs::write(&path, bytes).expect("damage");
            },
        ];
        for harm in harms {
            harm();
            assert!(!faults().is_empty(), "segment {segment}");
            fs::write(&path, &whole).expect("as it was");
        }
    }
}

/// Every fourth entry of a room is led to from further away too: past a hole that has expired, and past an
/// index that was made again behind it and knows of nothing earlier (simulator). That it is there is no sign
/// that nothing has expired.
#[test]
fn a_page_across_an_expired_hole_begins_behind_it_though_later_entries_lead_past_it() {
    let data = tempfile::tempdir().expect("a directory");
    let segments = write_log(data.path(), 3_000);
    let files = StdFiles::new(data.path());
    open_log(&files, 1).expect("a log");
    let tails = snapshot(&files);
    let (hole, behind) = (segments[4], segments[5]);
    let table = read_table(&files, ShardId(0), behind).expect("read").expect("an index");
    let first = table.tails().flatten().find(|(name, _)| name.as_str() == "r2").expect("r2").1.last.first;
    files.remove_finished(ShardId(0), hole).expect("it expires");
    let directory = data.path().join(directory_name(ShardId(0)));
    fs::remove_file(directory.join(index_file_name(behind))).expect("a loss");
    rebuild_index(&files, ShardId(0), behind).expect("an index");
    let left = page(data.path(), &tails, "r2", Page::After { seq: Seq(0), count: 500 });
    assert_eq!(left, (first.0..=500).collect::<Vec<_>>());
}

/// The files of a directory by which numbers of rooms whose messages have all expired are known.
fn snapshot_paths(files: &StdFiles) -> [PathBuf; 2] {
    let path = files.path(ShardId(0), SegmentNumber::FIRST);
    SnapshotFile::ALL.map(|file| path.with_file_name(file.name()))
}

/// A log of which all but the newest segment has expired.
fn expired_log(data: &Path) -> StdFiles {
    use std::time::SystemTime;
    write_log(data, 3_000);
    let files = StdFiles::new(data);
    open_log(&files, 1).expect("a log");
    let all = Retention { age_max: None, bytes_max: Some(0) };
    retain(&files, &all, SystemTime::now(), &mut NoRenewal, &mut |_| ()).expect("removed");
    files
}

fn harm(path: &Path, bytes: &[u8], way: usize) {
    match way {
        0 => fs::remove_file(path).expect("a file"),
        1 => fs::write(path, []).expect("cut"),
        way => {
            let mut damaged = bytes.to_vec();
            damaged[way] ^= 1;
            fs::write(path, damaged).expect("damage");
        }
    }
}

#[test]
fn of_a_snapshot_and_its_copy_one_is_enough_and_without_both_numbers_are_unknown() {
    let data = tempfile::tempdir().expect("a directory");
    let files = expired_log(data.path());
    let before = heads(&files);
    let [snapshot, copy] = snapshot_paths(&files);
    let bytes = fs::read(&snapshot).expect("a snapshot");
    let faults = || crate::verify(&files, &mut |_| {}).expect("it can be read").all_faults().count();
    let ways: Vec<usize> = [0, 1].into_iter().chain((2..bytes.len()).step_by(11)).collect();
    for &way in &ways {
        harm(&snapshot, &bytes, way);
        assert_eq!(faults(), 0, "way {way}: the copy covers all");
        open_log(&files, 1).expect("a log");
        mend_snapshot(&files, ShardId(0)).expect("made from the copy");
        assert_eq!(heads(&files), before, "way {way}");
        // Both.
        harm(&snapshot, &bytes, way);
        let whole = fs::read(&copy).expect("a copy");
        harm(&copy, &whole, way);
        assert_eq!(faults(), 1, "way {way}");
        assert!(mend_snapshot(&files, ShardId(0)).is_err(), "way {way}: nothing is begun anew");
        if way < 2 {
            let refused = open_log(&files, 1).expect_err("numbers would be given again");
            assert!(refused.is_lasting(), "{refused}");
            assert!(refused.to_string().contains("restore the file from a copy"), "{refused}");
        }
        fs::write(&snapshot, &bytes).expect("put back");
        fs::write(&copy, &whole).expect("put back");
    }
}

/// As versions left it that made no copy.
#[test]
fn a_start_copies_the_snapshot_of_a_log_that_began_to_expire_without_a_copy() {
    let data = tempfile::tempdir().expect("a directory");
    let files = expired_log(data.path());
    let (before, [snapshot, copy]) = (heads(&files), snapshot_paths(&files));
    fs::remove_file(&copy).expect("a copy");
    open_log(&files, 1).expect("a log");
    fs::remove_file(&snapshot).expect("a snapshot");
    open_log(&files, 1).expect("a log");
    assert_eq!(heads(&files), before);
}

/// The index of a segment that a damaged snapshot covers may be lost, too.
#[test]
fn a_snapshot_made_again_covers_segments_whose_index_was_lost() {
    let data = tempfile::tempdir().expect("a directory");
    let segments = write_log(data.path(), 3_000);
    let files = StdFiles::new(data.path());
    open_log(&files, 1).expect("a log");
    let before = heads(&files);
    let [snapshot, _] = snapshot_paths(&files);
    let mut bytes = fs::read(&snapshot).expect("a snapshot");
    bytes[100] ^= 1;
    fs::write(&snapshot, bytes).expect("damage");
    for segment in &segments {
        let index = files.path(ShardId(0), *segment).with_file_name(index_file_name(*segment));
        fs::remove_file(index).expect("a loss");
    }
    mend_snapshot(&files, ShardId(0)).expect("a snapshot");
    assert_eq!(heads(&files), before);
}

#[test]
fn a_missing_front_whose_index_is_there_is_reported_and_an_interrupted_removal_is_not() {
    let data = tempfile::tempdir().expect("a directory");
    let segments = write_log(data.path(), 3_000);
    let (files, shard) = (StdFiles::new(data.path()), ShardId(0));
    open_log(&files, 1).expect("a log");
    let faults = || -> Vec<String> {
        let verified = crate::verify(&files, &mut |_| {}).expect("files can be read");
        verified.all_faults().map(ToString::to_string).collect()
    };
    // Retention takes the index first.
    let first = files.path(shard, segments[0]);
    let (index, bytes) = (first.with_file_name(index_file_name(segments[0])), fs::read(&first).expect("it"));
    let indexed = fs::read(&index).expect("an index");
    fs::remove_file(&index).expect("an index");
    assert_eq!(faults(), [""; 0]);
    open_log(&files, 1).expect("a log");
    fs::write(&index, indexed).expect("the index");
    fs::remove_file(&first).expect("a segment");
    assert!(faults().iter().any(|fault| fault.contains("before it, segment 1 is missing")));
    let refused = open_log(&files, 1).expect_err("damage").to_string();
    assert!(refused.contains("segment 1 is missing"), "{refused}");
    fs::write(&first, bytes).expect("put back");
    assert_eq!(faults(), [""; 0]);
    open_log(&files, 1).expect("a log");
}

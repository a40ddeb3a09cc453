//! What has expired: heads, links and pages beyond it.

use super::*;
use crate::log::read::{Retention, retain};

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
    retain(&files, &by_age, now, &mut |removed| gone.push(removed.segment)).expect("removed");
    assert_eq!(gone, segments[..segments.len() - 3]);
    open_log(&files, 1).expect("a log that begins late");
    let tails = snapshot(&files);
    assert_eq!(heads(&files), before);
    let oldest = page(data.path(), &tails, "r1", Page::After { seq: Seq(0), count: 500 });
    assert!(oldest.is_empty(), "the first have expired");
    let newest = page(data.path(), &tails, "r1", Page::Last { count: 20 });
    assert_eq!(newest.len(), 20);

    let none = Retention { age_max: Some(Duration::ZERO), bytes_max: Some(0) };
    retain(&files, &none, now + DAY, &mut |_| ()).expect("removed");
    let left = files.segments(ShardId(0)).expect("a directory");
    assert_eq!(left, [*segments.last().expect("a segment")], "the newest stays: numbers go on from it");
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
        retain(&files, &by_bytes, SystemTime::now(), &mut |_| ()).expect("removed");
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
    retain(&files, &by_age, now - YEAR, &mut |gone| panic!("{gone:?}")).expect("nothing to remove");
    assert_eq!(files.segments(ShardId(0)).expect("a directory"), segments);
    retain(&files, &by_age, now + YEAR, &mut |_| ()).expect("removed");
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

/// A front that is gone is taken for one that has expired. Everything else that is lost is told of,
/// though numbers alone would no longer show it.
#[test]
fn behind_a_front_that_has_expired_every_other_loss_is_told_of() {
    let data = tempfile::tempdir().expect("a directory");
    let segments = write_log(data.path(), 3_000);
    let (files, shard) = (StdFiles::new(data.path()), ShardId(0));
    segments[..2].iter().for_each(|gone| fs::remove_file(files.path(shard, *gone)).expect("a segment"));
    let faults = || -> Vec<String> {
        let verified = crate::log::verify(&files, &mut |_| {}).expect("files can be read");
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

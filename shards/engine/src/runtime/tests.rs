//! The writer on a real disk that fails on demand: all that was committed is there afterwards.

use super::bell::Bell;
use super::preparer::Preparer;
use super::writer::LogWriter;
use crate::store::{CommitError, Faults, SegmentOperation, SegmentWriter, Work, WriterOptions};
use madang_log::{Appender, Batch, Durability, Recovered, SegmentNumber, StdFiles, recover};
use madang_model::{Message, RoomName, Seq, ShardId, Text, Timestamp, UserName};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

const SEGMENT_BYTES: u64 = 256 * 1024;

fn message(seq: u64) -> Message {
    Message {
        room: RoomName::parse("r1").expect("a room name"),
        seq: Seq(seq),
        time: Timestamp(seq as i64),
        author: UserName::parse("alice").expect("a user name"),
        draft: None,
        text: Text::sanitise(&format!("number {seq} {}", "x".repeat(2000))).expect("a text"),
    }
}

fn writer(data: &Path, appender: &Appender) -> LogWriter {
    on_disk(data, new_writer(appender))
}

/// A writer whose operations fail as `faults` says.
fn failing_writer(data: &Path, appender: &Appender, faults: Faults) -> LogWriter {
    on_disk(data, new_writer(appender).with_faults(faults))
}

fn new_writer(appender: &Appender) -> SegmentWriter<StdFiles> {
    let options = WriterOptions {
        shard: ShardId(0),
        shard_count: 1,
        segment_bytes: SEGMENT_BYTES,
        durability: appender.durability(),
    };
    SegmentWriter::new(options, SegmentNumber::FIRST, SEGMENT_BYTES)
}

fn on_disk(data: &Path, writer: SegmentWriter<StdFiles>) -> LogWriter {
    let preparer = Preparer::start(data.to_owned(), false).expect("a thread");
    LogWriter::new(data.to_owned(), writer, preparer, Arc::new(Bell::new().expect("a descriptor")))
}

/// Commits a batch, which comes back with how that ended.
fn commit(writer: &mut LogWriter, batch: Batch) -> (Batch, Result<(), CommitError>) {
    let done = writer.carry_out(Work::Commit { sync_to: None, batch: Some(batch) });
    let Work::Commit { batch: Some(batch), .. } = done.work else { panic!("the batch comes back") };
    (batch, done.result)
}

fn log(durability: Durability) -> Appender {
    Appender::new(ShardId(0), SegmentNumber::FIRST, SEGMENT_BYTES, SEGMENT_BYTES, durability)
}

/// Commits messages one by one as a shard does, and retries after failures. Returns how often it
/// failed.
fn commit_all(appender: &mut Appender, writer: &mut LogWriter, count: u64) -> usize {
    let mut failures = 0;
    for seq in 1..=count {
        let batch = appender.append(&message(seq));
        let mut stalled = None;
        while appender.last_committed() < batch {
            let batch = stalled.take().or_else(|| appender.take_batch()).expect("a batch waits");
            match commit(writer, batch) {
                (batch, Ok(())) => appender.committed(batch),
                (batch, Err(CommitError::Prepare(_))) => stalled = Some(batch),
                (batch, Err(CommitError::File { .. })) => {
                    failures += 1;
                    appender.failed(batch);
                }
            }
            assert!(failures < 1000, "the disk fails only so often");
        }
    }
    failures
}

fn recovered(data: &Path) -> Recovered {
    recover(&StdFiles::new(data), 1, 10_000).expect("what was committed is consistent")
}

fn numbers(recovered: &Recovered) -> Vec<u64> {
    recovered.rooms[0].recent.iter().map(|entry| entry.seq().0).collect()
}

fn eio() -> io::Error {
    io::Error::from_raw_os_error(5)
}

/// Fails the operation each time `period` others of its kind are done.
fn failing(operation: SegmentOperation, period: usize, at: usize) -> Faults {
    let mut done = 0;
    Box::new(move |asked| {
        if asked != operation {
            return None;
        }
        done += 1;
        (done % period == at).then(eio)
    })
}

#[test]
fn what_is_committed_is_there_whatever_fails_and_whenever() {
    let cases = [
        (SegmentOperation::Write, 7, 0),
        (SegmentOperation::Write, 50, 1),
        (SegmentOperation::Sync, 9, 0),
        (SegmentOperation::Sync, 3, 1),
        (SegmentOperation::Seal, 2, 1),
        (SegmentOperation::Open, 2, 0),
    ];
    for (operation, period, at) in cases {
        let data = tempfile::tempdir().expect("a directory");
        let path = data.path().to_owned();
        let failures = {
            let mut appender = log(Durability::Commit);
            let mut writer = failing_writer(&path, &appender, failing(operation, period, at));
            commit_all(&mut appender, &mut writer, 400)
        };
        assert!(failures > 0, "{operation:?} {period}: the fault was met");
        let expected: Vec<u64> = (1..=400).collect();
        assert_eq!(numbers(&recovered(data.path())), expected, "{operation:?} {period}");
    }
}

#[test]
fn a_failed_sync_is_not_tried_again_on_the_same_segment() {
    let data = tempfile::tempdir().expect("a directory");
    let path = data.path().to_owned();
    {
        let mut appender = log(Durability::Commit);
        let has_failed = Arc::new(AtomicBool::new(false));
        let fails_once = Arc::clone(&has_failed);
        let faults = Box::new(move |operation| {
            (operation == SegmentOperation::Sync && !fails_once.swap(true, Ordering::SeqCst)).then(eio)
        });
        let mut writer = failing_writer(&path, &appender, faults);
        assert_eq!(commit_all(&mut appender, &mut writer, 3), 1);
        assert!(has_failed.load(Ordering::SeqCst));
        assert_eq!(appender.written().segment, SegmentNumber(2));
    }
    assert_eq!(numbers(&recovered(data.path())), [1, 2, 3]);
}

#[test]
fn a_disk_error_is_reported_to_people_in_short_and_to_the_operator_in_full() {
    let cases = [
        (SegmentOperation::Open, 5, "the disk reports errors", "cannot open segment"),
        (SegmentOperation::Write, 5, "the disk reports errors", "cannot write to segment"),
        (SegmentOperation::Sync, 5, "the disk reports errors", "cannot sync segment"),
        (SegmentOperation::Write, 28, "the disk is full", "cannot write to segment"),
        (SegmentOperation::Write, 30, "the disk cannot be written", "cannot write to segment"),
    ];
    for (operation, errno, reason, words) in cases {
        let data = tempfile::tempdir().expect("a directory");
        let path = data.path().to_owned();
        let error = {
            let mut appender = log(Durability::Commit);
            let faults =
                Box::new(move |asked| (asked == operation).then(|| io::Error::from_raw_os_error(errno)));
            let mut writer = failing_writer(&path, &appender, faults);
            appender.append(&message(1));
            let batch = appender.take_batch().expect("a batch");
            commit(&mut writer, batch).1.expect_err("the disk fails")
        };
        assert_eq!(error.reason(), reason, "{operation:?}");
        let shown = error.to_string();
        assert!(shown.starts_with(words) && shown.contains("00000000000000000001.seg"), "{shown}");
        assert!(shown.contains(&io::Error::from_raw_os_error(errno).to_string()), "{shown}");
    }
}

#[test]
fn after_a_failed_sync_beside_any_batch_the_log_goes_on_and_keeps_what_was_shown() {
    let data = tempfile::tempdir().expect("a directory");
    let path = data.path().to_owned();
    {
        let mut appender = log(Durability::Interval(Duration::from_millis(50)));
        let fails = failing(SegmentOperation::Sync, 3, 1);
        let mut writer = failing_writer(&path, &appender, fails);
        let mut failures = 0;
        for seq in 1..=9 {
            appender.append(&message(seq));
            let batch = appender.take_batch().expect("a batch");
            let (batch, written) = commit(&mut writer, batch);
            written.expect("only syncs fail");
            appender.committed(batch);
            let written = appender.written();
            match writer.carry_out(Work::Commit { sync_to: Some(written), batch: None }).result {
                Ok(()) => appender.synced(written),
                Err(_) => {
                    failures += 1;
                    appender.sync_failed();
                }
            }
        }
        assert_eq!((failures, appender.written().segment), (3, SegmentNumber(4)));
    }
    assert_eq!(numbers(&recovered(data.path())), (1..=9).collect::<Vec<_>>());
}

#[test]
fn what_was_shown_before_it_was_synced_is_synced_before_its_segment_is_left() {
    let data = tempfile::tempdir().expect("a directory");
    let path = data.path().to_owned();
    for (durability, syncs_wanted) in
        [(Durability::Interval(Duration::from_secs(1)), 1), (Durability::None, 0)]
    {
        let mut appender = log(durability);
        let syncs = Arc::new(AtomicUsize::new(0));
        let (counted, mut writes) = (Arc::clone(&syncs), 0);
        let faults = Box::new(move |operation| {
            writes += usize::from(operation == SegmentOperation::Write);
            counted.fetch_add(usize::from(operation == SegmentOperation::Sync), Ordering::SeqCst);
            (operation == SegmentOperation::Write && writes == 2).then(eio)
        });
        let mut writer = failing_writer(&path, &appender, faults);
        for seq in 1..=2 {
            appender.append(&message(seq));
            let batch = appender.take_batch().expect("a batch");
            let (batch, written) = commit(&mut writer, batch);
            assert_eq!(written.is_ok(), seq == 1, "the second write fails");
            if written.is_ok() {
                appender.committed(batch);
            } else {
                appender.failed(batch);
            }
        }
        assert_eq!(syncs.load(Ordering::SeqCst), syncs_wanted, "{durability:?}");
    }
}

#[test]
fn every_segment_that_holds_nothing_is_removed_whoever_made_it() {
    let data = tempfile::tempdir().expect("a directory");
    let path = data.path().to_owned();
    let mut appender = log(Durability::Commit);
    let mut writer = writer(&path, &appender);
    commit_all(&mut appender, &mut writer, 3);
    // A new process was to take over, and has died: it made the segment after the next one.
    let directory = path.join("shard-00");
    std::fs::write(directory.join(madang_log::file_name(SegmentNumber(3))), b"").expect("a segment");
    let sealed = appender.finish();
    assert!(sealed.is_some(), "three messages");
    let done = writer.carry_out(Work::Finish { sealed, leaves_nothing_unused: true });
    done.result.expect("the disk is well");
    let left = madang_log::Files::segments(&StdFiles::new(&path), ShardId(0)).expect("a directory");
    assert_eq!(left, [SegmentNumber(1)]);
}

#[test]
fn a_segment_that_cannot_be_prepared_is_ordered_again_and_nothing_is_lost() {
    let data = tempfile::tempdir().expect("a directory");
    let path = data.path().to_owned();
    // A file where the directory of the shard should be: nothing can be prepared.
    let obstacle = path.join("shard-00");
    std::fs::write(&obstacle, b"").expect("an obstacle");
    let refusals = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&refusals);
    {
        let mut appender = log(Durability::Commit);
        let mut writer = writer(&path, &appender);
        appender.append(&message(1));
        let mut batch = appender.take_batch().expect("a batch");
        for _ in 0..3 {
            let refused = commit(&mut writer, batch);
            assert!(matches!(refused.1, Err(CommitError::Prepare(_))));
            batch = refused.0;
            counted.fetch_add(1, Ordering::SeqCst);
        }
        std::fs::remove_file(&obstacle).expect("the obstacle goes");
        let batch = loop {
            let (tried, committed) = commit(&mut writer, batch);
            if committed.is_ok() {
                break tried;
            }
            batch = tried;
            counted.fetch_add(1, Ordering::SeqCst);
            assert!(counted.load(Ordering::SeqCst) < 10, "the next order succeeds");
        };
        appender.committed(batch);
    }
    assert_eq!(numbers(&recovered(data.path())), [1]);
}

#[test]
fn where_sealing_failed_too_no_segment_is_missing_before_one_that_is_there() {
    let data = tempfile::tempdir().expect("a directory");
    let path = data.path().to_owned();
    // Something where the second segment is to be made.
    let obstacle = path.join("shard-00").join(madang_log::file_name(SegmentNumber(2))).with_extension("new");
    std::fs::create_dir_all(obstacle.join("in the way")).expect("an obstacle");
    let count = SEGMENT_BYTES / 2000;
    {
        let mut appender = log(Durability::Commit);
        let mut writer = failing_writer(&path, &appender, failing(SegmentOperation::Seal, 1000, 1));
        let mut refused = 0;
        for seq in 1..=count {
            let id = appender.append(&message(seq));
            let mut batch = appender.take_batch();
            while appender.last_committed() < id {
                let (tried, committed) = commit(&mut writer, batch.take().expect("a batch waits"));
                match committed {
                    Ok(()) => appender.committed(tried),
                    Err(CommitError::Prepare(_)) => {
                        refused += 1;
                        if refused == 3 {
                            std::fs::remove_dir_all(&obstacle).expect("the obstacle goes");
                        }
                        assert!(refused < 10, "the next order succeeds");
                        batch = Some(tried);
                    }
                    Err(CommitError::File { .. }) => {
                        appender.failed(tried);
                        batch = appender.take_batch();
                    }
                }
            }
        }
        assert!(refused >= 3, "the second segment could not be made");
    }
    assert_eq!(numbers(&recovered(data.path())), (1..=count).collect::<Vec<u64>>());
}

use super::*;
use crate::testing::{SHARD, Writer, message};
use crate::{MemoryFiles, SEGMENT_BYTES_MIN, SegmentNumber};
use std::time::Duration;

fn appender(durability: Durability) -> Appender {
    Appender::new(SHARD, SegmentNumber::FIRST, SEGMENT_BYTES_MIN, SEGMENT_BYTES_MIN, durability)
}

#[test]
fn one_batch_is_in_flight_while_the_next_fills() {
    let mut log = appender(Durability::Commit);
    assert!(log.take_batch().is_none());
    assert_eq!(log.append(&message("r", 1, "a")), BatchId(1));
    let first = log.take_batch().expect("a message waits");
    assert_eq!(log.append(&message("r", 2, "b")), BatchId(2));
    assert_eq!(log.append(&message("r", 3, "c")), BatchId(2));
    assert!(log.take_batch().is_none(), "one at a time");
    assert_eq!(log.last_committed(), BatchId::ZERO);
    let end = first.end_bytes();
    log.committed(first);
    assert_eq!(log.last_committed(), BatchId(1));
    let second = log.take_batch().expect("messages wait");
    assert_eq!((second.id, second.offset_bytes), (BatchId(2), end));
    log.committed(second);
    assert!(log.is_idle());
}

#[test]
fn a_full_batch_says_so_and_is_still_whole() {
    let mut log = appender(Durability::Commit);
    let mut appended = 0;
    while !log.is_full() {
        appended += 1;
        log.append(&message("r", appended, &"x".repeat(4000)));
    }
    let batch = log.take_batch().expect("messages wait");
    assert!(batch.end_bytes() < SEGMENT_BYTES_MIN);
    assert!(!log.is_full(), "the next may fill");
}

#[test]
fn a_batch_never_spans_segments() {
    let files = MemoryFiles::default();
    let mut writer = Writer::new(&files, SHARD, SegmentNumber::FIRST);
    let (mut last, mut sealed) = (Position { segment: SegmentNumber::FIRST, offset_bytes: 0 }, 0);
    for seq in 1..1000 {
        writer.appender.append(&message("r", seq, &"x".repeat(seq as usize * 7 % 5000 + 1)));
        let batch = writer.write().expect("a message waits");
        assert_eq!(batch.offset_bytes % 16, 0);
        assert!(batch.end_bytes() <= SEGMENT_BYTES_MIN);
        if let Some(left) = &batch.seals {
            assert_eq!((left.number, left.end_offset_bytes), (last.segment, last.offset_bytes));
            assert!(left.end_offset_bytes + left.frame.len() as u64 <= SEGMENT_BYTES_MIN);
            assert_eq!((batch.segment, batch.offset_bytes), (left.number.next(), 64));
            sealed += 1;
        } else {
            assert_eq!(batch.segment, last.segment);
        }
        last = Position { segment: batch.segment, offset_bytes: batch.end_bytes() };
        writer.appender.committed(batch);
        assert_eq!(writer.appender.written(), last);
    }
    assert!(sealed >= 3);
}

#[test]
fn buffers_are_used_again() {
    let mut log = appender(Durability::Commit);
    let mut seen = Vec::new();
    for seq in 1..20 {
        for part in 0..10 {
            log.append(&message("r", seq * 10 + part, "the same length"));
        }
        let batch = log.take_batch().expect("messages wait");
        if seq > 3 {
            assert!(seen.contains(&batch.bytes.as_ptr()), "a buffer was allocated");
        }
        seen.push(batch.bytes.as_ptr());
        log.committed(batch);
    }
}

#[test]
fn a_failed_batch_goes_again_to_a_fresh_segment_before_anything_else() {
    let mut log = appender(Durability::Commit);
    log.append(&message("r", 1, "stored"));
    let stored = log.take_batch().expect("a message waits");
    let end = stored.end_bytes();
    log.committed(stored);
    log.append(&message("r", 2, "unlucky"));
    let unlucky = log.take_batch().expect("a message waits");
    log.append(&message("r", 3, "later"));
    log.failed(unlucky);
    for segment in [2, 3] {
        let again = log.take_batch().expect("the failed batch waits");
        assert_eq!((again.id, again.segment), (BatchId(2), SegmentNumber(segment)));
        let left = again.seals.as_ref().expect("the failed segment is left");
        assert!(left.is_abandoned);
        assert_eq!((left.number, left.end_offset_bytes), (SegmentNumber::FIRST, end));
        assert_eq!(log.last_committed(), BatchId(1));
        if segment == 2 {
            log.failed(again);
        } else {
            log.committed(again);
        }
    }
    let later = log.take_batch().expect("a message waits");
    assert_eq!((later.id, later.segment), (BatchId(3), SegmentNumber(3)));
    assert!(later.seals.is_none());
}

#[test]
fn what_is_not_synced_is_counted_until_it_is() {
    let mut log = appender(Durability::Interval(Duration::from_millis(50)));
    log.append(&message("r", 1, "a"));
    let batch = log.take_batch().expect("a message waits");
    let bytes = batch.bytes.len() as u64;
    log.committed(batch);
    assert_eq!((log.last_committed(), log.unsynced_bytes()), (BatchId(1), bytes));
    log.synced(log.written());
    assert_eq!(log.unsynced_bytes(), 0);
}

#[test]
fn after_a_failed_sync_the_log_continues_in_a_fresh_segment_and_never_seals_the_old_one() {
    let mut log = appender(Durability::Interval(Duration::from_millis(50)));
    log.append(&message("r", 1, "shown"));
    let shown = log.take_batch().expect("a message waits");
    let end = shown.end_bytes();
    log.committed(shown);
    log.sync_failed();
    assert!(!log.has_room() && log.finish().is_none());
    log.append(&message("r", 2, "later"));
    for segment in [2, 3] {
        let later = log.take_batch().expect("a message waits");
        assert_eq!((later.id, later.segment), (BatchId(2), SegmentNumber(segment)));
        let left = later.seals.as_ref().expect("the segment is left");
        assert!(left.is_abandoned);
        assert_eq!((left.number, left.end_offset_bytes), (SegmentNumber::FIRST, end));
        if segment == 2 {
            log.failed(later);
        } else {
            log.committed(later);
        }
    }
    assert!(log.has_room());
    assert_eq!(log.finish().map(|sealed| sealed.number), Some(SegmentNumber(3)));
}

#[test]
fn a_segment_without_messages_is_not_sealed() {
    assert!(appender(Durability::Commit).finish().is_none());
}

#[test]
fn a_segment_is_finished_when_that_is_asked_for_with_all_that_was_appended_before() {
    let mut log = appender(Durability::Commit);
    log.finish_segment();
    assert!(log.is_idle() && log.take_batch().is_none(), "nothing is in it");
    log.append(&message("r", 1, "in flight"));
    let first = log.take_batch().expect("a message waits");
    log.append(&message("r", 2, "waits"));
    log.finish_segment();
    assert!(!log.has_room() && !log.is_idle() && log.is_finishing());
    log.committed(first);
    let second = log.take_batch().expect("a message waits");
    assert_eq!((second.segment, second.seals.is_some()), (SegmentNumber::FIRST, false));
    log.append(&message("r", 3, "later"));
    log.committed(second);
    let third = log.take_batch().expect("a message waits");
    let seal = third.seals.as_ref().expect("the segment is finished");
    assert_eq!((third.segment, seal.number), (SegmentNumber(2), SegmentNumber::FIRST));
    assert!(log.is_finishing(), "it is on its way");
    log.committed(third);
    assert!(!log.is_finishing() && log.has_room() && log.is_idle() && log.take_batch().is_none());
    // Without anything else to write.
    log.finish_segment();
    let empty = log.take_batch().expect("a segment is to be finished");
    assert!(empty.bytes.is_empty() && empty.seals.is_some() && empty.segment == SegmentNumber(3));
    log.failed(empty);
    let again = log.take_batch().expect("it was not finished");
    assert_eq!(again.segment, SegmentNumber(4));
    assert!(again.seals.as_ref().is_some_and(|left| left.is_abandoned && left.number == SegmentNumber(2)));
    log.committed(again);
    assert!(!log.is_finishing() && log.is_idle());
}

fn committed(log: &mut Appender, seq: u64) -> Position {
    log.append(&message("r", seq, &"x".repeat(30_000)));
    let batch = log.take_batch().expect("a message waits");
    let place = Position { segment: batch.segment, offset_bytes: batch.end_bytes() };
    log.committed(batch);
    place
}

#[test]
fn what_is_shown_before_it_is_synced_counts_as_synced_once_its_segment_is_sealed() {
    for durability in [Durability::Interval(Duration::from_millis(50)), Durability::None] {
        let mut log = appender(durability);
        let (mut seq, mut place) = (1, committed(&mut log, 1));
        loop {
            seq += 1;
            log.append(&message("r", seq, &"x".repeat(30_000)));
            let batch = log.take_batch().expect("a message waits");
            if batch.seals.is_some() {
                assert!(!log.is_synced(place), "the seal is not written");
                log.synced(log.written());
                assert!(!log.is_synced(place), "a sync of the next segment shows nothing of this one");
                log.committed(batch);
                assert!(log.is_synced(place) && !log.is_in_doubt(place));
                break;
            }
            place = Position { segment: batch.segment, offset_bytes: batch.end_bytes() };
            log.committed(batch);
            assert!(!log.is_synced(place));
        }
        assert!(!log.is_synced(log.written()));
        log.synced(log.written());
        assert!(log.is_synced(log.written()));
    }
}

#[test]
fn what_was_shown_in_a_segment_whose_sync_failed_never_counts_as_synced() {
    let mut log = appender(Durability::Interval(Duration::from_millis(50)));
    let shown = committed(&mut log, 1);
    assert!(!log.is_synced(shown) && !log.is_in_doubt(shown));
    log.sync_failed();
    assert!(!log.is_synced(shown) && log.is_in_doubt(shown));
    let later = committed(&mut log, 2);
    log.synced(log.written());
    assert!(!log.is_synced(shown) && log.is_in_doubt(shown));
    assert!(log.is_synced(later) && !log.is_in_doubt(later));
}

#[test]
fn what_was_shown_in_a_segment_that_a_failed_batch_left_never_counts_as_synced() {
    let mut log = appender(Durability::None);
    let shown = committed(&mut log, 1);
    log.append(&message("r", 2, "again"));
    let failed = log.take_batch().expect("a message waits");
    log.failed(failed);
    let again = log.take_batch().expect("it is written again");
    log.committed(again);
    assert!(!log.is_synced(shown) && log.is_in_doubt(shown));
}

#[test]
fn what_is_committed_after_its_sync_stays_synced_though_a_later_batch_fails() {
    let mut log = appender(Durability::Commit);
    let place = committed(&mut log, 1);
    assert!(log.is_synced(place));
    log.append(&message("r", 2, "again"));
    let failed = log.take_batch().expect("a message waits");
    log.failed(failed);
    assert!(log.is_synced(place));
    let again = log.take_batch().expect("it is written again");
    assert!(log.is_synced(place));
    log.committed(again);
    assert!(log.is_synced(place));
}

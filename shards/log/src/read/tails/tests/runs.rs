//! Runs of a log in real files.

use super::*;
use crate::index::{RunReader, due_runs, run_file_name, write_run_of_version};
use crate::read::runs::{amendment_sources, mend_run, renew_runs};

const SHARD: ShardId = ShardId(0);

struct Log {
    data: tempfile::TempDir,
    files: StdFiles,
    newest: SegmentNumber,
    tails: HashMap<RoomKey, RoomTail>,
}

/// A log of some segments more than 20, with its runs.
fn log_with_runs() -> Log {
    let data = tempfile::tempdir().expect("a directory");
    let segments = write_log(data.path(), 8_000);
    let newest = *segments.last().expect("a segment");
    assert!((20..64).contains(&newest.0), "{newest}");
    let files = StdFiles::new(data.path());
    open_log(&files, 1).expect("a log");
    let tails = snapshot(&files);
    renew_runs(&files, SHARD, newest).expect("runs");
    Log { data, files, newest, tails }
}

impl Log {
    fn run_path(&self, range: RunRange) -> PathBuf {
        self.files.path(SHARD, SegmentNumber::FIRST).with_file_name(run_file_name(range))
    }

    fn runs(&self) -> Vec<(RunRange, Vec<u8>)> {
        let read = |range| (range, fs::read(self.run_path(range)).expect("a run"));
        let mut runs: Vec<RunRange> = self.files.runs(SHARD).expect("a list");
        runs.sort_unstable();
        runs.into_iter().map(read).collect()
    }

    /// Whether each page of the first half of a room is right; gives how many reads of indexes they took.
    fn check(&self, oldest: u64) -> usize {
        let sources = amendment_sources(&self.files, SHARD, Some(self.newest)).expect("tables");
        let mut index_reads = 0;
        for seq in (50..2_500).step_by(97) {
            let page = Page::Before { seq: Seq(seq), count: 40 };
            let (numbers, reads) = page_by(self.data.path(), &self.tails, &sources, "r1", page);
            let expected: Vec<u64> = ((seq - 40).max(oldest)..seq).collect();
            assert_eq!(numbers, expected, "before #{seq}");
            index_reads += reads;
        }
        index_reads
    }
}

fn range(first: u64, last: u64) -> RunRange {
    RunRange { first: SegmentNumber(first), last: SegmentNumber(last) }
}

#[test]
fn runs_are_those_that_are_due_and_pages_need_no_index() {
    let log = log_with_runs();
    let runs: Vec<RunRange> = log.runs().into_iter().map(|(run, _)| run).collect();
    assert_eq!(runs, due_runs(SegmentNumber::FIRST, log.newest));
    assert_eq!(log.check(1), 0);
}

#[test]
fn a_run_that_is_lost_is_made_again_as_it_was_from_whatever_is_left() {
    let log = log_with_runs();
    let (runs, large) = (log.runs(), range(1, 16));
    fs::remove_file(log.run_path(large)).expect("it was there");
    // As the rest is listed, pages of what it was about are found by links.
    assert!(log.check(1) > 0);
    mend_run(&log.files, SHARD, large).expect("a run");
    assert!(log.runs() == runs, "and nothing beside it");
    // A part of it that is damaged is left out, one that is whole is used.
    fs::remove_file(log.run_path(large)).expect("it was there");
    fs::write(log.run_path(range(1, 4)), b"no run").expect("space");
    fs::write(log.run_path(range(5, 8)), [0; 200]).expect("space");
    renew_runs(&log.files, SHARD, log.newest).expect("runs");
    assert!(log.runs() == runs);
    assert_eq!(log.check(1), 0);
}

#[test]
fn a_run_of_an_earlier_release_is_written_anew_when_runs_are_renewed() {
    let log = log_with_runs();
    let runs = log.runs();
    for (range, run) in &runs {
        let mut groups = || RunReader::new(&run[..], SHARD, *range);
        let mut old = Vec::new();
        write_run_of_version(SHARD, *range, &mut groups, 1, (2, &mut old)).expect("memory");
        fs::write(log.run_path(*range), old).expect("space");
    }
    assert!(log.check(1) > 0, "it says nothing of places");
    assert!(log.runs() != runs, "who reads writes nothing");
    renew_runs(&log.files, SHARD, log.newest).expect("runs");
    assert!(log.runs() == runs);
}

#[test]
fn what_has_expired_is_not_in_runs_that_are_made_later() {
    let log = log_with_runs();
    let first_of = |segment: SegmentNumber| {
        let table = read_table(&log.files, SHARD, segment).expect("an index").expect("an index");
        table.rooms().iter().find(|room| &*room.name == "r1").expect("the room").first.0
    };
    let oldest = first_of(SegmentNumber(6));
    for segment in (1..6).map(SegmentNumber) {
        log.files.remove_finished(SHARD, segment).expect("it expires");
    }
    log.check(oldest);
    mend_run(&log.files, SHARD, range(1, 16)).expect("a run");
    let run = fs::read(log.run_path(range(1, 16))).expect("a run");
    for group in RunReader::new(&run[..], SHARD, range(1, 16)).expect("a run") {
        let (_, keyed) = group.expect("a sound run");
        let mut entries = keyed.groups.values().flat_map(|group| &group.entries);
        assert!(entries.all(|entries| entries.segment >= SegmentNumber(6)));
    }
    log.check(oldest);
}

#[test]
fn a_start_removes_runs_of_segments_that_the_snapshot_does_not_cover() {
    let log = log_with_runs();
    let runs = log.runs();
    fs::copy(log.run_path(range(1, 16)), log.run_path(range(1, 64))).expect("space");
    open_log(&log.files, 1).expect("a log");
    assert!(log.runs() == runs, "no snapshot covers segment 64");
    let snapshot = log.run_path(range(1, 16)).with_file_name("rooms.snapshot");
    fs::remove_file(snapshot).expect("it was there");
    open_log(&log.files, 1).expect("a log");
    assert!(log.runs().is_empty());
    renew_runs(&log.files, SHARD, log.newest).expect("runs");
    assert!(log.runs() == runs);
    assert_eq!(log.check(1), 0);
}

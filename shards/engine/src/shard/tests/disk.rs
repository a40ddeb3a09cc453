//! Real files under the shards of a test, used as the runtime uses them.

use crate::shard::Shard;
use crate::shard::archive::LookupId;
use madang_log::{
    Batch, FactsRenewal, Files, IndexFiles, LooksReading, OpenedLog, QueryFault, QueryOutcome, ReadAnswer,
    ReadRequest, Retention, SNAPSHOT_FILE_NAME, SegmentHeader, SegmentIndex, SegmentNumber, StdFiles, Step,
    StoredFile, StoredLooks, StoredQuery, directory_name, file_name, open_log, rebuild_index, renew_runs,
    renew_snapshot, retain,
};
use madang_model::ShardId;
use madang_model::connection::Surface;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::time::SystemTime;
use tempfile::TempDir;

/// Small, so that segments are sealed often.
pub const SEGMENT_BYTES: u64 = madang_log::SEGMENT_BYTES_MIN;

pub struct TestDisk {
    directory: TempDir,
    files: StdFiles,
    shard_count: u16,
    /// Whether queries are answered.
    pub answers: bool,
    /// How many answers still arrive; others are found and kept.
    pub answers_left: usize,
    found: VecDeque<(ShardId, LookupId, Result<QueryOutcome, QueryFault>)>,
    /// Whether the looks of stored rooms are read.
    pub reads_looks: bool,
    /// How often they were.
    pub looks_reads: usize,
    /// Whether indexes are written; until then they wait.
    pub writes_indexes: bool,
    indexes: Vec<SegmentIndex>,
    pub queries: usize,
}

impl TestDisk {
    pub fn new(shard_count: u16) -> TestDisk {
        let directory = tempfile::tempdir().expect("a directory");
        let files = StdFiles::new(directory.path());
        TestDisk {
            directory,
            files,
            shard_count,
            answers: true,
            answers_left: usize::MAX,
            found: VecDeque::new(),
            reads_looks: true,
            looks_reads: 0,
            writes_indexes: true,
            indexes: Vec::new(),
            queries: 0,
        }
    }

    /// The same files, for `shard_count` shards.
    pub fn for_shards(mut self, shard_count: u16) -> TestDisk {
        self.shard_count = shard_count;
        self
    }

    pub fn open(&self) -> OpenedLog {
        open_log(&self.files, self.shard_count).expect("a log that is whole")
    }

    /// Carries out what a shard wants. Returns whether there was anything.
    pub fn serve<S: Surface>(&mut self, shard: &mut Shard<S>, disk_moves: bool) -> bool {
        let mut has_moved = false;
        if disk_moves && let Some(batch) = shard.log.take_batch() {
            self.write(shard.id(), &batch);
            shard.committed(batch);
            has_moved = true;
        }
        self.indexes.append(&mut shard.archive().take_indexes());
        let indexes_count = if self.writes_indexes { self.indexes.len() } else { 0 };
        for index in self.indexes.drain(..indexes_count) {
            self.files.write_index(shard.id(), index.segment(), &index.encode()).expect("an index");
            shard.archive().index_written();
            has_moved = true;
        }
        if self.reads_looks && shard.begin_reading_looks() {
            self.looks_reads += 1;
            shard.looks_read(self.looks_of(shard.id()));
            has_moved = true;
        }
        while self.answers
            && let Some((lookup, query)) = shard.next_query()
        {
            self.queries += 1;
            let found = self.carry_out(query);
            self.found.push_back((shard.id(), lookup, found));
            has_moved |= self.answer(shard);
        }
        has_moved |= self.answer(shard);
        has_moved
    }

    /// The second answer that is kept comes before the first.
    pub fn swap_answers(&mut self) {
        self.found.swap(0, 1);
    }

    /// Answers as many as still arrive. Whether there were any.
    fn answer<S: Surface>(&mut self, shard: &mut Shard<S>) -> bool {
        let mut has_moved = false;
        while self.answers_left > 0
            && let Some((_, lookup, found)) = self.found.pop_front_if(|(of, ..)| *of == shard.id())
        {
            self.answers_left -= 1;
            shard.query_done(lookup, found);
            has_moved = true;
        }
        has_moved
    }

    fn looks_of(&self, shard: ShardId) -> Option<StoredLooks> {
        let mut reading = LooksReading::begin(&self.files, self.shard_count).ok()?;
        loop {
            // As little at a time as can be.
            if let Some(mut read) = reading.step(&self.files, 1).ok()? {
                return Some(read.swap_remove(shard.index()));
            }
        }
    }

    pub fn renew_snapshot<S: Surface>(&self, shard: &mut Shard<S>) {
        for segment in shard.archive().take_unindexed() {
            rebuild_index(&self.files, shard.id(), segment).expect("an index");
        }
        if let Some(snapshot) = renew_snapshot(&self.files, shard.id(), false).expect("a snapshot") {
            let covers = snapshot.scope.covers;
            let sources = renew_runs(&self.files, shard.id(), covers).expect("runs");
            shard.snapshot_renewed(Some(snapshot.scope), Some(&sources));
        }
    }

    /// Removes all that may expire. Returns how many segments that were.
    pub fn expire_all(&self, renewal: &mut impl FactsRenewal) -> usize {
        let (all, mut count) = (Retention { age_max: None, bytes_max: Some(0) }, 0);
        retain(&self.files, &all, SystemTime::now(), renewal, &mut |_| count += 1).expect("removed");
        count
    }

    pub fn segment_path(&self, shard: ShardId, segment: SegmentNumber) -> PathBuf {
        self.files.path(shard, segment)
    }

    pub fn snapshot_path(&self, shard: ShardId) -> PathBuf {
        self.directory.path().join(directory_name(shard)).join(SNAPSHOT_FILE_NAME)
    }

    /// The first message of each segment of the first shard is not what was written any more.
    pub fn damage_segments(&self) {
        self.damage("seg");
    }

    pub fn damage_indexes(&self) {
        self.damage("idx");
    }

    fn damage(&self, extension: &str) {
        let directory = self.directory.path().join(directory_name(ShardId(0)));
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|found| found == extension) {
                let mut file = File::options().write(true).open(path).expect("a file");
                file.seek(SeekFrom::Start(70)).and_then(|_| file.write_all(b"damage")).expect("a write");
            }
        }
    }

    fn write(&self, shard: ShardId, batch: &Batch) {
        let path = |segment: SegmentNumber| {
            self.directory.path().join(directory_name(shard)).join(file_name(segment))
        };
        if let Some(sealed) = &batch.seals {
            let mut file = File::options().write(true).open(path(sealed.number)).expect("a segment");
            file.set_len(sealed.end_offset_bytes).expect("a cut");
            file.seek(SeekFrom::End(0)).and_then(|_| file.write_all(&sealed.frame)).expect("a seal");
        }
        let segment = path(batch.segment);
        if !segment.exists() {
            let header = SegmentHeader {
                shard,
                shard_count: self.shard_count,
                segment: batch.segment,
                created_us: batch.segment.0 as i64,
                capacity_bytes: SEGMENT_BYTES,
                generation: 0,
            };
            fs::create_dir_all(segment.parent().expect("a directory")).expect("a directory");
            fs::write(&segment, header.encode()).expect("a segment");
            File::options()
                .write(true)
                .open(&segment)
                .and_then(|file| file.set_len(SEGMENT_BYTES))
                .expect("zeros");
        }
        let mut file = File::options().write(true).open(&segment).expect("a segment");
        file.seek(SeekFrom::Start(batch.offset_bytes))
            .and_then(|_| file.write_all(&batch.bytes))
            .expect("a write");
    }

    fn carry_out(&self, mut query: StoredQuery) -> Result<QueryOutcome, QueryFault> {
        loop {
            let requests = match query.step() {
                Step::Done(found) => return found,
                Step::Read(requests) => requests,
            };
            let bytes: Vec<Option<Vec<u8>>> = requests.iter().map(|request| self.read(request)).collect();
            let answers: Vec<ReadAnswer<'_>> = bytes
                .iter()
                .map(|bytes| bytes.as_deref().map_or(ReadAnswer::NoFile, ReadAnswer::Bytes))
                .collect();
            query.supply(&answers);
        }
    }

    fn read(&self, request: &ReadRequest) -> Option<Vec<u8>> {
        let name = request.file.file_name();
        let path = self.directory.path().join(directory_name(request.directory)).join(name);
        let mut file = File::open(path).ok()?;
        let file_bytes = file.metadata().expect("a length").len();
        let start = match request.file {
            StoredFile::SnapshotEnd => file_bytes.saturating_sub(request.bytes as u64),
            _ => request.offset_bytes,
        };
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(start)).expect("a place");
        file.take(request.bytes as u64).read_to_end(&mut bytes).expect("bytes");
        Some(bytes)
    }
}

//! Files that count how often they are read.

use super::*;

/// Files whose reads are counted.
pub struct Counting<'f>(pub &'f StdFiles, pub std::sync::atomic::AtomicUsize);

impl Counting<'_> {
    fn count(&self) -> &StdFiles {
        self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.0
    }
}

impl Files for Counting<'_> {
    fn shards(&self) -> Result<Vec<ShardId>, FilesError> {
        self.0.shards()
    }

    fn segments(&self, shard: ShardId) -> Result<Vec<SegmentNumber>, FilesError> {
        self.0.segments(shard)
    }

    fn read_start(
        &self,
        shard: ShardId,
        segment: SegmentNumber,
        bytes_max: usize,
        into: &mut AlignedVec,
    ) -> Result<(), FilesError> {
        self.count().read_start(shard, segment, bytes_max, into)
    }

    fn seal(
        &self,
        shard: ShardId,
        segment: SegmentNumber,
        synced_bytes: u64,
        end_bytes: u64,
        frame: &[u8],
    ) -> Result<(), FilesError> {
        self.0.seal(shard, segment, synced_bytes, end_bytes, frame)
    }

    fn make_sure(&self, shard: ShardId, segment: SegmentNumber, from_bytes: u64) -> Result<(), FilesError> {
        self.0.make_sure(shard, segment, from_bytes)
    }

    fn remove(&self, shard: ShardId, segment: SegmentNumber) -> Result<(), FilesError> {
        self.0.remove(shard, segment)
    }

    fn path(&self, shard: ShardId, segment: SegmentNumber) -> PathBuf {
        self.0.path(shard, segment)
    }
}

impl IndexFiles for Counting<'_> {
    fn indexes(&self, shard: ShardId) -> Result<Vec<SegmentNumber>, FilesError> {
        self.0.indexes(shard)
    }

    fn read_index(&self, shard: ShardId, segment: SegmentNumber) -> Result<Option<Vec<u8>>, FilesError> {
        self.count().read_index(shard, segment)
    }

    fn read_part(
        &self,
        shard: ShardId,
        segment: SegmentNumber,
        offset_bytes: u64,
        bytes: usize,
        into: &mut AlignedVec,
    ) -> Result<(), FilesError> {
        self.count().read_part(shard, segment, offset_bytes, bytes, into)
    }

    fn open_snapshot(
        &self,
        shard: ShardId,
        file: SnapshotFile,
    ) -> Result<Option<Box<dyn std::io::Read + Send>>, FilesError> {
        self.count().open_snapshot(shard, file)
    }

    fn read_snapshot_end(&self, shard: ShardId, file: SnapshotFile) -> Result<Option<Vec<u8>>, FilesError> {
        self.count().read_snapshot_end(shard, file)
    }

    fn write_snapshot(
        &self,
        shard: ShardId,
        file: SnapshotFile,
        write: &mut dyn FnMut(&mut dyn std::io::Write) -> std::io::Result<()>,
    ) -> Result<(), FilesError> {
        self.0.write_snapshot(shard, file, write)
    }

    fn runs(&self, shard: ShardId) -> Result<Vec<RunRange>, FilesError> {
        self.0.runs(shard)
    }

    fn open_run(
        &self,
        shard: ShardId,
        run: RunRange,
    ) -> Result<Option<Box<dyn std::io::Read + Send>>, FilesError> {
        self.count().open_run(shard, run)
    }

    fn write_run(
        &self,
        shard: ShardId,
        run: RunRange,
        write: &mut dyn FnMut(&mut dyn std::io::Write) -> std::io::Result<()>,
    ) -> Result<(), FilesError> {
        self.0.write_run(shard, run, write)
    }

    fn remove_run(&self, shard: ShardId, run: RunRange) -> Result<(), FilesError> {
        self.0.remove_run(shard, run)
    }

    fn finished(
        &self,
        shard: ShardId,
        segment: SegmentNumber,
    ) -> Result<(u64, std::time::SystemTime), FilesError> {
        self.0.finished(shard, segment)
    }

    fn remove_finished(&self, shard: ShardId, segment: SegmentNumber) -> Result<(), FilesError> {
        self.0.remove_finished(shard, segment)
    }

    fn length_bytes(&self, shard: ShardId, segment: SegmentNumber) -> Result<u64, FilesError> {
        self.0.length_bytes(shard, segment)
    }

    fn write_index(&self, shard: ShardId, segment: SegmentNumber, bytes: &[u8]) -> Result<(), FilesError> {
        self.0.write_index(shard, segment, bytes)
    }
}

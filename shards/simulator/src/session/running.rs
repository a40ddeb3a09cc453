//! The files of a log as who goes through them reads them, while it is served: between two reads everything else goes on.

use super::super::disk::{HeldFile, VirtualDisk};
use super::super::truth::Checked;
use super::Session;
use madang_log::{
    FileOperation, Files, FilesError, HoldingFiles, IndexFiles, RunRange, SegmentNumber, SnapshotFile,
};
use madang_model::ShardId;
use rkyv::util::AlignedVec;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// Steps of everything else between two reads, at most.
const STEPS_MAX: usize = 3;

/// The files of a log that is served.
pub struct RunningLog<'a> {
    pub disk: Arc<VirtualDisk>,
    inner: Mutex<ServedSession<'a>>,
    /// The power was not cut since.
    power_cuts: u64,
}

struct ServedSession<'a> {
    session: &'a mut Session,
    went: Checked,
}

impl<'a> RunningLog<'a> {
    pub fn new(session: &'a mut Session) -> RunningLog<'a> {
        let (disk, power_cuts) = (Arc::clone(&session.disk), session.counts.power_cuts);
        RunningLog { disk, inner: Mutex::new(ServedSession { session, went: Ok(()) }), power_cuts }
    }

    /// What went wrong meanwhile, and whether the power was not cut: who read ends then, too.
    ///
    /// # Errors
    /// What is wrong.
    pub fn end(self) -> Result<bool, String> {
        let ServedSession { session, went } = self.inner.into_inner().unwrap_or_else(PoisonError::into_inner);
        went.map(|()| session.counts.power_cuts == self.power_cuts)
    }

    fn lock(&self) -> MutexGuard<'_, ServedSession<'a>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A few steps of everything else.
    pub fn goes_on(&self) -> Result<(), FilesError> {
        let ServedSession { session, went } = &mut *self.lock();
        let steps = session.chance.below(STEPS_MAX + 1);
        for _ in 0..steps {
            let is_over = session.trace.step >= session.options.steps;
            if is_over || went.is_err() || session.counts.power_cuts != self.power_cuts {
                break;
            }
            *went = session.advance();
        }
        match went.is_ok() && session.counts.power_cuts == self.power_cuts {
            true => Ok(()),
            false => Err(failed("the power is off")),
        }
    }
}

fn failed(why: &str) -> FilesError {
    let (path, source) = (Path::new("disk").to_owned(), io::Error::other(why.to_owned()));
    FilesError { path, operation: FileOperation::Read, source }
}

/// Whoever goes through them only reads.
fn refused<T>() -> Result<T, FilesError> {
    Err(failed("a reader changes the log"))
}

impl Files for RunningLog<'_> {
    fn shards(&self) -> Result<Vec<ShardId>, FilesError> {
        self.goes_on()?;
        self.disk.shards()
    }

    fn segments(&self, shard: ShardId) -> Result<Vec<SegmentNumber>, FilesError> {
        self.goes_on()?;
        self.disk.segments(shard)
    }

    fn read_start(
        &self,
        shard: ShardId,
        segment: SegmentNumber,
        bytes_max: usize,
        into: &mut AlignedVec,
    ) -> Result<(), FilesError> {
        self.goes_on()?;
        self.disk.read_start(shard, segment, bytes_max, into)
    }

    fn seal(&self, _: ShardId, _: SegmentNumber, _: u64, _: u64, _: &[u8]) -> Result<(), FilesError> {
        refused()
    }

    fn make_sure(&self, _: ShardId, _: SegmentNumber, _: u64) -> Result<(), FilesError> {
        refused()
    }

    fn remove(&self, _: ShardId, _: SegmentNumber) -> Result<(), FilesError> {
        refused()
    }

    fn path(&self, shard: ShardId, segment: SegmentNumber) -> PathBuf {
        self.disk.path(shard, segment)
    }

    fn beside(&self) -> Option<&dyn IndexFiles> {
        Some(self)
    }
}

impl IndexFiles for RunningLog<'_> {
    fn indexes(&self, shard: ShardId) -> Result<Vec<SegmentNumber>, FilesError> {
        self.goes_on()?;
        self.disk.indexes(shard)
    }

    fn read_index(&self, shard: ShardId, segment: SegmentNumber) -> Result<Option<Vec<u8>>, FilesError> {
        self.goes_on()?;
        self.disk.read_index(shard, segment)
    }

    fn read_part(
        &self,
        shard: ShardId,
        segment: SegmentNumber,
        offset_bytes: u64,
        bytes: usize,
        into: &mut AlignedVec,
    ) -> Result<(), FilesError> {
        self.goes_on()?;
        self.disk.read_part(shard, segment, offset_bytes, bytes, into)
    }

    fn open_snapshot(
        &self,
        shard: ShardId,
        file: SnapshotFile,
    ) -> Result<Option<Box<dyn Read + Send>>, FilesError> {
        self.goes_on()?;
        self.disk.open_snapshot(shard, file)
    }

    fn read_snapshot_end(&self, shard: ShardId, file: SnapshotFile) -> Result<Option<Vec<u8>>, FilesError> {
        self.goes_on()?;
        self.disk.read_snapshot_end(shard, file)
    }

    fn write_snapshot(
        &self,
        _: ShardId,
        _: SnapshotFile,
        _: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), FilesError> {
        refused()
    }

    fn runs(&self, shard: ShardId) -> Result<Vec<RunRange>, FilesError> {
        self.goes_on()?;
        self.disk.runs(shard)
    }

    fn open_run(&self, shard: ShardId, run: RunRange) -> Result<Option<Box<dyn Read + Send>>, FilesError> {
        self.goes_on()?;
        self.disk.open_run(shard, run)
    }

    fn write_run(
        &self,
        _: ShardId,
        _: RunRange,
        _: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), FilesError> {
        refused()
    }

    fn remove_run(&self, _: ShardId, _: RunRange) -> Result<(), FilesError> {
        refused()
    }

    fn finished(&self, shard: ShardId, segment: SegmentNumber) -> Result<(u64, SystemTime), FilesError> {
        self.disk.finished(shard, segment)
    }

    fn remove_finished(&self, _: ShardId, _: SegmentNumber) -> Result<(), FilesError> {
        refused()
    }

    fn length_bytes(&self, shard: ShardId, segment: SegmentNumber) -> Result<u64, FilesError> {
        self.goes_on()?;
        self.disk.length_bytes(shard, segment)
    }

    fn write_index(&self, _: ShardId, _: SegmentNumber, _: &[u8]) -> Result<(), FilesError> {
        refused()
    }
}

impl HoldingFiles for RunningLog<'_> {
    type Held = HeldFile;

    fn hold_segment(&self, shard: ShardId, segment: SegmentNumber) -> Result<HeldFile, FilesError> {
        self.goes_on()?;
        self.disk.hold_segment(shard, segment)
    }

    fn hold_snapshot(&self, shard: ShardId, file: SnapshotFile) -> Result<Option<HeldFile>, FilesError> {
        self.goes_on()?;
        self.disk.hold_snapshot(shard, file)
    }

    fn end_of(&self, held: &HeldFile, bytes: usize) -> Option<Vec<u8>> {
        self.disk.end_of(held, bytes)
    }
}

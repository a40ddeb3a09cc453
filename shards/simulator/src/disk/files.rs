//! The seams of the log, filled by the virtual disk.

use super::{Handle, Name, ROOT, VirtualDisk};
use madang_engine::mutation::{Mutation, end_of_recovered, is_on};
use madang_log::{
    FileOperation, Files, FilesError, IndexFiles, RunRange, SNAPSHOT_BLOCK_BYTES, SegmentNumber,
    SnapshotFile, StoredFile, directory_name, file_name, index_file_name, run_file_name,
};
use madang_model::ShardId;
use rkyv::util::AlignedVec;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

pub(super) fn segment_name(shard: ShardId, segment: SegmentNumber) -> Name {
    (shard, StoredFile::Segment(segment), false)
}

/// The end of a snapshot is no file of its own: by its name the copy lies on this disk.
pub(super) fn snapshot_name(shard: ShardId, file: SnapshotFile) -> Name {
    match file {
        SnapshotFile::Newest => (shard, StoredFile::Snapshot, false),
        SnapshotFile::Copy => (shard, StoredFile::SnapshotEnd, false),
    }
}

fn path((shard, file, _): Name) -> PathBuf {
    let name = match file {
        StoredFile::Segment(segment) => file_name(segment),
        StoredFile::Index(segment) => index_file_name(segment),
        StoredFile::Run(run) => run_file_name(run),
        StoredFile::Snapshot => SnapshotFile::Newest.name().to_owned(),
        StoredFile::SnapshotEnd => SnapshotFile::Copy.name().to_owned(),
    };
    Path::new("disk").join(directory_name(shard)).join(name)
}

pub(super) fn failed(name: Name, operation: FileOperation) -> impl FnOnce(io::Error) -> FilesError {
    move |source| FilesError { path: path(name), operation, source }
}

impl VirtualDisk {
    fn read_whole(&self, name: Name, bytes_max: usize) -> Result<Vec<u8>, FilesError> {
        let missing = || failed(name, FileOperation::Read)(io::ErrorKind::NotFound.into());
        self.read(name, 0, bytes_max).ok_or_else(missing)
    }

    fn finish(&self, name: Name, synced_bytes: u64, end_bytes: u64, frame: &[u8]) -> io::Result<()> {
        let handle = self.open(name)?;
        self.truncate(handle, end_bytes)?;
        self.write_again(name, handle, synced_bytes)?;
        self.write(handle, end_bytes, frame)?;
        self.sync(handle)
    }

    fn write_again(&self, name: Name, handle: Handle, from_bytes: u64) -> io::Result<()> {
        if !is_on(Mutation::TrustPageCache) {
            let unsure = VirtualDisk::read(self, name, from_bytes, usize::MAX).unwrap_or_default();
            self.write(handle, from_bytes, &unsure)?;
        }
        self.sync(handle)
    }
}

impl Files for VirtualDisk {
    fn shards(&self) -> Result<Vec<ShardId>, FilesError> {
        Ok(self.lock().directories.iter().copied().filter(|shard| *shard != ROOT).collect())
    }

    fn segments(&self, shard: ShardId) -> Result<Vec<SegmentNumber>, FilesError> {
        let segment = |name: Name| match name {
            (of, StoredFile::Segment(segment), false) if of == shard => Some(segment),
            _ => None,
        };
        Ok(self.names().into_iter().filter_map(segment).collect())
    }

    fn read_start(
        &self,
        shard: ShardId,
        segment: SegmentNumber,
        bytes_max: usize,
        into: &mut AlignedVec,
    ) -> Result<(), FilesError> {
        let bytes = self.read_whole(segment_name(shard, segment), bytes_max)?;
        into.clear();
        into.extend_from_slice(&bytes);
        Ok(())
    }

    fn seal(
        &self,
        shard: ShardId,
        segment: SegmentNumber,
        synced_bytes: u64,
        end_bytes: u64,
        frame: &[u8],
    ) -> Result<(), FilesError> {
        let name = segment_name(shard, segment);
        let end_bytes = end_of_recovered(end_bytes);
        self.finish(name, synced_bytes, end_bytes, frame).map_err(failed(name, FileOperation::Seal))
    }

    fn make_sure(&self, shard: ShardId, segment: SegmentNumber, from_bytes: u64) -> Result<(), FilesError> {
        if is_on(Mutation::TrustSeals) {
            return Ok(());
        }
        let name = segment_name(shard, segment);
        let made_sure = self.open(name).and_then(|handle| self.write_again(name, handle, from_bytes));
        made_sure.map_err(failed(name, FileOperation::Seal))
    }

    fn remove(&self, shard: ShardId, segment: SegmentNumber) -> Result<(), FilesError> {
        let name = segment_name(shard, segment);
        let removed = self.unlink(name).and_then(|()| self.sync_directory(shard));
        removed.map_err(failed(name, FileOperation::Remove))
    }

    fn path(&self, shard: ShardId, segment: SegmentNumber) -> PathBuf {
        path(segment_name(shard, segment))
    }

    fn beside(&self) -> Option<&dyn IndexFiles> {
        Some(self)
    }
}

impl IndexFiles for VirtualDisk {
    fn indexes(&self, shard: ShardId) -> Result<Vec<SegmentNumber>, FilesError> {
        let index = |name: Name| match name {
            (of, StoredFile::Index(segment), false) if of == shard => Some(segment),
            _ => None,
        };
        Ok(self.names().into_iter().filter_map(index).collect())
    }

    fn read_index(&self, shard: ShardId, segment: SegmentNumber) -> Result<Option<Vec<u8>>, FilesError> {
        Ok(VirtualDisk::read(self, (shard, StoredFile::Index(segment), false), 0, usize::MAX))
    }

    fn read_part(
        &self,
        shard: ShardId,
        segment: SegmentNumber,
        offset_bytes: u64,
        bytes: usize,
        into: &mut AlignedVec,
    ) -> Result<(), FilesError> {
        let name = segment_name(shard, segment);
        let part = VirtualDisk::read(self, name, offset_bytes, bytes);
        let part = part.ok_or_else(|| failed(name, FileOperation::Read)(io::ErrorKind::NotFound.into()))?;
        into.clear();
        into.extend_from_slice(&part);
        Ok(())
    }

    fn open_snapshot(
        &self,
        shard: ShardId,
        file: SnapshotFile,
    ) -> Result<Option<Box<dyn Read + Send>>, FilesError> {
        let bytes = VirtualDisk::read(self, snapshot_name(shard, file), 0, usize::MAX);
        Ok(bytes.map(|bytes| Box::new(io::Cursor::new(bytes)) as Box<dyn Read + Send>))
    }

    fn read_snapshot_end(&self, shard: ShardId, file: SnapshotFile) -> Result<Option<Vec<u8>>, FilesError> {
        Ok(self.read_end(snapshot_name(shard, file), SNAPSHOT_BLOCK_BYTES))
    }

    fn write_snapshot(
        &self,
        shard: ShardId,
        file: SnapshotFile,
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), FilesError> {
        let name = snapshot_name(shard, file);
        let mut bytes = Vec::new();
        let written = write(&mut bytes).and_then(|()| self.replace(name, &bytes));
        written.map_err(failed(name, FileOperation::Index))
    }

    fn runs(&self, shard: ShardId) -> Result<Vec<RunRange>, FilesError> {
        let run = |name: Name| match name {
            (of, StoredFile::Run(run), false) if of == shard => Some(run),
            _ => None,
        };
        Ok(self.names().into_iter().filter_map(run).collect())
    }

    fn open_run(&self, shard: ShardId, run: RunRange) -> Result<Option<Box<dyn Read + Send>>, FilesError> {
        let bytes = VirtualDisk::read(self, (shard, StoredFile::Run(run), false), 0, usize::MAX);
        Ok(bytes.map(|bytes| Box::new(io::Cursor::new(bytes)) as Box<dyn Read + Send>))
    }

    fn write_run(
        &self,
        shard: ShardId,
        run: RunRange,
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), FilesError> {
        let name = (shard, StoredFile::Run(run), false);
        let mut bytes = Vec::new();
        let written = write(&mut bytes).and_then(|()| self.replace(name, &bytes));
        written.map_err(failed(name, FileOperation::Index))
    }

    fn remove_run(&self, shard: ShardId, run: RunRange) -> Result<(), FilesError> {
        let name = (shard, StoredFile::Run(run), false);
        self.unlink(name).map_err(failed(name, FileOperation::Remove))
    }

    fn finished(&self, shard: ShardId, segment: SegmentNumber) -> Result<(u64, SystemTime), FilesError> {
        let inner = self.lock();
        let length = |name: Name| {
            let file = &inner.files[*inner.names.get(&name)?];
            Some((file.contents().len() as u64, file.changed_us))
        };
        let name = segment_name(shard, segment);
        let missing = || failed(name, FileOperation::Read)(io::ErrorKind::NotFound.into());
        let (bytes, changed_us) = length(name).ok_or_else(missing)?;
        let index_bytes = length((shard, StoredFile::Index(segment), false)).map_or(0, |(bytes, _)| bytes);
        let at = SystemTime::UNIX_EPOCH + Duration::from_micros(changed_us.unsigned_abs());
        Ok((bytes + index_bytes, at))
    }

    fn remove_finished(&self, shard: ShardId, segment: SegmentNumber) -> Result<(), FilesError> {
        let name = (shard, StoredFile::Index(segment), false);
        match self.unlink(name).and_then(|()| self.sync_directory(shard)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed(name, FileOperation::Remove)(error));
            }
            _ => {}
        }
        Files::remove(self, shard, segment)
    }

    fn length_bytes(&self, shard: ShardId, segment: SegmentNumber) -> Result<u64, FilesError> {
        let name = segment_name(shard, segment);
        let inner = self.lock();
        let missing = || failed(name, FileOperation::Read)(io::ErrorKind::NotFound.into());
        let handle = inner.names.get(&name).ok_or_else(missing)?;
        Ok(inner.files[*handle].contents().len() as u64)
    }

    fn write_index(&self, shard: ShardId, segment: SegmentNumber, bytes: &[u8]) -> Result<(), FilesError> {
        let name = (shard, StoredFile::Index(segment), false);
        if !self.names().contains(&segment_name(shard, segment)) {
            return Ok(());
        }
        self.replace(name, bytes).map_err(failed(name, FileOperation::Index))
    }
}

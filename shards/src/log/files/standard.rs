//! Files of the operating system, through calls that block.

use super::{Files, FilesError, Operation};
use crate::log::format::{SegmentNumber, directory_name, directory_shard, file_name, file_segment};
use crate::types::ShardId;
use rkyv::util::AlignedVec;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The segments under a directory on disk.
#[derive(Clone, Debug)]
pub struct StdFiles {
    directory: PathBuf,
}

impl StdFiles {
    /// The log that lies in this directory of data. Nothing is opened yet.
    pub fn new(directory: impl Into<PathBuf>) -> StdFiles {
        StdFiles { directory: directory.into() }
    }
}

/// What `parse` makes of the names in a directory, in order. Other names are nobody's here.
fn listed<T: Ord>(directory: &Path, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, FilesError> {
    let list = || -> io::Result<Vec<T>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(directory)? {
            found.extend(entry?.file_name().to_str().and_then(&parse));
        }
        found.sort_unstable();
        Ok(found)
    };
    list().map_err(|source| FilesError { path: directory.to_owned(), operation: Operation::List, source })
}

impl Files for StdFiles {
    fn shards(&self) -> Result<Vec<ShardId>, FilesError> {
        listed(&self.directory, directory_shard)
    }

    fn segments(&self, shard: ShardId) -> Result<Vec<SegmentNumber>, FilesError> {
        let directory = self.directory.join(directory_name(shard));
        match listed(&directory, file_segment) {
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            result => result,
        }
    }

    fn read_start(
        &self,
        shard: ShardId,
        segment: SegmentNumber,
        bytes_max: usize,
        into: &mut AlignedVec,
    ) -> Result<(), FilesError> {
        let path = self.path(shard, segment);
        let mut read = || -> io::Result<()> {
            let mut file = File::open(&path)?;
            // Only what the buffer never held is zeroed: the next segment has the same length.
            let length = file.metadata()?.len().min(bytes_max as u64);
            let length = usize::try_from(length).map_err(io::Error::other)?;
            into.resize(length, 0);
            let mut filled = 0;
            while filled < length {
                match file.read(&mut into[filled..]) {
                    Ok(0) => break,
                    Ok(bytes) => filled += bytes,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            into.resize(filled, 0);
            Ok(())
        };
        read().map_err(|source| FilesError { path: path.clone(), operation: Operation::Read, source })
    }

    fn seal(
        &self,
        shard: ShardId,
        segment: SegmentNumber,
        synced_bytes: u64,
        end_bytes: u64,
        frame: &[u8],
    ) -> Result<(), FilesError> {
        let path = self.path(shard, segment);
        let seal = || -> io::Result<()> {
            let mut file = OpenOptions::new().read(true).write(true).open(&path)?;
            file.set_len(end_bytes)?;
            let mut unsure = Vec::new();
            file.seek(SeekFrom::Start(synced_bytes))?;
            file.read_to_end(&mut unsure)?;
            file.seek(SeekFrom::Start(synced_bytes))?;
            file.write_all(&unsure)?;
            file.sync_all()?;
            file.seek(SeekFrom::Start(end_bytes))?;
            file.write_all(frame)?;
            file.sync_all()
        };
        seal().map_err(|source| FilesError { path: path.clone(), operation: Operation::Seal, source })
    }

    fn remove(&self, shard: ShardId, segment: SegmentNumber) -> Result<(), FilesError> {
        let path = self.path(shard, segment);
        let remove = || -> io::Result<()> {
            fs::remove_file(&path)?;
            File::open(self.directory.join(directory_name(shard)))?.sync_all()
        };
        remove().map_err(|source| FilesError { path: path.clone(), operation: Operation::Remove, source })
    }

    fn path(&self, shard: ShardId, segment: SegmentNumber) -> PathBuf {
        self.directory.join(directory_name(shard)).join(file_name(segment))
    }
}

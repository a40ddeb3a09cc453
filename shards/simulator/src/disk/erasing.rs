//! The files of the log as an erasure uses them, and the list of erasures.

use super::files::failed;
use super::{Handle, Name, ROOT, VirtualDisk};
use madang_engine::mutation::{Mutation, is_on};
use madang_log::{
    ERASURES_FILE, ErasureFiles, ErasureListFiles, FileOperation, FilesError, SegmentNumber, StoredFile,
    directory_name, file_name,
};
use madang_model::ShardId;
use rkyv::util::AlignedVec;
use std::io;
use std::path::{Path, PathBuf};

/// What the name of a segment ends with while another takes its place. Its number has the highest bit set here.
const SUFFIX: &str = ".erasing";
const ERASING: u64 = 1 << 63;
/// By how much the time of a file rises, as on the real disk.
const TIME_STEP_US: i64 = 1_000_000;

const LIST: Name = (ROOT, StoredFile::Snapshot, false);

fn parse(name: &str) -> Option<Name> {
    let (directory, file) = name.split_once('/')?;
    let shard = ShardId(directory.strip_prefix("shard-")?.parse().ok()?);
    let is_beside = file.ends_with(SUFFIX);
    let number: u64 = file.strip_suffix(SUFFIX).unwrap_or(file).strip_suffix(".seg")?.parse().ok()?;
    let number = if is_beside { number | ERASING } else { number };
    Some((shard, StoredFile::Segment(SegmentNumber(number)), is_beside))
}

fn shown((shard, file, is_beside): Name) -> Option<String> {
    let StoredFile::Segment(SegmentNumber(number)) = file else { return None };
    // One that is being prepared is no part of the log yet.
    let is_erasing = number & ERASING != 0;
    let suffix = if is_erasing { SUFFIX } else { "" };
    let name = file_name(SegmentNumber(number & !ERASING));
    (is_beside == is_erasing).then(|| format!("{}/{name}{suffix}", directory_name(shard)))
}

fn found(name: &str) -> io::Result<Name> {
    parse(name).ok_or_else(|| io::ErrorKind::NotFound.into())
}

impl ErasureFiles for VirtualDisk {
    type OpenFile = Handle;

    fn names(&self, _: &mut dyn FnMut(FilesError)) -> Result<Vec<String>, FilesError> {
        let is_left = |name: &String| is_on(Mutation::LeaveReplacedFile) && name.ends_with(SUFFIX);
        let names = VirtualDisk::names(self).into_iter().filter_map(shown);
        let mut names: Vec<String> = names.filter(|name| !is_left(name)).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn open_file(&self, name: &str) -> io::Result<Handle> {
        self.open(found(name)?)
    }

    fn path_of(&self, name: &str) -> PathBuf {
        Path::new("disk").join(name)
    }

    fn length_of(&self, file: &Handle) -> io::Result<u64> {
        Ok(self.lock().files[*file].contents().len() as u64)
    }

    fn read_file(&self, file: &Handle, into: &mut AlignedVec) -> io::Result<()> {
        into.clear();
        into.extend_from_slice(self.lock().files[*file].contents());
        Ok(())
    }

    fn create_file(&self, name: &str, _: &Handle) -> io::Result<Handle> {
        let name = found(name)?;
        match self.open(name) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(_) => self.create(name),
        }
    }

    fn write_file(&self, file: &Handle, offset_bytes: u64, bytes: &[u8]) -> io::Result<()> {
        self.write(*file, offset_bytes, bytes)
    }

    fn resize_file(&self, file: &Handle, length_bytes: u64) -> io::Result<()> {
        self.truncate(*file, length_bytes)
    }

    fn follow_time(&self, file: &Handle, of: &Handle) -> io::Result<()> {
        let inner = &mut *self.lock();
        let before = inner.files[*of].changed_us;
        inner.files[*file].changed_us = before.saturating_add(TIME_STEP_US);
        Ok(())
    }

    fn sync_file(&self, file: &Handle) -> io::Result<()> {
        VirtualDisk::sync_file(self, *file)
    }

    fn exchange(&self, one: &str, other: &str) -> io::Result<bool> {
        self.exchange_names(found(one)?, found(other)?)?;
        Ok(true)
    }

    fn rename_file(&self, from: &str, to: &str) -> io::Result<()> {
        self.rename(found(from)?, found(to)?)
    }

    fn remove_file(&self, name: &str) -> io::Result<()> {
        self.unlink(found(name)?)
    }

    fn take_alone(&self, file: &Handle) -> bool {
        self.is_alone(*file)
    }

    fn sync_directory_of(&self, name: &str) -> io::Result<()> {
        if is_on(Mutation::WipeBeforeNames) {
            return Ok(());
        }
        self.sync_directory(found(name)?.0)
    }
}

impl ErasureListFiles for VirtualDisk {
    fn read_list(&self) -> Result<Option<Vec<u8>>, FilesError> {
        Ok(self.read(LIST, 0, usize::MAX))
    }

    fn append_list(&self, bytes: &[u8]) -> Result<(), FilesError> {
        let append = || -> io::Result<()> {
            let list = self.open(LIST)?;
            let end = self.lock().files[list].contents().len() as u64;
            self.write(list, end, bytes)?;
            VirtualDisk::sync_file(self, list)
        };
        append().map_err(list_failed)
    }

    fn replace_list(&self, bytes: &[u8]) -> Result<(), FilesError> {
        self.replace(LIST, bytes).map_err(list_failed)
    }
}

fn list_failed(source: io::Error) -> FilesError {
    let mut wrong = failed(LIST, FileOperation::WriteErasures)(source);
    wrong.path = Path::new("disk").join(ERASURES_FILE);
    wrong
}

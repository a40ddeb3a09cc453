//! The files that may hold what was said, as an erasure uses them: one operation of the file system at a time.

use super::owner::give_to_owner_of;
use super::standard::read_start;
use super::write_out::write_out;
use super::{FileOperation, Files, FilesError, StdFiles, open_regular_by};
use crate::format::{SegmentNumber, directory_name, directory_shard, file_name};
use madang_model::ShardId;
use rkyv::util::AlignedVec;
use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};
use rustix::io::Errno;
use std::fs::{self, File, FileTimes, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What repairs set aside lies in directories whose names begin so.
const ASIDE_PREFIX: &str = "set-aside-";
/// By how much the time of a file rises with each erasure: copying programs that look at length and time see that it has
/// changed, and its age stays what it is.
const TIME_STEP: Duration = Duration::from_secs(1);
/// Replaces files and writes into old ones. It blocks, as [`Files`] does. Names are relative to the data directory.
pub trait ErasureFiles: Files {
    /// An open file.
    type OpenFile;

    /// The names of everything that may hold what was said, in order: what is in the directories of shards, and what repairs
    /// have set aside. They need not be files. `failed` receives which directories cannot be listed.
    ///
    /// # Errors
    /// When the directory of data cannot be listed.
    fn names(&self, failed: &mut dyn FnMut(FilesError)) -> Result<Vec<String>, FilesError>;

    /// Refuses a name that leads to another.
    ///
    /// # Errors
    /// Of the kind `InvalidInput` when it does.
    fn refuse_link(&self, _name: &str) -> io::Result<()> {
        Ok(())
    }

    /// Opens a file to read and to write it.
    ///
    /// # Errors
    /// What the system says.
    fn open_file(&self, name: &str) -> io::Result<Self::OpenFile>;

    /// Where a file of this name lies, for people to read.
    fn path_of(&self, name: &str) -> PathBuf;

    /// How long a file is, in bytes.
    ///
    /// # Errors
    /// What the system says.
    fn length_of(&self, file: &Self::OpenFile) -> io::Result<u64>;

    /// The name of a segment.
    fn segment_name(&self, shard: ShardId, segment: SegmentNumber) -> String {
        format!("{}/{}", directory_name(shard), file_name(segment))
    }

    /// Reads a whole file in place of what `into` holds.
    ///
    /// # Errors
    /// What the system says.
    fn read_file(&self, file: &Self::OpenFile, into: &mut AlignedVec) -> io::Result<()>;

    /// Makes an empty file that belongs to whom `like` belongs. There must be none of this name.
    ///
    /// # Errors
    /// What the system says.
    fn create_file(&self, name: &str, like: &Self::OpenFile) -> io::Result<Self::OpenFile>;

    /// Writes bytes at a place.
    ///
    /// # Errors
    /// What the system says; any part of it may be written then.
    fn write_file(&self, file: &Self::OpenFile, offset_bytes: u64, bytes: &[u8]) -> io::Result<()>;

    /// Sets the length; what is added is zeros.
    ///
    /// # Errors
    /// What the system says.
    fn resize_file(&self, file: &Self::OpenFile, length_bytes: u64) -> io::Result<()>;

    /// Gives a file the time of another, and a second more.
    ///
    /// # Errors
    /// What the system says.
    fn follow_time(&self, file: &Self::OpenFile, of: &Self::OpenFile) -> io::Result<()>;

    /// Makes sure that a file is on disk, with all that is known of it.
    ///
    /// # Errors
    /// What the system says; then nobody knows what is on disk.
    fn sync_file(&self, file: &Self::OpenFile) -> io::Result<()>;

    /// Waits until a part of a file is on its way to the disk, so that a later sync of anything has little to wait for.
    fn write_out(&self, _file: &Self::OpenFile, _offset_bytes: u64, _bytes: u64) {}

    /// Exchanges two names. `false` where the file system cannot do that: nothing has changed then.
    ///
    /// # Errors
    /// What the system says.
    fn exchange(&self, one: &str, other: &str) -> io::Result<bool>;

    /// Gives a file another name, in the place of any other.
    ///
    /// # Errors
    /// What the system says.
    fn rename_file(&self, from: &str, to: &str) -> io::Result<()>;

    /// Takes a name away.
    ///
    /// # Errors
    /// What the system says.
    fn remove_file(&self, name: &str) -> io::Result<()>;

    /// Makes sure that the names in the directory of this one are on disk.
    ///
    /// # Errors
    /// What the system says.
    fn sync_directory_of(&self, name: &str) -> io::Result<()>;

    /// Whether nobody holds this file to read it for long, as a backup does; if so, none that asks can from now on.
    fn take_alone(&self, _file: &Self::OpenFile) -> bool {
        true
    }
}

impl ErasureFiles for StdFiles {
    type OpenFile = File;

    fn names(&self, failed: &mut dyn FnMut(FilesError)) -> Result<Vec<String>, FilesError> {
        let mut names = Vec::new();
        let error = |path: &Path| {
            let path = path.to_owned();
            move |source| FilesError { path, operation: FileOperation::List, source }
        };
        let mut list = |path: &Path, name: &str| match names_in(path) {
            Ok(found) => names.extend(found.into_iter().map(|file| format!("{name}/{file}"))),
            Err(source) => failed(error(path)(source)),
        };
        let mut aside = Vec::new();
        for name in directories(&self.directory).map_err(error(&self.directory))? {
            if directory_shard(&name).is_some() {
                list(&self.directory.join(&name), &name);
            } else if name.starts_with(ASIDE_PREFIX) {
                aside.push(name);
            }
        }
        let mut unlisted = Vec::new();
        for name in aside {
            let path = self.directory.join(&name);
            match directories(&path) {
                Ok(shards) => {
                    let shards = shards.iter().filter(|shard| directory_shard(shard).is_some());
                    shards.for_each(|shard| list(&path.join(shard), &format!("{name}/{shard}")));
                }
                Err(source) => unlisted.push(error(&path)(source)),
            }
        }
        unlisted.into_iter().for_each(failed);
        names.sort_unstable();
        Ok(names)
    }

    fn refuse_link(&self, name: &str) -> io::Result<()> {
        match fs::symlink_metadata(self.directory.join(name))?.is_symlink() {
            true => {
                Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a symbolic link, not a regular file"))
            }
            false => Ok(()),
        }
    }

    fn open_file(&self, name: &str) -> io::Result<File> {
        open_regular_by(OpenOptions::new().read(true).write(true), &self.directory.join(name))
    }

    fn path_of(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn length_of(&self, file: &File) -> io::Result<u64> {
        Ok(file.metadata()?.len())
    }

    fn read_file(&self, file: &File, into: &mut AlignedVec) -> io::Result<()> {
        read_start(file, usize::MAX, into)
    }

    fn create_file(&self, name: &str, like: &File) -> io::Result<File> {
        let path = self.directory.join(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        let wanted = like.metadata()?;
        give_to_owner_of(&file, &wanted)?;
        file.set_permissions(wanted.permissions())?;
        Ok(file)
    }

    fn write_file(&self, file: &File, offset_bytes: u64, bytes: &[u8]) -> io::Result<()> {
        file.write_all_at(bytes, offset_bytes)
    }

    fn resize_file(&self, file: &File, length_bytes: u64) -> io::Result<()> {
        file.set_len(length_bytes)
    }

    fn follow_time(&self, file: &File, of: &File) -> io::Result<()> {
        let before = of.metadata()?.modified()?;
        file.set_times(FileTimes::new().set_modified(before.checked_add(TIME_STEP).unwrap_or(before)))
    }

    fn sync_file(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn write_out(&self, file: &File, offset_bytes: u64, bytes: u64) {
        write_out(file, offset_bytes, bytes);
    }

    fn exchange(&self, one: &str, other: &str) -> io::Result<bool> {
        let (one, other) = (self.directory.join(one), self.directory.join(other));
        match renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(true),
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn rename_file(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.directory.join(from), self.directory.join(to))
    }

    fn remove_file(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.directory.join(name))
    }

    fn sync_directory_of(&self, name: &str) -> io::Result<()> {
        let path = self.directory.join(name);
        File::open(path.parent().unwrap_or(&self.directory))?.sync_all()
    }

    fn take_alone(&self, file: &File) -> bool {
        !matches!(flock(file, FlockOperation::NonBlockingLockExclusive), Err(Errno::WOULDBLOCK))
    }
}

/// The names of the directories in one, of links to such, and of what nobody may look at.
fn directories(path: &Path) -> io::Result<Vec<String>> {
    let may_be_one = |name: &String| match fs::metadata(path.join(name)) {
        Ok(found) => found.is_dir(),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    };
    Ok(names_in(path)?.into_iter().filter(may_be_one).collect())
}

fn names_in(path: &Path) -> io::Result<Vec<String>> {
    let names = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
    Ok(names.collect::<io::Result<Vec<_>>>()?.into_iter().flatten().collect())
}

//! Segments as the one who appends to them uses them: one operation of the file system at a time.

use super::{FileOperation, Files, FilesError, StdFiles};
use crate::format::{SegmentNumber, directory_name, file_segment};
use madang_model::ShardId;
use rustix::fs::{FallocateFlags, fallocate};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// What unfinished segments are called, beside their names.
const UNFINISHED_EXTENSION: &str = "new";

/// Makes segments and writes to them. It blocks, as [`Files`] does.
///
/// A segment is made under another name: it is *unfinished* until [`SegmentFiles::put_in_place`].
pub trait SegmentFiles: Files {
    /// An open segment.
    type Segment;

    /// Opens a segment to write to it.
    ///
    /// # Errors
    /// What the system says.
    fn open(&self, shard: ShardId, number: SegmentNumber) -> io::Result<Self::Segment>;

    /// Writes bytes at a place.
    ///
    /// # Errors
    /// What the system says; any part of it may be written then.
    fn write_at(&self, segment: &Self::Segment, offset_bytes: u64, bytes: &[u8]) -> io::Result<()>;

    /// Sets the length.
    ///
    /// # Errors
    /// What the system says.
    fn truncate(&self, segment: &Self::Segment, length_bytes: u64) -> io::Result<()>;

    /// Gives the disk back what lies from this place on, as far as the file system can: the length stays, and zeros are
    /// read. For a segment that is left behind by a failure.
    fn give_back(&self, segment: &Self::Segment, from_bytes: u64);

    /// Makes sure that what was written is on disk, with the length as far as reading needs it (`fdatasync`).
    ///
    /// # Errors
    /// What the system says; then nobody knows what is on disk.
    fn sync_contents(&self, segment: &Self::Segment) -> io::Result<()>;

    /// The same with all that is known of the file (`fsync`).
    ///
    /// # Errors
    /// What the system says; then nobody knows what is on disk.
    fn sync(&self, segment: &Self::Segment) -> io::Result<()>;

    /// Makes sure that a shard has a directory, whose name is on disk if it is made now.
    ///
    /// # Errors
    /// What the system says.
    fn make_directory(&self, shard: ShardId) -> io::Result<()>;

    /// Makes an unfinished segment, empty.
    ///
    /// # Errors
    /// What the system says.
    fn create(&self, shard: ShardId, number: SegmentNumber) -> io::Result<Self::Segment>;

    /// Bytes that the file system of a segment still has; `None` where it does not say.
    ///
    /// # Errors
    /// When it cannot be asked.
    fn free_bytes(&self, segment: &Self::Segment) -> io::Result<Option<u64>>;

    /// Gives an unfinished segment its name.
    ///
    /// # Errors
    /// What the system says.
    fn put_in_place(&self, shard: ShardId, number: SegmentNumber) -> io::Result<()>;

    /// Removes an unfinished segment, if there is one and it can be removed.
    fn discard(&self, shard: ShardId, number: SegmentNumber);

    /// Makes sure that the names in a shard's directory are on disk.
    ///
    /// # Errors
    /// What the system says.
    fn sync_directory(&self, shard: ShardId) -> io::Result<()>;
}

impl StdFiles {
    /// Removes the unfinished segments of all directories: what an earlier process left behind. For a process that owns
    /// the log.
    ///
    /// # Errors
    /// When a directory cannot be read, or one of them cannot be removed.
    pub fn remove_unfinished(&self) -> Result<(), FilesError> {
        for shard in self.shards()? {
            let directory = self.directory.join(directory_name(shard));
            let failed =
                |source| FilesError { path: directory.clone(), operation: FileOperation::List, source };
            for entry in fs::read_dir(&directory).map_err(failed)? {
                let path = entry.map_err(failed)?.path();
                let of_segment = path.with_extension("seg");
                let is_ours = of_segment.file_name().and_then(|name| file_segment(name.to_str()?)).is_some();
                if is_ours && path.extension().is_some_and(|extension| extension == UNFINISHED_EXTENSION) {
                    fs::remove_file(&path).map_err(failed)?;
                }
            }
        }
        Ok(())
    }

    fn unfinished(&self, shard: ShardId, number: SegmentNumber) -> PathBuf {
        self.path(shard, number).with_extension(UNFINISHED_EXTENSION)
    }
}

impl SegmentFiles for StdFiles {
    type Segment = File;

    fn open(&self, shard: ShardId, number: SegmentNumber) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(self.path(shard, number))
    }

    fn write_at(&self, segment: &File, offset_bytes: u64, bytes: &[u8]) -> io::Result<()> {
        segment.write_all_at(bytes, offset_bytes)
    }

    fn truncate(&self, segment: &File, length_bytes: u64) -> io::Result<()> {
        segment.set_len(length_bytes)
    }

    fn give_back(&self, segment: &File, from_bytes: u64) {
        let length_bytes = segment.metadata().map_or(0, |metadata| metadata.len());
        if let Some(bytes @ 1..) = length_bytes.checked_sub(from_bytes) {
            // Where it cannot be done the space stays taken until the segment expires.
            let _ =
                fallocate(segment, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, from_bytes, bytes);
        }
    }

    fn sync_contents(&self, segment: &File) -> io::Result<()> {
        segment.sync_data()
    }

    fn sync(&self, segment: &File) -> io::Result<()> {
        segment.sync_all()
    }

    fn make_directory(&self, shard: ShardId) -> io::Result<()> {
        let directory = self.directory.join(directory_name(shard));
        if directory.is_dir() {
            return Ok(());
        }
        fs::create_dir(&directory)?;
        File::open(&self.directory)?.sync_all()
    }

    fn create(&self, shard: ShardId, number: SegmentNumber) -> io::Result<File> {
        // Never the file that another process left, or may still be writing to: an upgrade that failed.
        let path = self.unfinished(shard, number);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => OpenOptions::new().write(true).create_new(true).open(path),
        }
    }

    fn free_bytes(&self, segment: &File) -> io::Result<Option<u64>> {
        let system = rustix::fs::fstatvfs(segment)?;
        Ok((system.f_blocks > 0).then(|| system.f_bfree.saturating_mul(system.f_frsize)))
    }

    fn put_in_place(&self, shard: ShardId, number: SegmentNumber) -> io::Result<()> {
        fs::rename(self.unfinished(shard, number), self.path(shard, number))
    }

    fn discard(&self, shard: ShardId, number: SegmentNumber) {
        // That it may not be there is no news.
        let _ = fs::remove_file(self.unfinished(shard, number));
    }

    fn sync_directory(&self, shard: ShardId) -> io::Result<()> {
        File::open(self.directory.join(directory_name(shard)))?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_unfinished_goes_and_nothing_else() {
        let data = tempfile::tempdir().expect("a directory");
        let files = StdFiles::new(data.path());
        let names =
            ["00000000000000000001.seg", "00000000000000000002.new", "00000000000000000001.idx", "notes.new"];
        for shard in ["shard-00", "shard-07"] {
            fs::create_dir(data.path().join(shard)).expect("space");
            for name in names {
                fs::write(data.path().join(shard).join(name), "x").expect("space");
            }
        }
        fs::write(data.path().join("00000000000000000003.new"), "x").expect("space");
        files.remove_unfinished().expect("they can be removed");
        for shard in ["shard-00", "shard-07"] {
            let is_left = |name: &&str| data.path().join(shard).join(name).exists();
            let left: Vec<&str> = names.into_iter().filter(is_left).collect();
            assert_eq!(left, [names[0], names[2], names[3]]);
        }
        assert!(data.path().join("00000000000000000003.new").exists());
    }
}

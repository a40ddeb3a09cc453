//! Segments as the one who appends to them uses them: one operation of the file system at a time.

use super::{Files, StdFiles};
use crate::format::{SegmentNumber, directory_name};
use madang_model::ShardId;
use rustix::fs::{FallocateFlags, fallocate};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

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
    fn unfinished(&self, shard: ShardId, number: SegmentNumber) -> PathBuf {
        self.path(shard, number).with_extension("new")
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

//! Copying the moment of a log into another directory, with links to what an earlier copy has already.

use super::error::{BackupError, Naming};
use super::place::sync_directory;
use madang_log::{
    Extent, Files, HEADER_BYTES, HeldSegment, LogMoment, SegmentNumber, ShardMoment, StdFiles,
    directory_name, file_name, index_file_name, open_regular, open_to_hold,
};
use madang_model::ShardId;
use std::collections::HashSet;
use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// The bytes at the end of a file by which it is known, with those of a segment's header at its start: the seal, whose
/// checksum covers its place, its count and its times.
const END_BYTES: usize = 128;

/// What a copy took.
#[derive(Default)]
pub struct Copied {
    /// Bytes that were copied.
    pub copied_bytes: u64,
    /// Bytes that an earlier copy has, too.
    pub linked_bytes: u64,
    /// The segments of which an earlier copy, that was verified, is the same file.
    pub linked: HashSet<(ShardId, SegmentNumber)>,
}

/// A copy that is being made.
pub struct Copying<'a> {
    /// The log.
    pub files: &'a StdFiles,
    /// Where the copy goes: an existing directory.
    pub to: &'a Path,
    /// An earlier copy.
    pub earlier: Option<&'a Path>,
    /// Receives how many bytes were copied or linked.
    pub progress: &'a mut dyn FnMut(u64),
}

impl Copying<'_> {
    /// Copies everything, and makes sure that it is on disk. `None` when a segment that could not be held open has
    /// expired meanwhile.
    pub fn run(&mut self, moment: &mut LogMoment<File>) -> Result<Option<Copied>, BackupError> {
        let mut copied = Copied::default();
        for shard in &mut moment.shards {
            if !self.copy_shard(shard, &mut copied)? {
                return Ok(None);
            }
        }
        sync_directory(self.to)?;
        Ok(Some(copied))
    }

    fn copy_shard(
        &mut self,
        moment: &mut ShardMoment<File>,
        copied: &mut Copied,
    ) -> Result<bool, BackupError> {
        let shard = moment.shard;
        let directory = self.to.join(directory_name(shard));
        fs::create_dir(&directory).naming("create directory", &directory)?;
        for held in &mut moment.segments {
            let before_bytes = copied.copied_bytes + copied.linked_bytes;
            if !self.copy_segment(shard, held, copied)? {
                return Ok(false);
            }
            // Closed, so that what is removed gives its space back.
            held.file = None;
            (self.progress)(copied.copied_bytes + copied.linked_bytes - before_bytes);
        }
        for &segment in &moment.lone_indexes {
            let name = index_file_name(segment);
            let from = self.files.path(shard, segment).with_file_name(&name);
            match open_regular(&from) {
                // It has expired.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                index => {
                    let index = index.naming("read index", &from)?;
                    copied.copied_bytes +=
                        copy_file((&index, &from), u64::MAX, None, &directory.join(&name))?;
                }
            }
        }
        for (kind, snapshot) in &moment.snapshots {
            let from = self.files.path(shard, SegmentNumber::FIRST).with_file_name(kind.name());
            let to = directory.join(kind.name());
            copied.copied_bytes += copy_file((snapshot, &from), u64::MAX, None, &to)?;
        }
        sync_directory(&directory)?;
        Ok(true)
    }

    /// `false` when the segment has expired.
    fn copy_segment(
        &self,
        shard: ShardId,
        held: &HeldSegment<File>,
        copied: &mut Copied,
    ) -> Result<bool, BackupError> {
        let path = self.files.path(shard, held.segment);
        let opened;
        let file = match &held.file {
            Some(file) => file,
            None => match open_to_hold(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                found => {
                    opened = found.naming("read segment", &path)?;
                    &opened
                }
            },
        };
        let name = file_name(held.segment);
        let to = self.to.join(directory_name(shard)).join(&name);
        if let Extent::Committed { end_bytes, capacity_bytes } = held.extent {
            copied.copied_bytes += copy_file((file, &path), end_bytes, Some(capacity_bytes), &to)?;
            return Ok(true);
        }
        let earlier = self.earlier.map(|earlier| earlier.join(directory_name(shard)));
        let linked_bytes = match &earlier {
            Some(earlier) => link_if_same(file, &earlier.join(&name), &to, LinkedFile::Segment)?,
            None => None,
        };
        let is_linked = linked_bytes.is_some();
        match linked_bytes {
            Some(bytes) => {
                copied.linked_bytes += bytes;
                copied.linked.insert((shard, held.segment));
            }
            None => copied.copied_bytes += copy_file((file, &path), u64::MAX, None, &to)?,
        }
        let name = index_file_name(held.segment);
        let path = path.with_file_name(&name);
        let index = match open_regular(&path) {
            // It is rebuilt from the segment.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            index => index.naming("read index", &path)?,
        };
        let to = to.with_file_name(&name);
        let linked_bytes = match earlier.filter(|_| is_linked) {
            Some(earlier) => link_if_same(&index, &earlier.join(&name), &to, LinkedFile::Index)?,
            None => None,
        };
        match linked_bytes {
            Some(bytes) => copied.linked_bytes += bytes,
            None => copied.copied_bytes += copy_file((&index, &path), u64::MAX, None, &to)?,
        }
        Ok(true)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LinkedFile {
    Segment,
    Index,
}

/// Links `to` to an earlier copy of a finished file, if that is one. Returns its length.
fn link_if_same(
    file: &File,
    earlier: &Path,
    to: &Path,
    kind: LinkedFile,
) -> Result<Option<u64>, BackupError> {
    let Ok(copy) = open_regular(earlier) else { return Ok(None) };
    let is_same = || -> io::Result<Option<u64>> {
        let (wanted, found) = (ends(file)?, ends(&copy)?);
        // A segment that was copied while it was open has zeros at its end.
        let is_finished = kind == LinkedFile::Index || wanted.end.iter().any(|byte| *byte != 0);
        Ok((wanted == found && is_finished).then_some(wanted.file_bytes))
    };
    let Ok(Some(bytes)) = is_same() else { return Ok(None) };
    // Where a file system has no links, or a file too many, it is copied.
    Ok(fs::hard_link(earlier, to).is_ok().then_some(bytes))
}

#[derive(PartialEq, Eq)]
struct Ends {
    file_bytes: u64,
    start: [u8; HEADER_BYTES],
    end: [u8; END_BYTES],
}

fn ends(file: &File) -> io::Result<Ends> {
    let file_bytes = file.metadata()?.len();
    let (mut start, mut end) = ([0; HEADER_BYTES], [0; END_BYTES]);
    file.read_exact_at(&mut start, 0)?;
    file.read_exact_at(&mut end, file_bytes.saturating_sub(END_BYTES as u64))?;
    Ok(Ends { file_bytes, start, end })
}

/// Copies a file's first bytes, and makes sure that they are on disk. The copy keeps the time, by which the age of
/// messages is counted, and is made longer if that is said. Returns how many bytes were copied.
pub fn copy_file(
    (file, from): (&File, &Path),
    bytes_max: u64,
    length_bytes: Option<u64>,
    to: &Path,
) -> Result<u64, BackupError> {
    let copy = || -> io::Result<u64> {
        let mut copy = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
        let copied_bytes = io::copy(&mut file.take(bytes_max), &mut copy)?;
        if let Some(length_bytes) = length_bytes {
            copy.set_len(length_bytes.max(copied_bytes))?;
        }
        copy.set_times(FileTimes::new().set_modified(file.metadata()?.modified()?))?;
        copy.sync_all()?;
        Ok(copied_bytes)
    };
    copy().map_err(|source| BackupError::NotCopied { from: from.to_owned(), to: to.to_owned(), source })
}

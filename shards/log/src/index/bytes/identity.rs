//! Which file a part belongs to: its checksum covers that, so that it is valid nowhere else.

use madang_model::ShardId;

/// The newest format of indexes. They can be made again from segments, so that a version that is not read is as good as
/// damage.
pub const FORMAT_VERSION: u32 = 2;
/// The newest format of runs, which can be made again from indexes.
pub const RUN_VERSION: u32 = 3;
/// The format of runs that knew nothing but amendments. It is read until they are written anew.
pub const AMENDMENTS_VERSION: u32 = 2;
/// The format of indexes that knew nothing but messages. It is read, so that a start after an upgrade makes nothing again.
pub const MESSAGES_VERSION: u32 = 1;
/// The newest format of snapshots: 1 had neither facts nor amendments. It is read, as a start would have to read every
/// index otherwise.
pub const SNAPSHOT_VERSION: u32 = 2;

/// What kind of file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileKind {
    Index = 1,
    Snapshot = 2,
    Run = 3,
}

/// A file of a directory: an index by its segment's number, a snapshot or a run by the last segment in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileIdentity {
    pub kind: FileKind,
    pub directory: ShardId,
    pub number: u64,
    /// The format of the file.
    pub version: u32,
}

impl FileIdentity {
    /// The same file, in another format.
    #[must_use]
    pub fn of_version(self, version: u32) -> FileIdentity {
        FileIdentity { version, ..self }
    }

    /// The checksum (CRC-32C) of a part of this file that lies at `offset_bytes`.
    pub fn checksum(&self, offset_bytes: u64, part: &[u8]) -> u32 {
        let mut covered = [0; 24];
        covered[..4].copy_from_slice(&self.version.to_le_bytes());
        covered[4] = self.kind as u8;
        covered[6..8].copy_from_slice(&self.directory.0.to_le_bytes());
        covered[8..16].copy_from_slice(&self.number.to_le_bytes());
        covered[16..].copy_from_slice(&offset_bytes.to_le_bytes());
        crc32c::crc32c_append(crc32c::crc32c(&covered), part)
    }
}

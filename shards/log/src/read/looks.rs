//! The looks of stored rooms: so that no room is made beside one of them that it could be taken for.

use super::snapshots::{Opened, mend_snapshot, open, path_of};
use crate::files::{FileOperation, FilesError, IndexFiles};
use crate::index::SnapshotFile;
use hashbrown::HashTable;
use madang_model::{Looks, RoomKey, RoomName, ShardId, SkeletonKey};
use std::io;

/// The looks of stored rooms, of which there may be millions: 8 bytes a look, and the name. None is taken out,
/// as a room that messages are stored of is never forgotten.
#[derive(Debug, Default)]
pub struct StoredLooks {
    /// Names, one behind another: how long it is in bytes, and those.
    names: Vec<u8>,
    by_look: HashTable<LookEntry>,
}

/// A look, and a room that has it.
#[derive(Clone, Copy, Debug)]
struct LookEntry {
    /// The low half of the look: names that share it are compared whole.
    tag: u32,
    /// Where its name begins.
    name_at: u32,
}

const LENGTH_BYTES: usize = size_of::<u16>();

impl StoredLooks {
    /// Notes a room. Of a name that is noted already nothing is kept.
    pub fn add(&mut self, room: &RoomName, looks: Looks) {
        let name = room.as_str().as_bytes();
        let is_it = |entry: &LookEntry| self.name(*entry) == name;
        if self.by_look.iter_hash(hash(tag(looks.lower_case))).any(is_it) {
            return;
        }
        // Both hold for the names of 400 million rooms.
        let (Ok(length), Ok(name_at)) = (u16::try_from(name.len()), u32::try_from(self.names.len())) else {
            tracing::error!(
                room = room.as_str(),
                "too many rooms are stored to compare this name with all of them"
            );
            return;
        };
        self.names.extend_from_slice(&length.to_le_bytes());
        self.names.extend_from_slice(name);
        let looks = [Some(looks.lower_case), (looks.shown != looks.lower_case).then_some(looks.shown)];
        for tag in looks.into_iter().flatten().map(tag) {
            self.by_look.insert_unique(hash(tag), LookEntry { tag, name_at }, |entry| hash(entry.tag));
        }
    }

    /// Another stored room that a room could be taken for.
    pub fn look_alike(&self, room: RoomKey, looks: Looks) -> Option<RoomName> {
        [looks.lower_case, looks.shown].into_iter().map(tag).find_map(|tag| {
            let entries = self.by_look.iter_hash(hash(tag)).filter(|entry| entry.tag == tag);
            let names = entries.filter_map(|entry| std::str::from_utf8(self.name(*entry)).ok());
            let rooms = names.filter_map(|name| RoomName::from_log(name).ok());
            rooms.into_iter().find(|other| other.key() != room && other.looks().are_alike(looks))
        })
    }

    /// Notes all that another notes.
    pub fn absorb(&mut self, other: &StoredLooks) {
        let mut name_at = 0;
        while let Some(length) = other.length_at(name_at) {
            let end = name_at + LENGTH_BYTES + length;
            let name = other.names.get(name_at + LENGTH_BYTES..end).unwrap_or_default();
            if let Some(room) = std::str::from_utf8(name).ok().and_then(|name| RoomName::from_log(name).ok())
            {
                self.add(&room, room.looks());
            }
            name_at = end;
        }
    }

    /// What it takes in memory, in bytes.
    pub fn bytes(&self) -> usize {
        self.names.capacity() + self.by_look.allocation_size()
    }

    fn name(&self, entry: LookEntry) -> &[u8] {
        let name_at = entry.name_at as usize;
        let length = self.length_at(name_at).unwrap_or_default();
        self.names.get(name_at + LENGTH_BYTES..name_at + LENGTH_BYTES + length).unwrap_or_default()
    }

    fn length_at(&self, name_at: usize) -> Option<usize> {
        let bytes = self.names.get(name_at..name_at + LENGTH_BYTES)?;
        Some(usize::from(u16::from_le_bytes(bytes.try_into().ok()?)))
    }

    fn shrink(&mut self) {
        self.names.shrink_to_fit();
        self.by_look.shrink_to_fit(|entry| hash(entry.tag));
    }
}

fn tag(look: SkeletonKey) -> u32 {
    look.low_half()
}

/// Spreads a tag over the bits that the table goes by, low and high ones.
fn hash(tag: u32) -> u64 {
    u64::from(tag).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The looks of all rooms that the snapshots cover, by the shard that is home to each, read a part at a time: there
/// may be millions, and their reader has other things to do.
pub struct LooksReading {
    /// Directories that are not read through.
    left: Vec<ShardId>,
    /// The snapshot of the last of them, where it is begun, and whether it was made again.
    current: Option<(Opened, bool)>,
    all: Vec<StoredLooks>,
}

impl LooksReading {
    /// Begins.
    ///
    /// # Errors
    /// When directories cannot be listed.
    pub fn begin(files: &dyn IndexFiles, shard_count: u16) -> Result<LooksReading, FilesError> {
        let all = (0..shard_count).map(|_| StoredLooks::default()).collect();
        Ok(LooksReading { left: files.shards()?, current: None, all })
    }

    /// Reads at most `rooms_max` rooms. Returns all looks once all are read. A snapshot that is missing or damaged is made
    /// again first.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn step(
        &mut self,
        files: &dyn IndexFiles,
        rooms_max: usize,
    ) -> Result<Option<Vec<StoredLooks>>, FilesError> {
        let mut rooms_left = rooms_max;
        while let Some(directory) = self.left.last().copied() {
            let (mut snapshot, is_made_again) = match self.current.take() {
                Some(current) => current,
                None => match open(files, directory, SnapshotFile::Newest)? {
                    Some(snapshot) => (snapshot, false),
                    None => {
                        mend_snapshot(files, directory)?;
                        let Some(snapshot) = open(files, directory, SnapshotFile::Newest)? else {
                            // Nothing is finished there.
                            self.left.pop();
                            continue;
                        };
                        (snapshot, true)
                    }
                },
            };
            loop {
                if rooms_left == 0 {
                    self.current = Some((snapshot, is_made_again));
                    return Ok(None);
                }
                rooms_left -= 1;
                match snapshot.next().map(|room| room.ok().and_then(|room| room.room_name().ok())) {
                    Some(Some(room)) => self.add(&room),
                    None => {
                        self.left.pop();
                        break;
                    }
                    Some(None) if is_made_again => {
                        let source = io::Error::new(io::ErrorKind::InvalidData, "it is damaged again");
                        let path = path_of(files, directory, SnapshotFile::Newest);
                        return Err(FilesError { path, operation: FileOperation::Index, source });
                    }
                    Some(None) => {
                        // From its beginning: a room that is noted already is not noted again.
                        mend_snapshot(files, directory)?;
                        self.current =
                            open(files, directory, SnapshotFile::Newest)?.map(|snapshot| (snapshot, true));
                        break;
                    }
                }
            }
        }
        let mut all = std::mem::take(&mut self.all);
        all.iter_mut().for_each(StoredLooks::shrink);
        Ok(Some(all))
    }

    fn add(&mut self, room: &RoomName) {
        if room.is_direct() || self.all.is_empty() {
            return;
        }
        let looks = room.looks();
        let shard_count = u16::try_from(self.all.len()).unwrap_or(u16::MAX);
        self.all[looks.home.home(shard_count).index()].add(room, looks);
    }
}

#[cfg(test)]
mod tests;

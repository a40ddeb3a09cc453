//! A disk that keeps what was synced, and of the rest whatever it likes.
//!
//! Of everything that was written and not synced a power cut keeps any subset of sectors, and of the
//! names that were changed in a directory that was not synced any subset. A failed sync leaves
//! unknown what is on disk, and what was to be synced counts as clean from then on, as on Linux: the
//! next sync succeeds without writing it, while reads continue to show it until the power is cut.

mod copying;
mod erasing;
mod file;
mod files;
mod segments;
mod stored;

pub use copying::{HeldFile, copy_moment};
pub use stored::{DurableMessage, DurableRecord, DurableSaid, StoredEntries, words_of_reactions};

use super::chance::Chance;
use file::File;
use madang_log::{SegmentNumber, StoredFile};
use madang_model::ShardId;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};

/// A file by its place: which directory, which file, and whether it is still being made.
pub type Name = (ShardId, StoredFile, bool);
/// An open file. It stays the same when its name changes.
pub type Handle = usize;

/// The data directory itself, in which the list of erasures lies: no shard has this number.
const ROOT: ShardId = ShardId(u16::MAX);

/// What goes wrong while it is set.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// Nothing new fits.
    pub is_full: bool,
    /// Writes fail, every other time.
    pub writes_fail: bool,
    /// Syncs fail, every other time.
    pub syncs_fail: bool,
}

/// The disk of one machine.
#[derive(Debug)]
pub struct VirtualDisk {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    files: Vec<File>,
    names: BTreeMap<Name, Handle>,
    /// What of the names a power cut keeps.
    synced_names: BTreeMap<Name, Handle>,
    /// Names that were exchanged and not synced: a power cut keeps both as they were, or neither.
    exchanged: BTreeMap<Name, Name>,
    directories: BTreeSet<ShardId>,
    /// Another number for each directory that was ever made, by its name.
    directory_numbers: BTreeMap<ShardId, u64>,
    synced_directories: BTreeSet<ShardId>,
    chance: Chance,
    weather: Weather,
    /// Changes that still succeed before the power is off.
    changes_to_power_cut: Option<u32>,
    /// Whether a message counts as stored when it is written, though it is not synced.
    notes_writes: bool,
    /// What was stored, and not recorded yet.
    stored: StoredEntries,
    now_us: i64,
    /// Files that are held by who reads them for long.
    held: BTreeMap<Handle, Weak<()>>,
    /// By which its files are told from those of other disks.
    serial: u64,
    /// Whether its file system says when a file was made.
    knows_births: bool,
}

impl VirtualDisk {
    /// An empty disk. With `notes_writes` a message counts as stored when it is written, else when it is synced.
    pub fn new(chance: Chance, notes_writes: bool) -> VirtualDisk {
        VirtualDisk {
            inner: Mutex::new(Inner {
                files: Vec::new(),
                names: BTreeMap::new(),
                synced_names: BTreeMap::new(),
                exchanged: BTreeMap::new(),
                directories: BTreeSet::from([ROOT]),
                directory_numbers: BTreeMap::from([(ROOT, 0)]),
                synced_directories: BTreeSet::from([ROOT]),
                chance,
                weather: Weather::default(),
                changes_to_power_cut: None,
                notes_writes,
                stored: StoredEntries::default(),
                now_us: 0,
                held: BTreeMap::new(),
                serial: 1,
                knows_births: true,
            }),
        }
    }

    /// The same disk with other files: `serial` is another one for each disk.
    pub fn with_files_of(self, serial: u64, knows_births: bool) -> VirtualDisk {
        {
            let inner = &mut *self.lock();
            (inner.serial, inner.knows_births) = (serial, knows_births);
        }
        self
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on this goes wrong.
    pub fn set_weather(&self, weather: Weather) {
        self.lock().weather = weather;
    }

    /// The time that files are changed at.
    pub fn set_time(&self, now_us: i64) {
        self.lock().now_us = now_us;
    }

    /// The power goes off after this many more changes.
    pub fn cut_power_after(&self, changes: u32) {
        self.lock().changes_to_power_cut = Some(changes);
    }

    /// The power stays on.
    pub fn keep_power_on(&self) {
        self.lock().changes_to_power_cut = None;
    }

    /// Whether the power is off.
    pub fn is_off(&self) -> bool {
        self.lock().changes_to_power_cut == Some(0)
    }

    /// What was stored since the last call.
    pub fn take_stored(&self) -> StoredEntries {
        std::mem::take(&mut self.lock().stored)
    }

    /// The power was cut: what is left is what was synced, and some of the rest.
    pub fn cut_power(&self) {
        let inner = &mut *self.lock();
        inner.changes_to_power_cut = None;
        let changed: BTreeSet<Name> = inner.names.keys().chain(inner.synced_names.keys()).copied().collect();
        let keeps_names = inner.chance.below(3);
        let exchanged = std::mem::take(&mut inner.exchanged);
        let mut kept = BTreeMap::new();
        for name in changed {
            let (now, synced) = (inner.names.get(&name).copied(), inner.synced_names.get(&name).copied());
            let is_kept = match keeps_names {
                0 => false,
                1 => true,
                _ => match exchanged.get(&name).and_then(|other| kept.get(other)) {
                    Some(is_kept) => *is_kept,
                    None => inner.chance.one_in(2),
                },
            };
            if exchanged.contains_key(&name) {
                kept.insert(name, is_kept);
            }
            if now != synced && is_kept {
                match now {
                    Some(file) => inner.synced_names.insert(name, file),
                    None => inner.synced_names.remove(&name),
                };
            }
        }
        let directories = inner.synced_directories.clone();
        inner.synced_names.retain(|name, _| directories.contains(&name.0));
        inner.directories = directories;
        inner.names = inner.synced_names.clone();
        let used: BTreeSet<Handle> = inner.names.values().copied().collect();
        for handle in used {
            inner.files[handle].cut_power(&mut inner.chance);
        }
    }

    /// Opens a file for writing.
    pub fn open(&self, name: Name) -> io::Result<Handle> {
        self.lock().names.get(&name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Makes an empty file in the place of any other.
    pub fn create(&self, name: Name) -> io::Result<Handle> {
        let inner = &mut *self.lock();
        inner.spend()?;
        if inner.weather.is_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let handle = inner.files.len();
        inner.files.push(File::new(inner.now_us));
        inner.names.insert(name, handle);
        Ok(handle)
    }

    /// Makes a directory, which is on disk at once or not before its parent is synced.
    pub fn create_directory(&self, shard: ShardId, is_synced: bool) -> io::Result<()> {
        let inner = &mut *self.lock();
        inner.spend()?;
        if inner.directories.insert(shard) {
            let number = inner.directory_numbers.values().max().map_or(0, |last| last + 1);
            inner.directory_numbers.insert(shard, number);
        }
        if is_synced {
            inner.synced_directories.insert(shard);
        }
        Ok(())
    }

    /// Whether there is a directory.
    pub fn has_directory(&self, shard: ShardId) -> bool {
        self.lock().directories.contains(&shard)
    }

    /// Writes at a place. When it fails, any part may be written.
    pub fn write(&self, handle: Handle, offset_bytes: u64, bytes: &[u8]) -> io::Result<()> {
        let inner = &mut *self.lock();
        let fails = inner.weather.writes_fail && inner.chance.one_in(2);
        let is_last = inner.changes_to_power_cut == Some(1);
        inner.spend()?;
        let now_us = inner.now_us;
        let written = if fails || is_last { inner.chance.below(bytes.len() + 1) } else { bytes.len() };
        let file = &mut inner.files[handle];
        file.write(offset_bytes as usize, &bytes[..written], now_us);
        file.is_torn = fails;
        if fails { Err(io::Error::other("injected: a write failed")) } else { Ok(()) }
    }

    /// Sets the length.
    pub fn truncate(&self, handle: Handle, length_bytes: u64) -> io::Result<()> {
        let inner = &mut *self.lock();
        inner.spend()?;
        let now_us = inner.now_us;
        inner.files[handle].truncate(length_bytes as usize, now_us);
        Ok(())
    }

    /// Syncs a file, and takes note of the messages in it. When it fails, nobody knows what of it is on disk.
    pub fn sync(&self, handle: Handle) -> io::Result<()> {
        self.sync_file(handle)?;
        // What a failed write has left at the end was not reported to anybody.
        if !self.lock().files[handle].is_torn {
            self.note(handle, File::synced_contents);
        }
        Ok(())
    }

    /// Takes note of the messages that were written: no power cut will take them, as there is none.
    fn note_written(&self, handle: Handle) {
        self.note(handle, File::contents);
    }

    fn note(&self, handle: Handle, contents: fn(&File) -> &[u8]) {
        let inner = &mut *self.lock();
        let name = inner.names.iter().find(|(_, known)| **known == handle).map(|(name, _)| *name);
        if let Some((shard, StoredFile::Segment(segment), false)) = name {
            stored::read_new(&mut inner.files[handle], contents, (shard, segment), &mut inner.stored);
        }
    }

    fn sync_file(&self, handle: Handle) -> io::Result<()> {
        let inner = &mut *self.lock();
        inner.spend()?;
        if inner.weather.syncs_fail && inner.chance.one_in(2) {
            inner.files[handle].sync_failed(&mut inner.chance);
            return Err(io::Error::other("injected: a sync failed"));
        }
        inner.files[handle].sync();
        Ok(())
    }

    /// Gives a file another name, in the place of any other.
    pub fn rename(&self, from: Name, to: Name) -> io::Result<()> {
        let inner = &mut *self.lock();
        inner.spend()?;
        let handle = inner.names.remove(&from).ok_or(io::ErrorKind::NotFound)?;
        inner.names.insert(to, handle);
        Ok(())
    }

    /// Exchanges two names, in one step.
    pub fn exchange_names(&self, one: Name, other: Name) -> io::Result<()> {
        let inner = &mut *self.lock();
        inner.spend()?;
        let handle = |name: &Name| inner.names.get(name).copied().ok_or(io::ErrorKind::NotFound);
        let (first, second) = (handle(&one)?, handle(&other)?);
        // What was noted of the messages of one was noted of both.
        let read_bytes = inner.files[first].read_bytes.max(inner.files[second].read_bytes);
        inner.files[first].read_bytes = read_bytes;
        inner.files[second].read_bytes = read_bytes;
        inner.names.extend([(one, second), (other, first)]);
        inner.exchanged.extend([(one, other), (other, one)]);
        Ok(())
    }

    /// Takes a name away.
    pub fn unlink(&self, name: Name) -> io::Result<()> {
        let inner = &mut *self.lock();
        inner.spend()?;
        inner.names.remove(&name).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Syncs the names of a directory.
    pub fn sync_directory(&self, shard: ShardId) -> io::Result<()> {
        let inner = &mut *self.lock();
        inner.spend()?;
        if inner.directories.contains(&shard) {
            inner.exchanged.retain(|name, _| name.0 != shard);
            inner.synced_names.retain(|name, _| name.0 != shard);
            let own = inner.names.iter().filter(|(name, _)| name.0 == shard);
            inner.synced_names.extend(own.map(|(name, handle)| (*name, *handle)));
        }
        Ok(())
    }

    /// Reads at most `bytes` at a place; `None` when there is no such file.
    pub fn read(&self, name: Name, offset_bytes: u64, bytes: usize) -> Option<Vec<u8>> {
        let inner = self.lock();
        let contents = inner.files[*inner.names.get(&name)?].contents();
        let start = usize::try_from(offset_bytes).unwrap_or(usize::MAX).min(contents.len());
        Some(contents[start..contents.len().min(start.saturating_add(bytes))].to_vec())
    }

    /// The last `bytes` of a file; `None` when there is no such file.
    pub fn read_end(&self, name: Name, bytes: usize) -> Option<Vec<u8>> {
        let inner = self.lock();
        let contents = inner.files[*inner.names.get(&name)?].contents();
        Some(contents[contents.len().saturating_sub(bytes)..].to_vec())
    }

    /// Shows what every file holds, and what a power cut would leave of it.
    pub fn visit_files(&self, visit: &mut dyn FnMut(Name, &[u8])) {
        let inner = self.lock();
        let synced = inner.synced_names.iter().filter(|(name, handle)| inner.names.get(name) != Some(handle));
        for (name, handle) in inner.names.iter().chain(synced) {
            let file = &inner.files[*handle];
            visit(*name, file.contents());
            if file.contents() != file.synced_contents() {
                visit(*name, file.synced_contents());
            }
        }
    }

    /// All names.
    pub fn names(&self) -> Vec<Name> {
        self.lock().names.keys().copied().collect()
    }

    /// The segments that there are.
    pub fn all_segments(&self) -> BTreeSet<(ShardId, SegmentNumber)> {
        let segment = |name: &Name| match *name {
            (shard, StoredFile::Segment(segment), false) => Some((shard, segment)),
            _ => None,
        };
        self.lock().names.keys().filter_map(segment).collect()
    }

    /// Puts a file's contents in place whole: written beside it, synced, renamed, and that synced.
    pub fn replace(&self, (shard, file, _): Name, bytes: &[u8]) -> io::Result<()> {
        let attempt = || -> io::Result<()> {
            if !self.has_directory(shard) {
                self.create_directory(shard, false)?;
            }
            let handle = self.create((shard, file, true))?;
            self.write(handle, 0, bytes)?;
            self.sync(handle)?;
            self.rename((shard, file, true), (shard, file, false))?;
            self.sync_directory(shard)
        };
        attempt().inspect_err(|_| {
            // As the real one: what the attempt took is given back, if it can be.
            let _ = self.unlink((shard, file, true));
        })
    }

    /// Takes a segment's index away, as an accident would.
    pub fn lose_index(&self, shard: ShardId, segment: SegmentNumber) {
        let inner = &mut *self.lock();
        inner.names.remove(&(shard, StoredFile::Index(segment), false));
        inner.synced_names.remove(&(shard, StoredFile::Index(segment), false));
    }
}

impl Inner {
    /// Counts a change. The power may be off.
    fn spend(&mut self) -> io::Result<()> {
        match &mut self.changes_to_power_cut {
            Some(0) => return Err(io::Error::other("the power is off")),
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(())
    }
}

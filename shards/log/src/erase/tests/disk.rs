//! A disk in memory that stops at a chosen step, and forgets what was not synced.

use crate::files::{ErasureFiles, ErasureListFiles, FileOperation, Files, FilesError};
use crate::format::{SegmentNumber, directory_name, directory_shard, file_name, file_segment};
use crate::testing::Chance;
use madang_model::ShardId;
use rkyv::util::AlignedVec;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

const SECTOR_BYTES: usize = 512;

#[derive(Clone, Default)]
struct Inode {
    shown: Vec<u8>,
    on_disk: Vec<u8>,
    dirty: BTreeSet<usize>,
    is_length_dirty: bool,
    time: i64,
    time_on_disk: i64,
}

/// Names set together: `None` removes.
type Assignment = Vec<(String, Option<usize>)>;

/// What is on a disk.
#[derive(Clone, Default)]
pub struct DiskState {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    names_on_disk: BTreeMap<String, usize>,
    pending: Vec<Assignment>,
    clock: i64,
}

/// How it stops.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Crash {
    /// `kill -9`: the kernel has everything that was done; half of a write may be done.
    Kill,
    /// Power: nothing that was not synced is there.
    Lost,
    /// Power: any sectors, and the first so many changes of names.
    Some,
    /// Power: any sectors, any changes of names.
    Any,
    /// No crash: the operation fails. A sync that fails drops what it should have written, and says so once.
    Failure,
}

/// All of them.
pub const CRASHES: [Crash; 5] = [Crash::Kill, Crash::Lost, Crash::Some, Crash::Any, Crash::Failure];

/// The disk of one machine.
pub struct CrashDisk(Mutex<Inner>);

struct Inner {
    state: DiskState,
    steps: usize,
    stop_at: usize,
    is_stopped: bool,
    mode: Crash,
    chance: Chance,
}

impl CrashDisk {
    pub fn new(state: DiskState) -> CrashDisk {
        CrashDisk(Mutex::new(Inner {
            state,
            steps: 0,
            stop_at: usize::MAX,
            is_stopped: false,
            mode: Crash::Kill,
            chance: Chance(1),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It stops in this way at the `stop_at`th change from now on.
    pub fn arm(&self, stop_at: usize, mode: Crash, seed: u64) {
        let mut inner = self.lock();
        (inner.steps, inner.stop_at, inner.is_stopped, inner.mode) = (0, stop_at, false, mode);
        inner.chance = Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    }

    /// The changes so far.
    pub fn steps(&self) -> usize {
        self.lock().steps
    }

    /// What is there now.
    pub fn state(&self) -> DiskState {
        self.lock().state.clone()
    }

    /// What is found at the next start.
    pub fn after(&self) -> DiskState {
        let mut inner = self.lock();
        let (mut state, mode) = (inner.state.clone(), inner.mode);
        state.crash(mode, &mut inner.chance);
        state
    }

    /// Puts a file on the disk.
    pub fn put(&self, name: &str, bytes: &[u8], time: i64) {
        let state = &mut self.lock().state;
        let (shown, on_disk) = (bytes.to_vec(), bytes.to_vec());
        let inode = Inode { shown, on_disk, time, time_on_disk: time, ..Inode::default() };
        state.inodes.push(inode);
        let id = state.inodes.len() - 1;
        state.names.insert(name.to_owned(), id);
        state.names_on_disk.insert(name.to_owned(), id);
    }
}

impl DiskState {
    /// What is left after it.
    pub fn crash(&mut self, mode: Crash, chance: &mut Chance) {
        if matches!(mode, Crash::Kill | Crash::Failure) {
            return;
        }
        let pending = std::mem::take(&mut self.pending);
        let kept = match mode {
            Crash::Lost => 0,
            Crash::Some => chance.below(pending.len() as u64 + 1) as usize,
            _ => pending.len(),
        };
        for assignment in pending.into_iter().take(kept) {
            if mode != Crash::Any || chance.below(2) == 0 {
                assign(&mut self.names_on_disk, &assignment);
            }
        }
        self.names = self.names_on_disk.clone();
        for inode in &mut self.inodes {
            if mode != Crash::Lost {
                inode.write_back(|| chance.below(2) == 0);
            }
            inode.dirty.clear();
            inode.is_length_dirty = false;
            inode.shown = inode.on_disk.clone();
            inode.time = inode.time_on_disk;
        }
    }

    /// Each file with its bytes and its time.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8], i64)> {
        self.names.iter().map(|(name, id)| {
            let inode = &self.inodes[*id];
            (name.as_str(), &inode.shown[..], inode.time)
        })
    }

    /// The bytes and the time of a file.
    pub fn file(&self, name: &str) -> Option<(&[u8], i64)> {
        let inode = &self.inodes[*self.names.get(name)?];
        Some((&inode.shown, inode.time))
    }

    /// Blocks of files that have no name any more, as they lie on a disk that overwrites in place.
    pub fn freed(&self) -> impl Iterator<Item = &[u8]> {
        let named: BTreeSet<usize> = self.names_on_disk.values().copied().collect();
        let freed = self.inodes.iter().enumerate().filter(move |(id, _)| !named.contains(id));
        freed.map(|(_, inode)| &inode.on_disk[..])
    }
}

impl Inode {
    fn write_back(&mut self, mut is_chosen: impl FnMut() -> bool) {
        if self.is_length_dirty && is_chosen() {
            self.on_disk.resize(self.shown.len(), 0);
        }
        for sector in std::mem::take(&mut self.dirty) {
            let from = sector * SECTOR_BYTES;
            let to = (from + SECTOR_BYTES).min(self.shown.len()).min(self.on_disk.len());
            if is_chosen() && from < to {
                self.on_disk[from..to].copy_from_slice(&self.shown[from..to]);
            }
        }
        if is_chosen() {
            self.time_on_disk = self.time;
        }
    }
}

fn assign(names: &mut BTreeMap<String, usize>, assignment: &Assignment) {
    for (name, id) in assignment {
        match id {
            Some(id) => names.insert(name.clone(), *id),
            None => names.remove(name),
        };
    }
}

fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(parent, _)| parent)
}

impl Inner {
    fn step(&mut self) -> io::Result<()> {
        let stopped = || Err(io::Error::other("stopped"));
        if self.is_stopped {
            return stopped();
        }
        self.steps += 1;
        if self.steps == self.stop_at {
            self.is_stopped = self.mode != Crash::Failure;
            return stopped();
        }
        Ok(())
    }

    fn id(&self, name: &str) -> io::Result<usize> {
        self.state.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn change_names(&mut self, assignment: Assignment) {
        assign(&mut self.state.names, &assignment);
        self.state.pending.push(assignment);
    }
}

impl Files for CrashDisk {
    fn shards(&self) -> Result<Vec<ShardId>, FilesError> {
        let names = self.names(&mut |_| ())?;
        let shards: BTreeSet<ShardId> =
            names.iter().filter_map(|name| directory_shard(name.split_once('/')?.0)).collect();
        Ok(shards.into_iter().collect())
    }

    fn segments(&self, shard: ShardId) -> Result<Vec<SegmentNumber>, FilesError> {
        let directory = format!("{}/", directory_name(shard));
        let names = self.names(&mut |_| ())?;
        Ok(names.iter().filter_map(|name| file_segment(name.strip_prefix(&directory)?)).collect())
    }

    fn read_start(
        &self,
        shard: ShardId,
        segment: SegmentNumber,
        bytes_max: usize,
        into: &mut AlignedVec,
    ) -> Result<(), FilesError> {
        let inner = self.lock();
        let id = inner.id(&self.segment_name(shard, segment)).map_err(|source| FilesError {
            path: self.path(shard, segment),
            operation: FileOperation::Read,
            source,
        })?;
        let shown = &inner.state.inodes[id].shown;
        into.clear();
        into.extend_from_slice(&shown[..shown.len().min(bytes_max)]);
        Ok(())
    }

    fn seal(&self, _: ShardId, _: SegmentNumber, _: u64, _: u64, _: &[u8]) -> Result<(), FilesError> {
        unreachable!("an erasure seals nothing")
    }

    fn make_sure(&self, _: ShardId, _: SegmentNumber, _: u64) -> Result<(), FilesError> {
        unreachable!("an erasure makes sure of nothing else")
    }

    fn remove(&self, _: ShardId, _: SegmentNumber) -> Result<(), FilesError> {
        unreachable!("an erasure removes no segment")
    }

    fn path(&self, shard: ShardId, segment: SegmentNumber) -> PathBuf {
        self.path_of(&format!("{}/{}", directory_name(shard), file_name(segment)))
    }
}

impl ErasureFiles for CrashDisk {
    type OpenFile = usize;

    fn names(&self, _: &mut dyn FnMut(FilesError)) -> Result<Vec<String>, FilesError> {
        Ok(self.lock().state.names.keys().filter(|name| name.contains('/')).cloned().collect())
    }

    fn open_file(&self, name: &str) -> io::Result<usize> {
        self.lock().id(name)
    }

    fn path_of(&self, name: &str) -> PathBuf {
        PathBuf::from("disk").join(name)
    }

    fn length_of(&self, file: &usize) -> io::Result<u64> {
        Ok(self.lock().state.inodes[*file].shown.len() as u64)
    }

    fn read_file(&self, file: &usize, into: &mut AlignedVec) -> io::Result<()> {
        into.clear();
        into.extend_from_slice(&self.lock().state.inodes[*file].shown);
        Ok(())
    }

    fn create_file(&self, name: &str, _: &usize) -> io::Result<usize> {
        let mut inner = self.lock();
        inner.step()?;
        if inner.id(name).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        inner.state.inodes.push(Inode::default());
        let id = inner.state.inodes.len() - 1;
        inner.change_names(vec![(name.to_owned(), Some(id))]);
        Ok(id)
    }

    fn write_file(&self, file: &usize, offset_bytes: u64, bytes: &[u8]) -> io::Result<()> {
        let inner = &mut *self.lock();
        let stepped = inner.step();
        let bytes = match &stepped {
            Ok(()) => bytes,
            // It is stopped in the middle.
            Err(_) if inner.steps == inner.stop_at && matches!(inner.mode, Crash::Kill | Crash::Failure) => {
                inner.stop_at = usize::MAX;
                &bytes[..inner.chance.below(bytes.len() as u64 + 1) as usize]
            }
            Err(_) => &[],
        };
        inner.state.clock += 1;
        let now = 9_000_000 + inner.state.clock;
        let inode = &mut inner.state.inodes[*file];
        if !bytes.is_empty() {
            let (from, to) = (offset_bytes as usize, offset_bytes as usize + bytes.len());
            if inode.shown.len() < to {
                inode.shown.resize(to, 0);
                inode.is_length_dirty = true;
            }
            inode.shown[from..to].copy_from_slice(bytes);
            inode.dirty.extend(from / SECTOR_BYTES..to.div_ceil(SECTOR_BYTES));
            inode.time = now;
        }
        stepped
    }

    fn resize_file(&self, file: &usize, length_bytes: u64) -> io::Result<()> {
        let inner = &mut *self.lock();
        inner.step()?;
        let inode = &mut inner.state.inodes[*file];
        inode.shown.resize(length_bytes as usize, 0);
        inode.is_length_dirty = true;
        Ok(())
    }

    fn follow_time(&self, file: &usize, of: &usize) -> io::Result<()> {
        let inner = &mut *self.lock();
        inner.step()?;
        inner.state.inodes[*file].time = inner.state.inodes[*of].time + 1;
        Ok(())
    }

    fn sync_file(&self, file: &usize) -> io::Result<()> {
        let inner = &mut *self.lock();
        let stepped = inner.step();
        let (inode, chance) = (&mut inner.state.inodes[*file], &mut inner.chance);
        if stepped.is_err() && inner.mode == Crash::Failure {
            // Some of it arrived; the kernel forgets the rest, though it shows it.
            inode.write_back(|| chance.below(2) == 0);
            inode.is_length_dirty = inode.on_disk.len() != inode.shown.len();
        }
        stepped?;
        inode.write_back(|| true);
        inode.is_length_dirty = false;
        Ok(())
    }

    fn exchange(&self, one: &str, other: &str) -> io::Result<bool> {
        let inner = &mut *self.lock();
        inner.step()?;
        let (of_one, of_other) = (inner.id(one)?, inner.id(other)?);
        inner.change_names(vec![(one.to_owned(), Some(of_other)), (other.to_owned(), Some(of_one))]);
        Ok(true)
    }

    fn rename_file(&self, from: &str, to: &str) -> io::Result<()> {
        let inner = &mut *self.lock();
        inner.step()?;
        let id = inner.id(from)?;
        inner.change_names(vec![(from.to_owned(), None), (to.to_owned(), Some(id))]);
        Ok(())
    }

    fn remove_file(&self, name: &str) -> io::Result<()> {
        let inner = &mut *self.lock();
        inner.step()?;
        inner.id(name)?;
        inner.change_names(vec![(name.to_owned(), None)]);
        Ok(())
    }

    fn sync_directory_of(&self, name: &str) -> io::Result<()> {
        let inner = &mut *self.lock();
        inner.step()?;
        let state = &mut inner.state;
        let is_here =
            |assignment: &Assignment| assignment.iter().any(|(other, _)| parent(other) == parent(name));
        let (here, elsewhere) = std::mem::take(&mut state.pending).into_iter().partition(is_here);
        state.pending = elsewhere;
        let here: Vec<Assignment> = here;
        here.iter().for_each(|assignment| assign(&mut state.names_on_disk, assignment));
        Ok(())
    }
}

impl ErasureListFiles for CrashDisk {
    fn read_list(&self) -> Result<Option<Vec<u8>>, FilesError> {
        let inner = self.lock();
        Ok(inner.id("list").ok().map(|id| inner.state.inodes[id].shown.clone()))
    }

    fn append_list(&self, bytes: &[u8]) -> Result<(), FilesError> {
        let append = || -> io::Result<()> {
            let file = self.open_file("list")?;
            let end = self.lock().state.inodes[file].shown.len() as u64;
            self.write_file(&file, end, bytes)?;
            self.sync_file(&file)
        };
        append().map_err(list_failed)
    }

    fn replace_list(&self, bytes: &[u8]) -> Result<(), FilesError> {
        let replace = || -> io::Result<()> {
            if self.open_file("list.new").is_ok() {
                self.remove_file("list.new")?;
            }
            let file = self.create_file("list.new", &0)?;
            self.write_file(&file, 0, bytes)?;
            self.sync_file(&file)?;
            self.rename_file("list.new", "list")?;
            self.sync_directory_of("list")
        };
        replace().map_err(list_failed)
    }
}

fn list_failed(source: io::Error) -> FilesError {
    FilesError { path: PathBuf::from("disk/list"), operation: FileOperation::WriteErasures, source }
}

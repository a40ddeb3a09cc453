//! Deliberate mistakes, to prove that the exploration sees them.

use super::crashes::{Using, explore};
use super::disk::CrashDisk;
use super::world::world;
use crate::erase::replacing::REPLACED_SUFFIX;
use crate::files::{ErasureFiles, Files, FilesError};
use crate::format::SegmentNumber;
use madang_model::ShardId;
use rkyv::util::AlignedVec;
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mistake {
    /// The new file gets its name before it is on disk.
    NewFileIsNotSynced,
    /// The old file is wiped before the exchange of the names is on disk.
    NamesAreNotSynced,
    /// What an interrupted pass left stays.
    LeftoversStay,
    /// A file is removed as it is.
    NothingIsWiped,
    /// What is read after a crash is believed to be on disk.
    WhatIsReadIsBelieved,
    /// The new file has the time at which it was written.
    TimeIsForgotten,
}

struct Careless(CrashDisk, Mistake, Mutex<BTreeSet<usize>>);

impl Using for Mistake {
    type Files = Careless;

    fn of(&self, disk: CrashDisk) -> Careless {
        Careless(disk, *self, Mutex::default())
    }

    fn disk<'a>(&self, files: &'a Careless) -> &'a CrashDisk {
        &files.0
    }
}

impl Careless {
    fn does(&self, mistake: Mistake) -> bool {
        self.1 == mistake
    }

    fn created(&self) -> std::sync::MutexGuard<'_, BTreeSet<usize>> {
        self.2.lock().expect("no test panics here")
    }
}

impl Files for Careless {
    fn shards(&self) -> Result<Vec<ShardId>, FilesError> {
        self.0.shards()
    }
    fn segments(&self, shard: ShardId) -> Result<Vec<SegmentNumber>, FilesError> {
        self.0.segments(shard)
    }
    fn read_start(
        &self,
        shard: ShardId,
        segment: SegmentNumber,
        bytes_max: usize,
        into: &mut AlignedVec,
    ) -> Result<(), FilesError> {
        self.0.read_start(shard, segment, bytes_max, into)
    }
    fn seal(
        &self,
        shard: ShardId,
        segment: SegmentNumber,
        synced_bytes: u64,
        end_bytes: u64,
        frame: &[u8],
    ) -> Result<(), FilesError> {
        self.0.seal(shard, segment, synced_bytes, end_bytes, frame)
    }
    fn make_sure(&self, shard: ShardId, segment: SegmentNumber, from_bytes: u64) -> Result<(), FilesError> {
        self.0.make_sure(shard, segment, from_bytes)
    }
    fn remove(&self, shard: ShardId, segment: SegmentNumber) -> Result<(), FilesError> {
        self.0.remove(shard, segment)
    }
    fn path(&self, shard: ShardId, segment: SegmentNumber) -> PathBuf {
        self.0.path(shard, segment)
    }
}

impl ErasureFiles for Careless {
    type OpenFile = usize;

    fn names(&self, failed: &mut dyn FnMut(FilesError)) -> Result<Vec<String>, FilesError> {
        let mut names = self.0.names(failed)?;
        if self.does(Mistake::LeftoversStay) {
            names.retain(|name| !name.ends_with(REPLACED_SUFFIX) && !name.ends_with(".repair"));
        }
        Ok(names)
    }
    fn open_file(&self, name: &str) -> io::Result<usize> {
        self.0.open_file(name)
    }
    fn path_of(&self, name: &str) -> PathBuf {
        self.0.path_of(name)
    }
    fn length_of(&self, file: &usize) -> io::Result<u64> {
        if self.does(Mistake::NothingIsWiped) { Ok(0) } else { self.0.length_of(file) }
    }
    fn read_file(&self, file: &usize, into: &mut AlignedVec) -> io::Result<()> {
        self.0.read_file(file, into)
    }
    fn create_file(&self, name: &str, like: &usize) -> io::Result<usize> {
        let file = self.0.create_file(name, like)?;
        self.created().insert(file);
        Ok(file)
    }
    fn write_file(&self, file: &usize, offset_bytes: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_file(file, offset_bytes, bytes)
    }
    fn resize_file(&self, file: &usize, length_bytes: u64) -> io::Result<()> {
        self.0.resize_file(file, length_bytes)
    }
    fn follow_time(&self, file: &usize, of: &usize) -> io::Result<()> {
        if self.does(Mistake::TimeIsForgotten) { Ok(()) } else { self.0.follow_time(file, of) }
    }
    fn sync_file(&self, file: &usize) -> io::Result<()> {
        let is_new = self.created().contains(file);
        if is_new && self.does(Mistake::NewFileIsNotSynced) { Ok(()) } else { self.0.sync_file(file) }
    }
    fn exchange(&self, one: &str, other: &str) -> io::Result<bool> {
        self.0.exchange(one, other)
    }
    fn rename_file(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename_file(from, to)
    }
    fn remove_file(&self, name: &str) -> io::Result<()> {
        self.0.remove_file(name)
    }
    fn sync_directory_of(&self, name: &str) -> io::Result<()> {
        let is_left_out = match self.1 {
            Mistake::NamesAreNotSynced => name.ends_with(".seg"),
            // Where this process has made nothing, it finishes what another has left.
            Mistake::WhatIsReadIsBelieved => {
                self.created().is_empty() && self.0.open_file(name).is_ok() && !name.ends_with(".seg")
            }
            _ => false,
        };
        if is_left_out { Ok(()) } else { self.0.sync_directory_of(name) }
    }
}

fn is_found(mistake: Mistake, is_deep: bool) {
    let tally = explore(&mistake, &world(), 3, is_deep);
    assert!(tally.has_found(), "{mistake:?} is not found in {} crashes", tally.crashes);
}

#[test]
fn the_exploration_finds_a_new_file_that_is_not_synced() {
    is_found(Mistake::NewFileIsNotSynced, false);
}

#[test]
fn the_exploration_finds_names_that_are_not_synced_before_the_old_file_is_wiped() {
    is_found(Mistake::NamesAreNotSynced, false);
}

#[test]
fn the_exploration_finds_leftovers_that_stay() {
    is_found(Mistake::LeftoversStay, false);
}

#[test]
fn the_exploration_finds_old_files_that_are_not_wiped() {
    is_found(Mistake::NothingIsWiped, false);
}

#[test]
fn the_exploration_finds_a_recovery_that_believes_what_it_reads() {
    is_found(Mistake::WhatIsReadIsBelieved, true);
}

#[test]
fn the_exploration_finds_a_time_that_is_forgotten() {
    is_found(Mistake::TimeIsForgotten, false);
}

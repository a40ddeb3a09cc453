//! Copies of the log are taken while a server runs, and put in its place; and the data directory is copied.

use super::super::disk::{StoredEntries, VirtualDisk, copy_moment};
use super::super::truth::{AskedEntries, Checked, CopiedTruth};
use super::Session;
use super::running::RunningLog;
use madang_engine::mutation::{Mutation, is_on};
use madang_log::{
    ErasureList, LogMoment, MomentError, PassStep, SegmentFiles, begin_or_continue, erase, erase_pending,
    verify,
};
use madang_model::{LogEpoch, ShardId, Timestamp};
use std::sync::Arc;

/// One in so many steps begins a copy, or ends the log as it is.
const STEPS: usize = 2_400;
/// Copies that are kept, at most.
const COPIES_MAX: usize = 4;
/// Waits of a moment that finds no time in which the log stays as it is.
const PAUSE_READS: usize = 20;

/// A copy of the log, with its list of erasures.
pub struct TakenCopy {
    disk: VirtualDisk,
    truth: CopiedTruth,
}

/// The backups of a session, and the epochs of its log.
pub struct Backups {
    copies: Vec<TakenCopy>,
    /// The list that lies beside them, and what it has.
    beside: (ErasureList, AskedEntries),
    /// The latest time until which two lives of the log have the same messages.
    shared_us: i64,
    /// Disks that there were.
    disks: u64,
    /// The epoch of the log, once a process has named it, and since which replacement.
    epoch: Option<(LogEpoch, u64)>,
    /// That of the directory of which this one is a copy.
    copied_from: Option<LogEpoch>,
    /// How often the log was replaced, or its directory copied.
    replacements: u64,
}

impl Default for Backups {
    fn default() -> Backups {
        Backups {
            copies: Vec::new(),
            beside: Default::default(),
            shared_us: i64::MIN,
            disks: 1,
            epoch: None,
            copied_from: None,
            replacements: 0,
        }
    }
}

impl Session {
    /// Now and then the log is copied, or put back.
    pub(super) fn restore_moves(&mut self) -> Checked {
        if self.is_log_read {
            return Ok(());
        }
        match self.chance.below(STEPS) {
            0..=5 => self.take_copy(),
            6..=8 if !self.backups.copies.is_empty() => self.restore(),
            9 => self.copy_directory(),
            _ => Ok(()),
        }
    }

    /// A backup is made while the server runs.
    fn take_copy(&mut self) -> Checked {
        self.trace.note(format_args!("a backup begins"));
        let before = ErasureList::read(&*self.disk).map_err(|error| error.to_string())?;
        let begun = self.truth.clone();
        let held_max = [3, 12, 1_000][self.chance.below(3)];
        let to = self.new_disk();
        self.is_log_read = true;
        let running = RunningLog::new(self);
        let copied = copy(&running, held_max, &to);
        let is_powered = running.end();
        self.is_log_read = false;
        if !is_powered? {
            self.trace.note(format_args!("the power is cut while a backup is made"));
            return Ok(());
        }
        match copied {
            Err(MomentError::TooFast) | Ok(false) => {
                self.trace.note(format_args!("a backup is given up: too much expires"));
                return Ok(());
            }
            Err(MomentError::Files(error)) => return Err(format!("a backup cannot read: {error}")),
            Ok(true) => {}
        }
        // After everything that is copied: what was erased meanwhile may be in the copy.
        let list = ErasureList::read(&*self.disk).map_err(|error| error.to_string())?;
        let mut of_copy = list.clone();
        of_copy.reopen_but(&before);
        of_copy.write(&to).map_err(|error| error.to_string())?;
        if !self.backups.beside.0.merge(&list) {
            return Err("the log is another one than that of the last backup".to_owned());
        }
        self.backups.beside.1.merge(&self.truth.asked);
        check_whole(&to, "a backup")?;
        let found = StoredEntries::of_log(&to)?;
        let truth = self.truth.copied(begun, &found, self.trace.step)?;
        self.counts.copies += 1;
        self.trace.note(format_args!("a backup has {} entries", found.messages.len()));
        if self.backups.copies.len() == COPIES_MAX {
            let oldest = self.chance.below(COPIES_MAX);
            self.backups.copies.swap_remove(oldest);
        }
        self.backups.copies.push(TakenCopy { disk: to, truth });
        Ok(())
    }

    /// One of the copies takes the place of the log.
    fn restore(&mut self) -> Checked {
        self.end_for_restore()?;
        let index = self.chance.below(self.backups.copies.len());
        let is_list_given = self.chance.one_in(2);
        self.trace.note(format_args!("backup {index} is restored, {is_list_given} with the last list"));
        let to = self.new_disk();
        let of_log = self.truth.asked.clone();
        let copy = self.backups.copies.swap_remove(index);
        let moment = LogMoment::take(&copy.disk, u64::MAX, &mut || ()).map_err(|error| error.to_string())?;
        copy_moment((&copy.disk, &copy.disk), moment, &to).map_err(|error| error.to_string())?;
        let mut list = self.list_for(&copy, is_list_given)?;
        list.write(&to).map_err(|error| error.to_string())?;
        if list.pending().next().is_some() {
            let mut pass = |erasures: &_, options| erase(&to, erasures, options, &mut |_: PassStep| {});
            let passed = erase_pending(&to, &mut list, self.now.wall, &mut pass);
            match passed {
                Ok(outcome) if outcome.is_complete() => {}
                other => return Err(format!("what is to be erased in a restored log is not: {other:?}")),
            }
        }
        let newest = check_whole(&to, "a restored log")?;
        list.begin_life(newest.unwrap_or(Timestamp(i64::MIN)), self.now.wall);
        list.write(&to).map_err(|error| error.to_string())?;
        if is_on(Mutation::KeepEpoch) {
            self.disk.copy_epoch(&to);
        }
        let shared_us = newest.map_or(i64::MIN, |newest| newest.0);
        self.backups.shared_us = self.backups.shared_us.max(shared_us);
        let lists: &[&AskedEntries] = match is_list_given {
            true => &[&self.backups.beside.1, &of_log],
            false => &[&self.backups.beside.1],
        };
        self.truth = self.truth.restored(&copy.truth, lists, self.backups.shared_us);
        self.disk = Arc::new(to);
        self.backups.copies.push(copy);
        self.backups.replacements += 1;
        self.counts.restores += 1;
        self.check_erased()?;
        self.truth.check_holds(&self.truth.heads(), &StoredEntries::of_log(&*self.disk)?)?;
        // What is given from now on is later than what the copy has.
        self.pass_ms(1);
        self.start()
    }

    /// Everything that is to be erased in a copy.
    fn list_for(&self, copy: &TakenCopy, is_list_given: bool) -> Result<ErasureList, String> {
        let copied = ErasureList::read_whole(&copy.disk).map_err(|error| error.to_string())?;
        let mut list = copied.clone();
        if is_on(Mutation::ForgetErasedSince) {
            return Ok(list);
        }
        let mut is_one_log = list.merge(&self.backups.beside.0);
        if is_list_given {
            let of_log = ErasureList::read(&*self.disk).map_err(|error| error.to_string())?;
            is_one_log &= list.merge(&of_log);
        }
        if !is_one_log {
            return Err("a list of erasures is of another log".to_owned());
        }
        list.reopen_but(&copied);
        Ok(list)
    }

    /// The data directory is copied while no server runs, and the copy is served.
    fn copy_directory(&mut self) -> Checked {
        self.end_for_restore()?;
        self.trace.note(format_args!("the data directory is copied"));
        let to = self.new_disk();
        self.disk.copy_all(&to);
        self.disk = Arc::new(to);
        self.backups.replacements += 1;
        self.backups.copied_from = self.backups.epoch.map(|(epoch, _)| epoch);
        self.start()
    }

    /// The server ends, in order or not.
    fn end_for_restore(&mut self) -> Checked {
        if self.chance.one_in(3) {
            return self.drain();
        }
        self.trace.note(format_args!("the server is killed for good"));
        self.disk.keep_power_on();
        self.clear_disk_faults();
        if let Some(server) = &mut self.server {
            server.tear(&self.disk, &mut self.chance);
        }
        self.note_stored()?;
        self.end_of_server(true);
        self.read_what_is_left()
    }

    fn new_disk(&mut self) -> VirtualDisk {
        self.backups.disks += 1;
        let notes_writes = self.conditions.start.durability.releases_before_sync();
        let disk = VirtualDisk::new(self.chance.fork(), notes_writes);
        disk.set_time(self.now.wall.0);
        disk.with_files_of(self.backups.disks, self.chance.one_in(2))
    }

    /// The epoch of the log, which the process that owns it names before it serves anyone. In an upgrade the disk may fail
    /// meanwhile: then the log has an epoch of its own until the next start.
    pub(super) fn name_epoch(&mut self) -> Checked {
        if !self.options.has_restores {
            return Ok(());
        }
        let epoch = match self.begin_epoch() {
            Ok(epoch) => {
                self.check_epoch(epoch)?;
                epoch
            }
            Err(error) => {
                self.trace.note(format_args!("the epoch cannot be written: {error}"));
                LogEpoch(self.chance.number().into())
            }
        };
        self.trace.note(format_args!("epoch {epoch}"));
        if let Some(server) = &self.server {
            let _ = server.epoch.set(epoch);
        }
        Ok(())
    }

    /// An epoch lasts as long as its log, and no longer. That a restored log has another one is for clients to see, who know
    /// its numbers.
    fn check_epoch(&mut self, epoch: LogEpoch) -> Checked {
        let Backups { epoch: served, replacements, copied_from, .. } = &mut self.backups;
        match served {
            Some((known, since)) if *since == *replacements && *known != epoch => {
                return Err(format!("the log goes on, and epoch {known} does not: {epoch}"));
            }
            _ if *copied_from == Some(epoch) => {
                return Err(format!("a copy of the data directory has the epoch of it: {epoch}"));
            }
            _ => *served = Some((epoch, *replacements)),
        }
        Ok(())
    }

    /// What a start does for its epoch, as far as it comes.
    pub(super) fn begin_epoch(&mut self) -> std::io::Result<LogEpoch> {
        let disk = Arc::clone(&self.disk);
        // They are part of the epoch, so that none is exchanged without it.
        let shards = self.conditions.start.settings.shard_count;
        (0..shards).try_for_each(|shard| SegmentFiles::make_directory(&*disk, ShardId(shard)))?;
        let random = || LogEpoch(self.chance.number().into());
        begin_or_continue(&*disk, false, random).map(|(epoch, _)| epoch)
    }
}

/// Copies the log of a running server to an empty disk; `false` when something has expired that was not held.
fn copy(running: &RunningLog<'_>, held_max: u64, to: &VirtualDisk) -> Result<bool, MomentError> {
    let pause = &mut || (0..PAUSE_READS).for_each(|_| drop(running.goes_on()));
    let moment = LogMoment::take(running, held_max, pause)?;
    Ok(copy_moment((running, &running.disk), moment, to)?)
}

/// Nothing is wrong with the log on a disk. Returns when its newest entry was accepted.
fn check_whole(disk: &VirtualDisk, what: &str) -> Result<Option<Timestamp>, String> {
    let verified = verify(disk, &mut |_| {}).map_err(|error| error.to_string())?;
    match verified.all_faults().next() {
        Some(fault) => Err(format!("{what} is damaged: {fault}")),
        None => Ok(verified.newest()),
    }
}

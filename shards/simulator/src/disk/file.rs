//! One file: what reads show, and what is on disk.

use super::super::chance::Chance;
use rkyv::util::AlignedVec;
use std::collections::BTreeSet;

/// What a device writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// A file. Aligned, so that segments can be scanned in place.
#[derive(Debug)]
pub struct File {
    shown: AlignedVec,
    synced: AlignedVec,
    /// Sectors that were written and not synced.
    dirty: BTreeSet<usize>,
    is_length_dirty: bool,
    /// When it was changed last.
    pub changed_us: i64,
    /// How far the messages in it were read.
    pub read_bytes: usize,
    /// The last write to it failed.
    pub is_torn: bool,
}

impl File {
    /// An empty one.
    pub fn new(now_us: i64) -> File {
        File {
            shown: AlignedVec::new(),
            synced: AlignedVec::new(),
            dirty: BTreeSet::new(),
            is_length_dirty: true,
            changed_us: now_us,
            read_bytes: 0,
            is_torn: false,
        }
    }

    /// What reads show.
    pub fn contents(&self) -> &[u8] {
        &self.shown
    }

    /// What a power cut keeps.
    pub fn synced_contents(&self) -> &[u8] {
        &self.synced
    }

    pub fn write(&mut self, offset: usize, bytes: &[u8], now_us: i64) {
        if bytes.is_empty() {
            return;
        }
        let end = offset + bytes.len();
        if self.shown.len() < end {
            self.shown.resize(end, 0);
            self.is_length_dirty = true;
        }
        self.shown[offset..end].copy_from_slice(bytes);
        self.dirty.extend(offset / SECTOR_BYTES..=(end - 1) / SECTOR_BYTES);
        self.changed_us = now_us;
    }

    pub fn truncate(&mut self, length: usize, now_us: i64) {
        self.shown.resize(length, 0);
        self.is_length_dirty = true;
        self.dirty.retain(|sector| sector * SECTOR_BYTES < length);
        self.changed_us = now_us;
    }

    pub fn sync(&mut self) {
        for sector in std::mem::take(&mut self.dirty) {
            self.keep(sector);
        }
        self.keep_length();
    }

    /// Some of it may be on disk. It counts as clean all the same.
    pub fn sync_failed(&mut self, chance: &mut Chance) {
        for sector in std::mem::take(&mut self.dirty) {
            if chance.one_in(2) {
                self.keep(sector);
            }
        }
    }

    pub fn cut_power(&mut self, chance: &mut Chance) {
        let keeps = chance.below(3);
        let mut is_kept = || match keeps {
            0 => false,
            1 => true,
            _ => chance.one_in(2),
        };
        if self.is_length_dirty && is_kept() {
            self.keep_length();
        }
        for sector in std::mem::take(&mut self.dirty) {
            if is_kept() {
                self.keep(sector);
            }
        }
        self.is_length_dirty = false;
        self.shown = self.synced.clone();
    }

    fn keep(&mut self, sector: usize) {
        let start = sector * SECTOR_BYTES;
        let end = (start + SECTOR_BYTES).min(self.shown.len());
        if start >= end {
            return;
        }
        if self.synced.len() < end {
            self.synced.resize(end, 0);
        }
        self.synced[start..end].copy_from_slice(&self.shown[start..end]);
    }

    fn keep_length(&mut self) {
        self.synced.resize(self.shown.len(), 0);
        self.is_length_dirty = false;
    }
}

//! Indexes and snapshots: written, made again when they are lost, and removed with what has expired.
//!
//! Encoding and syncing takes longer than a turn may, so that this is done beside the shards.

use super::renewal::Renewing;
use crate::shard::{FactsOrder, FactsReport, LookupId};
use madang_log::{
    AmendmentSource, FilesError, IndexError, IndexFiles, LooksReading, QueryFault, Removed, Retention,
    SegmentIndex, SegmentNumber, SnapshotScope, StoredFile, StoredLooks, mend_run, mend_snapshot,
    rebuild_index, renew_runs, renew_snapshot, retain,
};
use madang_model::ShardId;
use std::time::SystemTime;

/// Lost files that a shard has made again at a time; other lookups that miss one wait in the shard.
pub const REBUILDS_MAX: usize = 32;

/// Work that a shard orders. The two kinds are done beside each other, those of a kind in the order in which
/// they came: lookups wait for indexes, which wait for no chore.
#[derive(Debug)]
pub enum IndexJob {
    /// Write the index of a segment that was just finished. Of a shard at most
    /// [`Archive::INDEXES_MAX`](crate::shard::Archive::INDEXES_MAX) are under way.
    Write(SegmentIndex),
    /// What goes through a whole directory.
    Chore(Chore),
    /// Read the looks of stored rooms, of all directories: done as a chore, when there is no other. Of a shard one
    /// is under way.
    Looks,
    /// Order facts that are to be stored once more, when there are such; and learn which were. Of a shard one is under
    /// way, often for as long as it lives.
    Facts(FactsReport),
}

/// What may take long.
#[derive(Debug)]
pub enum Chore {
    /// Make the indexes of these segments, which never had one, then write the snapshot of the directory anew:
    /// a start need not read the indexes before it. Of a shard one is under way.
    Snapshot {
        /// Which segments.
        unindexed: Vec<SegmentNumber>,
    },
    /// Make the index or the snapshot again that a lookup has missed. Of a shard at most [`REBUILDS_MAX`] are
    /// under way.
    Rebuild {
        /// What it has missed.
        fault: QueryFault,
        /// Which lookup.
        lookup: LookupId,
    },
}

/// A job that is done. What went wrong is in the log of the server.
#[derive(Debug)]
pub enum IndexDone {
    /// Written, or to be made again when it is missed.
    Written,
    /// Written, and what it covers; or the old one stays. And the tables of amendments that there are, if runs were looked
    /// after.
    Snapshot(Option<SnapshotScope>, Option<Vec<AmendmentSource>>),
    /// A lost file was looked after.
    Rebuilt {
        /// What was missed.
        fault: QueryFault,
        /// Who waits for it.
        lookup: LookupId,
        /// Whether it is there again.
        is_there: bool,
    },
    /// Facts are to be stored once more.
    Facts(FactsOrder),
    /// The looks of the rooms whose looks are at home on the shard, if they could be read.
    Looks(Option<StoredLooks>),
}

/// The looks of stored rooms, read for all shards that ask, a part at a time.
#[derive(Default)]
pub struct LooksReader {
    reading: Option<LooksReading>,
    askers: Vec<ShardId>,
}

impl LooksReader {
    /// Whether somebody waits for it.
    pub fn has_work(&self) -> bool {
        !self.askers.is_empty()
    }

    /// A shard asks.
    pub fn ask(&mut self, shard: ShardId) {
        self.askers.push(shard);
    }

    /// Reads at most `rooms_max` rooms. Returns the answers to the shards that have asked, once they are known.
    pub fn step<F: IndexFiles>(
        &mut self,
        files: &F,
        (shard_count, rooms_max): (u16, usize),
        notes: &impl ChoreNotes,
    ) -> Vec<(ShardId, IndexDone)> {
        let mut read = match self.try_step(files, (shard_count, rooms_max)) {
            Ok(None) => return Vec::new(),
            Ok(Some(all)) => Some(all),
            Err(error) => {
                notes.failed();
                tracing::error!(%error, "the names of stored rooms cannot be read; until they are, no room is created");
                None
            }
        };
        let of = |shard: ShardId| {
            let looks = read.as_mut().and_then(|all| all.get_mut(shard.index()).map(std::mem::take));
            (shard, IndexDone::Looks(looks))
        };
        self.askers.drain(..).map(of).collect()
    }

    fn try_step<F: IndexFiles>(
        &mut self,
        files: &F,
        (shard_count, rooms_max): (u16, usize),
    ) -> Result<Option<Vec<StoredLooks>>, FilesError> {
        let mut reading = match self.reading.take() {
            Some(under_way) => under_way,
            None => LooksReading::begin(files, shard_count)?,
        };
        let read = reading.step(files, rooms_max)?;
        match &read {
            None => self.reading = Some(reading),
            Some(all) => {
                let bytes: usize = all.iter().map(StoredLooks::bytes).sum();
                tracing::debug!(bytes, "the names of stored rooms were read, to compare new names with");
            }
        }
        Ok(read)
    }
}

/// Who counts for the operator what is done.
pub trait ChoreNotes {
    /// An index, a snapshot or a removal has failed.
    fn failed(&self);

    /// What a lookup has missed is made again, or cannot be.
    fn rebuilt(&self, fault: &QueryFault, made: &Result<(), IndexError>);

    /// A segment has expired and is removed.
    fn removed(&self, removed: &Removed);
}

/// Writes the index of a segment.
pub fn write_index<F: IndexFiles>(files: &F, shard: ShardId, index: &SegmentIndex, notes: &impl ChoreNotes) {
    if let Err(error) = files.write_index(shard, index.segment(), &index.encode()) {
        notes.failed();
        tracing::error!(%error, "an index was not written; it is rebuilt when it is needed");
    }
}

/// Does a chore.
pub fn do_chore<F: IndexFiles>(
    files: &F,
    shard: ShardId,
    chore: Chore,
    notes: &impl ChoreNotes,
) -> IndexDone {
    match chore {
        Chore::Snapshot { unindexed } => {
            for segment in unindexed {
                if let Err(error) = rebuild_index(files, shard, segment) {
                    notes.failed();
                    tracing::error!(%error, "an index was not built; it is built when it is needed");
                }
            }
            let renewed = renew_snapshot(files, shard, false).unwrap_or_else(|error| {
                notes.failed();
                tracing::error!(%error, "a snapshot was not written; the next start reads more indexes");
                None
            });
            let scope = renewed.map(|snapshot| snapshot.scope);
            // All segments that it covers have an index.
            let sources = scope.map(|scope| renew_runs(files, shard, scope.covers)).transpose();
            let sources = sources.unwrap_or_else(|error| {
                notes.failed();
                tracing::error!(%error, "a run of amendments was not written; pages read more indexes until it is");
                None
            });
            IndexDone::Snapshot(scope, sources)
        }
        Chore::Rebuild { fault, lookup } => {
            let made = rebuild(files, &fault);
            notes.rebuilt(&fault, &made);
            if let Err(error) = &made {
                notes.failed();
                tracing::error!(%error, "an index or a snapshot cannot be rebuilt");
            }
            IndexDone::Rebuilt { fault, lookup, is_there: made.is_ok() }
        }
    }
}

fn rebuild<F: IndexFiles>(files: &F, fault: &QueryFault) -> Result<(), IndexError> {
    match fault.mendable() {
        Some((directory, StoredFile::Index(segment))) => {
            rebuild_index(files, directory, segment)?;
            tracing::warn!(
                shard = directory.0,
                segment = segment.0,
                "an index was missing or damaged, and was rebuilt"
            );
        }
        Some((directory, StoredFile::Run(run))) => {
            mend_run(files, directory, run)?;
            tracing::warn!(shard = directory.0, %run, "a run of amendments was missing or damaged, and was rebuilt");
        }
        Some((directory, _)) => {
            mend_snapshot(files, directory)?;
            tracing::warn!(shard = directory.0, "a snapshot was missing or damaged, and was rebuilt");
        }
        None => {}
    }
    Ok(())
}

/// Removes what has expired by `now`, and has live facts in it stored once more.
pub fn remove_expired<F: IndexFiles>(
    files: &F,
    retention: &Retention,
    now: SystemTime,
    renewing: &mut Renewing,
    notes: &impl ChoreNotes,
) {
    let mut removed = |removed: Removed| {
        notes.removed(&removed);
        tracing::info!(
            shard = removed.shard.0,
            segment = removed.segment.0,
            bytes = removed.bytes,
            age_hours = removed.age.as_secs() / 3600,
            "a segment expired and was removed"
        );
    };
    if let Err(error) = retain(files, retention, now, renewing, &mut removed) {
        notes.failed();
        tracing::error!(%error, "expired segments were not removed; this is tried again");
    }
}

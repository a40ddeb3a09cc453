//! Writes indexes, and makes lost ones again, on a thread of its own: encoding and syncing one
//! takes longer than a turn may.

use super::bell::Bell;
use super::operate::{Housekeeping, Space};
use super::outage::Outage;
use super::preparer::step_back;
use crate::log::{
    IndexError, IndexFiles, QueryFault, Removed, SegmentIndex, SnapshotScope, StdFiles, StoredFile,
    rebuild_index, remake_snapshot, renew_snapshot, retain,
};
use crate::shard::LookupId;
use crate::types::ShardId;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

/// Work for the thread.
pub enum IndexJob {
    /// Write the index of a segment that was just finished.
    Write(SegmentIndex),
    /// Write the snapshot of the directory anew: a start need not read the indexes before it.
    Snapshot,
    /// Make the index or the snapshot again that a lookup has missed.
    Rebuild { fault: QueryFault, lookup: LookupId },
}

/// A job that is done. What went wrong is in the log of the server.
#[derive(Clone, Debug)]
pub enum IndexDone {
    /// Written, or to be made again when it is missed.
    Written,
    /// Written, and what it tells of; or the old one stays.
    Snapshot(Option<SnapshotScope>),
    /// Whether it is there again, and who waits for it.
    Rebuilt { fault: QueryFault, lookup: LookupId, is_there: bool },
}

type Order = (ShardId, IndexJob, flume::Sender<IndexDone>, Arc<Bell>);

/// Takes jobs, for all shards.
#[derive(Clone)]
pub struct Indexer {
    orders: flume::Sender<Order>,
}

/// How often what has grown too old is looked for, besides after each sealed segment.
const RETENTION_LOOK: Duration = Duration::from_secs(600);
/// How often the space of the disk is looked at, besides after each sealed segment.
const SPACE_LOOK: Duration = Duration::from_secs(30);
/// How often it is told that the disk fills up, while it does.
const LOW_SPACE_SILENCE: Duration = Duration::from_secs(3600);

impl Indexer {
    /// Starts the thread. It ends when the last `Indexer` is dropped.
    pub fn start(data: PathBuf, housekeeping: Arc<Housekeeping>) -> io::Result<Indexer> {
        // A shard has few jobs under way: a segment takes longer to fill than its index to write.
        let (orders, receiver) = flume::unbounded::<Order>();
        std::thread::Builder::new().name("madang-index".into()).spawn(move || {
            step_back();
            let files = StdFiles::new(data.clone());
            let mut looked_at = Instant::now();
            let mut low_space = Outage::told_every(LOW_SPACE_SILENCE);
            look_at_space(&data, &mut low_space);
            loop {
                let has_sealed = match receiver.recv_timeout(SPACE_LOOK) {
                    Ok((shard, job, reply, bell)) => {
                        let has_sealed = matches!(job, IndexJob::Write(_));
                        // A shard that no longer listens is ending.
                        let _ = reply.send(carry_out(&files, shard, job, &housekeeping));
                        bell.ring();
                        has_sealed
                    }
                    Err(flume::RecvTimeoutError::Timeout) => false,
                    Err(flume::RecvTimeoutError::Disconnected) => return,
                };
                if has_sealed || looked_at.elapsed() >= RETENTION_LOOK {
                    remove_expired(&files, &housekeeping);
                    looked_at = Instant::now();
                }
                look_at_space(&data, &mut low_space);
            }
        })?;
        Ok(Indexer { orders })
    }

    /// Orders a job; `reply` gets word when it is done.
    pub fn order(&self, shard: ShardId, job: IndexJob, reply: flume::Sender<IndexDone>, bell: Arc<Bell>) {
        self.orders.send((shard, job, reply, bell)).expect("the index thread lives as long as its orders");
    }
}

/// Tells the operator that the disk fills up, long before it is full.
fn look_at_space(data: &Path, low: &mut Outage) {
    let Some(space) = Space::of(data) else { return };
    if !space.is_low() {
        if low.is_over().is_some() {
            tracing::info!(free_bytes = space.free_bytes, "the disk of the log has space again");
        }
    } else if low.met(Instant::now()).is_some() {
        tracing::warn!(free_bytes = space.free_bytes, "{}", space.words());
    }
}

fn remove_expired(files: &StdFiles, housekeeping: &Housekeeping) {
    let mut removed = |removed: Removed| {
        housekeeping.segments_removed.fetch_add(1, Ordering::Relaxed);
        housekeeping.bytes_removed.fetch_add(removed.bytes, Ordering::Relaxed);
        tracing::info!(
            shard = removed.shard.0,
            segment = removed.segment.0,
            bytes = removed.bytes,
            age_hours = removed.age.as_secs() / 3600,
            "a segment has expired and is removed"
        );
    };
    if let Err(error) = retain(files, &housekeeping.retention(), SystemTime::now(), &mut removed) {
        housekeeping.errors.fetch_add(1, Ordering::Relaxed);
        tracing::error!(%error, "what has expired is not removed; it is tried again");
    }
}

fn carry_out(files: &StdFiles, shard: ShardId, job: IndexJob, housekeeping: &Housekeeping) -> IndexDone {
    let failed = || housekeeping.errors.fetch_add(1, Ordering::Relaxed);
    match job {
        IndexJob::Write(index) => {
            if let Err(error) = files.write_index(shard, index.segment(), &index.encode()) {
                failed();
                tracing::error!(%error, "an index is not written; it is made again when it is needed");
            }
            IndexDone::Written
        }
        IndexJob::Snapshot => {
            let renewed = renew_snapshot(files, shard, false).unwrap_or_else(|error| {
                failed();
                tracing::error!(%error, "a snapshot is not written; the next start reads more indexes");
                None
            });
            IndexDone::Snapshot(renewed.map(|snapshot| snapshot.scope))
        }
        IndexJob::Rebuild { fault, lookup } => {
            let made = rebuild(files, &fault);
            match &made {
                Ok(()) => drop(housekeeping.indexes_rebuilt.fetch_add(1, Ordering::Relaxed)),
                Err(error) => {
                    failed();
                    tracing::error!(%error, "an index or a snapshot cannot be made again");
                }
            }
            IndexDone::Rebuilt { fault, lookup, is_there: made.is_ok() }
        }
    }
}

fn rebuild(files: &StdFiles, fault: &QueryFault) -> Result<(), IndexError> {
    match fault.mendable() {
        Some((directory, StoredFile::Index(segment))) => {
            rebuild_index(files, directory, segment)?;
            tracing::warn!(
                shard = directory.0,
                segment = segment.0,
                "an index was missing or damaged and is made again"
            );
        }
        Some((directory, _)) => {
            remake_snapshot(files, directory, false)?;
            tracing::warn!(shard = directory.0, "a snapshot was missing or damaged and is made again");
        }
        None => {}
    }
    Ok(())
}

//! Writes indexes, and makes lost ones again, on a thread of its own: encoding and syncing one
//! takes longer than a turn may.

use super::bell::Bell;
use crate::log::{
    IndexError, IndexFiles, SegmentIndex, SegmentNumber, StdFiles, rebuild_index, renew_snapshot,
};
use crate::shard::LookupId;
use crate::types::ShardId;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Work for the thread.
pub enum IndexJob {
    /// Write the index of a segment that was just finished.
    Write(SegmentIndex),
    /// Write the snapshot of the directory anew: a start need not read the indexes before it.
    Snapshot,
    /// Make an index again that a lookup has missed.
    Rebuild { directory: ShardId, segment: SegmentNumber, lookup: LookupId },
}

/// A job that is done. What went wrong is in the log of the server.
#[derive(Clone, Copy, Debug)]
pub enum IndexDone {
    /// Written, or to be made again when it is missed.
    Written,
    /// Written, or the old one stays.
    Snapshot,
    /// Whether it is there again, and who waits for it.
    Rebuilt { directory: ShardId, segment: SegmentNumber, lookup: LookupId, is_there: bool },
}

type Order = (ShardId, IndexJob, flume::Sender<IndexDone>, Arc<Bell>);

/// Takes jobs, for all shards.
#[derive(Clone)]
pub struct Indexer {
    orders: flume::Sender<Order>,
}

impl Indexer {
    /// Starts the thread. It ends when the last `Indexer` is dropped.
    pub fn start(data: PathBuf) -> io::Result<Indexer> {
        // A shard has few jobs under way: a segment takes longer to fill than its index to write.
        let (orders, receiver) = flume::unbounded::<Order>();
        std::thread::Builder::new().name("madang-index".into()).spawn(move || {
            let files = StdFiles::new(data);
            for (shard, job, reply, bell) in receiver {
                // A shard that no longer listens is ending.
                let _ = reply.send(carry_out(&files, shard, job));
                bell.ring();
            }
        })?;
        Ok(Indexer { orders })
    }

    /// Orders a job; `reply` gets word when it is done.
    pub fn order(&self, shard: ShardId, job: IndexJob, reply: flume::Sender<IndexDone>, bell: Arc<Bell>) {
        self.orders.send((shard, job, reply, bell)).expect("the index thread lives as long as its orders");
    }
}

fn carry_out(files: &StdFiles, shard: ShardId, job: IndexJob) -> IndexDone {
    match job {
        IndexJob::Write(index) => {
            if let Err(error) = files.write_index(shard, index.segment(), &index.encode()) {
                tracing::error!(%error, "an index is not written; it is made again when it is needed");
            }
            IndexDone::Written
        }
        IndexJob::Snapshot => {
            if let Err(error) = renew_snapshot(files, shard) {
                tracing::error!(%error, "a snapshot is not written; the next start reads more indexes");
            }
            IndexDone::Snapshot
        }
        IndexJob::Rebuild { directory, segment, lookup } => {
            let made: Result<(), IndexError> = rebuild_index(files, directory, segment);
            match &made {
                Ok(()) => tracing::warn!(
                    shard = directory.0,
                    segment = segment.0,
                    "an index was missing or damaged and is made again"
                ),
                Err(error) => tracing::error!(%error, "an index cannot be made again"),
            }
            IndexDone::Rebuilt { directory, segment, lookup, is_there: made.is_ok() }
        }
    }
}

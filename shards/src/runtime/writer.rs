//! Carries batches to the disk: one write, one `fdatasync`, one at a time.

use super::bell::Bell;
use super::preparer::{Order, Prepared, Preparer};
use crate::log::{Batch, Durability, SealedSegment, SegmentNumber};
use crate::types::ShardId;
use glommio::io::{BufferedFile, OpenOptions};
use std::path::PathBuf;
use std::sync::Arc;

/// Why a batch is not on disk. The process ends: what was not acknowledged may be gone, what was
/// is safe, and a restart finds a consistent log.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// A segment could not be made ready.
    #[error(transparent)]
    Prepare(#[from] super::preparer::PrepareError),
    /// The system refused.
    #[error("cannot {what} segment '{}': {reason}", path.display())]
    File { what: &'static str, path: PathBuf, reason: String },
}

/// Where and how a shard's segments are kept.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    pub data: PathBuf,
    pub shard: ShardId,
    pub shard_count: u16,
    pub segment_bytes: u64,
    pub durability: Durability,
}

/// The one writer of a shard's log.
pub struct Writer {
    options: WriterOptions,
    open: Option<OpenSegment>,
    preparer: Preparer,
    bell: Arc<Bell>,
    reply: flume::Sender<Prepared>,
    prepared: flume::Receiver<Prepared>,
    /// Written, but not synced yet.
    has_unsynced: bool,
}

struct OpenSegment {
    number: SegmentNumber,
    path: PathBuf,
    file: BufferedFile,
}

impl Writer {
    /// A writer that goes on with segment `first`, which is ordered at once with its capacity.
    pub fn new(
        options: WriterOptions,
        preparer: Preparer,
        bell: Arc<Bell>,
        first: SegmentNumber,
        first_capacity_bytes: u64,
    ) -> Writer {
        let (reply, prepared) = flume::bounded(2);
        let writer = Writer { options, open: None, preparer, bell, reply, prepared, has_unsynced: false };
        writer.order(first, first_capacity_bytes);
        writer
    }

    fn order(&self, number: SegmentNumber, capacity_bytes: u64) {
        let WriterOptions { data, shard, shard_count, .. } = &self.options;
        let order =
            Order { data: data.clone(), shard: *shard, shard_count: *shard_count, number, capacity_bytes };
        self.preparer.order(order, self.reply.clone(), Arc::clone(&self.bell));
    }

    /// Writes a batch and, where the durability asks for it, syncs it.
    pub async fn commit(&mut self, batch: &Batch) -> Result<(), CommitError> {
        if let Some(sealed) = &batch.seals {
            self.seal(sealed).await?;
        }
        if self.open.is_none() {
            self.open_next(batch.segment).await?;
        }
        let segment = self.segment();
        assert_eq!(segment.number, batch.segment, "a batch is written to the segment it was made for");
        // glommio takes the buffer and keeps it; the copy costs less than what it saves in
        // bookkeeping, and the batch stays whole in case it must be written again.
        let written = segment.file.write_at(batch.bytes.clone(), batch.offset_bytes).await;
        let written = written.map_err(|error| segment.error("write to", &error))?;
        if written != batch.bytes.len() {
            return Err(segment.error("write to", &format!("{written} of {} bytes", batch.bytes.len())));
        }
        self.has_unsynced = true;
        if self.options.durability == Durability::Commit {
            self.sync().await?;
        }
        Ok(())
    }

    /// Syncs what is written.
    pub async fn sync(&mut self) -> Result<(), CommitError> {
        if self.has_unsynced
            && let Some(segment) = &self.open
        {
            segment.file.fdatasync().await.map_err(|error| segment.error("sync", &error))?;
            self.has_unsynced = false;
        }
        Ok(())
    }

    /// Whether something written waits to be synced.
    pub fn has_unsynced(&self) -> bool {
        self.has_unsynced
    }

    /// Finishes the open segment: all before the seal is on disk before the seal is written, so
    /// that the seal proves it. Then what was not used is cut off.
    pub async fn seal(&mut self, sealed: &SealedSegment) -> Result<(), CommitError> {
        self.sync().await?;
        let Some(segment) = self.open.take() else { return Ok(()) };
        let written = segment.file.write_at(sealed.frame.clone(), sealed.end_offset_bytes).await;
        written.map_err(|error| segment.error("seal", &error))?;
        let end = sealed.end_offset_bytes + sealed.frame.len() as u64;
        segment.file.truncate(end).await.map_err(|error| segment.error("truncate", &error))?;
        segment.file.fdatasync().await.map_err(|error| segment.error("sync", &error))?;
        segment.file.close().await.map_err(|error| CommitError::File {
            what: "close",
            path: segment.path,
            reason: error.to_string(),
        })
    }

    async fn open_next(&mut self, number: SegmentNumber) -> Result<(), CommitError> {
        let prepared =
            self.prepared.recv_async().await.expect("this writer keeps a sender of its own channel");
        assert_eq!(prepared.number, number, "segments are prepared in the order of their use");
        let path = prepared.path?;
        let failed = |error: &dyn std::fmt::Display| CommitError::File {
            what: "open",
            path: path.clone(),
            reason: error.to_string(),
        };
        let opened = OpenOptions::new().read(true).write(true).buffered_open(&path).await;
        let file = opened.map_err(|error| failed(&error))?;
        self.open = Some(OpenSegment { number, path, file });
        self.order(number.next(), self.options.segment_bytes);
        Ok(())
    }

    fn segment(&self) -> &OpenSegment {
        self.open.as_ref().expect("a segment is open while a batch is written")
    }
}

impl OpenSegment {
    fn error(&self, what: &'static str, reason: &dyn std::fmt::Display) -> CommitError {
        CommitError::File { what, path: self.path.clone(), reason: reason.to_string() }
    }
}

//! A start: the log is opened, and every shard continues from what it holds.

use super::cell::Cell;
use super::desk::Desk;
use super::indexes::Jobs;
use super::{CHANNEL_BATCHES_MAX, LinkCore, Phase, SimulatedServer};
use madang_engine::mutation::{Mutation, is_on};
use madang_engine::shard::{Archive, Settings, Shard, StartFindings};
use madang_engine::store::{SegmentWriter, WriterOptions};
use madang_engine::turn::{LogOptions, Turn};
use madang_log::{
    Appender, Durability, ErasureList, Erasures, OpenLogError, Retention, SegmentNumber, open_log,
};
use madang_model::ShardId;
use std::collections::VecDeque;
use std::sync::Arc;

use super::super::disk::VirtualDisk;
use super::super::words::{ServedEpoch, Words};

/// Bytes that a shard reads at a time, as in the runtime.
const READ_BYTES_MAX: usize = 16 << 10;

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct StartOptions {
    pub settings: Settings,
    pub durability: Durability,
    pub segment_bytes: u64,
    pub retention: Retention,
    /// Smaller channels overflow sooner.
    pub channel_batches_max: usize,
    /// Batches of a shard that may wait for the link, where there is one.
    pub link_batches_max: Option<usize>,
}

impl SimulatedServer {
    /// Starts on what is on the disk.
    pub fn start(disk: &VirtualDisk, options: &StartOptions) -> Result<SimulatedServer, OpenLogError> {
        // One that cannot be read is reported by who reads it to add to it.
        let pending = ErasureList::read(disk).map(|list| list.pending_erasures()).unwrap_or_default();
        let count = options.settings.shard_count;
        let opened = open_log(disk, count)?;
        let (snapshots, lost_heads) = (opened.snapshots, opened.lost_heads);
        let erasures = Arc::new(if is_on(Mutation::ForgetErasures) { Erasures::default() } else { pending });
        let stored = StartFindings { snapshots, sources: opened.sources, lost_heads, erasures };
        let mut cells = Vec::new();
        let epoch = ServedEpoch::default();
        for id in (0..count).map(ShardId) {
            let first = opened.next_segments.get(id.index()).copied().unwrap_or(SegmentNumber::FIRST);
            let segment_bytes = options.segment_bytes;
            let log = Appender::new(id, first, segment_bytes, segment_bytes, options.durability);
            let page_bytes_max = options.settings.outbox_bytes_max / 2;
            let archive = Archive::new(id, first, stored.clone(), page_bytes_max);
            let shard = Shard::new(
                id,
                Arc::new(options.settings.clone()),
                Words { epoch: Arc::clone(&epoch) },
                log,
                archive,
            );
            let durability = options.durability;
            let writer = WriterOptions { shard: id, shard_count: count, segment_bytes, durability };
            let desk = Desk::new(SegmentWriter::new(writer, first, segment_bytes));
            let log = LogOptions { durability, first_segment_bytes: segment_bytes };
            cells.push(Cell::new(Turn::new(shard, log, READ_BYTES_MAX), desk));
        }
        let channels = (0..count).map(|_| (0..count).map(|_| VecDeque::new()).collect()).collect();
        Ok(SimulatedServer {
            cells,
            channels,
            channel_batches_max: options.channel_batches_max.min(CHANNEL_BATCHES_MAX),
            link: options.link_batches_max.map(|batches_max| LinkCore::new(count, batches_max, &epoch)),
            jobs: Jobs::new(options.retention, count),
            epoch,
            phase: Phase::Running,
            parts: Vec::new(),
            quiet_seen: None,
        })
    }

    /// The segments that expired since the last call.
    pub fn take_expired(&mut self) -> Vec<(ShardId, SegmentNumber)> {
        std::mem::take(&mut self.jobs.expired)
    }
}

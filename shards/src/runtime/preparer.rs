//! Segments made ready before they are needed, on a thread of their own.
//!
//! A segment is zero-filled, synced and named before anyone appends to it: then a commit changes
//! no metadata, and its `fdatasync` costs a third less.

use super::bell::Bell;
use super::clock;
use crate::log::{SegmentHeader, SegmentNumber, directory_name, file_name};
use crate::types::ShardId;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};

/// Zeros written at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// The niceness of threads that work beside the shards.
const BESIDE_NICENESS: i32 = 10;

/// An order for a segment.
#[derive(Debug)]
pub struct Order {
    pub data: PathBuf,
    pub shard: ShardId,
    pub shard_count: u16,
    pub number: SegmentNumber,
    pub capacity_bytes: u64,
}

/// A segment that is ready, or why it is not.
#[derive(Debug)]
pub struct Prepared {
    pub number: SegmentNumber,
    pub path: Result<PathBuf, PrepareError>,
}

/// Why a segment could not be made ready.
#[derive(Debug, thiserror::Error)]
#[error("cannot prepare segment '{}': {source}; free space or check the directory's owner", path.display())]
pub struct PrepareError {
    path: PathBuf,
    source: io::Error,
}

impl PrepareError {
    /// What a person who wanted to say something may be told.
    pub fn reason(&self) -> &'static str {
        reason_for_people(self.source.kind())
    }
}

/// What a person who wanted to say something may be told of an error of the disk.
pub fn reason_for_people(kind: io::ErrorKind) -> &'static str {
    match kind {
        // The last: a limit of the size of files, which is the operator's to raise as space is.
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "the disk is full"
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => "the disk cannot be written",
        _ => "the disk reports errors",
    }
}

/// Takes orders, for all shards.
#[derive(Clone, Debug)]
pub struct Preparer {
    orders: flume::Sender<(Order, flume::Sender<Prepared>, Arc<Bell>)>,
}

impl Preparer {
    /// Starts the thread. It ends when the last `Preparer` is dropped.
    pub fn start() -> io::Result<Preparer> {
        // Each shard has at most one order under way.
        let (orders, receiver) = flume::bounded::<(Order, flume::Sender<Prepared>, Arc<Bell>)>(1024);
        std::thread::Builder::new().name("madang-files".into()).spawn(move || {
            step_back();
            for (order, reply, bell) in receiver {
                let prepared = Prepared { number: order.number, path: prepare(&order) };
                // A shard that no longer listens is ending.
                let _ = reply.send(prepared);
                bell.ring();
            }
        })?;
        Ok(Preparer { orders })
    }

    /// Orders a segment; `reply` gets it.
    pub fn order(&self, order: Order, reply: flume::Sender<Prepared>, bell: Arc<Bell>) {
        self.orders.send((order, reply, bell)).expect("the files thread lives as long as its orders");
    }
}

/// Lets the shards go first where they share a processor with the calling thread. It still gets a
/// tenth of it, more than a shard that fills segments as fast as it can needs to have them made.
pub fn step_back() {
    /// Every thread would say the same.
    static SAID: Once = Once::new();
    // Refused or not, the work is the same; whoever refuses it should know what it costs.
    if let Err(error) = rustix::process::setpriority_process(None, BESIDE_NICENESS) {
        SAID.call_once(|| {
            tracing::warn!(
                "what works beside the shards has their priority, and delays them where they share a processor: \
                 setpriority is refused ({error}); allow it, as SystemCallFilter= of madang.service does"
            );
        });
    }
}

/// Makes a segment ready.
pub fn prepare(order: &Order) -> Result<PathBuf, PrepareError> {
    let path = order.data.join(directory_name(order.shard)).join(file_name(order.number));
    let failed = |source| PrepareError { path: path.clone(), source };
    let unfinished = path.with_extension("new");
    fill(&path, &unfinished, order).map_err(|error| {
        // A full disk gets back what the attempt took; that it may not be there is no news.
        let _ = std::fs::remove_file(&unfinished);
        failed(error)
    })?;
    Ok(path)
}

fn fill(path: &Path, unfinished: &Path, order: &Order) -> io::Result<()> {
    if let Some(directory) = path.parent()
        && !directory.is_dir()
    {
        std::fs::create_dir(directory)?;
        directory.parent().map_or(Ok(()), |data| File::open(data)?.sync_all())?;
    }
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(unfinished)?;
    // Once a second a full disk is tried again: what is left of it is not filled with zeros each time.
    let system = rustix::fs::fstatvfs(&file)?;
    if system.f_blocks > 0 && system.f_bfree.saturating_mul(system.f_frsize) < order.capacity_bytes {
        return Err(rustix::io::Errno::NOSPC.into());
    }
    let header = SegmentHeader {
        shard: order.shard,
        shard_count: order.shard_count,
        segment: order.number,
        created_us: clock::wall_clock().0,
        capacity_bytes: order.capacity_bytes,
    };
    let header = header.encode();
    file.write_all(&header)?;
    let zeros = vec![0; CHUNK_BYTES];
    let mut left_bytes = order.capacity_bytes.saturating_sub(header.len() as u64);
    while left_bytes > 0 {
        let chunk_bytes = left_bytes.min(CHUNK_BYTES as u64);
        file.write_all(&zeros[..chunk_bytes as usize])?;
        // A commit waits for what the disk was given before it: never for a whole segment.
        file.sync_data()?;
        left_bytes -= chunk_bytes;
    }
    file.sync_all()?;
    std::fs::rename(unfinished, path)?;
    if let Some(directory) = path.parent() {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

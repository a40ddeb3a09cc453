//! The disk usage of the log, read at most every few seconds.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a result is reused: a log of a terabyte has sixteen thousand files.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// The usage of one directory of the log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct DirectoryUsage {
    /// Its number.
    pub number: u16,
    /// Its segments.
    pub segments: u64,
    /// Bytes of its files: segments, indexes and snapshots.
    pub bytes: u64,
}

/// The disk usage at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Each directory of the log, by number.
    pub directories: Vec<DirectoryUsage>,
    /// Free bytes of the file system.
    pub free_bytes: u64,
    /// Total bytes of the file system.
    pub total_bytes: u64,
}

/// The data directory.
#[derive(Debug)]
pub struct Disk {
    data: PathBuf,
    last: Mutex<Option<(Instant, Usage)>>,
}

impl Disk {
    /// The disk usage of `data`.
    pub fn new(data: &Path) -> Disk {
        Disk { data: data.to_owned(), last: Mutex::default() }
    }

    /// The usage, at most five seconds old. Files that cannot be read count as 0.
    pub fn usage(&self) -> Usage {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, usage)) = &*last
            && at.elapsed() < LOOK_INTERVAL
        {
            return usage.clone();
        }
        let usage = look(&self.data);
        *last = Some((Instant::now(), usage.clone()));
        usage
    }
}

fn look(data: &Path) -> Usage {
    let mut usage = Usage::default();
    if let Ok(system) = rustix::fs::statvfs(data) {
        usage.free_bytes = system.f_bavail.saturating_mul(system.f_frsize);
        usage.total_bytes = system.f_blocks.saturating_mul(system.f_frsize);
    }
    for entry in fs::read_dir(data).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("shard-")?.parse().ok());
        let Some(number) = number else { continue };
        let (mut segments, mut bytes) = (0, 0);
        for file in fs::read_dir(entry.path()).into_iter().flatten().flatten() {
            segments += u64::from(file.path().extension().is_some_and(|extension| extension == "seg"));
            bytes += file.metadata().map(|metadata| metadata.len()).unwrap_or_default();
        }
        usage.directories.push(DirectoryUsage { number, segments, bytes });
    }
    usage.directories.sort_unstable();
    usage
}

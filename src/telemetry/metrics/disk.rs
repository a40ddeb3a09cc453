//! What the log takes of the disk, looked up at most every few seconds.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A look is good for so long: a log of a terabyte has sixteen thousand files.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// What one look found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of each directory of the log, by its number: segments, and bytes with their indexes.
    pub directories: Vec<(u16, u64, u64)>,
    /// Bytes that may still be written on the file system.
    pub free_bytes: u64,
    /// Bytes the file system has.
    pub total_bytes: u64,
}

/// The data directory.
#[derive(Debug)]
pub struct Disk {
    data: PathBuf,
    last: Mutex<Option<(Instant, Usage)>>,
}

impl Disk {
    /// The disk below `data`.
    pub fn new(data: &Path) -> Disk {
        Disk { data: data.to_owned(), last: Mutex::default() }
    }

    /// What is used, at most five seconds ago. What cannot be read counts nothing.
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
        usage.directories.push((number, segments, bytes));
    }
    usage.directories.sort_unstable();
    usage
}

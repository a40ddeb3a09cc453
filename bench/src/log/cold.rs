//! What the disk takes for a read of the log by itself, with nothing in the page cache.

use super::files;
use crate::error::BenchError;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A page of memory, the least that the kernel reads.
pub(super) const READ_BYTES: usize = 4096;
/// 2^64 divided by the golden ratio: its multiples are spread evenly, and never repeat.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Reads at places of segments and indexes that are spread over all of them.
pub(super) struct ColdReads {
    paths: Vec<PathBuf>,
    /// Those that hold a block at least, with how many they hold.
    files: Vec<(File, u64)>,
    blocks: u64,
    read: u64,
}

impl ColdReads {
    pub(super) fn open(data: &Path) -> Result<ColdReads, BenchError> {
        let mut paths = files::ending(data, "seg")?;
        paths.extend(files::ending(data, "idx")?);
        let mut opened = Vec::new();
        for path in &paths {
            let failed = BenchError::system(format!("open '{}'", path.display()));
            let open = || File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
            let (file_bytes, file) = open().map_err(failed)?;
            let blocks = file_bytes / READ_BYTES as u64;
            opened.extend((blocks > 0).then_some((file, blocks)));
        }
        let blocks = opened.iter().map(|(_, blocks)| blocks).sum();
        Ok(ColdReads { paths, files: opened, blocks, read: 0 })
    }

    /// Has the kernel forget them. The program that is measured stays where it is.
    pub(super) fn forget(&self) -> Result<(), BenchError> {
        files::forget(&self.paths)
    }

    /// How long the next read took.
    pub(super) fn read(&mut self) -> Result<Duration, BenchError> {
        self.read += 1;
        let spread = self.read.wrapping_mul(SPREAD);
        let mut block = ((u128::from(spread) * u128::from(self.blocks)) >> 64) as u64;
        let mut bytes = [0; READ_BYTES];
        let began = Instant::now();
        for (file, blocks) in &self.files {
            if block < *blocks {
                let read = file.read_exact_at(&mut bytes, block * READ_BYTES as u64);
                read.map_err(BenchError::system("read a log beside the server"))?;
                break;
            }
            block -= blocks;
        }
        Ok(began.elapsed())
    }
}

//! The files of a log, seen from outside.

use crate::error::BenchError;
use rustix::fs::{Advice, fadvise};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// All files below a directory of data.
pub(super) fn all(data: &Path) -> Result<Vec<PathBuf>, BenchError> {
    let mut found = Vec::new();
    let mut waiting = vec![data.to_owned()];
    while let Some(directory) = waiting.pop() {
        let entries = fs::read_dir(&directory)
            .map_err(BenchError::system(format!("list '{}'", directory.display())))?;
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() { waiting.push(path) } else { found.push(path) }
        }
    }
    Ok(found)
}

/// Files with this extension.
pub(super) fn ending(data: &Path, extension: &str) -> Result<Vec<PathBuf>, BenchError> {
    let is_such = |path: &PathBuf| path.extension().is_some_and(|found| found == extension);
    Ok(all(data)?.into_iter().filter(is_such).collect())
}

/// Their length together, in bytes.
pub(super) fn bytes(paths: &[PathBuf]) -> u64 {
    paths.iter().filter_map(|path| fs::metadata(path).ok()).map(|metadata| metadata.len()).sum()
}

/// Has the kernel forget what it holds of them: the next read goes to the disk.
pub(super) fn forget(paths: &[PathBuf]) -> Result<(), BenchError> {
    for path in paths {
        let failed = || format!("let the kernel forget '{}'", path.display());
        let file = File::open(path).map_err(BenchError::system(failed()))?;
        // Pages that are not written yet would stay.
        file.sync_data().map_err(BenchError::system(failed()))?;
        fadvise(&file, 0, None, Advice::DontNeed).map_err(BenchError::system(failed()))?;
    }
    Ok(())
}

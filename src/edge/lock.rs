//! The lock of the edge: whoever has it serves.

use super::error::EdgeError;
use madang_log::open_regular_by;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Locked by the edge of a data directory. The file outlives the process: only the lock counts.
const LOCK_FILE: &str = "edge.lock";

/// The lock, as long as this lives.
#[derive(Debug)]
pub struct EdgeLock(#[expect(dead_code, reason = "it is locked as long as it is open")] File);

impl EdgeLock {
    /// Takes the lock, however long another edge has it: it takes over when that one ends.
    ///
    /// # Errors
    /// The file cannot be locked.
    pub fn take(data: &Path) -> Result<EdgeLock, EdgeError> {
        if !data.is_dir() {
            return Err(EdgeError::NoData(data.to_owned()));
        }
        let path = data.join(LOCK_FILE);
        let failed = |source| EdgeError::Lock { path: path.clone(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = open_regular_by(&mut options, &path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => return Ok(EdgeLock(file)),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        tracing::info!("another edge serves; this one waits until it ends");
        file.lock().map_err(failed)?;
        Ok(EdgeLock(file))
    }
}

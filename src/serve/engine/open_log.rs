//! Opening the log at a start.

use crate::log_command::repair_copy;
use crate::server::DataDirectory;
use madang_log::{OpenLogError, OpenedLog, RecoveryError, StdFiles};
use std::time::Instant;

/// Opens the log, and logs its state. A copy that was made while a server wrote is repaired first.
///
/// # Errors
/// If the log cannot be opened.
pub fn open_log(data: &DataDirectory, shards: u16, can_expire: bool) -> Result<OpenedLog, OpenLogError> {
    let started = Instant::now();
    let files = StdFiles::new(data.path());
    let opened = match madang_log::open_log(&files, shards) {
        Err(OpenLogError::Recovery(RecoveryError::Faults(faults))) if data.is_copy() => {
            if !repair_copy(&files, data.path(), can_expire) {
                return Err(RecoveryError::Faults(faults).into());
            }
            madang_log::open_log(&files, shards)?
        }
        opened => opened?,
    };
    for segment in &opened.rebuilt {
        tracing::info!(segment = %segment.display(), "a segment has no index; it is rebuilt");
    }
    let summary = &opened.summary;
    if summary.torn_tails > 0 {
        tracing::warn!(
            tails = summary.torn_tails,
            bytes = summary.torn_bytes,
            "removed unfinished writes of a crash; no acknowledged message is lost"
        );
    }
    tracing::info!(
        rooms = opened.rooms,
        segments = summary.segments,
        bytes = summary.bytes,
        milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        "log opened"
    );
    Ok(opened)
}

//! Writing parts of a large file to the disk as they come.
//!
//! Beside an appender, 64 MiB that are written at once and synced delay its commits to 60 ms (p99); with this after each
//! MiB, and pauses, to 5 to 6 ms (docs/measurements/formats.md).

use rustix::fd::AsRawFd;
use std::fs::File;

/// Writes a part of a file to the disk and waits for it, without the metadata: a sync of the file must follow.
pub fn write_out(file: &File, offset_bytes: u64, bytes: u64) {
    let (Ok(offset), Ok(bytes)) = (i64::try_from(offset_bytes), i64::try_from(bytes)) else { return };
    let flags =
        libc::SYNC_FILE_RANGE_WAIT_BEFORE | libc::SYNC_FILE_RANGE_WRITE | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    // SAFETY: the descriptor is open as long as the file is borrowed, and the call takes no pointers
    // (sync_file_range(2)). Its result does not matter: the sync that follows reports errors, too.
    unsafe { libc::sync_file_range(file.as_raw_fd(), offset, bytes, flags) };
}

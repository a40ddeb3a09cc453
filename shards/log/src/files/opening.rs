//! Opening files that are read.

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use std::fs::{self, File, FileType, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

/// The pause before a file is opened once more. Where an erasure has it, its name leads to another file already; it is for
/// a lock of some other program, which may let go.
const BETWEEN_OPENINGS: Duration = Duration::from_millis(1);
/// A file is opened at most this often: for some two seconds.
const OPENINGS_MAX: u32 = 2_000;

/// Opens a file to read, unless it is something else: a pipe of its name would never give an end, and to open
/// one may wait forever.
///
/// # Errors
/// What the system says; of the kind `InvalidInput` when it is no regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    open_regular_by(OpenOptions::new().read(true), path)
}

/// The same, by other options.
///
/// # Errors
/// As [`open_regular`].
pub fn open_regular_by(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    // To be created, it would be what a link to nothing leads to.
    if fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink())
        && fs::metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    {
        return Err(not_regular("a symbolic link to nothing"));
    }
    let opened = options.custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path);
    let file = opened.map_err(|error| match fs::metadata(path) {
        // A socket cannot be opened at all, nor a directory to be written.
        Ok(found) if !found.is_file() => not_regular(kind_of(found.file_type())),
        _ => error,
    })?;
    let found = file.metadata()?;
    if found.is_file() { Ok(file) } else { Err(not_regular(kind_of(found.file_type()))) }
}

fn not_regular(kind: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("it is {kind}, not a regular file"))
}

fn kind_of(found: FileType) -> &'static str {
    match found {
        _ if found.is_dir() => "a directory",
        _ if found.is_fifo() => "a pipe",
        _ if found.is_socket() => "a socket",
        _ => "a device",
    }
}

/// Opens a file to read it for long: as long as it is open, an erasure neither writes into it nor wipes it.
///
/// # Errors
/// As [`open_regular`]; of the kind `WouldBlock` when another program keeps it locked.
pub fn open_to_hold(path: &Path) -> io::Result<File> {
    for _ in 0..OPENINGS_MAX {
        let file = open_regular(path)?;
        // Where there are no locks, nobody waits for one either. Where an erasure has it, its name leads to another file.
        if !matches!(flock(&file, FlockOperation::NonBlockingLockShared), Err(Errno::WOULDBLOCK)) {
            return Ok(file);
        }
        std::thread::sleep(BETWEEN_OPENINGS);
    }
    Err(io::Error::new(io::ErrorKind::WouldBlock, "another program keeps it locked; see `lslocks`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_locked_is_waited_for_and_not_for_ever() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        let locked = File::create(&path).expect("space");
        flock(&locked, FlockOperation::NonBlockingLockExclusive).expect("nobody else has it");
        let error = open_to_hold(&path).expect_err("it is locked");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{error}");
        let waiting = std::thread::spawn(move || open_to_hold(&path));
        drop(locked);
        waiting.join().expect("no panic").expect("it is free");
    }
}

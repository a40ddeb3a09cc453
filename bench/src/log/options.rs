//! What to measure the log with.

use crate::error::BenchError;
use std::path::PathBuf;

/// How the log is measured.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// The program to run.
    pub program: PathBuf,
    /// Where the temporary directory is made: the file system that is measured. `TMPDIR` when `None`.
    pub directory: Option<PathBuf>,
    /// Messages of the large log; a tenth of them go to the one room that pages are read of.
    pub messages: u64,
    /// Rooms of the large log.
    pub rooms: u64,
}

impl LogOptions {
    /// The messages of a measurement that tells of a large server.
    pub const MESSAGES_DEFAULT: u64 = 10_000_000;
    /// Its rooms.
    pub const ROOMS_DEFAULT: u64 = 100_000;

    /// Messages in the room that pages are read of.
    pub(super) fn room_messages(&self) -> u64 {
        self.messages / 10
    }

    pub(super) fn check(&self) -> Result<(), BenchError> {
        let bad = |option, value: u64, allowed: &str| {
            Err(BenchError::BadOption { option, value: value.to_string(), allowed: allowed.to_owned() })
        };
        if !(10_000..=1_000_000_000).contains(&self.messages) {
            return bad("messages", self.messages, "10000 to 1000000000");
        }
        if !(1..=self.messages).contains(&self.rooms) {
            return bad("rooms", self.rooms, "1 to as many as there are messages");
        }
        Ok(())
    }
}

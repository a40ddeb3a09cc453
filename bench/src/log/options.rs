//! What to measure the log with.

use crate::error::BenchError;
use std::path::PathBuf;

/// How one part of the log is measured.
#[derive(Clone, PartialEq, Debug)]
pub struct LogOptions {
    /// What is measured of it.
    pub part: LogPart,
    /// Where the temporary directory is made: the file system that is measured. `TMPDIR` when `None`.
    pub directory: Option<PathBuf>,
    /// Messages of the large log; a tenth of them go to the one room that pages are read of.
    pub messages: u64,
    /// Rooms of the large log.
    pub rooms: u64,
}

/// What is measured of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogPart {
    /// A large log: started from in every way, verified, exported and weighed.
    Starts,
    /// Pages of a large room, with nothing in the page cache.
    Pages,
    /// Appending as fast as it goes.
    Saturated,
    /// Appending one message at a time, in turns with the disk by itself.
    Rest,
}

impl LogPart {
    /// All of them, in the order in which they are measured.
    pub const ALL: [LogPart; 4] = [LogPart::Starts, LogPart::Pages, LogPart::Saturated, LogPart::Rest];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            LogPart::Starts => "starts",
            LogPart::Pages => "pages",
            LogPart::Saturated => "saturated",
            LogPart::Rest => "rest",
        }
    }
}

impl LogOptions {
    /// The messages of a measurement that tells of a large server.
    pub const MESSAGES_DEFAULT: u64 = 10_000_000;
    /// Its rooms.
    pub const ROOMS_DEFAULT: u64 = 100_000;

    /// All of this part, as a large server has it.
    pub fn of(part: LogPart) -> LogOptions {
        let (messages, rooms) = (LogOptions::MESSAGES_DEFAULT, LogOptions::ROOMS_DEFAULT);
        LogOptions { part, directory: None, messages, rooms }
    }

    /// Messages in the room that pages are read of.
    pub(crate) fn room_messages(&self) -> u64 {
        self.messages / 10
    }

    /// The size of segments that servers begin. A log too small to tell of a large server shows that
    /// all of this works: then no disk is kept busy with zeros, of which a server writes 128 MiB a shard.
    pub(crate) fn segment_bytes(&self) -> Option<u64> {
        const SMALL_MESSAGES: u64 = 100_000;
        const SMALL_SEGMENT_BYTES: u64 = 4 << 20;
        (self.messages < SMALL_MESSAGES).then_some(SMALL_SEGMENT_BYTES)
    }

    pub(crate) fn check(&self) -> Result<(), BenchError> {
        let bad = |option, value: u64, allowed: &str| {
            Err(BenchError::BadOption { option, value: value.to_string(), allowed: allowed.to_owned() })
        };
        if !(10_000..=1_000_000_000).contains(&self.messages) {
            return bad("messages", self.messages, "10000 to 1000000000 here");
        }
        if !(1..=self.messages).contains(&self.rooms) {
            return bad("rooms", self.rooms, "1 to as many as there are messages here");
        }
        Ok(())
    }
}

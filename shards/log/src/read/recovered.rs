//! What a start learns from the log.

use super::lost::MissingRange;
use super::walk::SegmentReport;
use crate::format::SegmentNumber;
use madang_model::{DraftId, Entry, RoomName, Seq, UserKey};

/// How many of a room's newest draft ids are remembered.
pub const RECENT_DRAFTS_MAX: usize = 256;

/// What a log holds, at a start.
#[derive(Debug)]
pub struct Recovered {
    /// Every room that ever had a message, in no order. Who owns it now: `name.key().home(..)`.
    pub rooms: Vec<RecoveredRoom>,
    /// The segment that each shard begins with, by shard.
    pub next_segments: Vec<SegmentNumber>,
    /// What was read and mended.
    pub summary: Summary,
}

/// A room as the log left it.
#[derive(Debug)]
pub struct RecoveredRoom {
    /// Its name.
    pub name: RoomName,
    /// The number of its newest message.
    pub head: Seq,
    /// Its newest entries, oldest first.
    pub recent: Vec<Entry>,
    /// The numbers of messages that a repair recorded as lost, in order.
    pub lost: Vec<MissingRange>,
    /// Its newest draft ids, oldest first; at most [`RECENT_DRAFTS_MAX`].
    pub recent_drafts: Vec<RecentDraft>,
}

/// A draft that was stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecentDraft {
    /// Whose.
    pub author: UserKey,
    /// Its id.
    pub draft: DraftId,
    /// The number it got.
    pub seq: Seq,
}

/// What was read and mended.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Summary {
    /// Directories read.
    pub directories: u64,
    /// Segments read.
    pub segments: u64,
    /// Messages found.
    pub records: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Torn tails cut.
    pub torn_tails: u64,
    /// Bytes in them.
    pub torn_bytes: u64,
}

impl Summary {
    pub(super) fn count(&mut self, report: &SegmentReport) {
        self.segments += 1;
        self.records += report.counts.records;
        self.bytes += report.file_bytes;
        if let Some((_, bytes)) = report.torn() {
            self.torn_tails += 1;
            self.torn_bytes += bytes;
        }
    }
}

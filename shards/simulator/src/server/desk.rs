//! A shard's writer, as the log's thread has it, and the thread that makes segments ready: a step at a time.

use madang_engine::shard::Storage;
use madang_engine::store::{Done, Prepared, Progress, SegmentWriter, Work, prepare};
use madang_log::SegmentNumber;
use madang_model::{Moment, Timestamp};

use super::super::chance::Chance;
use super::super::disk::VirtualDisk;

/// The writer, and what is under way with it.
pub struct Desk {
    writer: SegmentWriter<VirtualDisk>,
    is_working: bool,
    done: Option<Done>,
    /// A segment that is ready, or cannot be, of which the writer was not notified.
    prepared: Option<Prepared>,
}

impl Desk {
    pub fn new(writer: SegmentWriter<VirtualDisk>) -> Desk {
        Desk { writer, is_working: false, done: None, prepared: None }
    }

    /// Whether work is under way, or done and not taken yet: until then its shard has no writer to ask.
    pub fn is_busy(&self) -> bool {
        self.is_working || self.done.is_some()
    }

    pub fn begin(&mut self, work: Work) {
        self.writer.begin(work);
        self.is_working = true;
    }

    pub fn take_done(&mut self) -> Option<Done> {
        self.done.take()
    }

    /// Does one operation of the work. Whether there was one to do.
    pub fn step(&mut self, disk: &VirtualDisk) -> bool {
        if !self.is_working {
            return false;
        }
        match self.writer.step(disk) {
            Progress::Going => true,
            Progress::AwaitsSegment => match self.prepared.take() {
                Some(prepared) => {
                    self.writer.take_prepared(prepared);
                    true
                }
                None => false,
            },
            Progress::Done(done) => {
                self.is_working = false;
                self.done = Some(done);
                true
            }
        }
    }

    /// Makes the next segment ready, if that is ordered. Whether it was.
    pub fn prepare(&mut self, disk: &VirtualDisk, now: Timestamp) -> bool {
        let Some(order) = self.writer.take_order() else { return false };
        self.prepared = Some(prepare(disk, &order, now));
        true
    }

    /// Whether there is a segment to continue in; nothing while the writer is at work.
    pub fn next_storage(&mut self, disk: &VirtualDisk, now: Moment) -> Option<Storage> {
        if self.is_busy() {
            return None;
        }
        let prepared = if self.writer.awaits_segment() { self.prepared.take() } else { None };
        Some(self.writer.next_storage(disk, prepared, now))
    }

    /// A second has passed.
    pub fn tick(&mut self) {
        if !self.is_busy() {
            self.writer.retry_next();
        }
    }

    pub fn has_unsynced(&self) -> bool {
        self.writer.has_unsynced()
    }

    pub fn begin_again(&mut self, disk: &VirtualDisk, number: SegmentNumber, capacity_bytes: u64) {
        self.writer.begin_again(disk, number, capacity_bytes);
    }

    /// The process is killed: a write that was next may be done in part.
    pub fn tear(&mut self, disk: &VirtualDisk, chance: &mut Chance) {
        if let Some((segment, offset_bytes, bytes)) = self.writer.next_write() {
            let written = chance.below(bytes.len() + 1);
            // It is too late to handle an error.
            let _ = disk.write(*segment, offset_bytes, &bytes[..written]);
        }
    }
}

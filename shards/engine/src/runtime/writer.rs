//! The writer of a shard's log on the disk of this machine. Blocks: it is used on the log's own thread, and by
//! its shard for what is short.

use super::bell::Bell;
use super::preparer::Preparer;
use crate::shard::Storage;
use crate::store::{Done, Prepared, Progress, SegmentWriter, Work};
use madang_log::{SegmentNumber, StdFiles};
use madang_model::Moment;
use std::path::PathBuf;
use std::sync::Arc;

/// The one writer of a shard's log, and how it gets the segments that it orders.
pub struct LogWriter {
    writer: SegmentWriter<StdFiles>,
    files: StdFiles,
    preparer: Preparer,
    bell: Arc<Bell>,
    reply: flume::Sender<Prepared>,
    prepared: flume::Receiver<Prepared>,
}

impl LogWriter {
    /// Orders what `writer` wants first; `bell` rings when a segment is ready.
    pub fn new(
        data: PathBuf,
        writer: SegmentWriter<StdFiles>,
        preparer: Preparer,
        bell: Arc<Bell>,
    ) -> LogWriter {
        let (reply, prepared) = flume::bounded(2);
        let mut writer = LogWriter { writer, files: StdFiles::new(data), preparer, bell, reply, prepared };
        writer.hand_out_order();
        writer
    }

    fn hand_out_order(&mut self) {
        if let Some(order) = self.writer.take_order() {
            self.preparer.order(order, self.reply.clone(), Arc::clone(&self.bell));
        }
    }

    /// Whether there is an open segment, and one to continue with after it. Cheap while there is.
    pub fn next_storage(&mut self, now: Moment) -> Storage {
        let prepared = if self.writer.awaits_segment() { self.prepared.try_recv().ok() } else { None };
        let storage = self.writer.next_storage(&self.files, prepared, now);
        self.hand_out_order();
        storage
    }

    /// Orders the next segment again when it could not be made. To be called about once a second.
    pub fn retry_next(&mut self) {
        self.writer.retry_next();
        self.hand_out_order();
    }

    /// Does work to its end.
    pub fn carry_out(&mut self, work: Work) -> Done {
        self.writer.begin(work);
        loop {
            let progress = self.writer.step(&self.files);
            self.hand_out_order();
            match progress {
                Progress::Going => {}
                Progress::AwaitsSegment => {
                    let prepared = self.prepared.recv();
                    let prepared = prepared.expect("this writer keeps a sender of its own channel");
                    self.writer.take_prepared(prepared);
                }
                Progress::Done(done) => return done,
            }
        }
    }

    /// Whether something written waits to be synced.
    pub fn has_unsynced(&self) -> bool {
        self.writer.has_unsynced()
    }

    /// Begins with segment `number` as if it were the first.
    pub fn begin_again(&mut self, number: SegmentNumber, capacity_bytes: u64) {
        self.writer.begin_again(&self.files, number, capacity_bytes);
        self.hand_out_order();
    }
}

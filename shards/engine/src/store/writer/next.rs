//! The segment after the open one: it is ordered, made ready elsewhere, and opened when the open one is full.

use super::{OpenSegment, SegmentOperation, SegmentWriter, Work, WriterOptions};
use crate::shard::Storage;
use crate::store::error::{CommitError, PrepareError};
use crate::store::outage::Outage;
use crate::store::prepare::{Order, Prepared};
use madang_log::{SegmentFiles, SegmentNumber};
use madang_model::{Moment, ShardId};

/// The next segment.
pub(super) struct UpcomingSegment {
    order: Order,
    /// The order was not handed out yet.
    is_order_new: bool,
    state: NextState,
    /// Whether a segment was opened: the next one is not the first.
    is_first_open: bool,
    /// The time without a next segment, as it is reported to the operator.
    missing: Outage,
}

enum NextState {
    /// It is being made.
    Ordered,
    /// The same, after it could not be made ready, for this reason.
    OrderedAgain(&'static str),
    Ready,
    /// It could not be made ready. It is ordered again when that is looked after.
    Failed(PrepareError),
}

impl UpcomingSegment {
    /// Orders the first.
    pub fn new(options: &WriterOptions, number: SegmentNumber, capacity_bytes: u64) -> UpcomingSegment {
        let WriterOptions { shard, shard_count, .. } = *options;
        UpcomingSegment {
            order: Order { shard, shard_count, number, capacity_bytes },
            is_order_new: true,
            state: NextState::Ordered,
            is_first_open: false,
            missing: Outage::default(),
        }
    }

    pub fn number(&self) -> SegmentNumber {
        self.order.number
    }

    /// Whether it is being made.
    pub fn is_ordered(&self) -> bool {
        matches!(self.state, NextState::Ordered | NextState::OrderedAgain(_))
    }

    fn order(&mut self) {
        self.state = NextState::Ordered;
        self.is_order_new = true;
    }

    /// Orders the segment after the one that was ready, which is in use now.
    fn used(&mut self, segment_bytes: u64) {
        self.is_first_open = true;
        self.order.number = self.order.number.next();
        self.order.capacity_bytes = segment_bytes;
        self.order();
    }

    pub fn take_prepared(&mut self, prepared: Prepared) {
        assert_eq!(prepared.number, self.order.number, "segments are prepared in the order of their use");
        self.state = prepared.result.map_or_else(NextState::Failed, |()| NextState::Ready);
    }

    /// Reports to the operator that there is no next segment, or that there is one again.
    fn report(&mut self, shard: ShardId, now: Moment) {
        let shard = shard.0;
        match &self.state {
            NextState::Failed(error) => {
                if let Some(attempts) = self.missing.met(now) {
                    tracing::error!(shard, attempts, %error, "{}", match self.is_first_open {
                        true => "no next segment: messages are refused once the open one is full",
                        false => "no segment: messages are refused until there is one",
                    });
                }
            }
            _ => {
                if let Some(attempts) = self.missing.is_over() {
                    tracing::info!(shard, attempts, "the next segment is ready again");
                }
            }
        }
    }

    fn storage(&self) -> Storage {
        let missing = match &self.state {
            NextState::Ready => return Storage::Ready,
            NextState::Ordered if self.is_first_open => return Storage::Preparing,
            NextState::Ordered => return Storage::Beginning,
            // Still missing while it is tried again: messages are refused meanwhile, and wait for no disk.
            NextState::OrderedAgain(reason) => reason,
            NextState::Failed(error) => error.reason(),
        };
        if self.is_first_open { Storage::LastSegment(missing) } else { Storage::NoSegment(missing) }
    }
}

impl<F: SegmentFiles> SegmentWriter<F> {
    /// A segment that is to be made ready, once. What became of it is reported by [`SegmentWriter::take_prepared`] or
    /// [`SegmentWriter::next_storage`].
    pub fn take_order(&mut self) -> Option<Order> {
        std::mem::take(&mut self.next.is_order_new).then_some(self.next.order)
    }

    /// Whether a segment is being made.
    pub fn awaits_segment(&self) -> bool {
        self.next.is_ordered()
    }

    /// Whether there is a segment to continue in after the open one, and an open one. Cheap while there is.
    pub fn next_storage(&mut self, files: &F, prepared: Option<Prepared>, now: Moment) -> Storage {
        if let Some(prepared) = prepared {
            self.next.take_prepared(prepared);
            self.next.report(self.options.shard, now);
            self.open_first(files);
        }
        self.next.storage()
    }

    /// Orders the next segment again when it could not be made. To be called about once a second.
    pub fn retry_next(&mut self) {
        if let NextState::Failed(error) = &self.next.state {
            let reason = error.reason();
            self.next.order();
            self.next.state = NextState::OrderedAgain(reason);
        }
    }

    /// Opens the first segment before there is a batch for it, so that the one after it is made ready
    /// before users talk. Should it fail, the first batch finds out.
    fn open_first(&mut self, files: &F) {
        let number = self.next.number();
        if !self.next.is_first_open
            && matches!(self.next.state, NextState::Ready)
            && let Ok(file) = files.open(self.options.shard, number)
        {
            self.open = Some(OpenSegment { number, file });
            self.next.used(self.options.segment_bytes);
        }
    }

    /// Opens the segment that a batch goes to, unless it is open. False when that is to be tried again.
    pub(super) fn open_next(&mut self, work: &Work, files: &F) -> Result<bool, CommitError> {
        let batch = work.batch().expect("a segment is opened for a batch");
        if self.open.is_some() {
            return Ok(true);
        }
        if self.next.is_ordered() {
            return Ok(false);
        }
        if let NextState::Failed(error) = std::mem::replace(&mut self.next.state, NextState::Ordered) {
            // It is made before any after it: a segment that is missing before one that is there is damage.
            self.next.order();
            return Err(error.into());
        }
        if self.next.number() < batch.segment {
            // Where sealing failed, the segment after it was never opened: recovery removes it.
            self.next.order.number = self.next.number().next();
            self.next.order();
            return Ok(false);
        }
        assert_eq!(batch.segment, self.next.number(), "segments are used in the order of their numbers");
        let path = |writer: &SegmentWriter<F>| files.path(writer.options.shard, batch.segment);
        self.next.used(self.options.segment_bytes);
        let failed = |writer: &SegmentWriter<F>, source| CommitError::File {
            what: "open",
            path: path(writer),
            source,
        };
        if let Some(error) = self.faults.as_mut().and_then(|faults| faults(SegmentOperation::Open)) {
            return Err(failed(self, error));
        }
        let opened = files.open(self.options.shard, batch.segment);
        let file = opened.map_err(|error| failed(self, error))?;
        self.open = Some(OpenSegment { number: batch.segment, file });
        Ok(true)
    }
}

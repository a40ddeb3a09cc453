//! Events that wait for the commit of what they report.

use crate::mesh::Outbound;
use crate::room::ShardEvent;
use madang_log::BatchId;
use madang_model::MeshEntry;
use std::collections::VecDeque;

/// Events by the batch they wait for.
///
/// Invariant: batches rise from front to back; within a batch events keep their order. Bounded by
/// the log: only the batch in flight and the open one have events here.
#[derive(Debug, Default)]
pub struct HeldEvents {
    batches: VecDeque<(BatchId, Vec<ShardEvent>)>,
    spare: Vec<Vec<ShardEvent>>,
}

impl HeldEvents {
    /// Holds events until `batch` is committed. Leaves `events` empty.
    pub fn hold(&mut self, batch: BatchId, events: &mut Vec<ShardEvent>) {
        // What nobody waits for (read positions, facts that are stored once more) may be all that a batch holds: then it
        // gets its first event after a later one has.
        let place = self.batches.partition_point(|(known, _)| *known < batch);
        if let Some((_, held)) = self.batches.get_mut(place).filter(|(known, _)| *known == batch) {
            return held.append(events);
        }
        let mut held = self.spare.pop().unwrap_or_default();
        held.append(events);
        self.batches.insert(place, (batch, held));
    }

    /// How many events wait.
    pub fn len(&self) -> usize {
        self.batches.iter().map(|(_, events)| events.len()).sum()
    }

    /// Sends on what waited for batches up to `committed`.
    pub fn release(&mut self, committed: BatchId, outbound: &mut Outbound) {
        while self.batches.front().is_some_and(|(batch, _)| *batch <= committed) {
            let Some((_, mut events)) = self.batches.pop_front() else { return };
            for (shard, event) in events.drain(..) {
                outbound.push(shard, MeshEntry::Event(event));
            }
            self.spare.push(events);
        }
    }
}

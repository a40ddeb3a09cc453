//! Requests on their way from the core's end to home shards.

use super::CoreEnd;
use madang_model::{Destination, MeshEntry, Request, ShardId};

/// A batch for each shard.
///
/// Invariant: none has more than `entries_max` entries. While one is full that its shard does not take, no more
/// requests are taken from the core's end; the edge then has no credit for more.
#[derive(Debug)]
pub struct RequestBatches {
    batches: Vec<Vec<MeshEntry>>,
    entries_max: usize,
}

impl RequestBatches {
    /// Towards `shard_count` shards, with at most `entries_max` entries a batch.
    pub fn new(shard_count: u16, entries_max: usize) -> RequestBatches {
        RequestBatches { batches: (0..shard_count).map(|_| Vec::new()).collect(), entries_max }
    }

    /// Whether none waits to be sent.
    pub fn is_empty(&self) -> bool {
        self.batches.iter().all(Vec::is_empty)
    }

    /// Takes at most `requests_max` requests and hands batches to `try_send`, as far as shards take them; a batch that
    /// is not taken comes back. Returns whether any was sent.
    pub fn send(
        &mut self,
        core: &mut CoreEnd,
        requests_max: usize,
        mut try_send: impl FnMut(ShardId, Vec<MeshEntry>) -> Result<(), Vec<MeshEntry>>,
    ) -> bool {
        let mut has_sent = self.flush(&mut try_send);
        for _ in 0..requests_max {
            if self.is_full() {
                has_sent |= self.flush(&mut try_send);
                if self.is_full() {
                    break;
                }
            }
            let Some(request) = core.next_request() else { break };
            self.add(request);
        }
        has_sent | self.flush(&mut try_send)
    }

    fn is_full(&self) -> bool {
        self.batches.iter().any(|batch| batch.len() >= self.entries_max)
    }

    fn add(&mut self, request: Request) {
        let shard_count = u16::try_from(self.batches.len()).expect("shards are counted in 16 bits");
        match request.destination(shard_count) {
            Destination::Home(shard) => self.batches[shard.index()].push(MeshEntry::Request(request)),
            Destination::Every => {
                for batch in &mut self.batches {
                    batch.push(MeshEntry::Request(request.clone()));
                }
            }
        }
    }

    fn flush(
        &mut self,
        try_send: &mut impl FnMut(ShardId, Vec<MeshEntry>) -> Result<(), Vec<MeshEntry>>,
    ) -> bool {
        let mut has_sent = false;
        for (index, waiting) in self.batches.iter_mut().enumerate() {
            if waiting.is_empty() {
                continue;
            }
            let shard = ShardId(u16::try_from(index).expect("shards are counted in 16 bits"));
            match try_send(shard, std::mem::take(waiting)) {
                Ok(()) => has_sent = true,
                Err(batch) => *waiting = batch,
            }
        }
        has_sent
    }
}

//! Requests on their way from the link to home shards.

use madang_engine::mesh::BATCH_ENTRIES_MAX;
use madang_engine::runtime::Endpoint;
use madang_link::CoreEnd;
use madang_model::{Destination, Envelope, Request, ShardId};

/// Requests taken in one round: then it is the turn of events.
const REQUESTS_MAX: usize = 4096;

/// A batch for each shard.
///
/// Invariant: none has more than [`BATCH_ENTRIES_MAX`] entries. While one is full that its shard does not take, no
/// more requests are taken from the link; the edge then has no credit for more.
#[derive(Debug)]
pub struct Requests {
    batches: Vec<Vec<Envelope>>,
}

impl Requests {
    /// Towards `shard_count` shards.
    pub fn new(shard_count: u16) -> Requests {
        Requests { batches: (0..shard_count).map(|_| Vec::new()).collect() }
    }

    /// Whether none waits to be sent.
    pub fn is_empty(&self) -> bool {
        self.batches.iter().all(Vec::is_empty)
    }

    /// Takes requests of the link and sends them, as far as shards take them. Whether any was sent.
    pub fn send(&mut self, core: &mut CoreEnd, endpoint: &mut Endpoint) -> bool {
        let mut has_sent = self.flush(endpoint);
        for _ in 0..REQUESTS_MAX {
            if self.is_full() {
                has_sent |= self.flush(endpoint);
                if self.is_full() {
                    break;
                }
            }
            let Some(request) = core.next_request() else { break };
            self.add(request);
        }
        has_sent |= self.flush(endpoint);
        endpoint.ring();
        has_sent
    }

    fn is_full(&self) -> bool {
        self.batches.iter().any(|batch| batch.len() >= BATCH_ENTRIES_MAX)
    }

    fn add(&mut self, request: Request) {
        let shard_count = u16::try_from(self.batches.len()).expect("shards are counted in 16 bits");
        match request.destination(shard_count) {
            Destination::Home(shard) => self.batches[shard.index()].push(Envelope::Request(request)),
            Destination::Every => {
                for batch in &mut self.batches {
                    batch.push(Envelope::Request(request.clone()));
                }
            }
        }
    }

    fn flush(&mut self, endpoint: &mut Endpoint) -> bool {
        let mut has_sent = false;
        for (index, waiting) in self.batches.iter_mut().enumerate() {
            if waiting.is_empty() {
                continue;
            }
            let shard = ShardId(u16::try_from(index).expect("shards are counted in 16 bits"));
            match endpoint.try_send(shard, std::mem::take(waiting)) {
                Ok(()) => has_sent = true,
                Err(batch) => *waiting = batch,
            }
        }
        has_sent
    }
}

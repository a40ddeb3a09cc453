//! The channels themselves.

use super::outbound::Transport;
use madang_model::{Envelope, ShardId};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Batches that one channel holds before the sender's overflow takes over.
const CHANNEL_BATCHES_MAX: usize = 64;

/// Wakes a shard that may be waiting. Calling it for one that is not costs little.
pub type Bell = Arc<dyn Fn() + Send + Sync>;

/// One shard's end of the mesh.
pub struct MeshPort {
    senders: Vec<Sender>,
    receivers: Vec<Receiver>,
}

struct Sender {
    channel: flume::Sender<Vec<Envelope>>,
    /// Set while batches wait in this side's overflow: the receiver rings when it has made room.
    is_starved: Arc<AtomicBool>,
    bell: Bell,
    rings_at_flush: bool,
}

struct Receiver {
    channel: flume::Receiver<Vec<Envelope>>,
    is_sender_starved: Arc<AtomicBool>,
    sender_bell: Bell,
}

/// Connects every shard with every other; `bells[n]` wakes shard n.
pub fn connect(bells: &[Bell]) -> Vec<MeshPort> {
    let mut ports: Vec<MeshPort> =
        bells.iter().map(|_| MeshPort { senders: Vec::new(), receivers: Vec::new() }).collect();
    for (from, from_bell) in bells.iter().enumerate() {
        for (to, to_bell) in bells.iter().enumerate() {
            let (sender, receiver) = flume::bounded(CHANNEL_BATCHES_MAX);
            let is_starved = Arc::new(AtomicBool::new(false));
            ports[from].senders.push(Sender {
                channel: sender,
                is_starved: Arc::clone(&is_starved),
                bell: Arc::clone(to_bell),
                rings_at_flush: false,
            });
            ports[to].receivers.push(Receiver {
                channel: receiver,
                is_sender_starved: is_starved,
                sender_bell: Arc::clone(from_bell),
            });
        }
    }
    ports
}

impl MeshPort {
    /// How many shards it connects.
    pub fn shard_count(&self) -> u16 {
        u16::try_from(self.receivers.len()).expect("shards are counted in 16 bits")
    }

    /// Takes the next batch that another shard sent, if any; all shards get their turn.
    pub fn receive(&mut self, from: ShardId) -> Option<Vec<Envelope>> {
        let receiver = &self.receivers[from.index()];
        let batch = receiver.channel.try_recv().ok()?;
        if receiver.is_sender_starved.swap(false, Ordering::AcqRel) {
            (receiver.sender_bell)();
        }
        Some(batch)
    }

    /// Whether a batch waits to be received.
    pub fn has_mail(&self) -> bool {
        self.receivers.iter().any(|receiver| !receiver.channel.is_empty())
    }

    /// Batches that wait to be received, from all shards.
    pub fn waiting_batches(&self) -> usize {
        self.receivers.iter().map(|receiver| receiver.channel.len()).sum()
    }

    /// Wakes every shard that was sent something since the last call, once.
    pub fn ring(&mut self) {
        for sender in &mut self.senders {
            if std::mem::take(&mut sender.rings_at_flush) {
                (sender.bell)();
            }
        }
    }
}

impl Transport for MeshPort {
    fn try_send(&mut self, to: ShardId, batch: Vec<Envelope>) -> Result<(), Vec<Envelope>> {
        let sender = &mut self.senders[to.index()];
        let batch = match sender.channel.try_send(batch) {
            Ok(()) => {
                sender.rings_at_flush = true;
                return Ok(());
            }
            // The peer has ended, as it does only when the whole process is about to.
            Err(flume::TrySendError::Disconnected(_)) => return Ok(()),
            Err(flume::TrySendError::Full(batch)) => batch,
        };
        // Said before the second try: room made between the two is then not missed.
        sender.is_starved.store(true, Ordering::Release);
        match sender.channel.try_send(batch) {
            Ok(()) => {
                sender.rings_at_flush = true;
                Ok(())
            }
            Err(refused) => Err(refused.into_inner()),
        }
    }
}

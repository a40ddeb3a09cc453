//! One channel: bounded, and its sender is woken when there is room again.

use madang_model::MeshEntry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Wakes a shard that may be waiting. Calling it for one that is not costs little.
pub type WakeShard = Arc<dyn Fn() + Send + Sync>;

/// Wakes the one at the other end once for all that was sent since the last time.
pub struct PendingRing {
    wake: WakeShard,
    is_due: bool,
}

impl PendingRing {
    pub fn new(wake: &WakeShard) -> PendingRing {
        PendingRing { wake: Arc::clone(wake), is_due: false }
    }

    /// Something was sent.
    pub fn note(&mut self) {
        self.is_due = true;
    }

    /// Wakes it if something was sent since the last call.
    pub fn ring(&mut self) {
        if std::mem::take(&mut self.is_due) {
            (self.wake)();
        }
    }
}

/// One end of a channel that makes its sender wait.
pub struct Sender {
    channel: flume::Sender<Vec<MeshEntry>>,
    /// Set while batches wait in this side's overflow: the receiver rings when it has made room.
    is_starved: Arc<AtomicBool>,
    /// For [`PendingRing::ring`] when all is sent.
    pub pending_ring: PendingRing,
}

/// The other end.
pub struct Receiver {
    channel: flume::Receiver<Vec<MeshEntry>>,
    is_sender_starved: Arc<AtomicBool>,
    sender_bell: WakeShard,
}

/// A channel of at most `batches_max` batches.
pub fn channel(batches_max: usize, from_bell: &WakeShard, to_bell: &WakeShard) -> (Sender, Receiver) {
    let (sender, receiver) = flume::bounded(batches_max);
    let is_starved = Arc::new(AtomicBool::new(false));
    let sender = Sender {
        channel: sender,
        is_starved: Arc::clone(&is_starved),
        pending_ring: PendingRing::new(to_bell),
    };
    let receiver =
        Receiver { channel: receiver, is_sender_starved: is_starved, sender_bell: Arc::clone(from_bell) };
    (sender, receiver)
}

impl Sender {
    /// Hands a batch over; a receiver that is full rings when it has room.
    ///
    /// # Errors
    /// The batch, when the channel is full.
    pub fn try_send(&mut self, batch: Vec<MeshEntry>) -> Result<(), Vec<MeshEntry>> {
        let batch = match self.channel.try_send(batch) {
            Ok(()) => {
                self.pending_ring.note();
                return Ok(());
            }
            // The peer has ended, as it does only when the whole process is about to.
            Err(flume::TrySendError::Disconnected(_)) => return Ok(()),
            Err(flume::TrySendError::Full(batch)) => batch,
        };
        // Said before the second try: room made between the two is then not missed.
        self.is_starved.store(true, Ordering::Release);
        match self.channel.try_send(batch) {
            Ok(()) => {
                self.pending_ring.note();
                Ok(())
            }
            Err(refused) => Err(refused.into_inner()),
        }
    }
}

impl Receiver {
    /// The next batch, if any.
    pub fn receive(&mut self) -> Option<Vec<MeshEntry>> {
        let batch = self.channel.try_recv().ok()?;
        if self.is_sender_starved.swap(false, Ordering::AcqRel) {
            (self.sender_bell)();
        }
        Some(batch)
    }

    /// How many batches wait.
    pub fn waiting_batches(&self) -> usize {
        self.channel.len()
    }
}

//! How other threads wake a shard.

use crate::mesh;
use atomic_waker::AtomicWaker;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

/// Wakes one shard. Rings that come before the shard looks are one ring.
#[derive(Debug, Default)]
pub struct Bell {
    has_rung: AtomicBool,
    waker: AtomicWaker,
}

impl Bell {
    /// Wakes the shard, unless it is about to look anyway.
    pub fn ring(&self) {
        if !self.has_rung.swap(true, Ordering::AcqRel) {
            self.waker.wake();
        }
    }

    /// Wakes the shard even if it seems to know: glommio 0.9 can park with runnable tasks.
    pub fn ring_loudly(&self) {
        self.has_rung.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Ready when it has rung since the last time it was.
    pub fn poll_rung(&self, context: &Context<'_>) -> Poll<()> {
        if self.has_rung.swap(false, Ordering::AcqRel) {
            return Poll::Ready(());
        }
        self.waker.register(context.waker());
        // A ring between the look and the registration would otherwise be missed.
        if self.has_rung.swap(false, Ordering::AcqRel) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// The bell as the mesh knows it.
    pub fn for_mesh(self: &Arc<Bell>) -> mesh::Bell {
        let bell = Arc::clone(self);
        Arc::new(move || bell.ring())
    }
}

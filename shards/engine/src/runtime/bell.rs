//! How other threads wake a shard.

use crate::mesh;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Wakes one shard. Several rings before the shard looks count as one.
///
/// Invariant: a caller that rings after the shard announced its sleep writes to the event descriptor, which is
/// watched by the ring that the shard sleeps in; ringing a shard that is awake costs no system call. All accesses are
/// in one total order: when a shard falls asleep while a caller rings, at least one of them sees the other.
#[derive(Debug)]
pub struct Bell {
    has_rung: AtomicBool,
    is_asleep: AtomicBool,
    event: OwnedFd,
}

impl Bell {
    /// # Errors
    /// When the process has no descriptor left.
    pub fn new() -> io::Result<Bell> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Bell { has_rung: AtomicBool::new(false), is_asleep: AtomicBool::new(false), event })
    }

    /// Wakes the shard, unless it is about to look anyway.
    pub fn ring(&self) {
        self.has_rung.store(true, Ordering::SeqCst);
        if self.is_asleep.swap(false, Ordering::SeqCst) {
            self.signal();
        }
    }

    /// Wakes the shard even if it seems to be awake: glommio 0.9 can park with runnable tasks.
    pub fn ring_loudly(&self) {
        self.has_rung.store(true, Ordering::SeqCst);
        self.signal();
    }

    fn signal(&self) {
        // The ring reports every write, so the counter is never read: it is full after 2^64 rings.
        let _ = rustix::io::write(&self.event, &1u64.to_ne_bytes());
    }

    /// Whether the shard may sleep: the bell has not rung since the last call, and will signal the event descriptor
    /// when it does.
    pub fn may_sleep(&self) -> bool {
        self.is_asleep.store(true, Ordering::SeqCst);
        let may_sleep = !self.has_rung.swap(false, Ordering::SeqCst);
        if !may_sleep {
            self.is_asleep.store(false, Ordering::SeqCst);
        }
        may_sleep
    }

    /// The shard is awake, and about to look at everything it could be rung for.
    pub fn answer(&self) {
        self.is_asleep.store(false, Ordering::SeqCst);
        self.has_rung.store(false, Ordering::SeqCst);
    }

    /// The same for a thread that polls the event descriptor, where it stays readable until it is read.
    pub fn answer_and_clear(&self) {
        self.answer();
        // It is no failure that there is nothing to read.
        let _ = rustix::io::read(&self.event, &mut [0; 8]);
    }

    /// Whether it has rung and the shard has not looked yet.
    pub fn has_rung(&self) -> bool {
        self.has_rung.load(Ordering::Relaxed)
    }

    /// The bell in the form that the mesh uses.
    pub fn for_mesh(self: &Arc<Bell>) -> mesh::WakeShard {
        let bell = Arc::clone(self);
        Arc::new(move || bell.ring())
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

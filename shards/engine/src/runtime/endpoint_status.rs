//! What the supervisor and the owner of the endpoint of the mesh report to each other.

use super::bell::Bell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

/// What the owner of the endpoint of the mesh reports, and what is asked of it.
#[derive(Debug)]
pub struct EndpointStatus {
    /// What the supervisor asks of it.
    asked: AtomicU8,
    /// Whether it has no session and nothing left to send. True where the endpoint has no owner.
    pub is_idle: AtomicBool,
    /// Entries sent to shards.
    pub entries_sent: AtomicU64,
    /// Entries received from shards.
    pub entries_received: AtomicU64,
    /// Wakes it.
    bell: Option<Arc<Bell>>,
}

/// Why the owner of the endpoint is to end all its sessions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Closing {
    /// The server is about to end.
    Stop = 1,
    /// A new process takes over. That may fail: then sessions may be opened again.
    Upgrade = 2,
}

impl EndpointStatus {
    /// The status of an endpoint that has no owner yet; the bell wakes the owner.
    pub fn new(bell: Option<Arc<Bell>>) -> EndpointStatus {
        EndpointStatus {
            asked: AtomicU8::new(0),
            is_idle: AtomicBool::new(true),
            entries_sent: AtomicU64::new(0),
            entries_received: AtomicU64::new(0),
            bell,
        }
    }

    /// Asks for the end of all sessions, or with `None` allows them again.
    pub fn ask(&self, closing: Option<Closing>) {
        self.asked.store(closing.map_or(0, |closing| closing as u8), Ordering::SeqCst);
        if let Some(bell) = &self.bell {
            bell.ring_loudly();
        }
    }

    /// What is asked of it.
    pub fn asked(&self) -> Option<Closing> {
        match self.asked.load(Ordering::SeqCst) {
            0 => None,
            1 => Some(Closing::Stop),
            _ => Some(Closing::Upgrade),
        }
    }
}

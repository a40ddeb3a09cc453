//! The core's side of the edge process: it lends the listening sockets of HTTP to whichever edge asks for them, and
//! starts an edge itself where the configuration says so.
//!
//! An edge connects to the socket `edge.sock` in the data directory. It is sent one line of JSON ([`lease::Offer`]) and
//! with it the sockets, which are lent for as long as the connection lasts: the end of this process, or of the
//! connection, is the end of the loan. So no edge of an earlier server keeps an address from the next one. Once a second
//! the edge sends a line with its figures, which `/metrics` shows.
//!
//! **Invariant:** nothing that an edge does, or that happens to it, concerns anybody else: this thread has no part in what
//! shards do, and reads at most a bounded line at a time.

mod child;
mod lease;
mod thread;

pub use child::EdgeLaunch;
pub use lease::{LENT_BYTES_MAX, Offer, SOCKET};

use crate::server::ServerState;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::OwnedFd;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use thread::Desk;

/// The running thread.
#[derive(Debug)]
pub struct EdgeDesk {
    end: OwnedFd,
    thread: JoinHandle<()>,
}

/// Starts the thread, which lends sockets from now on, and starts an edge if `launch` says how.
///
/// # Errors
/// What the system says.
pub fn start(state: &Arc<ServerState>, launch: Option<EdgeLaunch>) -> io::Result<EdgeDesk> {
    let end = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let desk = Desk::new(Arc::clone(state), launch, end.try_clone()?);
    let thread = std::thread::Builder::new().name("madang-edge".into()).spawn(move || desk.run())?;
    Ok(EdgeDesk { end, thread })
}

impl EdgeDesk {
    /// Ends the edge that this server has started, and returns when it has ended.
    pub fn end(self) {
        // It fails only if it is full of earlier ones.
        let _ = rustix::io::write(&self.end, &1_u64.to_ne_bytes());
        // A panic has ended the process.
        let _ = self.thread.join();
    }
}

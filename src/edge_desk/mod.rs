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
mod left;
mod thread;

pub use child::EdgeLaunch;
pub use lease::{LENT_BYTES_MAX, Offer, SOCKET};
pub use left::end_left_edge;

use crate::server::ServerState;
use madang_config::HttpKey;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::OwnedFd;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use thread::Desk;

/// How long the end of the server waits for the end of its edge, which may hang in the kernel: the desk kills it before.
const END_TIME_MAX: Duration = Duration::from_secs(3);

/// The running thread.
#[derive(Debug)]
pub struct EdgeDesk {
    end: OwnedFd,
    /// It is closed when the thread has ended.
    ended: flume::Receiver<()>,
}

/// Starts the thread, which lends sockets from now on, and starts an edge if `launch` says how. It binds
/// the addresses that are `missing` as soon as it can.
///
/// # Errors
/// What the system says.
pub fn start(
    state: &Arc<ServerState>,
    launch: Option<EdgeLaunch>,
    missing: Vec<(&'static HttpKey, SocketAddr)>,
) -> io::Result<EdgeDesk> {
    let end = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let desk = Desk::new(Arc::clone(state), launch, end.try_clone()?, missing);
    let (running, ended) = flume::bounded(0);
    let work = move || {
        desk.run();
        drop(running);
    };
    std::thread::Builder::new().name("madang-edge".into()).spawn(work)?;
    Ok(EdgeDesk { end, ended })
}

impl EdgeDesk {
    /// Ends the edge that this server has started, and returns when it has ended, or after 3 s: whatever holds it
    /// up, the server ends, and the edge with it.
    pub fn end(self) {
        self.end_within(END_TIME_MAX);
    }

    fn end_within(self, time_max: Duration) {
        // It fails only if it is full of earlier ones.
        let _ = rustix::io::write(&self.end, &1_u64.to_ne_bytes());
        if let Err(flume::RecvTimeoutError::Timeout) = self.ended.recv_timeout(time_max) {
            tracing::warn!("the edge does not end; the server ends without it");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_server_does_not_wait_for_an_edge_that_does_not_end() {
        let (running, ended) = flume::bounded(0);
        let desk = EdgeDesk { end: eventfd(0, EventfdFlags::CLOEXEC).expect("an eventfd"), ended };
        desk.end_within(Duration::from_millis(1));
        drop(running);
    }
}

//! New connections.

use super::super::tls::{TlsAcceptor, TlsSession};
use madang_model::connection::Entrance;
use rustix::fd::OwnedFd;
use rustix::net::{self, RecvFlags, SendFlags, Shutdown};
use std::net::IpAddr;
use std::sync::Arc;

/// A fatal alert, `internal_error` (RFC 8446, sections 5.1 and 6.2), as it may be sent before anything else.
const TLS_ALERT: [u8; 7] = [21, 3, 3, 0, 2, 2, 80];

/// A new connection, before it is known whose it is.
pub(super) struct Caller {
    pub descriptor: OwnedFd,
    pub entrance: Entrance,
    pub peer: Option<IpAddr>,
    pub tls: Option<Arc<TlsAcceptor>>,
}

impl Caller {
    /// The connection, from this address. `None` without randomness, when no TLS connection can begin.
    pub fn arrive(self, address: Option<IpAddr>) -> Option<Arrival> {
        let Caller { descriptor, entrance, tls, .. } = self;
        let tls = tls.map(|acceptor| acceptor.accept().map(Box::new)).transpose().ok()?;
        Some(Arrival { descriptor, entrance, address, tls })
    }
}

/// A new connection.
#[derive(Debug)]
pub struct Arrival {
    pub(super) descriptor: OwnedFd,
    /// The entrance that it connected to.
    pub entrance: Entrance,
    /// The peer's address; for a connection that a proxy passes on, the one in its header.
    pub address: Option<IpAddr>,
    pub(super) tls: Option<Box<TlsSession>>,
}

impl Arrival {
    /// Whether nothing can be written or read before the peers have agreed on keys.
    pub fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Takes what has come with the connection, if that can be read as it is. Returns how many bytes that is.
    pub fn take_first(&self, buffer: &mut [u8]) -> usize {
        if self.tls.is_some() {
            return 0;
        }
        // The next read meets an end or a failure again.
        net::recv(&self.descriptor, buffer, RecvFlags::DONTWAIT).map_or(0, |(count, _)| count)
    }

    /// Best effort: the peer learns why, or just that it is closed. Words before a TLS handshake would be noise: a
    /// TLS peer gets an alert, which its program shows as an error of ours.
    pub fn refuse(self, words: &[u8]) {
        let words = if self.tls.is_none() { words } else { &TLS_ALERT };
        let _ = net::send(&self.descriptor, words, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
        let _ = net::shutdown(&self.descriptor, Shutdown::Write);
    }
}

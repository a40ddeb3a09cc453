//! Whose connection it is, as handlers have it.

use std::net::SocketAddr;

/// How a connection came. Each request has it as an extension.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// The client's address: that of the connection, or the one that a PROXY header names.
    pub address: SocketAddr,
    /// Whether a proxy of `listen.proxy_from` has named the address.
    pub is_proxied: bool,
    /// Whether it speaks TLS with this process.
    pub has_tls: bool,
}

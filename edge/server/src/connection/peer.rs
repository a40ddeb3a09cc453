//! Whose connection it is, as handlers have it.

use std::net::SocketAddr;

/// Whose request it is. Each request has it as an extension.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// The client's address: that of the connection, or the one that a configured proxy names, by a PROXY header or
    /// `X-Forwarded-For`. Its port is 0 where the proxy does not say it.
    pub address: SocketAddr,
    /// Whether it comes through a configured proxy.
    pub is_proxied: bool,
    /// Whether the connection has TLS that ends in this process.
    pub has_tls: bool,
    /// Whether the client speaks TLS, with this process or with a configured proxy.
    pub is_https: bool,
}

//! The listening sockets: one a shard on the same address, so that the kernel spreads connections.

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};
use std::net::SocketAddr;
use std::time::Duration;

/// Connections that wait to be accepted, a shard; the kernel bounds it by `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
/// A silent peer is asked after so long, so often, so many times: gone is known within 30 s.
const KEEP_ALIVE_IDLE: Duration = Duration::from_secs(15);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEP_ALIVE_PROBES: u32 = 3;
/// Bytes that a peer does not acknowledge for so long mean that it is gone.
const UNACKNOWLEDGED_MS_MAX: u32 = 30_000;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// What the system says.
    #[source]
    pub source: std::io::Error,
}

/// Bound sockets, one for each shard.
#[derive(Debug)]
pub struct Listeners {
    /// Where they listen, with the port that port 0 became.
    pub address: SocketAddr,
    pub(super) sockets: Vec<OwnedFd>,
}

impl Listeners {
    /// Binds `count` sockets to one address.
    ///
    /// # Errors
    /// [`BindError`] when the address is taken or not this machine's.
    pub fn bind(address: SocketAddr, count: u16) -> Result<Listeners, BindError> {
        let failed = |source: Errno| BindError { address, source: source.into() };
        // `SO_REUSEPORT` would share the port with another server of this user without a word:
        // a socket without it finds out.
        let probe = open(address).map_err(failed)?;
        sockopt::set_socket_reuseaddr(&probe, true).map_err(failed)?;
        net::bind(&probe, &address).map_err(failed)?;
        let bound: SocketAddr = net::getsockname(&probe).and_then(SocketAddr::try_from).map_err(failed)?;
        drop(probe);
        let sockets = (0..count).map(|_| listen(bound)).collect::<Result<_, _>>().map_err(failed)?;
        Ok(Listeners { address: bound, sockets })
    }
}

fn open(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)
}

/// Opens one listening socket. Accepted connections inherit its options on Linux (tcp(7)), so that
/// none needs a system call of its own.
fn listen(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let socket = open(address)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_socket_reuseport(&socket, true)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    // Telnet sends the byte of its DATA MARK as urgent data (RFC 854): it stays in its place.
    sockopt::set_socket_oobinline(&socket, true)?;
    sockopt::set_socket_keepalive(&socket, true)?;
    sockopt::set_tcp_keepidle(&socket, KEEP_ALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(&socket, KEEP_ALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(&socket, KEEP_ALIVE_PROBES)?;
    sockopt::set_tcp_user_timeout(&socket, UNACKNOWLEDGED_MS_MAX)?;
    net::bind(&socket, &address)?;
    net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

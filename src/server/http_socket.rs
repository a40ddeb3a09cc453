//! A listening socket for HTTP. The server binds it and lends it to the edge: so clients wait in its backlog while there
//! is no edge, and it is handed over to the next process.

use madang_config::HttpKey;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};
use std::io;
use std::net::{SocketAddr, TcpListener};

/// As many as the kernel allows (`net.core.somaxconn`): clients wait while an edge is started again.
const BACKLOG: i32 = 4096;

/// A socket that listens.
#[derive(Debug)]
pub struct HttpSocket {
    /// Which of them it is.
    pub key: &'static HttpKey,
    listener: TcpListener,
    address: SocketAddr,
}

impl HttpSocket {
    /// Binds an address.
    ///
    /// # Errors
    /// What the system says.
    pub fn bind(key: &'static HttpKey, address: SocketAddr) -> io::Result<HttpSocket> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(family, SocketType::STREAM, flags, None)?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        // Accepted connections inherit it (tcp(7)).
        sockopt::set_tcp_nodelay(&socket, true)?;
        bind(&socket, &address)?;
        listen(&socket, BACKLOG)?;
        HttpSocket::inherited(key, socket.into())
    }

    /// A socket that the old process has bound.
    ///
    /// # Errors
    /// What the system says: it is no socket.
    pub fn inherited(key: &'static HttpKey, listener: TcpListener) -> io::Result<HttpSocket> {
        let address = listener.local_addr()?;
        Ok(HttpSocket { key, listener, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl AsFd for HttpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

//! One non-blocking connection: where a line is cut short and what is still to be sent.

use super::source::bind_address;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// A connection of the load.
///
/// Invariant: `sent <= unsent.len()`; bytes before it are sent.
#[derive(Debug)]
pub(super) struct Connection {
    /// The socket, non-blocking, without Nagle's delay.
    pub(super) socket: OwnedFd,
    /// The start of a line whose end has not come. Holds no memory while there is none.
    pub(super) partial: Vec<u8>,
    /// Bytes to send, in order.
    pub(super) unsent: Vec<u8>,
    sent: usize,
    /// The handshake has not ended: nothing can be sent.
    pub(super) is_connecting: bool,
    /// The socket is watched for room to send.
    pub(super) awaits_room: bool,
    /// The crowd knows that there is something to send.
    pub(super) is_listed: bool,
    /// What comes is acknowledged at once, see [`Connection::acknowledge_at_once`].
    acknowledges_at_once: bool,
    /// It is no error when the server ends it.
    pub(super) may_end: bool,
    /// It is over: nothing is read or sent.
    pub(super) has_ended: bool,
    /// Sending has failed: what it still says is read, and then it is over.
    pub(super) is_last_read: bool,
    /// The last notice or error of the server, for when it closes.
    pub(super) last_words: Option<Box<str>>,
}

/// What came of an attempt to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Flushed {
    /// Everything is on its way.
    Whole,
    /// The socket has no room for the rest.
    Partly,
}

impl Connection {
    /// Starts to connect, from `source` when one is given.
    pub(super) fn open(
        target: SocketAddr,
        source: Option<IpAddr>,
        has_small_buffer: bool,
    ) -> io::Result<Connection> {
        let family = if target.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = net::socket_with(family, SocketType::STREAM, flags, None)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        if has_small_buffer {
            sockopt::set_socket_recv_buffer_size(&socket, 1)?; // the kernel makes its least of it
        }
        if let Some(source) = source {
            bind_address(&socket, source)?;
        }
        let is_connecting = match net::connect(&socket, &target) {
            Ok(()) => false,
            Err(Errno::INPROGRESS) => true,
            Err(refused) => return Err(refused.into()),
        };
        Ok(Connection {
            socket,
            partial: Vec::new(),
            unsent: Vec::new(),
            sent: 0,
            is_connecting,
            awaits_room: is_connecting,
            is_listed: false,
            acknowledges_at_once: false,
            may_end: false,
            has_ended: false,
            is_last_read: false,
            last_words: None,
        })
    }

    /// Acknowledges from now on what comes as soon as it is read. A server that leaves Nagle's delay on
    /// would otherwise hold its next message back until the kernel acknowledges by itself, 40 ms later:
    /// that would be measured, and not the server.
    pub(super) fn acknowledge_at_once(&mut self) {
        self.acknowledges_at_once = true;
    }

    /// Ends the handshake.
    pub(super) fn connected(&mut self) -> io::Result<()> {
        sockopt::socket_error(&self.socket)??;
        self.is_connecting = false;
        Ok(())
    }

    /// Puts the partial line and what has come behind it into `scratch`. Returns how much that is,
    /// and whether the peer has closed.
    pub(super) fn receive(&mut self, scratch: &mut [u8]) -> io::Result<(usize, bool)> {
        let kept = self.partial.len();
        scratch[..kept].copy_from_slice(&self.partial);
        match net::recv(&self.socket, &mut scratch[kept..], RecvFlags::empty()) {
            Ok((0, _)) => Ok((kept, true)),
            Ok((received, _)) => {
                if self.acknowledges_at_once {
                    // The kernel forgets it again, so that it is said each time.
                    sockopt::set_tcp_quickack(&self.socket, true)?;
                }
                Ok((kept + received, false))
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok((kept, false)),
            Err(Errno::CONNRESET) => Ok((kept, true)),
            Err(failed) => Err(failed.into()),
        }
    }

    /// Keeps a notice or an error, for when it closes.
    pub(super) fn remember(&mut self, words: &[u8]) {
        self.last_words = Some(String::from_utf8_lossy(words).into());
    }

    /// Ends it with a reset, without a word and without the port's being kept for two minutes.
    pub(super) fn reset(&mut self) -> io::Result<()> {
        sockopt::set_socket_linger(&self.socket, Some(Duration::ZERO))?;
        // The socket closes when its descriptor does: the one that takes its place holds nothing.
        self.socket = rustix::fs::open("/dev/null", OFlags::CLOEXEC, Mode::empty())?;
        Ok(())
    }

    /// Keeps the bytes of a line that has not ended.
    pub(super) fn keep_partial(&mut self, rest: &[u8]) {
        self.partial.clear();
        if rest.is_empty() {
            self.partial = Vec::new();
        } else {
            self.partial.extend_from_slice(rest);
        }
    }

    /// Sends what it can.
    pub(super) fn flush(&mut self) -> io::Result<Flushed> {
        while self.sent < self.unsent.len() {
            match net::send(&self.socket, &self.unsent[self.sent..], SendFlags::NOSIGNAL) {
                Ok(count) => self.sent += count,
                Err(Errno::AGAIN) => return Ok(Flushed::Partly),
                Err(Errno::INTR) => {}
                Err(failed) => return Err(failed.into()),
            }
        }
        self.unsent.clear();
        self.sent = 0;
        Ok(Flushed::Whole)
    }
}

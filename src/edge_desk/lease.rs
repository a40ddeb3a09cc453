//! The sockets of HTTP, lent to an edge.

use crate::server::{EdgeFigures, HttpSocket};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde::{Deserialize, Serialize};
use std::io::{self, ErrorKind, IoSlice, Read};
use std::mem::MaybeUninit;
use std::os::unix::net::UnixStream;

/// The name of the socket in the data directory, without its extension.
pub const SOCKET: &str = "edge";
/// A line of either end, at most.
pub const LENT_BYTES_MAX: usize = 16 * 1024;
/// Sockets that can be lent.
const SOCKETS_MAX: usize = 8;

/// What an edge is sent first, in one line of JSON, with as many descriptors as there are names.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Offer {
    /// The version of the server and its commit.
    pub server: String,
    /// The short names of the keys of the sockets: `http`, `https`.
    pub sockets: Vec<String>,
}

/// An edge that has the sockets, as long as this lives.
#[derive(Debug)]
pub struct Lease {
    stream: UnixStream,
    /// A line of figures that is not complete.
    line: Vec<u8>,
}

impl Lease {
    /// Lends these sockets to the edge at the other end, which does not block.
    ///
    /// # Errors
    /// It is gone.
    pub fn grant(stream: UnixStream, server: String, sockets: &[&HttpSocket]) -> io::Result<Lease> {
        let names = sockets.iter().map(|socket| socket.key.short_name().to_owned()).collect();
        let mut line = serde_json::to_vec(&Offer { server, sockets: names })?;
        line.push(b'\n');
        let descriptors: Vec<BorrowedFd<'_>> = sockets.iter().map(|socket| socket.as_fd()).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            let is_pushed = ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
            assert!(is_pushed, "there is space for as many");
        }
        // Nothing was sent before: the line fits into the empty buffer of the socket.
        match sendmsg(&stream, &[IoSlice::new(&line)], &mut ancillary, SendFlags::NOSIGNAL)? {
            sent if sent == line.len() => Ok(Lease { stream, line: Vec::new() }),
            _ => Err(Errno::MSGSIZE.into()),
        }
    }

    /// What is polled.
    pub fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Reads what the edge reports: the newest figures, if any came.
    ///
    /// # Errors
    /// The loan is over: the edge is gone, or sends what no edge sends.
    pub fn read(&mut self) -> io::Result<Option<EdgeFigures>> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => self.line.extend_from_slice(&buffer[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        let mut newest = None;
        while let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
            newest = Some(serde_json::from_slice(&self.line[..end])?);
            self.line.drain(..=end);
        }
        match self.line.len() > LENT_BYTES_MAX {
            true => Err(ErrorKind::InvalidData.into()),
            false => Ok(newest),
        }
    }
}

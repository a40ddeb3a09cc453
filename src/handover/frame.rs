//! Frames: the messages from the old process to the new one, whatever the transport.

use rustix::fd::{BorrowedFd, OwnedFd};
use std::io;

/// Descriptors of one message between processes (unix(7)). A frame may have more: they go in several messages.
pub const DESCRIPTORS_MAX: usize = 253;
/// Bytes of one frame: the largest outbox that can be configured, and some more.
const FRAME_BYTES_MAX: u64 = (1 << 30) + (1 << 24);
/// Bytes of a [`Header`].
pub const HEADER_BYTES: usize = 11;

/// The kind of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A refusal, with the reason as text.
    Refused = 1,
    /// The first frame, with the lock and the listeners.
    Begin = 2,
    /// Connections of one shard, with their descriptors.
    Connections = 3,
    /// The state of homes.
    Homes = 4,
    /// Closed connections that are still being drained, with their descriptors.
    Lingering = 5,
    /// The last frame.
    End = 6,
    /// The new process is ready to resume.
    Ready = 7,
    /// The new process must resume: it is the owner now.
    Go = 8,
}

impl Kind {
    const ALL: [Kind; 8] = [
        Kind::Refused,
        Kind::Begin,
        Kind::Connections,
        Kind::Homes,
        Kind::Lingering,
        Kind::End,
        Kind::Ready,
        Kind::Go,
    ];
}

/// A received frame.
#[derive(Debug)]
pub struct Frame {
    pub kind: Kind,
    pub payload: Vec<u8>,
    pub descriptors: Vec<OwnedFd>,
}

/// The header of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    pub kind: Kind,
    /// The number of its descriptors.
    pub descriptors: usize,
    /// Bytes of the payload.
    pub length: usize,
}

impl Header {
    pub fn write(self) -> [u8; HEADER_BYTES] {
        let descriptors = u16::try_from(self.descriptors).expect("frames have fewer descriptors");
        let mut bytes = [0; HEADER_BYTES];
        bytes[0] = self.kind as u8;
        bytes[1..3].copy_from_slice(&descriptors.to_le_bytes());
        bytes[3..].copy_from_slice(&(self.length as u64).to_le_bytes());
        bytes
    }

    /// # Errors
    /// If it is no valid header.
    pub fn read(bytes: [u8; HEADER_BYTES]) -> io::Result<Header> {
        let kind = Kind::ALL.into_iter().find(|kind| *kind as u8 == bytes[0]);
        let kind = kind.ok_or_else(|| wrong("a frame of an unknown kind"))?;
        let descriptors = usize::from(u16::from_le_bytes([bytes[1], bytes[2]]));
        let length = bytes[3..].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
        if length > FRAME_BYTES_MAX {
            return Err(wrong("a frame that is too long"));
        }
        Ok(Header { kind, descriptors, length: length as usize })
    }
}

/// An error for invalid data.
pub fn wrong(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Sends frames. The descriptors live until all frames are sent.
pub trait Outgoing<'a> {
    /// Sends a frame.
    fn send(&mut self, kind: Kind, payload: &[u8], descriptors: &[BorrowedFd<'a>]) -> io::Result<()>;
}

/// Receives frames.
pub trait Incoming {
    /// The next frame.
    fn next(&mut self) -> io::Result<Frame>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_was_written_and_no_other_is_believed() {
        let header = Header { kind: Kind::Lingering, descriptors: 200, length: 70_000 };
        assert_eq!(Header::read(header.write()).expect("a header"), header);
        let mut unknown = header.write();
        unknown[0] = 0;
        assert!(Header::read(unknown).is_err());
        let mut endless = header.write();
        endless[10] = 1;
        assert!(Header::read(endless).is_err());
    }
}

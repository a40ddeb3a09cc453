//! Frames: what one process says to the next, whichever way it goes there.

use rustix::fd::{BorrowedFd, OwnedFd};
use std::io;

/// Descriptors of one frame: a message carries no more (unix(7)).
pub const DESCRIPTORS_MAX: usize = 253;
/// Bytes of one frame: the largest outbox that can be configured, and some.
const FRAME_BYTES_MAX: u64 = (1 << 30) + (1 << 24);
/// Bytes of a [`Header`].
pub const HEADER_BYTES: usize = 11;

/// What a frame says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Why not. Text.
    Refused = 1,
    /// What follows, with the lock and the listeners.
    Begin = 2,
    /// Connections of one shard, with their descriptors.
    Connections = 3,
    /// What homes know.
    Homes = 4,
    /// Connections that are closed but still read out, with their descriptors.
    Lingering = 5,
    /// That was all.
    End = 6,
    /// The new process can go on.
    Ready = 7,
    /// The new process is to go on.
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

/// A frame that came.
#[derive(Debug)]
pub struct Frame {
    pub kind: Kind,
    pub payload: Vec<u8>,
    pub descriptors: Vec<OwnedFd>,
}

/// What stands before the payload of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    pub kind: Kind,
    /// How many descriptors go with it.
    pub descriptors: usize,
    /// Bytes of the payload.
    pub length: usize,
}

impl Header {
    pub fn write(self) -> [u8; HEADER_BYTES] {
        assert!(self.descriptors <= DESCRIPTORS_MAX, "no message carries more descriptors");
        let mut bytes = [0; HEADER_BYTES];
        bytes[0] = self.kind as u8;
        bytes[1..3].copy_from_slice(&(self.descriptors as u16).to_le_bytes());
        bytes[3..].copy_from_slice(&(self.length as u64).to_le_bytes());
        bytes
    }

    /// # Errors
    /// When no frame begins so.
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

/// What came is not what was agreed on.
pub fn wrong(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Where frames go. The descriptors live until all of them have gone.
pub trait Outgoing<'a> {
    /// Sends a frame.
    fn send(&mut self, kind: Kind, payload: &[u8], descriptors: &[BorrowedFd<'a>]) -> io::Result<()>;
}

/// Where frames come from.
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

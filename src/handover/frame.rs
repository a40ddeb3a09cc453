//! Frames with descriptors over a local socket.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Before the first frame: an older server that answers in JSON is told apart by it.
pub const MAGIC: &[u8; 4] = b"MDHO";
/// Descriptors of one frame.
pub const DESCRIPTORS_MAX: usize = 253;
/// Bytes of one frame: the largest outbox that can be configured, and some.
const FRAME_BYTES_MAX: u64 = (1 << 30) + (1 << 24);
const HEADER_BYTES: usize = 11;

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

/// Sends a frame. The descriptors go with its first bytes.
pub fn send(
    mut stream: &UnixStream,
    kind: Kind,
    payload: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    assert!(descriptors.len() <= DESCRIPTORS_MAX, "no message carries more descriptors");
    let mut header = [0; HEADER_BYTES];
    header[0] = kind as u8;
    header[1..3].copy_from_slice(&(descriptors.len() as u16).to_le_bytes());
    header[3..].copy_from_slice(&(payload.len() as u64).to_le_bytes());
    if descriptors.is_empty() {
        stream.write_all(&header)?;
        return stream.write_all(payload);
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(descriptors)), "there is space for as many");
    let sent = loop {
        match sendmsg(stream, &[IoSlice::new(&header)], &mut ancillary, SendFlags::NOSIGNAL) {
            Ok(sent) => break sent,
            Err(Errno::INTR) => {}
            // Too many are on their way at once (unix(7)): the peer takes them out.
            Err(Errno::TOOMANYREFS) => std::thread::sleep(Duration::from_millis(1)),
            Err(error) => return Err(error.into()),
        }
    };
    stream.write_all(&header[sent..])?;
    stream.write_all(payload)
}

/// Receives frames.
#[derive(Debug)]
pub struct Receiver<'a> {
    stream: &'a UnixStream,
    bytes: Vec<u8>,
    /// How much of `bytes` was taken.
    taken: usize,
    descriptors: VecDeque<OwnedFd>,
}

impl<'a> Receiver<'a> {
    pub fn new(stream: &'a UnixStream) -> Receiver<'a> {
        Receiver { stream, bytes: Vec::new(), taken: 0, descriptors: VecDeque::new() }
    }

    /// The next bytes, however many there are, without taking them.
    pub fn peek(&mut self, count: usize, deadline: Instant) -> io::Result<&[u8]> {
        self.fill(count, deadline)?;
        Ok(&self.bytes[self.taken..])
    }

    /// Passes over bytes that were seen.
    pub fn skip(&mut self, count: usize) {
        self.taken += count;
    }

    /// Waits for the next frame.
    pub fn next(&mut self, deadline: Instant) -> io::Result<Frame> {
        let wrong = |what| io::Error::new(io::ErrorKind::InvalidData, what);
        self.fill(HEADER_BYTES, deadline)?;
        let header = &self.bytes[self.taken..self.taken + HEADER_BYTES];
        let kind = Kind::ALL.into_iter().find(|kind| *kind as u8 == header[0]);
        let kind = kind.ok_or_else(|| wrong("a frame of a kind that is not known"))?;
        let count = usize::from(u16::from_le_bytes([header[1], header[2]]));
        let length = header[3..].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
        if length > FRAME_BYTES_MAX {
            return Err(wrong("a frame that is too long"));
        }
        let length = length as usize;
        self.taken += HEADER_BYTES;
        self.fill(length, deadline)?;
        let payload = self.bytes[self.taken..self.taken + length].to_vec();
        self.taken += length;
        if self.descriptors.len() < count {
            return Err(wrong(
                "descriptors are missing: the new process may have fewer files open; raise its limit \
                 (ulimit -n, LimitNOFILE)",
            ));
        }
        let descriptors = self.descriptors.drain(..count).collect();
        Ok(Frame { kind, payload, descriptors })
    }

    /// Receives until so many bytes are there.
    fn fill(&mut self, count: usize, deadline: Instant) -> io::Result<()> {
        if self.bytes.len() - self.taken < count && self.taken > 0 {
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
        while self.bytes.len() - self.taken < count {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.stream.set_read_timeout(Some(left))?;
            self.receive()?;
        }
        Ok(())
    }

    fn receive(&mut self) -> io::Result<()> {
        let mut buffer = [0; 64 * 1024];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC;
        let received =
            match recvmsg(self.stream.as_fd(), &mut [IoSliceMut::new(&mut buffer)], &mut ancillary, flags) {
                Err(Errno::INTR) => return Ok(()),
                received => received?,
            };
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.descriptors.extend(descriptors);
            }
        }
        if received.flags.contains(ReturnFlags::CTRUNC) {
            return Err(io::Error::other(
                "not all descriptors can be taken: too many files are open; raise the limit (ulimit -n, LimitNOFILE)",
            ));
        }
        if received.bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.bytes.extend_from_slice(&buffer[..received.bytes]);
        Ok(())
    }
}

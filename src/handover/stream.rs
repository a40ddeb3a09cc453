//! Frames over a local socket, to a running process.

use super::SILENCE_MAX;
use super::frame::{DESCRIPTORS_MAX, Frame, HEADER_BYTES, Header, Incoming, Kind, Outgoing, wrong};
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

/// Precedes the first frame: it distinguishes the answer from that of an older server, which is JSON.
pub const MAGIC: &[u8; 4] = b"MDHO";

impl<'a> Outgoing<'a> for &UnixStream {
    fn send(&mut self, kind: Kind, payload: &[u8], descriptors: &[BorrowedFd<'a>]) -> io::Result<()> {
        send(self, kind, payload, descriptors)
    }
}

impl Incoming for Receiver<'_> {
    fn next(&mut self) -> io::Result<Frame> {
        self.next_before(Instant::now() + SILENCE_MAX)
    }
}

/// Sends what precedes the first frame.
pub fn send_magic(mut stream: &UnixStream) -> io::Result<()> {
    stream.write_all(MAGIC)
}

/// Sends a frame. The descriptors go with its first bytes, at most [`DESCRIPTORS_MAX`] in a message: with the header,
/// then with a byte of the payload each.
///
/// # Panics
/// When the payload has fewer bytes than there are messages.
pub fn send(
    mut stream: &UnixStream,
    kind: Kind,
    payload: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let header = Header { kind, descriptors: descriptors.len(), length: payload.len() }.write();
    let mut messages = descriptors.chunks(DESCRIPTORS_MAX);
    let first = messages.next().unwrap_or_default();
    let sent = send_with(stream, &header, first)?;
    stream.write_all(&header[sent..])?;
    let mut rest = payload;
    for message in messages {
        let (byte, after) = rest.split_at(1);
        send_with(stream, byte, message)?;
        rest = after;
    }
    stream.write_all(rest)
}

/// Sends bytes, at least one, with all of these descriptors. Returns how many bytes.
fn send_with(stream: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(descriptors)), "there is space for as many");
    }
    loop {
        match sendmsg(stream, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL) {
            Ok(sent) => return Ok(sent),
            Err(Errno::INTR) => {}
            // Too many are in flight (unix(7)): the peer takes them out.
            Err(Errno::TOOMANYREFS) => std::thread::sleep(Duration::from_millis(1)),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Receives frames.
#[derive(Debug)]
pub struct Receiver<'a> {
    stream: &'a UnixStream,
    bytes: Vec<u8>,
    /// The number of `bytes` that were taken.
    taken: usize,
    descriptors: VecDeque<OwnedFd>,
}

impl<'a> Receiver<'a> {
    pub fn new(stream: &'a UnixStream) -> Receiver<'a> {
        Receiver { stream, bytes: Vec::new(), taken: 0, descriptors: VecDeque::new() }
    }

    /// The next bytes, at least `count`, without taking them.
    pub fn peek(&mut self, count: usize, deadline: Instant) -> io::Result<&[u8]> {
        self.fill(count, deadline)?;
        Ok(&self.bytes[self.taken..])
    }

    /// Skips bytes.
    pub fn skip(&mut self, count: usize) {
        self.taken += count;
    }

    /// Waits for the next frame.
    pub fn next_before(&mut self, deadline: Instant) -> io::Result<Frame> {
        self.fill(HEADER_BYTES, deadline)?;
        let mut bytes = [0; HEADER_BYTES];
        bytes.copy_from_slice(&self.bytes[self.taken..self.taken + HEADER_BYTES]);
        let Header { kind, descriptors, length } = Header::read(bytes)?;
        self.taken += HEADER_BYTES;
        self.fill(length, deadline)?;
        let payload = self.bytes[self.taken..self.taken + length].to_vec();
        self.taken += length;
        if self.descriptors.len() < descriptors {
            return Err(wrong(
                "descriptors are missing: the new process may have fewer files open; raise its limit \
                 (ulimit -n, LimitNOFILE)",
            ));
        }
        let descriptors = self.descriptors.drain(..descriptors).collect();
        Ok(Frame { kind, payload, descriptors })
    }

    /// Receives until at least `count` bytes are available.
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn listeners_of_many_shards_go_in_one_frame() {
        // 96 shards with three listeners each, and the lock.
        let files: Vec<File> = (0..289).map(|_| tempfile::tempfile().expect("a file")).collect();
        for (index, mut file) in files.iter().enumerate() {
            write!(file, "{index}").expect("space");
        }
        let descriptors: Vec<_> = files.iter().map(|file| file.as_fd()).collect();
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let mut receiver = Receiver::new(&theirs);
        // Some systems let fewer be on their way at once.
        let frame = std::thread::scope(|scope| {
            scope.spawn(|| {
                send(&ours, Kind::Begin, b"payload", &descriptors).expect("a reader");
                send(&ours, Kind::Go, b"", &[]).expect("a reader");
            });
            receiver.next().expect("a frame")
        });
        assert_eq!((frame.kind, frame.payload.as_slice()), (Kind::Begin, b"payload".as_slice()));
        let inode = |descriptor: BorrowedFd<'_>| rustix::fs::fstat(descriptor).expect("a file").st_ino;
        let received: Vec<u64> = frame.descriptors.iter().map(|one| inode(one.as_fd())).collect();
        assert_eq!(received, descriptors.into_iter().map(inode).collect::<Vec<_>>());
        assert_eq!(receiver.next().expect("a frame").kind, Kind::Go);
    }
}

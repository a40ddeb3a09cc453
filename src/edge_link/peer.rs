//! The connection of the edge.

use madang_link::CoreEnd;
use madang_model::Moment;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

/// Bytes read at a time.
const READ_BYTES: usize = 64 * 1024;
/// Reads and writes in one round: then it is the turn of the shards.
const CALLS_MAX: usize = 8;

/// The connection of the edge, which never makes this thread wait.
#[derive(Debug)]
pub struct Peer {
    stream: UnixStream,
    buffer: Box<[u8]>,
    has_finished: bool,
}

/// What reading or writing has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moved {
    /// Bytes were moved, and more may be.
    Bytes,
    /// None can be moved now.
    Nothing,
    /// The edge is gone.
    Gone,
}

impl Peer {
    /// An edge has connected, by a stream that does not block.
    pub fn new(stream: UnixStream) -> Peer {
        Peer { stream, buffer: vec![0; READ_BYTES].into(), has_finished: false }
    }

    /// What is polled.
    pub fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Reads what is there, some of it.
    pub fn read(&mut self, core: &mut CoreEnd, now: Moment) -> Moved {
        let mut moved = Moved::Nothing;
        for _ in 0..CALLS_MAX {
            match self.stream.read(&mut self.buffer) {
                Ok(0) => return Moved::Gone,
                Ok(count) => {
                    core.receive(&self.buffer[..count], now);
                    moved = Moved::Bytes;
                }
                Err(error) => return after(&error, moved),
            }
        }
        moved
    }

    /// Writes what is to be written, some of it.
    pub fn write(&mut self, core: &mut CoreEnd) -> Moved {
        let mut moved = Moved::Nothing;
        for _ in 0..CALLS_MAX {
            let output = core.output();
            if output.is_empty() {
                return moved;
            }
            match self.stream.write(output) {
                Ok(count) => {
                    core.sent(count);
                    moved = Moved::Bytes;
                }
                Err(error) => return after(&error, moved),
            }
        }
        moved
    }

    /// Nothing more is written: the edge reads the end behind the last words.
    pub fn finish(&mut self) {
        if !std::mem::replace(&mut self.has_finished, true) {
            // It may be gone.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
    }
}

fn after(error: &io::Error, moved: Moved) -> Moved {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::Interrupted => moved,
        _ => Moved::Gone,
    }
}

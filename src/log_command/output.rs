//! Standard output whose reader may leave.
//!
//! It is written beside the work that fills it, and what goes to a file is handed to the disk at
//! once: otherwise a gigabyte would wait in the page cache until something syncs.

pub use crate::terminal::visible;
use rustix::fs::{Advice, fadvise};
use std::fs::File;
use std::io::{self, Seek, Write};
use std::num::NonZeroU64;
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};

/// What is written at once.
const BLOCK_BYTES: usize = 1 << 20;
/// One is filled, one is written, and one waits.
const BLOCKS: usize = 3;
/// The kernel is told to begin with so many at once: telling it of each took more of its time.
const BLOCKS_TO_THE_DISK: u64 = 16;

/// Buffered standard output, to be ended with [`finish`].
pub struct Output {
    /// What is filled; its capacity never grows.
    block: Vec<u8>,
    /// From the first full block on: short answers need no thread.
    writer: Option<Writer>,
}

/// Standard output.
pub fn standard_output() -> Output {
    Output { block: Vec::with_capacity(BLOCK_BYTES), writer: None }
}

impl Output {
    fn hand_over(&mut self) -> io::Result<()> {
        if self.writer.is_none() {
            self.writer = Some(Writer::begin()?);
        }
        match self.writer.as_mut().and_then(|writer| writer.exchange(&mut self.block)) {
            Some(()) => Ok(()),
            None => self.end(),
        }
    }

    /// Writes the rest, and waits until all is written.
    fn end(&mut self) -> io::Result<()> {
        match self.writer.take() {
            Some(writer) => writer.end(std::mem::take(&mut self.block)),
            None => descriptor()?.write_all(&std::mem::take(&mut self.block)),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.block.len() == BLOCK_BYTES {
            self.hand_over()?;
        }
        let taken = bytes.len().min(BLOCK_BYTES - self.block.len());
        self.block.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The thread that writes, and the blocks on their way to it and back.
struct Writer {
    full: SyncSender<Vec<u8>>,
    empty: Receiver<Vec<u8>>,
    /// How many blocks there are, with the one that is filled.
    blocks: usize,
    thread: JoinHandle<io::Result<()>>,
}

impl Writer {
    fn begin() -> io::Result<Writer> {
        let file = descriptor()?;
        let (full, to_write) = sync_channel::<Vec<u8>>(BLOCKS);
        let (written, empty) = channel();
        let work = move || {
            let mut sink = Sink::new(file);
            for mut block in to_write {
                sink.write(&block)?;
                block.clear();
                // Whoever fills blocks may have ended already.
                let _ = written.send(block);
            }
            Ok(())
        };
        let thread = thread::Builder::new().name("madang-output".to_owned()).spawn(work)?;
        Ok(Writer { full, empty, blocks: 1, thread })
    }

    /// Takes a full block and leaves an empty one in its place; `None` when writing has failed.
    fn exchange(&mut self, block: &mut Vec<u8>) -> Option<()> {
        let next = match self.empty.try_recv() {
            Ok(next) => Some(next),
            Err(_) if self.blocks < BLOCKS => {
                self.blocks += 1;
                Some(Vec::with_capacity(BLOCK_BYTES))
            }
            Err(_) => None,
        };
        match next {
            Some(next) => self.full.send(std::mem::replace(block, next)).ok(),
            // The full one joins the two on their way; one of them comes back first.
            None => {
                self.full.send(std::mem::take(block)).ok()?;
                *block = self.empty.recv().ok()?;
                Some(())
            }
        }
    }

    fn end(self, rest: Vec<u8>) -> io::Result<()> {
        // Refused only when writing has failed, which the thread tells.
        let _ = self.full.send(rest);
        drop(self.full);
        let ended = self.thread.join();
        ended.unwrap_or_else(|_| Err(io::Error::other("the thread that writes has panicked")))
    }
}

/// Standard output itself, past the buffer of the standard library.
fn descriptor() -> io::Result<File> {
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}

/// Where blocks go.
struct Sink {
    file: File,
    is_file: bool,
    /// Blocks that the kernel was not told about.
    untold: u64,
}

impl Sink {
    fn new(file: File) -> Sink {
        let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
        Sink { file, is_file, untold: 0 }
    }

    fn write(&mut self, block: &[u8]) -> io::Result<()> {
        self.file.write_all(block)?;
        self.untold += 1;
        if self.is_file && self.untold == BLOCKS_TO_THE_DISK {
            self.begin_writing();
            self.untold = 0;
        }
        Ok(())
    }

    /// Has the kernel begin to write the last blocks to the disk. It may forget those that are
    /// there already, which is what the call was made for, and waits for none.
    fn begin_writing(&mut self) {
        let told_bytes = self.untold * BLOCK_BYTES as u64;
        if let Ok(end_bytes) = self.file.stream_position() {
            let length = NonZeroU64::new(told_bytes);
            // Advice only: what it refuses is written when something syncs.
            let _ = fadvise(&self.file, end_bytes.saturating_sub(told_bytes), length, Advice::DontNeed);
        }
    }
}

/// Writes out what is buffered. A reader that has left, as `head` does, is no error.
pub fn finish(mut output: Output, result: io::Result<()>) -> Result<(), String> {
    match result.and_then(|()| output.end()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("cannot write to standard output: {error}; check what it is sent to"))
        }
        _ => Ok(()),
    }
}

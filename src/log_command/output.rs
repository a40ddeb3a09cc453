//! Standard output whose reader may end early.
//!
//! A separate thread writes it. If it is a file, the kernel is asked to write it to the disk early: otherwise a
//! gigabyte would wait in the page cache until something syncs.

pub use crate::terminal::visible;
use rustix::fs::{Advice, fadvise};
use std::fs::File;
use std::io::{self, Seek, Write};
use std::num::NonZeroU64;
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};

/// Bytes of one write.
const BLOCK_BYTES: usize = 1 << 20;
/// One block is filled, one is written, and one waits.
const BLOCKS: usize = 3;
/// The kernel is asked to write this many blocks at a time: a request for each took more processor time.
const BLOCKS_TO_THE_DISK: u64 = 16;

/// Buffered standard output. It must be ended with [`finish`].
pub struct Output {
    /// The block that is being filled; its capacity never grows.
    block: Vec<u8>,
    /// Started with the first full block: short outputs need no thread.
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

/// The thread that writes, and the channels for blocks to it and back.
struct Writer {
    full: SyncSender<Vec<u8>>,
    empty: Receiver<Vec<u8>>,
    /// The number of blocks, including the one that is being filled.
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
                // The receiver may have ended already.
                let _ = written.send(block);
            }
            Ok(())
        };
        let thread = thread::Builder::new().name("madang-output".to_owned()).spawn(work)?;
        Ok(Writer { full, empty, blocks: 1, thread })
    }

    /// Takes a full block and replaces it by an empty one; `None` if writing has failed.
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
            // All three blocks are in use; one of them comes back.
            None => {
                self.full.send(std::mem::take(block)).ok()?;
                *block = self.empty.recv().ok()?;
                Some(())
            }
        }
    }

    fn end(self, rest: Vec<u8>) -> io::Result<()> {
        // Fails only if writing has failed, which the thread reports.
        let _ = self.full.send(rest);
        drop(self.full);
        let ended = self.thread.join();
        ended.unwrap_or_else(|_| Err(io::Error::other("the thread that writes has panicked")))
    }
}

/// Standard output itself, without the buffer of the standard library.
fn descriptor() -> io::Result<File> {
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}

/// Writes blocks to the descriptor.
struct Sink {
    file: File,
    is_file: bool,
    /// Blocks since the last request to write them to the disk.
    unflushed: u64,
}

impl Sink {
    fn new(file: File) -> Sink {
        let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
        Sink { file, is_file, unflushed: 0 }
    }

    fn write(&mut self, block: &[u8]) -> io::Result<()> {
        self.file.write_all(block)?;
        self.unflushed += 1;
        if self.is_file && self.unflushed == BLOCKS_TO_THE_DISK {
            self.begin_writing();
            self.unflushed = 0;
        }
        Ok(())
    }

    /// Makes the kernel start writing the last blocks to the disk, without waiting. (The call is made to drop
    /// cached pages, which may also happen.)
    fn begin_writing(&mut self) {
        let unflushed_bytes = self.unflushed * BLOCK_BYTES as u64;
        if let Ok(end_bytes) = self.file.stream_position() {
            let length = NonZeroU64::new(unflushed_bytes);
            // Only advice: if it is refused, the blocks are written when something syncs.
            let _ = fadvise(&self.file, end_bytes.saturating_sub(unflushed_bytes), length, Advice::DontNeed);
        }
    }
}

/// Prints at once. A reader that has ended stops nothing.
pub fn say(text: &str) -> Result<(), String> {
    let mut output = standard_output();
    let printed = output.write_all(text.as_bytes());
    finish(output, printed)
}

/// Writes the buffered rest. A reader that has ended early, like `head`, is no error.
pub fn finish(mut output: Output, result: io::Result<()>) -> Result<(), String> {
    match result.and_then(|()| output.end()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("cannot write to standard output: {error}; check what it is sent to"))
        }
        _ => Ok(()),
    }
}

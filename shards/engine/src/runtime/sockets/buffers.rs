//! The buffers that bytes are received into: one of them is taken only when bytes come, so that an idle connection
//! has none.

use io_uring::IoUring;
use io_uring::types::BufRingEntry;
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU16, Ordering};

/// Buffers of a shard; a power of two.
pub const BUFFERS: u16 = 256;
/// How many of them are in use at first. The kernel takes them in turns, so that each one in use soon takes memory:
/// more are used only when they ran out.
const BUFFERS_AT_FIRST: u16 = 8;
/// What one receive brings at most.
pub const BUFFER_BYTES: usize = 16 * 1024;
/// The number by which receives name these buffers.
pub const BUFFER_GROUP: u16 = 0;

/// The buffers, and the ring in which they are offered to the kernel. Never freed: a shard has them for the life of
/// the process, and receives may still be under way when it ends.
pub struct Buffers {
    entries: NonNull<BufRingEntry>,
    memory: NonNull<u8>,
    /// How many of them are in use: the first ones.
    in_use: u16,
    /// Buffers offered since the start, modulo 2^16.
    tail: u16,
}

impl Buffers {
    /// Buffers that the kernel does not know yet.
    pub fn new() -> io::Result<Buffers> {
        let entries = map(usize::from(BUFFERS) * size_of::<BufRingEntry>())?.cast::<BufRingEntry>();
        let memory = map(usize::from(BUFFERS) * BUFFER_BYTES)?;
        Ok(Buffers { entries, memory, in_use: BUFFERS_AT_FIRST, tail: 0 })
    }

    /// Offers all buffers that are in use to a ring, which has none of them.
    pub fn offer_all(&mut self, ring: &IoUring) -> io::Result<()> {
        self.set_tail(0);
        // SAFETY: the entries are page-aligned, initialised, as many as given, and never freed.
        unsafe {
            ring.submitter().register_buf_ring_with_flags(
                self.entries.as_ptr() as u64,
                BUFFERS,
                BUFFER_GROUP,
                0,
            )?;
        }
        (0..self.in_use).for_each(|buffer| self.offer(buffer));
        Ok(())
    }

    /// Takes more buffers into use, and offers them. Returns whether there were any.
    pub fn add(&mut self) -> bool {
        let before = self.in_use;
        self.in_use = (2 * before).min(BUFFERS);
        (before..self.in_use).for_each(|buffer| self.offer(buffer));
        self.in_use > before
    }

    /// Takes all buffers from a ring. What is in them stays there.
    pub fn withdraw_all(&mut self, ring: &IoUring) -> io::Result<()> {
        ring.submitter().unregister_buf_ring(BUFFER_GROUP)
    }

    /// What the kernel has put into a buffer. To be asked only before the buffer is offered again.
    pub fn bytes(&self, buffer: u16, length: usize) -> &[u8] {
        assert!(buffer < BUFFERS && length <= BUFFER_BYTES, "the kernel names a buffer it was given");
        // SAFETY: inside of the mapping, which began as zeros, so that all of it can be read. The
        // kernel does not write into a buffer it has handed over until it is offered again, which
        // needs `&mut`.
        unsafe {
            let start = self.memory.as_ptr().add(usize::from(buffer) * BUFFER_BYTES);
            std::slice::from_raw_parts(start, length)
        }
    }

    /// Gives a buffer to the kernel.
    pub fn offer(&mut self, buffer: u16) {
        assert!(buffer < BUFFERS, "the kernel names a buffer it was given");
        // SAFETY: both indices lie within the mappings. The kernel reads an entry only after it
        // has seen the tail pass it; the tail lies in the first entry's reserved field, which the
        // setters do not touch.
        unsafe {
            let address = self.memory.as_ptr().add(usize::from(buffer) * BUFFER_BYTES);
            let entry = &mut *self.entries.as_ptr().add(usize::from(self.tail % BUFFERS));
            entry.set_addr(address as u64);
            entry.set_len(BUFFER_BYTES as u32);
            entry.set_bid(buffer);
        }
        self.set_tail(self.tail.wrapping_add(1));
    }

    fn set_tail(&mut self, tail: u16) {
        self.tail = tail;
        // SAFETY: the tail lies within the first entry, aligned to 2 bytes, and the kernel only reads it.
        unsafe {
            let shared = BufRingEntry::tail(self.entries.as_ptr()).cast::<AtomicU16>();
            (*shared).store(tail, Ordering::Release);
        }
    }
}

/// Zeroed whole pages, of which only those that were used take memory. An allocator would write the zeros.
fn map(bytes: usize) -> io::Result<NonNull<u8>> {
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping, where the kernel finds room, touches no memory of anybody.
    let memory = unsafe { mmap_anonymous(ptr::null_mut(), bytes, protection, MapFlags::PRIVATE)? };
    NonNull::new(memory.cast()).ok_or_else(|| Errno::NOMEM.into())
}

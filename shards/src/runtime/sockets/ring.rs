//! The net ring: one io_uring a shard for its sockets, beside the executor's own. All that is
//! unsafe about it is here.
//!
//! Its thread alone submits and completes (`SINGLE_ISSUER`), and the kernel works on it only when
//! that thread asks (`DEFER_TASKRUN`): nothing changes behind the shard's back. What waits to be
//! looked at is told by an eventfd, which the executor reads.

use super::Completion;
use glommio::GlommioError;
use glommio::io::{BufferedFile, ReadResult};
use io_uring::types::{BufRingEntry, Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd};
use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::atomic::{AtomicU16, Ordering, fence};
use std::task::{Context, Poll};
use std::time::Duration;

/// Requests handed to the kernel at a time, and completions it can leave before it has to keep
/// them itself.
const SUBMISSIONS: u32 = 256;
const COMPLETIONS: u32 = 4096;
/// Buffers to receive into, shared by all connections, and the bytes of one.
const BUFFERS: u16 = 256;
pub const BUFFER_BYTES: usize = 4096;
const BUFFER_GROUP: u16 = 0;
/// A submission as the kernel reads it (`struct io_uring_sqe`): `ioprio`, and `optlen`, which
/// bounds what one multishot receive takes altogether (6.16).
const IOPRIO_OFFSET: usize = 2;
const OPTLEN_OFFSET: usize = 44;
const POLL_FIRST: u16 = 1;
const ENTER_GETEVENTS: u32 = 1;
const MSG_DONTWAIT: i32 = 0x40;
const MSG_NOSIGNAL: i32 = 0x4000;
/// The kernel's sign of work to do may be left standing when there is none: another processor
/// adds work, this one does it, and then the other sets the sign (io_uring.c,
/// `io_req_local_work_add`). So it is not waited for longer than this.
const LOOKS_MAX: usize = 4;
const _: () = assert!(size_of::<squeue::Entry>() == 64);

type Waking = Pin<Box<dyn Future<Output = Result<ReadResult, GlommioError<()>>>>>;

/// How receives are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Receiving {
    /// One completion each.
    Once,
    /// Until so many bytes were taken.
    UpTo(u32),
}

pub struct NetRing {
    ring: IoUring,
    buffers: Buffers,
    event: Rc<BufferedFile>,
    waking: Option<Waking>,
    /// Completions that came while sends were waited for.
    stash: Vec<Completion>,
    pub receiving: Receiving,
}

impl NetRing {
    /// A ring of the calling thread, which alone may use it.
    pub fn new() -> io::Result<NetRing> {
        let ring: IoUring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_submit_all()
            .setup_cqsize(COMPLETIONS)
            .build(SUBMISSIONS)?;
        let buffers = Buffers::register(&ring)?;
        let event = eventfd(0, EventfdFlags::CLOEXEC)?;
        ring.submitter().register_eventfd(event.as_raw_fd())?;
        let mut ring = ring;
        ring.completion().disable_eventfd();
        // SAFETY: the descriptor is open, and its ownership goes over to the file, which closes it.
        let event = Rc::new(unsafe { BufferedFile::from_raw_fd(event.into_raw_fd()) });
        let receiving = match std::env::var("MADANG_RING_RECV").as_deref() {
            Ok("once") => Receiving::Once,
            _ => Receiving::UpTo(8192),
        };
        Ok(NetRing { ring, buffers, event, waking: None, stash: Vec::new(), receiving })
    }

    /// Asks for what comes on a socket, into buffers of the ring.
    pub fn receive(&mut self, socket: BorrowedFd<'_>, tag: u64, polls_first: bool) -> io::Result<()> {
        let socket = Fd(socket.as_raw_fd());
        let mut entry = match self.receiving {
            Receiving::UpTo(bytes_max) => {
                let mut entry = opcode::RecvMulti::new(socket, BUFFER_GROUP).build();
                patch(&mut entry, OPTLEN_OFFSET, bytes_max);
                entry
            }
            Receiving::Once => opcode::Recv::new(socket, std::ptr::null_mut(), BUFFER_BYTES as u32)
                .buf_group(BUFFER_GROUP)
                .build()
                .flags(squeue::Flags::BUFFER_SELECT),
        };
        if polls_first {
            let flags = read_u16(&entry, IOPRIO_OFFSET);
            patch(&mut entry, IOPRIO_OFFSET, flags | POLL_FIRST);
        }
        // SAFETY: the entry points to no memory: the kernel takes registered buffers.
        unsafe { self.push(&entry.user_data(tag)) }
    }

    /// Asks to be told once when a socket has one of the poll `events`.
    pub fn poll(&mut self, socket: BorrowedFd<'_>, events: u32, tag: u64) -> io::Result<()> {
        let entry = opcode::PollAdd::new(Fd(socket.as_raw_fd()), events).build();
        // SAFETY: the entry points to no memory.
        unsafe { self.push(&entry.user_data(tag)) }
    }

    /// Asks to be told each time a descriptor is written to.
    pub fn watch(&mut self, descriptor: BorrowedFd<'_>, tag: u64) -> io::Result<()> {
        let entry = opcode::PollAdd::new(Fd(descriptor.as_raw_fd()), super::POLL_IN).multi(true).build();
        // SAFETY: the entry points to no memory.
        unsafe { self.push(&entry.user_data(tag)) }
    }

    /// Takes a request back. It may complete all the same.
    pub fn cancel(&mut self, tag: u64, own_tag: u64) -> io::Result<()> {
        let entry = opcode::AsyncCancel::new(tag).build().flags(squeue::Flags::SKIP_SUCCESS);
        // SAFETY: the entry points to no memory.
        unsafe { self.push(&entry.user_data(own_tag)) }
    }

    /// # Safety
    /// Memory the entry points to must stay valid until its completion was taken.
    unsafe fn push(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        loop {
            // SAFETY: as the caller promises.
            if unsafe { self.ring.submission().push(entry) }.is_ok() {
                return Ok(());
            }
            self.enter(0)?;
        }
    }

    /// Sends to each socket what it takes at once, all in one call. `sent` gets a result for each:
    /// bytes, or a negative error number.
    pub fn send_each(
        &mut self,
        sends: &[(BorrowedFd<'_>, &[u8])],
        tag: u64,
        sent: &mut Vec<i32>,
    ) -> io::Result<()> {
        sent.clear();
        sent.resize(sends.len(), 0);
        let mut pushed = 0;
        let mut finished = 0;
        while finished < sends.len() {
            while pushed < sends.len() {
                let (socket, bytes) = sends[pushed];
                let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                let entry = opcode::Send::new(Fd(socket.as_raw_fd()), bytes.as_ptr(), length)
                    .flags(MSG_DONTWAIT | MSG_NOSIGNAL)
                    .build()
                    .user_data(tag | pushed as u64);
                // SAFETY: `bytes` outlives this call, which does not return before each entry
                // that was pushed has completed; when entering fails, the process is ended below.
                if unsafe { self.ring.submission().push(&entry) }.is_err() {
                    break;
                }
                pushed += 1;
            }
            if let Err(error) = self.enter(u32::from(pushed == sends.len())) {
                // Entries that point to borrowed memory may be left in the queue.
                tracing::error!(%error, "the net ring takes no submissions");
                std::process::abort();
            }
            for entry in self.ring.completion() {
                let data = entry.user_data();
                if data & super::KIND_MASK == tag {
                    sent[(data & !super::KIND_MASK) as usize] = entry.result();
                    finished += 1;
                } else {
                    self.stash.push(completion(&entry));
                }
            }
        }
        Ok(())
    }

    /// Takes completions into `into`, about `count_max` at most, submitting what was pushed.
    pub fn collect(&mut self, into: &mut Vec<Completion>, count_max: usize) -> io::Result<()> {
        self.ring.completion().disable_eventfd();
        into.append(&mut self.stash);
        let mut has_entered = false;
        loop {
            let count = into.len();
            into.extend(self.ring.completion().map(|entry| completion(&entry)));
            let has_grown = into.len() > count;
            if into.len() >= count_max || !self.has_kernel_work() || !has_grown && has_entered {
                return Ok(());
            }
            self.enter(0)?;
            has_entered = true;
        }
    }

    /// Whether entering the kernel would bring something on.
    fn has_kernel_work(&mut self) -> bool {
        let submissions = self.ring.submission();
        !submissions.is_empty() || submissions.taskrun() || submissions.cq_overflow()
    }

    fn enter(&mut self, completions_min: u32) -> io::Result<()> {
        let count = self.ring.submission().len() as u32;
        // SAFETY: no argument is passed; the entries were pushed by the functions above.
        let entered =
            unsafe { self.ring.submitter().enter::<()>(count, completions_min, ENTER_GETEVENTS, None) };
        match entered {
            Ok(_) => Ok(()),
            // Interrupted, or short of something for a moment: what was not taken is still queued.
            Err(error) if matches!(error.raw_os_error(), Some(4 | 11 | 16)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether there is something to collect.
    pub fn look(&mut self) -> io::Result<bool> {
        if self.has_kernel_work() {
            self.enter(0)?;
        }
        Ok(!self.stash.is_empty() || !self.ring.completion().is_empty())
    }

    /// Submits what was pushed, and waits until there is something to collect, or the time is over.
    pub fn sleep(&mut self, time_max: Option<Duration>) -> io::Result<()> {
        if !self.stash.is_empty() || !self.ring.completion().is_empty() {
            return Ok(());
        }
        self.ring.submission().sync();
        let entered = match time_max {
            None => self.ring.submitter().submit_and_wait(1),
            Some(time) => {
                let time = Timespec::from(time);
                self.ring.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&time))
            }
        };
        match entered {
            Ok(_) => Ok(()),
            // Interrupted, short of something for a moment, or late.
            Err(error) if matches!(error.raw_os_error(), Some(4 | 11 | 16 | 62)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Ready when there is something to collect, or may be. Submits what was pushed first.
    pub fn poll_ready(&mut self, context: &mut Context<'_>) -> io::Result<Poll<()>> {
        if !self.ring.submission().is_empty() {
            self.enter(0)?;
        }
        self.ring.completion().enable_eventfd();
        // Either the kernel sees the flag and rings, or its work is seen here.
        fence(Ordering::SeqCst);
        for _ in 0..LOOKS_MAX {
            if !self.stash.is_empty() || !self.ring.completion().is_empty() {
                return Ok(Poll::Ready(()));
            }
            if !self.has_kernel_work() {
                break;
            }
            self.enter(0)?;
        }
        let event = &self.event;
        let waking = self.waking.get_or_insert_with(|| {
            let event = Rc::clone(event);
            Box::pin(async move { event.read_at(0, 8).await })
        });
        match waking.as_mut().poll(context) {
            Poll::Pending => Ok(Poll::Pending),
            Poll::Ready(read) => {
                self.waking = None;
                match read {
                    Ok(_) => Ok(Poll::Ready(())),
                    Err(error) => Err(io::Error::other(error.to_string())),
                }
            }
        }
    }

    /// What a completion brought: the bytes of a buffer.
    pub fn received(&self, buffer: u16, length: usize) -> &[u8] {
        self.buffers.bytes(buffer, length)
    }

    /// Gives a buffer back to the kernel.
    pub fn release(&mut self, buffer: u16) {
        self.buffers.provide(buffer);
    }
}

fn completion(entry: &cqueue::Entry) -> Completion {
    let flags = entry.flags();
    Completion {
        data: entry.user_data(),
        result: entry.result(),
        buffer: cqueue::buffer_select(flags),
        is_last: !cqueue::more(flags),
    }
}

fn patch<T: Copy>(entry: &mut squeue::Entry, offset: usize, value: T) {
    assert!(offset + size_of::<T>() <= size_of::<squeue::Entry>(), "inside of the entry");
    // SAFETY: an entry is 64 plain bytes, any of which are valid, and the offset lies within.
    unsafe { std::ptr::from_mut(entry).cast::<u8>().add(offset).cast::<T>().write_unaligned(value) }
}

fn read_u16(entry: &squeue::Entry, offset: usize) -> u16 {
    assert!(offset + 2 <= size_of::<squeue::Entry>(), "inside of the entry");
    // SAFETY: as above.
    unsafe { std::ptr::from_ref(entry).cast::<u8>().add(offset).cast::<u16>().read_unaligned() }
}

/// The buffers, and the ring in which they are offered to the kernel. Never freed: a shard has one
/// for the life of the process, and requests may still be on their way when it ends.
struct Buffers {
    entries: NonNull<BufRingEntry>,
    memory: NonNull<u8>,
    tail: u16,
}

impl Buffers {
    fn register(ring: &IoUring) -> io::Result<Buffers> {
        let entries = allocate(usize::from(BUFFERS) * size_of::<BufRingEntry>()).cast::<BufRingEntry>();
        let memory = allocate(usize::from(BUFFERS) * BUFFER_BYTES);
        // SAFETY: the entries are page-aligned, zeroed, as many as told, and never freed.
        unsafe {
            ring.submitter().register_buf_ring_with_flags(
                entries.as_ptr() as u64,
                BUFFERS,
                BUFFER_GROUP,
                0,
            )?;
        }
        let mut buffers = Buffers { entries, memory, tail: 0 };
        for buffer in 0..BUFFERS {
            buffers.provide(buffer);
        }
        Ok(buffers)
    }

    fn bytes(&self, buffer: u16, length: usize) -> &[u8] {
        assert!(buffer < BUFFERS && length <= BUFFER_BYTES, "the kernel names a buffer it was given");
        // SAFETY: inside of the allocation; the kernel does not write into a buffer it has handed
        // over until it is provided again, which needs `&mut`.
        unsafe {
            let start = self.memory.as_ptr().add(usize::from(buffer) * BUFFER_BYTES);
            std::slice::from_raw_parts(start, length)
        }
    }

    fn provide(&mut self, buffer: u16) {
        assert!(buffer < BUFFERS, "the kernel names a buffer it was given");
        // SAFETY: both indices lie within the allocations. The kernel reads an entry only after it
        // has seen the tail pass it; the tail lies in the first entry's reserved field, which the
        // setters do not touch.
        unsafe {
            let address = self.memory.as_ptr().add(usize::from(buffer) * BUFFER_BYTES);
            let entry = &mut *self.entries.as_ptr().add(usize::from(self.tail % BUFFERS));
            entry.set_addr(address as u64);
            entry.set_len(BUFFER_BYTES as u32);
            entry.set_bid(buffer);
            self.tail = self.tail.wrapping_add(1);
            let tail = BufRingEntry::tail(self.entries.as_ptr()).cast::<AtomicU16>();
            (*tail).store(self.tail, Ordering::Release);
        }
    }
}

fn allocate(bytes: usize) -> NonNull<u8> {
    let layout = Layout::from_size_align(bytes, 4096).expect("a small, aligned size");
    // SAFETY: the size is not zero.
    let memory = unsafe { alloc_zeroed(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
}

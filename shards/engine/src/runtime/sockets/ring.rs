//! The net ring: one io_uring a shard for its sockets, beside the executor's own.
//!
//! Its thread alone submits and completes (`SINGLE_ISSUER`), and the kernel works on it only when
//! that thread asks (`DEFER_TASKRUN`): nothing changes behind the shard's back. While the shard
//! waits in its executor, an eventfd which the executor reads reports that there is something.

use super::buffers::{BUFFER_BYTES, BUFFER_GROUP, Buffers};
use glommio::GlommioError;
use glommio::io::{BufferedFile, ReadResult};
use io_uring::types::{Fd, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd};
use rustix::io::Errno;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{Ordering, fence};
use std::task::{Context, Poll};
use std::time::Duration;

/// Requests that the ring of a shard's sockets hands to the kernel at a time.
pub const SUBMISSIONS: u32 = 256;
/// Completions that the kernel can leave there before it has to keep them itself.
pub const COMPLETIONS: u32 = 2048;
/// `POLLIN` and `POLLOUT` of poll(2).
pub const POLL_IN: u32 = 1;
pub const POLL_OUT: u32 = 4;
/// `IORING_ENTER_GETEVENTS`: the call also completes what is ready to be.
const ENTER_GETEVENTS: u32 = 1;
/// `IORING_ENTER_EXT_ARG`: the argument is a [`WaitArgument`].
const ENTER_EXT_ARG: u32 = 8;
/// `IORING_ENTER_NO_IOWAIT` (6.15): to sleep in the ring is not to wait for a disk. Without it an
/// idle server looks as if it did all the time.
const ENTER_NO_IOWAIT: u32 = 1 << 7;
/// Where a submission (`struct io_uring_sqe`) has its `ioprio`, and the flag of a receive in it by
/// which it waits before it tries.
const IOPRIO_OFFSET: usize = 2;
const POLL_FIRST: u16 = 1;
/// `MSG_DONTWAIT` and `MSG_NOSIGNAL` of send(2): what a socket does not take at once is an error.
const SEND_FLAGS: i32 = 0x40 | 0x4000;
/// The kernel's sign of work to do may be left standing when there is none: another processor
/// adds work, this one does it, and then the other sets the sign (io_uring.c,
/// `io_req_local_work_add`). So it is not followed more often than this.
const LOOKS_MAX: usize = 4;
const _: () = assert!(size_of::<squeue::Entry>() == 64);

type Waking = Pin<Box<dyn Future<Output = Result<ReadResult, GlommioError<()>>>>>;

/// A request that the kernel has finished, or for which it has something.
#[derive(Clone, Copy, Debug)]
pub struct RingCompletion {
    /// What the request was tagged with.
    pub tag: u64,
    pub result: Result<usize, Errno>,
    /// The buffer that was taken for it.
    pub buffer: Option<u16>,
    /// No more will come of the request.
    pub is_last: bool,
}

/// A ring with its buffers.
pub struct NetRing {
    ring: IoUring,
    buffers: Buffers,
    event: Rc<BufferedFile>,
    waking: Option<Waking>,
    /// Completions that came while sends were waited for.
    stash: Vec<RingCompletion>,
    /// The tag of all sends.
    send_tag: u64,
    /// The flags of every call.
    enter_flags: u32,
}

/// `struct io_uring_getevents_arg` of the kernel: how long a call may wait.
#[repr(C)]
struct WaitArgument {
    signals: u64,
    signals_bytes: u32,
    wait_us_min: u32,
    timeout: *const Timespec,
}

impl NetRing {
    /// A ring of the calling thread, which alone may use it. A tag with any bit of `send_tag` is a
    /// send's.
    pub fn new(send_tag: u64) -> io::Result<NetRing> {
        let ring: IoUring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_submit_all()
            .setup_cqsize(COMPLETIONS)
            .build(SUBMISSIONS)?;
        let mut buffers = Buffers::new()?;
        buffers.offer_all(&ring)?;
        let event = eventfd(0, EventfdFlags::CLOEXEC)?;
        ring.submitter().register_eventfd(event.as_raw_fd())?;
        // SAFETY: the descriptor is open, and its ownership goes over to the file, which closes it.
        let event = Rc::new(unsafe { BufferedFile::from_raw_fd(event.into_raw_fd()) });
        let mut ring = NetRing {
            ring,
            buffers,
            event,
            waking: None,
            stash: Vec::new(),
            send_tag,
            enter_flags: ENTER_GETEVENTS,
        };
        ring.ring.completion().disable_eventfd();
        ring.enter_flags |= ENTER_NO_IOWAIT;
        match ring.enter(0) {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::INVAL) => {
                ring.enter_flags = ENTER_GETEVENTS;
            }
            entered => entered?,
        }
        Ok(ring)
    }

    /// Asks for what comes on a socket, once, into a buffer. `polls_first` spares the kernel to
    /// try where nothing is expected yet.
    pub fn receive(&mut self, socket: BorrowedFd<'_>, tag: u64, polls_first: bool) -> io::Result<()> {
        let length = BUFFER_BYTES as u32;
        let receive = opcode::Recv::new(Fd(socket.as_raw_fd()), std::ptr::null_mut(), length);
        let mut entry = receive.buf_group(BUFFER_GROUP).build().flags(squeue::Flags::BUFFER_SELECT);
        if polls_first {
            set_priority(&mut entry, POLL_FIRST);
        }
        // SAFETY: the entry points to no memory: the kernel takes a registered buffer.
        unsafe { self.push(&entry.user_data(tag)) }
    }

    /// Asks for one report when a descriptor has one of the poll `events`.
    pub fn poll(&mut self, descriptor: BorrowedFd<'_>, events: u32, tag: u64) -> io::Result<()> {
        let entry = opcode::PollAdd::new(Fd(descriptor.as_raw_fd()), events).build();
        // SAFETY: the entry points to no memory.
        unsafe { self.push(&entry.user_data(tag)) }
    }

    /// Asks for a report each time a descriptor is written to.
    pub fn watch(&mut self, descriptor: BorrowedFd<'_>, tag: u64) -> io::Result<()> {
        let entry = opcode::PollAdd::new(Fd(descriptor.as_raw_fd()), POLL_IN).multi(true).build();
        // SAFETY: the entry points to no memory.
        unsafe { self.push(&entry.user_data(tag)) }
    }

    /// Takes a request back. It may complete all the same; `own_tag` is of this request itself.
    pub fn cancel(&mut self, tag: u64, own_tag: u64) -> io::Result<()> {
        let entry = opcode::AsyncCancel::new(tag).build().flags(squeue::Flags::SKIP_SUCCESS);
        // SAFETY: the entry points to no memory.
        unsafe { self.push(&entry.user_data(own_tag)) }
    }

    /// Hands all requests to the kernel: from now on it holds the descriptors itself, and those of the caller may be
    /// closed.
    pub fn submit(&mut self) -> io::Result<()> {
        while !self.ring.submission().is_empty() {
            self.enter(0)?;
        }
        Ok(())
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

    /// Sends to each socket what it takes at once, all in one call. `sent` gets the outcomes in the
    /// same order.
    pub fn send_each<'a>(
        &mut self,
        sends: impl Iterator<Item = (BorrowedFd<'a>, &'a [u8])>,
        sent: &mut Vec<Result<usize, Errno>>,
    ) {
        sent.clear();
        let mut finished = 0;
        for (socket, bytes) in sends {
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            let send = opcode::Send::new(Fd(socket.as_raw_fd()), bytes.as_ptr(), length).flags(SEND_FLAGS);
            let entry = send.build().user_data(self.send_tag | sent.len() as u64);
            // SAFETY: socket and bytes are borrowed for `'a`, so beyond this call, and this call
            // does not return before the entry has completed: `finish_sends` counts, and ends the
            // process when it cannot.
            while unsafe { self.ring.submission().push(&entry) }.is_err() {
                self.finish_sends(&mut finished, sent);
            }
            sent.push(Ok(0));
        }
        if finished < sent.len() {
            self.finish_sends(&mut finished, sent);
        }
    }

    /// Submits what was pushed, and waits for all sends: they may not block, so they end at once.
    fn finish_sends(&mut self, finished: &mut usize, sent: &mut [Result<usize, Errno>]) {
        loop {
            if let Err(error) = self.enter((sent.len() - *finished) as u32) {
                // The kernel may still have entries that point to what the caller owns.
                tracing::error!(%error, "the ring of the sockets accepts no submissions: ending the process");
                std::process::exit(1);
            }
            for entry in self.ring.completion() {
                let completion = completion(&entry);
                if completion.tag & self.send_tag == 0 {
                    self.stash.push(completion);
                } else {
                    sent[(completion.tag & !self.send_tag) as usize] = completion.result;
                    *finished += 1;
                }
            }
            if *finished == sent.len() {
                return;
            }
        }
    }

    /// Takes completions into `into`, about `count_max` at most, submitting what was pushed.
    pub fn collect(&mut self, into: &mut Vec<RingCompletion>, count_max: usize) -> io::Result<()> {
        self.ring.completion().disable_eventfd();
        into.append(&mut self.stash);
        let mut has_entered = false;
        loop {
            let count = into.len();
            into.extend(self.ring.completion().map(|entry| completion(&entry)));
            let is_all = has_entered && into.len() == count;
            if into.len() >= count_max || is_all || !self.has_kernel_work() {
                return Ok(());
            }
            self.enter(0)?;
            has_entered = true;
        }
    }

    /// Whether entering the kernel would make progress.
    fn has_kernel_work(&mut self) -> bool {
        let submissions = self.ring.submission();
        !submissions.is_empty() || submissions.taskrun() || submissions.cq_overflow()
    }

    fn has_completions(&mut self) -> bool {
        !self.stash.is_empty() || !self.ring.completion().is_empty()
    }

    /// Submits what was pushed, and waits for `completions_min` completions.
    fn enter(&mut self, completions_min: u32) -> io::Result<()> {
        let count = self.ring.submission().len() as u32;
        let flags = self.enter_flags;
        // SAFETY: no argument is passed; the entries were pushed by the functions above.
        pass_over(unsafe { self.ring.submitter().enter::<()>(count, completions_min, flags, None) })
    }

    /// Whether there is something to collect.
    pub fn look(&mut self) -> io::Result<bool> {
        if self.has_kernel_work() {
            self.enter(0)?;
        }
        Ok(self.has_completions())
    }

    /// Submits what was pushed, and waits until there is something to collect, or the time is over.
    pub fn sleep(&mut self, time_max: Option<Duration>) -> io::Result<()> {
        if self.has_completions() {
            return Ok(());
        }
        let Some(time) = time_max else { return self.enter(1) };
        let time = Timespec::from(time);
        let argument =
            WaitArgument { signals: 0, signals_bytes: 0, wait_us_min: 0, timeout: &raw const time };
        let count = self.ring.submission().len() as u32;
        let flags = self.enter_flags | ENTER_EXT_ARG;
        // SAFETY: the argument is what the flag says, and it and the time outlive the call; the
        // entries were pushed by the functions above.
        pass_over(unsafe { self.ring.submitter().enter(count, 1, flags, Some(&argument)) })
    }

    /// Ready when there is something to collect, or may be. Submits what was pushed first.
    pub fn poll_ready(&mut self, context: &mut Context<'_>) -> io::Result<Poll<()>> {
        self.submit()?;
        self.ring.completion().enable_eventfd();
        // Either the kernel sees the flag and rings, or its work is seen here.
        fence(Ordering::SeqCst);
        for _ in 0..LOOKS_MAX {
            if self.has_completions() {
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
                read.map_err(|error| io::Error::other(error.to_string()))?;
                Ok(Poll::Ready(()))
            }
        }
    }

    /// What a completion brought: the bytes of a buffer.
    pub fn received(&self, buffer: u16, length: usize) -> &[u8] {
        self.buffers.bytes(buffer, length)
    }

    /// Gives a buffer back to the kernel.
    pub fn release(&mut self, buffer: u16) {
        self.buffers.offer(buffer);
    }

    /// Gives the kernel buffers it did not have so far. Returns whether there were any.
    pub fn add_buffers(&mut self) -> bool {
        self.buffers.add()
    }

    /// Takes all buffers from the kernel: a receive can bring nothing from now on, and fails where it
    /// would. What is in a buffer stays there.
    pub fn withdraw_buffers(&mut self) -> io::Result<()> {
        self.buffers.withdraw_all(&self.ring)
    }

    /// Gives all buffers to the kernel again; none may hold anything.
    pub fn offer_buffers(&mut self) -> io::Result<()> {
        self.buffers.offer_all(&self.ring)
    }
}

const _: () = assert!(size_of::<WaitArgument>() == 24);

/// An interruption, a momentary shortage or a timeout is no failure: what the kernel did not take is still queued.
fn pass_over(entered: io::Result<usize>) -> io::Result<()> {
    match entered {
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::INTR | Errno::AGAIN | Errno::BUSY | Errno::TIME) => Ok(()),
            _ => Err(error),
        },
        Ok(_) => Ok(()),
    }
}

fn completion(entry: &cqueue::Entry) -> RingCompletion {
    let flags = entry.flags();
    let result = entry.result();
    RingCompletion {
        tag: entry.user_data(),
        result: usize::try_from(result).map_err(|_| Errno::from_raw_os_error(-result)),
        buffer: cqueue::buffer_select(flags),
        is_last: !cqueue::more(flags),
    }
}

/// Sets what the crate has no setter for.
fn set_priority(entry: &mut squeue::Entry, flags: u16) {
    // SAFETY: an entry is 64 plain bytes, any of which are valid, and these two lie within.
    unsafe { std::ptr::from_mut(entry).cast::<u8>().add(IOPRIO_OFFSET).cast::<u16>().write_unaligned(flags) }
}

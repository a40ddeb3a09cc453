//! Descriptors in flight to a process that does not exist yet.
//!
//! What is sent into a socket pair by `SCM_RIGHTS` stays in flight until it is received, also when the sender has
//! ended. A pair holds as many messages as its send buffer carries; when it is full, the next pair is used.

use crate::handover::frame::{DESCRIPTORS_MAX, wrong};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair, sockopt,
};
use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::time::Duration;

/// The requested send buffer; the kernel allows up to `net.core.wmem_max`.
pub const BUFFER_BYTES: usize = 4 << 20;
/// The part of it that a message uses: 768 bytes on Linux 6.18, and some more.
const MESSAGE_COST_BYTES: usize = 1024;
/// Each message contains the number of descriptors sent before it.
const MESSAGE_BYTES: usize = 8;

/// A socket pair whose receiving end is for the new process.
#[derive(Debug)]
pub struct Queue {
    sender: OwnedFd,
    receiver: OwnedFd,
}

impl Queue {
    /// # Errors
    /// What the system says.
    pub fn new(buffer_bytes: usize) -> io::Result<Queue> {
        let (sender, receiver) =
            socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        sockopt::set_socket_send_buffer_size(&sender, buffer_bytes)?;
        Ok(Queue { sender, receiver })
    }

    /// Queues for this number of descriptors, but at most `queues_max`.
    ///
    /// # Errors
    /// The error of the system; or there are too many descriptors.
    pub fn enough_for(descriptors: usize, buffer_bytes: usize, queues_max: usize) -> io::Result<Vec<Queue>> {
        let mut queues = vec![Queue::new(buffer_bytes)?];
        let bytes = sockopt::socket_send_buffer_size(&queues[0].sender)?;
        let each = (bytes / MESSAGE_COST_BYTES).max(1) * DESCRIPTORS_MAX;
        // One more than needed: clients connect while this is counted.
        let count = descriptors / each + 2;
        if count > queues_max {
            return Err(io::Error::other(format!(
                "{descriptors} connections do not fit in {queues_max} queues; raise the sysctl \
                 net.core.wmem_max"
            )));
        }
        for _ in 1..count {
            queues.push(Queue::new(buffer_bytes)?);
        }
        Ok(queues)
    }

    /// The receiving end.
    pub fn receiver(&self) -> BorrowedFd<'_> {
        self.receiver.as_fd()
    }

    /// Both ends: the sending and the receiving one.
    pub fn split(self) -> (OwnedFd, OwnedFd) {
        (self.sender, self.receiver)
    }

    /// Closes the receiving end and returns the sending one. `None` if nobody else has the receiving end within
    /// this time: it was not stored.
    pub fn close_receiver(self, time_max: Duration) -> io::Result<Option<OwnedFd>> {
        drop(self.receiver);
        let timeout = Timespec::try_from(time_max).map_err(io::Error::other)?;
        let hung_up = poll(&mut [PollFd::new(&self.sender, PollFlags::empty())], Some(&timeout))?;
        Ok((hung_up == 0).then_some(self.sender))
    }
}

/// Sends descriptors, as many as possible in each message.
#[derive(Debug)]
pub struct Sending<'a> {
    /// The one that is being filled, and the empty ones.
    queues: VecDeque<OwnedFd>,
    /// Full queues: their ends stay open, so that the order of closing does not matter.
    full: Vec<OwnedFd>,
    sent: u64,
    waiting: Vec<BorrowedFd<'a>>,
}

impl<'a> Sending<'a> {
    /// Sends into these queues, given their sending ends.
    pub fn new(queues: impl IntoIterator<Item = OwnedFd>) -> Sending<'a> {
        let queues = queues.into_iter().collect();
        Sending { queues, full: Vec::new(), sent: 0, waiting: Vec::with_capacity(DESCRIPTORS_MAX) }
    }

    /// # Errors
    /// If the queues are full, or more descriptors are in flight than the open-file limit allows.
    pub fn push(&mut self, descriptors: &[BorrowedFd<'a>]) -> io::Result<()> {
        for descriptor in descriptors {
            self.waiting.push(*descriptor);
            if self.waiting.len() == DESCRIPTORS_MAX {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Sends the descriptors that wait for a full message.
    ///
    /// # Errors
    /// As for [`Sending::push`].
    pub fn flush(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let full = || io::Error::other("the queues of descriptors are full");
        while let Err(error) = send(self.queues.front().ok_or_else(full)?, self.sent, &self.waiting) {
            match error {
                Errno::INTR => {}
                Errno::AGAIN => self.full.extend(self.queues.pop_front()),
                Errno::TOOMANYREFS => {
                    return Err(io::Error::other(
                        "more descriptors are in flight than files may be open; raise LimitNOFILE=",
                    ));
                }
                error => return Err(error.into()),
            }
        }
        self.sent += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }
}

fn send(queue: &OwnedFd, sent: u64, descriptors: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(descriptors)), "there is space for as many");
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    let count = sendmsg(queue, &[IoSlice::new(&sent.to_le_bytes())], &mut ancillary, flags)?;
    assert_eq!(count, MESSAGE_BYTES, "so few bytes go at once");
    Ok(())
}

/// Receives descriptors, in the order in which they were sent.
#[derive(Debug)]
pub struct Receiving {
    queues: VecDeque<OwnedFd>,
    received: u64,
    ready: VecDeque<OwnedFd>,
}

impl Receiving {
    /// From the receiving ends of queues, in the order of the sending ones.
    pub fn new(queues: impl IntoIterator<Item = OwnedFd>) -> Receiving {
        Receiving { queues: queues.into_iter().collect(), received: 0, ready: VecDeque::new() }
    }

    /// The next `count` descriptors. It receives no more messages than needed.
    ///
    /// # Errors
    /// If there are too few, or one was lost.
    pub fn take(&mut self, count: usize) -> io::Result<Vec<OwnedFd>> {
        while self.ready.len() < count {
            let queue = self.queues.front().ok_or_else(|| wrong("descriptors are missing"))?;
            match receive(queue, self.received) {
                Ok(descriptors) if descriptors.is_empty() => drop(self.queues.pop_front()),
                Ok(descriptors) => {
                    self.received += descriptors.len() as u64;
                    self.ready.extend(descriptors);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.ready.drain(..count).collect())
    }
}

/// The descriptors of a message; empty at the end of the queue.
fn receive(queue: &OwnedFd, received: u64) -> io::Result<Vec<OwnedFd>> {
    let mut bytes = [0; MESSAGE_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let message = recvmsg(queue, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, flags)?;
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(some) = message {
            descriptors.extend(some);
        }
    }
    if message.flags.contains(ReturnFlags::CTRUNC) {
        return Err(io::Error::other(
            "not all descriptors can be taken: too many files are open; raise LimitNOFILE=",
        ));
    }
    match message.bytes {
        0 => Ok(Vec::new()),
        MESSAGE_BYTES if u64::from_le_bytes(bytes) == received && !descriptors.is_empty() => Ok(descriptors),
        _ => Err(wrong("a message of the queue is out of order")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{EventfdFlags, eventfd};

    /// Counters whose values are their numbers.
    fn numbered(count: u32) -> Vec<OwnedFd> {
        (0..count).map(|number| eventfd(number + 1, EventfdFlags::CLOEXEC).expect("an eventfd")).collect()
    }

    fn number(descriptor: &OwnedFd) -> u32 {
        let mut bytes = [0; 8];
        rustix::io::read(descriptor, &mut bytes).expect("its number");
        u32::try_from(u64::from_le_bytes(bytes)).expect("a small number") - 1
    }

    fn senders_and_receivers(queues: Vec<Queue>) -> (Vec<OwnedFd>, Vec<OwnedFd>) {
        let kept: Vec<OwnedFd> =
            queues.iter().map(|queue| queue.receiver().try_clone_to_owned().expect("a copy")).collect();
        let part = |queue: Queue| queue.close_receiver(Duration::ZERO).expect("poll").expect("it is kept");
        (queues.into_iter().map(part).collect(), kept)
    }

    #[test]
    fn all_come_out_in_order_after_the_sender_has_ended_however_many_queues_they_fill() {
        // A message carries 253, and the least buffer holds six messages.
        let (senders, receivers) = senders_and_receivers(Queue::enough_for(4_000, 1, 8).expect("queues"));
        assert!(senders.len() >= 3, "{} queues", senders.len());
        let descriptors = numbered(4_000);
        let mut sending = Sending::new(senders);
        for some in descriptors.chunks(70) {
            let some: Vec<BorrowedFd<'_>> = some.iter().map(AsFd::as_fd).collect();
            sending.push(&some).expect("there is room");
        }
        sending.flush().expect("there is room");
        assert!(!sending.full.is_empty(), "one queue holds all: this test says nothing");
        drop(sending);
        drop(descriptors);
        let mut receiving = Receiving::new(receivers);
        let mut next = 0;
        for count in [1, 252, 600, 0, 3_147] {
            for descriptor in receiving.take(count).expect("so many") {
                assert_eq!(number(&descriptor), next);
                next += 1;
            }
        }
        assert!(receiving.take(1).is_err(), "there are no more");
    }

    #[test]
    fn what_nobody_keeps_is_noticed() {
        let queue = Queue::new(BUFFER_BYTES).expect("a queue");
        assert!(queue.close_receiver(Duration::ZERO).expect("poll").is_none());
    }

    #[test]
    fn full_queues_and_those_that_are_out_of_order_are_errors_and_nothing_hangs() {
        let (senders, receivers) = senders_and_receivers(Queue::enough_for(0, 1, 2).expect("queues"));
        let descriptor = numbered(1);
        let many = vec![descriptor[0].as_fd(); 16 * DESCRIPTORS_MAX];
        let mut sending = Sending::new(senders);
        let error = sending.push(&many).expect_err("there is no room");
        assert!(error.to_string().contains("full"), "{error}");
        // The sender lives, and has sent less than is asked for.
        let mut receiving = Receiving::new(receivers);
        assert!(receiving.take(16 * DESCRIPTORS_MAX).is_err());
        let (senders, receivers) = senders_and_receivers(Queue::enough_for(4_000, 1, 8).expect("queues"));
        let mut sending = Sending::new(senders);
        sending.push(&many[..12 * DESCRIPTORS_MAX]).expect("there is room");
        drop(sending);
        let mut receiving = Receiving::new(receivers.into_iter().rev());
        let error = receiving.take(1).expect_err("the first is the last");
        assert!(error.to_string().contains("out of order"), "{error}");
        assert!(Queue::enough_for(1 << 20, 1, 8).is_err(), "too many for eight");
    }
}

//! The set of sockets that are waited for.

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::{Errno, Result};
use std::time::Duration;

/// Ready sockets told of at once.
const READY_MAX: usize = 256;

/// Sockets by the numbers they were added with.
#[derive(Debug)]
pub(super) struct Readiness {
    set: OwnedFd,
}

/// A socket that is ready.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ready {
    /// The number it was added with.
    pub(super) number: usize,
    /// There is something to read, or the end of it.
    pub(super) can_receive: bool,
    /// There is room to send, or the handshake has ended.
    pub(super) can_send: bool,
}

impl Readiness {
    /// An empty set.
    pub(super) fn new() -> Result<Readiness> {
        Ok(Readiness { set: epoll::create(epoll::CreateFlags::CLOEXEC)? })
    }

    /// Watches one more socket, for room to send too when `awaits_room`.
    pub(super) fn add(&self, socket: impl AsFd, number: usize, awaits_room: bool) -> Result<()> {
        epoll::add(&self.set, socket, EventData::new_u64(number as u64), interest(awaits_room))
    }

    /// Changes whether room to send is watched for.
    pub(super) fn change(&self, socket: impl AsFd, number: usize, awaits_room: bool) -> Result<()> {
        epoll::modify(&self.set, socket, EventData::new_u64(number as u64), interest(awaits_room))
    }

    /// Waits for at most `wait`, and fills `ready`.
    pub(super) fn wait(&self, wait: Duration, ready: &mut Vec<Ready>) -> Result<()> {
        ready.clear();
        let timeout = Timespec::try_from(wait).map_err(|_| Errno::INVAL)?;
        // poll(2) keeps the time to the nanosecond, epoll_wait(2) to the millisecond.
        match poll(&mut [PollFd::new(&self.set, PollFlags::IN)], Some(&timeout)) {
            Ok(0) | Err(Errno::INTR) => return Ok(()),
            Ok(_) => {}
            Err(failed) => return Err(failed),
        }
        let mut events = [const { std::mem::MaybeUninit::uninit() }; READY_MAX];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let (events, _) = epoll::wait(&self.set, &mut events, Some(&at_once))?;
        ready.extend(events.iter().map(|event| {
            let flags = event.flags;
            Ready {
                number: event.data.u64() as usize,
                can_receive: flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR),
                can_send: flags.contains(EventFlags::OUT),
            }
        }));
        Ok(())
    }
}

fn interest(awaits_room: bool) -> EventFlags {
    if awaits_room { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN }
}

//! The set of sockets that are waited for: one epoll instance, which the executor itself waits for.
//!
//! Waiting is exact where it must be: the executor's timer wakes the load a little early, and the rest is spun away
//! on the load's own processor, looking at the sockets all the while. What was spun is counted, so that it can be
//! separated from the load's work.

use crate::machine::own_time_ns;
use futures_lite::AsyncRead;
use glommio::net::TcpStream;
use glommio::timer::Timer;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::{AsFd, FromRawFd, IntoRawFd, OwnedFd};
use rustix::io::Errno;
use std::future::{Future, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Ready sockets reported at once.
const READY_MAX: usize = 256;
/// Spinning looks at the clock this often between two looks at the sockets (about 1 µs each).
const PAUSES: usize = 16;
const NO_WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// Sockets by the numbers they were added with.
pub(crate) struct Readiness {
    set: OwnedFd,
    /// The executor's wait for the set, while one is under way.
    wait: Option<TcpStream>,
    /// How long before the end of a wait the spinning begins; zero never spins.
    spin: Duration,
    /// Processor time that was spun away, in nanoseconds.
    spun_ns: u64,
}

/// A socket that is ready.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    /// The number it was added with.
    pub(crate) number: usize,
    /// There is something to read, or the end of it.
    pub(crate) can_receive: bool,
    /// There is room to send, or the handshake has ended.
    pub(crate) can_send: bool,
}

impl Readiness {
    /// An empty set that spins for the last `spin` of each wait.
    pub(crate) fn new(spin: Duration) -> io::Result<Readiness> {
        let set = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Readiness { set, wait: None, spin, spun_ns: 0 })
    }

    /// Processor time that was spun away with nothing to do, in nanoseconds.
    pub(crate) fn spun_ns(&self) -> u64 {
        self.spun_ns
    }

    /// Watches one more socket, for room to send too when `awaits_room`.
    pub(crate) fn add(&self, socket: impl AsFd, number: usize, awaits_room: bool) -> io::Result<()> {
        Ok(epoll::add(&self.set, socket, EventData::new_u64(number as u64), interest(awaits_room))?)
    }

    /// Changes whether room to send is watched for.
    pub(crate) fn change(&self, socket: impl AsFd, number: usize, awaits_room: bool) -> io::Result<()> {
        Ok(epoll::modify(&self.set, socket, EventData::new_u64(number as u64), interest(awaits_room))?)
    }

    /// Watches a socket no longer.
    pub(crate) fn remove(&self, socket: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.set, socket)?)
    }

    /// Waits until something is ready or `until` has come, and fills `ready`.
    pub(crate) async fn wait(&mut self, until: Instant, ready: &mut Vec<Ready>) -> io::Result<()> {
        self.take(ready)?;
        while ready.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            if left <= self.spin {
                return self.spin_until(until, ready);
            }
            // A timer of the executor runs out late by what a wake takes, never early.
            self.park(left - self.spin).await?;
            self.take(ready)?;
        }
        Ok(())
    }

    /// Looks at the sockets and the clock in turn.
    fn spin_until(&mut self, until: Instant, ready: &mut Vec<Ready>) -> io::Result<()> {
        // The thread's own time: while somebody else has the processor, nothing is spun.
        let before_ns = own_time_ns();
        let mut now = Instant::now();
        while now < until && ready.is_empty() {
            for _ in 0..PAUSES {
                std::hint::spin_loop();
            }
            now = Instant::now();
            self.take(ready)?;
        }
        self.spun_ns += own_time_ns() - before_ns;
        Ok(())
    }

    /// Takes what the kernel has to report, without waiting.
    fn take(&self, ready: &mut Vec<Ready>) -> io::Result<()> {
        let mut events = [const { MaybeUninit::uninit() }; READY_MAX];
        let events = match epoll::wait(&self.set, &mut events, Some(&NO_WAIT)) {
            Ok((events, _)) => events,
            Err(Errno::INTR) => return Ok(()),
            Err(failed) => return Err(failed.into()),
        };
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

    /// Sleeps in the executor until the set is ready or so much time has passed.
    async fn park(&mut self, longest: Duration) -> io::Result<()> {
        let mut timer = Timer::new(longest);
        poll_fn(|context| {
            if Pin::new(&mut timer).poll(context).is_ready() {
                return Poll::Ready(Ok(()));
            }
            self.poll_ready(context)
        })
        .await
    }

    /// Ready when the set has something to report, or may have.
    #[allow(unsafe_code, reason = "the executor offers no safe way to wait for a descriptor")]
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wait = match &mut self.wait {
            Some(wait) => wait,
            None => {
                let duplicate = match rustix::io::fcntl_dupfd_cloexec(&self.set, 0) {
                    Ok(duplicate) => duplicate,
                    Err(failed) => return Poll::Ready(Err(failed.into())),
                };
                // SAFETY: the descriptor was just made, is owned by nobody else, and is given up
                // here. glommio polls it for input on its ring and then calls `recv`, which fails
                // with ENOTSOCK on an epoll descriptor: that is the sign we wait for.
                let wait = unsafe { TcpStream::from_raw_fd(duplicate.into_raw_fd()) };
                self.wait.insert(wait)
            }
        };
        let mut unused = [0; 1];
        if Pin::new(wait).poll_read(context, &mut unused).is_pending() {
            return Poll::Pending;
        }
        // The stream remembers nothing of the set once it has failed: the next wait takes a new one.
        self.wait = None;
        Poll::Ready(Ok(()))
    }
}

fn interest(awaits_room: bool) -> EventFlags {
    if awaits_room { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN }
}

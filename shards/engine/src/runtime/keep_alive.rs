//! How the kernel detects that a peer is gone, without cutting off peers that are there.
//!
//! The kernel's keep-alive probes idle connections. Those that became idle together would all be probed at the same
//! moment, and a queue of packets (1,000 on loopback and on many network cards) drops the excess of such a burst. So
//! each connection has times of its own, and is probed often enough that lost bursts cut off no peer.
//!
//! A peer that is sent something is not probed by keep-alive, but acknowledges. `TCP_USER_TIMEOUT` would end a
//! connection without acknowledgement, and one whose reader has stopped (its window is zero) as well. So it is not
//! set, and the shard checks itself: see [`Answers`].

use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::sockopt;
use std::mem::{MaybeUninit, size_of};
use std::time::Duration;

/// The kernel probes an idle connection after this many seconds at the earliest, plus less than the spread. Kernels
/// keep such times in steps of up to 4 s: these are a dozen moments and more.
const IDLE_SECONDS_MIN: u32 = 16;
const IDLE_SECONDS_SPREAD: u32 = 32;
/// It is probed again after this many seconds at the earliest, plus less than the spread.
const INTERVAL_SECONDS_MIN: u32 = 5;
const INTERVAL_SECONDS_SPREAD: u32 = 4;
/// The peer is gone after this many unanswered probes: after 46 s at the earliest, 95 s at the latest.
const PROBES: u32 = 6;
/// The longest time until a peer that does not acknowledge, or has stopped reading, is asked again. Kernels before
/// 6.15 know 120 s only.
const RETRY_MS_MAX: u32 = 30_000;
/// `TCP_RTO_MAX_MS` of linux/tcp.h.
const TCP_RTO_MAX_MS: i32 = 44;
/// How long the kernel keeps what a closed connection has not sent.
const CLOSED_MS_MAX: u32 = 30_000;

/// Sets what a listener's connections inherit, so that most of it costs them no system call.
pub fn set_for_all(socket: impl AsFd) -> Result<(), Errno> {
    let socket = socket.as_fd();
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepcnt(socket, PROBES)?;
    // A listener or a connection that another release has opened may have one.
    sockopt::set_tcp_user_timeout(socket, 0)?;
    set_retry_max(socket.as_raw_fd());
    set_times(socket, IDLE_SECONDS_MIN + IDLE_SECONDS_SPREAD / 2, INTERVAL_SECONDS_MIN)
}

/// Gives the `count`th connection of a shard its own times.
pub fn set_for_one(socket: impl AsFd, count: u32) -> Result<(), Errno> {
    let idle = IDLE_SECONDS_MIN + count % IDLE_SECONDS_SPREAD;
    let interval = INTERVAL_SECONDS_MIN + count / IDLE_SECONDS_SPREAD % INTERVAL_SECONDS_SPREAD;
    set_times(socket, idle, interval)
}

/// For a closed connection: limits how long unsent bytes for a peer that does not read take memory of the kernel.
pub fn set_for_closed(socket: impl AsFd) {
    // It fails only where the connection is gone already.
    let _ = sockopt::set_tcp_user_timeout(socket, CLOSED_MS_MAX);
}

fn set_times(socket: impl AsFd, idle: u32, interval: u32) -> Result<(), Errno> {
    let socket = socket.as_fd();
    sockopt::set_tcp_keepidle(socket, Duration::from_secs(u64::from(idle)))?;
    sockopt::set_tcp_keepintvl(socket, Duration::from_secs(u64::from(interval)))
}

/// Best effort, as older kernels do not know it.
fn set_retry_max(descriptor: i32) {
    let value = RETRY_MS_MAX;
    let length = size_of::<u32>() as libc::socklen_t;
    // SAFETY: the kernel reads `length` bytes of `value`, which lives until the call is over.
    unsafe {
        libc::setsockopt(descriptor, libc::IPPROTO_TCP, TCP_RTO_MAX_MS, (&raw const value).cast(), length);
    }
}

/// What a peer has answered to what it was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answers {
    /// It has acknowledged everything.
    All,
    /// Something is not acknowledged or not sent, and the peer has answered lately, or was not asked.
    Some,
    /// It was asked, and has been silent for some seconds.
    None,
}

/// Asks the kernel what a peer has answered in the last `seconds`. A peer that has stopped reading answers.
pub fn answers(socket: &OwnedFd, seconds: u32) -> Answers {
    let mut waiting: libc::c_int = 0;
    // SAFETY: the kernel writes one `c_int` (tcp(7), `SIOCOUTQ`, which is `TIOCOUTQ`).
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut waiting) };
    if result == 0 && waiting == 0 {
        return Answers::All;
    }
    let mut info = MaybeUninit::<libc::tcp_info>::zeroed();
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    let descriptor = socket.as_raw_fd();
    // SAFETY: the kernel writes at most `length` bytes into `info`, of which zeros are valid, too.
    let (result, info) = unsafe {
        let into = info.as_mut_ptr().cast();
        let result = libc::getsockopt(descriptor, libc::IPPROTO_TCP, libc::TCP_INFO, into, &raw mut length);
        (result, info.assume_init())
    };
    let was_asked = info.tcpi_retransmits > 0 || info.tcpi_probes > 0;
    if result == 0 && was_asked && info.tcpi_last_ack_recv >= seconds * 1000 {
        Answers::None
    } else {
        Answers::Some
    }
}

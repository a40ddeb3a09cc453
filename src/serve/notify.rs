//! What systemd is told (sd_notify(3)). Nothing happens where nobody listens.

use crate::telemetry;
use madang_shards::runtime::Notice;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use sd_notify::NotifyState;
use std::ffi::OsStr;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// While the log is opened, and while the server drains, systemd is asked for so much more time …
const EXTENSION: Duration = Duration::from_secs(15);
/// How long systemd may take to understand who serves from now on.
const BARRIER_TIME_MAX: Duration = Duration::from_secs(1);
/// … so often.
const EXTENSION_INTERVAL: Duration = Duration::from_secs(5);

/// The log is being opened, however long that takes. Ends when it is dropped.
#[derive(Debug)]
pub struct Recovering {
    /// The end of it, and the thread that tells.
    telling: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Drop for Recovering {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.telling.take() {
            drop(end);
            // Nothing of it may come behind what is told next; a panic has ended the process.
            let _ = thread.join();
        }
    }
}

/// Tells that the log is being opened, again and again until what is returned is dropped.
pub fn recovering() -> Recovering {
    let (end, ended) = mpsc::channel::<()>();
    let started = Instant::now();
    let tell = move || {
        loop {
            let status = format!("Opening the log, for {} s so far", started.elapsed().as_secs());
            send(&[NotifyState::Status(&status), extension()]);
            if ended.recv_timeout(EXTENSION_INTERVAL) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    };
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return Recovering { telling: None };
    }
    match std::thread::Builder::new().name("madang-notify".into()).spawn(tell) {
        Ok(thread) => Recovering { telling: Some((end, thread)) },
        Err(error) => {
            tracing::warn!(%error, "systemd is not asked for more time to open the log (TimeoutStartSec=)");
            Recovering { telling: None }
        }
    }
}

/// People can come in.
pub fn ready(status: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Another process of this service goes on. Returns when systemd has understood, so that it never sees the
/// main process end without the next one: it answers by closing its end of a pipe (`BARRIER=1`).
pub fn handed_over(process: i32) {
    let Ok(main) = u32::try_from(process) else { return };
    send(&[NotifyState::MainPid(main), NotifyState::Status("Handed over to a new process")]);
    if let Some(path) = std::env::var_os("NOTIFY_SOCKET")
        && let Err(error) = await_understood(path.as_encoded_bytes())
    {
        tracing::debug!(%error, "systemd cannot be waited for");
    }
}

fn await_understood(path: &[u8]) -> io::Result<()> {
    let address = match path.split_first() {
        Some((b'@', name)) => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(OsStr::from_bytes(path))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    let (ours, theirs) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = [theirs.as_fd()];
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)), "there is space for one");
    sendmsg(&socket, &[IoSlice::new(b"BARRIER=1")], &mut ancillary, SendFlags::NOSIGNAL)?;
    drop(theirs);
    let timeout = Timespec::try_from(BARRIER_TIME_MAX).map_err(io::Error::other)?;
    poll(&mut [PollFd::new(&ours, PollFlags::IN)], Some(&timeout))?;
    Ok(())
}

/// The configuration is read again; [`ready`] ends it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now, NotifyState::Status("Reloading")]),
        Err(error) => tracing::warn!(%error, "systemd is not told of the reload"),
    }
}

/// Passes on what the supervisor sees: the watchdog is fed only when every shard has turned.
pub fn notices() -> Box<dyn FnMut(Notice) + Send> {
    let is_watched = sd_notify::watchdog_enabled().is_some();
    Box::new(move |notice| match notice {
        Notice::AllTurned => {
            telemetry::report_repeats();
            if is_watched {
                send(&[NotifyState::Watchdog]);
            }
        }
        Notice::Stuck { .. } => telemetry::report_repeats(),
        Notice::Draining => {
            telemetry::report_repeats();
            let status = "Draining: everyone is told, what was said is finished";
            send(&[NotifyState::Stopping, NotifyState::Status(status), extension()]);
        }
    })
}

fn extension() -> NotifyState<'static> {
    NotifyState::ExtendTimeoutUsec(u32::try_from(EXTENSION.as_micros()).unwrap_or(u32::MAX))
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd cannot be told");
    }
}

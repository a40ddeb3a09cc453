//! What systemd is told (sd_notify(3)). Nothing happens where nobody listens.

use madang_engine::runtime::Notice;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd};
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
/// How long systemd may take to understand what it was told.
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
    if !is_heard() {
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
/// main process end without the next one.
pub fn handed_over(process: i32) {
    let Ok(main) = u32::try_from(process) else { return };
    send(&[NotifyState::MainPid(main), NotifyState::Status("Handed over to a new process")]);
    if is_heard()
        && let Err(error) = await_understood()
    {
        tracing::debug!(%error, "systemd does not confirm what it was sent");
    }
}

/// Whether a service manager listens.
pub fn is_heard() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// The server is started again, and what it has is to wait for the next process.
pub fn restarting() {
    send(&[NotifyState::Status("Restarting: connections wait for the next process"), extension()]);
}

/// Has systemd keep a descriptor for the next process of this service, also when its peer hangs up
/// (`FDPOLL=0`). Whether it does is known after [`await_understood`].
///
/// # Errors
/// When systemd cannot be told.
pub fn keep(name: &str, descriptor: BorrowedFd<'_>) -> io::Result<()> {
    send_with(format!("FDSTORE=1\nFDNAME={name}\nFDPOLL=0\n").as_bytes(), descriptor)
}

/// systemd lets go of the descriptors of these names.
pub fn forget(names: &[String]) {
    for name in names {
        send(&[NotifyState::Custom("FDSTOREREMOVE=1"), NotifyState::Custom(&format!("FDNAME={name}"))]);
    }
}

/// Returns when systemd has understood all that it was told so far: it answers by closing its end of a pipe
/// (`BARRIER=1`).
///
/// # Errors
/// When it cannot be told, or does not answer in time.
pub fn await_understood() -> io::Result<()> {
    let (ours, theirs) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    send_with(b"BARRIER=1", theirs.as_fd())?;
    drop(theirs);
    let timeout = Timespec::try_from(BARRIER_TIME_MAX).map_err(io::Error::other)?;
    match poll(&mut [PollFd::new(&ours, PollFlags::IN)], Some(&timeout))? {
        0 => Err(io::Error::new(io::ErrorKind::TimedOut, "systemd does not answer in time")),
        _ => Ok(()),
    }
}

fn send_with(message: &[u8], descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let path = std::env::var_os("NOTIFY_SOCKET").ok_or(io::ErrorKind::NotFound)?;
    let path = path.as_encoded_bytes();
    let address = match path.split_first() {
        Some((b'@', name)) => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(OsStr::from_bytes(path))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor];
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)), "there is space for one");
    sendmsg(&socket, &[IoSlice::new(message)], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// The configuration is read again; [`ready`] ends it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now, NotifyState::Status("Reloading")]),
        Err(error) => tracing::warn!(%error, "systemd is not notified of the reload"),
    }
}

/// Passes on what the supervisor sees: the watchdog is fed only when every shard has turned.
pub fn notices() -> impl FnMut(Notice) + Send {
    let is_watched = sd_notify::watchdog_enabled().is_some();
    move |notice| match notice {
        Notice::AllTurned if is_watched => send(&[NotifyState::Watchdog]),
        Notice::AllTurned | Notice::Stuck { .. } => {}
        Notice::Draining => {
            let status = "Draining: everyone is notified, accepted messages are finished";
            send(&[NotifyState::Stopping, NotifyState::Status(status), extension()]);
        }
    }
}

fn extension() -> NotifyState<'static> {
    NotifyState::ExtendTimeoutUsec(u32::try_from(EXTENSION.as_micros()).unwrap_or(u32::MAX))
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "cannot notify systemd");
    }
}

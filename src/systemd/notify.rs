//! Notifications to systemd (sd_notify(3)). Without a service manager they do nothing.

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

/// How much more time systemd is asked for while the log is opened, and while the server drains …
const EXTENSION: Duration = Duration::from_secs(15);
/// How long systemd may take to confirm notifications.
const BARRIER_TIME_MAX: Duration = Duration::from_secs(1);
/// … and how often.
const EXTENSION_INTERVAL: Duration = Duration::from_secs(5);

/// Reports that the log is being opened, however long that takes. Stops when it is dropped.
#[derive(Debug)]
pub struct Recovering {
    /// The channel to stop it, and the reporting thread.
    reporter: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Drop for Recovering {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.reporter.take() {
            drop(end);
            // Its last report must precede the next notification; a panic has ended the process.
            let _ = thread.join();
        }
    }
}

/// Reports repeatedly that the log is being opened, until the returned value is dropped.
pub fn recovering() -> Recovering {
    let (end, ended) = mpsc::channel::<()>();
    let started = Instant::now();
    let report = move || {
        loop {
            let status = format!("Opening the log, for {} s so far", started.elapsed().as_secs());
            send(&[NotifyState::Status(&status), extension()]);
            if ended.recv_timeout(EXTENSION_INTERVAL) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    };
    if !has_service_manager() {
        return Recovering { reporter: None };
    }
    match std::thread::Builder::new().name("madang-notify".into()).spawn(report) {
        Ok(thread) => Recovering { reporter: Some((end, thread)) },
        Err(error) => {
            tracing::warn!(%error, "systemd is not asked for more time to open the log (TimeoutStartSec=)");
            Recovering { reporter: None }
        }
    }
}

/// Clients can connect.
pub fn ready(status: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Another process of this service continues. Returns when systemd has confirmed, so that it never sees the main
/// process end without the new one.
pub fn handed_over(process: i32) {
    let Ok(main) = u32::try_from(process) else { return };
    send(&[NotifyState::MainPid(main), NotifyState::Status("Handed over to a new process")]);
    if has_service_manager()
        && let Err(error) = await_confirmation()
    {
        tracing::debug!(%error, "systemd does not confirm what it was sent");
    }
}

/// Whether there is a service manager to notify.
pub fn has_service_manager() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// The server is restarting, and its state waits for the new process.
pub fn restarting() {
    send(&[NotifyState::Status("Restarting: connections wait for the next process"), extension()]);
}

/// Makes systemd store a descriptor for the next process of this service, even if its peer hangs up (`FDPOLL=0`).
/// The result is known after [`await_confirmation`].
///
/// # Errors
/// If systemd cannot be notified.
pub fn store(name: &str, descriptor: BorrowedFd<'_>) -> io::Result<()> {
    send_with(format!("FDSTORE=1\nFDNAME={name}\nFDPOLL=0\n").as_bytes(), descriptor)
}

/// Makes systemd remove the descriptors of these names from its store.
pub fn remove_stored(names: &[String]) {
    for name in names {
        send(&[NotifyState::Custom("FDSTOREREMOVE=1"), NotifyState::Custom(&format!("FDNAME={name}"))]);
    }
}

/// Returns when systemd has processed all notifications so far: it confirms by closing its end of a pipe
/// (`BARRIER=1`).
///
/// # Errors
/// If it cannot be notified, or does not confirm in time.
pub fn await_confirmation() -> io::Result<()> {
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

/// The configuration is being reloaded; [`ready`] ends it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now, NotifyState::Status("Reloading")]),
        Err(error) => tracing::warn!(%error, "systemd is not notified of the reload"),
    }
}

/// Forwards the supervisor's notices: the watchdog is notified only if no shard is stuck.
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

//! The new process: it requests everything, receives it, and resumes it.

use super::error::TakeError;
use super::frame::Kind;
use super::stream::{self, MAGIC, Receiver};
use super::unpack::{Unpacked, expect, unpack};
use super::{ERASURES, VERSION};
use crate::operator::{ControlCommand, connect, is_disconnect, is_not_listening, socket_path};
use crate::server::{InheritedListeners, SocketActivation};
use madang_engine::runtime::Adoption;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::net::sockopt;
use rustix::process::{PidfdFlags, pidfd_open};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the old process may take until its shards are snapshotted.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// How long one wait for the answer of the old process takes.
const LOOK: Duration = Duration::from_secs(30);

/// Whether a process takes over from another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Takeover {
    /// A normal start.
    No,
    /// It takes over from the running server.
    Yes,
    /// It only shows that it can take over; then it is killed.
    Trial,
}

/// Everything that the old process had.
#[derive(Debug)]
pub struct TakenOver {
    /// The lock of the data directory.
    pub lock: OwnedFd,
    /// Its listeners.
    pub listeners: InheritedListeners,
    /// Which of them systemd had opened.
    pub activation: SocketActivation,
    /// Connections, names, members.
    pub adoption: Adoption,
    /// The old process, which waits.
    pub old_process: OldProcess,
}

/// The old process, at the other end of the control socket.
#[derive(Debug)]
pub struct OldProcess {
    stream: UnixStream,
    /// To detect its end. `None` if it cannot be opened, as from another process namespace.
    pidfd: Option<OwnedFd>,
    /// Its process id.
    pub pid: u64,
    /// Its version.
    pub version: String,
    /// Since when clients wait.
    pub paused_since: Instant,
}

/// Requests everything from the server that runs on `data`. `grace` is how long names are kept after a lost
/// connection.
///
/// # Errors
/// [`TakeError`]; the old process continues.
pub fn take(data: &Path, grace: Duration, is_trial: bool) -> Result<TakenOver, TakeError> {
    let path = socket_path(data).map_err(TakeError::Path)?;
    let stream = connect(data, &path).map_err(|error| {
        if is_not_listening(&error) {
            TakeError::NotRunning(data.to_owned())
        } else {
            TakeError::Broken(error)
        }
    })?;
    let peer = sockopt::socket_peercred(&stream).ok();
    let pidfd = peer.and_then(|peer| pidfd_open(peer.pid, PidfdFlags::empty()).ok());
    introduce(&stream)?;
    request(&stream, &ControlCommand::Takeover { version: VERSION, is_trial })?;
    let received = receive(&stream, grace);
    if let Err(error @ (TakeError::Broken(_) | TakeError::Coding(_))) = &received {
        refuse(&stream, error);
    }
    let Unpacked { lock, listeners, activation, adoption, pid, version, paused, .. } = received?;
    let paused_since = Instant::now().checked_sub(paused).unwrap_or_else(Instant::now);
    let old_process = OldProcess { stream, pidfd, pid, version, paused_since };
    Ok(TakenOver { lock, listeners, activation, adoption, old_process })
}

fn request(mut stream: &UnixStream, command: &ControlCommand) -> io::Result<()> {
    let mut line = serde_json::to_vec(command)?;
    line.push(b'\n');
    stream.write_all(&line)
}

/// Says what this program knows. A server of an earlier release does not know the command, and waits for the next.
fn introduce(stream: &UnixStream) -> Result<(), TakeError> {
    request(stream, &ControlCommand::Introduce { knows: vec![ERASURES.to_owned()] })?;
    stream.set_read_timeout(Some(ANSWER_TIME_MAX))?;
    // Nothing follows the answer before the next request.
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(())
}

/// Tells the old process that this one gives up, and why.
fn refuse(stream: &UnixStream, error: &dyn std::error::Error) {
    // It notices the end of this process, too.
    let _ = stream::send(stream, Kind::Refused, error.to_string().as_bytes(), &[]);
}

fn receive(stream: &UnixStream, grace: Duration) -> Result<Unpacked, TakeError> {
    let mut receiver = Receiver::new(stream);
    let deadline = Instant::now() + ANSWER_TIME_MAX;
    let start = receiver.peek(MAGIC.len(), deadline)?;
    if !start.starts_with(MAGIC) {
        return Err(TakeError::Refused("its version cannot hand over; restart instead".to_owned()));
    }
    receiver.skip(MAGIC.len());
    let begin = receiver.next_before(deadline)?;
    unpack(begin, &mut receiver, grace, usize::MAX)
}

/// Tells the old process why this one gives up, as long as it waits.
#[derive(Debug)]
pub struct FailureNotifier(UnixStream);

impl FailureNotifier {
    /// Tells it. After `Go` nobody reads it.
    pub fn report(&self, error: &dyn std::error::Error) {
        refuse(&self.0, error);
    }
}

impl OldProcess {
    /// Reports that this process is ready, and waits for `Go`: from then on it is the owner. The old process
    /// decides, however long that takes; this one gives up only if the old process says so.
    ///
    /// # Errors
    /// If the old process takes everything back: this one must end.
    pub fn ready(&self) -> Result<(), TakeError> {
        if stream::send(&self.stream, Kind::Ready, &[], &[]).is_err() {
            // The old process is dead: otherwise it would have killed this one before it resumed.
            self.await_end();
            return Ok(());
        }
        let mut receiver = Receiver::new(&self.stream);
        loop {
            match receiver.next_before(Instant::now() + LOOK) {
                Ok(frame) => return expect(frame, Kind::Go).map(drop),
                // It ended without a frame: then nobody else has the lock and the connections.
                Err(error) if is_disconnect(&error) => {
                    self.await_end();
                    return Ok(());
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// With which the old process is told why this one gives up; `None` if there can be none.
    pub fn notifier(&self) -> Option<FailureNotifier> {
        self.stream.try_clone().ok().map(FailureNotifier)
    }

    /// Waits until the old process has ended: the end of the stream alone may come from a thread.
    fn await_end(&self) {
        let Some(pidfd) = &self.pidfd else { return };
        // At worst it is interrupted.
        while poll(&mut [PollFd::new(pidfd, PollFlags::IN)], None).is_err() {}
    }
}

//! The old process: it gives everything away, and takes it back when the new one fails.

use super::frame::Kind;
use super::freeze::{alone, freeze};
use super::pack::{pack, say_last_words};
use super::store::{become_next, is_first};
use super::stream::{self, Receiver};
use super::{OPEN_TIME_MAX, SILENCE_MAX, VERSION};
use crate::operator::is_end;
use crate::server::{ServerState, Stops, pending_signals};
use crate::systemd::notify;
use madang_engine::runtime::{Adopting, Frozen};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::net::sockopt;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, geteuid, pidfd_open, pidfd_send_signal, waitid,
};
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A process that was killed is gone within this, or the machine does not work.
const DEATH_TIME_MAX: Duration = Duration::from_secs(20);
/// How long one that has given up may take to say why.
const LAST_WORDS_TIME_MAX: Duration = Duration::from_millis(500);

/// What the new process asks for.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The version of the handover that it takes.
    pub version: u32,
    /// Whether it only shows that it can take over.
    pub is_trial: bool,
}

/// The new process, at the other end of the control socket.
struct NewProcess<'a> {
    stream: &'a UnixStream,
    pidfd: OwnedFd,
    pid: i32,
}

/// Why nothing was handed over the last time.
static REFUSAL: Mutex<Option<String>> = Mutex::new(None);

/// Takes why nothing was handed over the last time, if that was asked for since this was asked.
pub fn take_refusal() -> Option<String> {
    REFUSAL.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Hands the server over to the process at the other end of `stream`. Returns when that has failed, and
/// this process serves on. If it succeeds, this process ends; or, after a trial, becomes the next program.
pub fn give(stream: &UnixStream, request: Request, state: &ServerState, stops: &Stops) {
    let outcome = alone(|| try_give(stream, request, state, stops))
        .unwrap_or_else(|| Err("another process is already taking over".to_owned()));
    if let Err(reason) = outcome {
        *REFUSAL.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.clone());
        tracing::error!(%reason, "nothing was handed over: this process continues");
        // Whoever was killed hears no more.
        let _ = stream.set_write_timeout(Some(Duration::from_secs(1)));
        let _ = send_magic(stream).and_then(|()| stream::send(stream, Kind::Refused, reason.as_bytes(), &[]));
    }
}

fn send_magic(mut stream: &UnixStream) -> io::Result<()> {
    io::Write::write_all(&mut stream, stream::MAGIC)
}

fn try_give(
    stream: &UnixStream,
    Request { version, is_trial }: Request,
    state: &ServerState,
    stops: &Stops,
) -> Result<(), String> {
    if version != VERSION {
        return Err(format!(
            "the running server ({}) uses version {VERSION} of the handover, the new one version {version}: \
             restart instead",
            env!("CARGO_PKG_VERSION")
        ));
    }
    if is_first() && !is_trial {
        return Err(
            "the running server is the first process of its container, which would end with it: use \
                    `madang upgrade`, which replaces the program in the same process"
                .to_owned(),
        );
    }
    let new_process = NewProcess::identify(stream)?;
    if state.remote().is_none() {
        return Err("the running server is still opening its log; try again when it is ready".to_owned());
    }
    tracing::info!(process = new_process.pid, "handing over to a new process");
    let (mut frozen, thaw) = freeze(stops)?;
    let given = new_process.hand_over(&frozen, state);
    // Until this program ends, or goes on: signals that come now are for the next.
    let held = stops.hold();
    match given {
        // It waits for the shards to go on, and would be lost with this program.
        Ok(()) if held.is_coming() => {
            new_process.kill();
            let _ = thaw.send(frozen);
            Err("the running server was told to stop meanwhile, and is stopping".to_owned())
        }
        Ok(()) if is_trial => {
            new_process.kill();
            new_process.reap();
            let Err(error) = become_next(&mut frozen, state);
            let _ = thaw.send(frozen);
            Err(format!("the new program can take over, but this process cannot execute it: {error}"))
        }
        Ok(()) => {
            notify::handed_over(new_process.pid);
            // From here on the other process is the owner, whether it hears it or not.
            let told = stream::send(stream, Kind::Go, &[], &[]);
            let paused_ms = frozen.since.elapsed().as_millis() as u64;
            // Not before: whoever comes back at once is served, and nobody is sent away in vain.
            let ended = say_last_words(&mut frozen);
            state.stop_operator_listeners();
            tracing::info!(
                process = new_process.pid,
                paused_ms,
                ended,
                is_told = told.is_ok(),
                "handed over"
            );
            new_process.pass_on(&pending_signals::take_all());
            std::process::exit(0);
        }
        Err(error) => {
            if is_end(&error) {
                // It gives up by itself, and is saying why.
                new_process.ends_within(LAST_WORDS_TIME_MAX);
            }
            new_process.kill();
            // The shards wait for it.
            let _ = thaw.send(frozen);
            Err(format!("the new process did not start ({error})"))
        }
    }
}

impl NewProcess<'_> {
    fn identify(stream: &UnixStream) -> Result<NewProcess<'_>, String> {
        let elsewhere = "the new process cannot be watched: both must be in one process namespace";
        let peer = sockopt::socket_peercred(stream).map_err(|_| elsewhere.to_owned())?;
        if peer.uid != geteuid() {
            return Err(
                "only a process of the same user can take over: run it as the user that runs the server"
                    .into(),
            );
        }
        let pidfd = pidfd_open(peer.pid, PidfdFlags::empty()).map_err(|error| {
            format!("the new process cannot be watched: {error}; both must be in one process namespace")
        })?;
        if !is_of_this_service(peer.pid) {
            return Err(
                "the running server is a service of systemd, and the new process is not part of it: use \
                        `madang upgrade`"
                    .to_owned(),
            );
        }
        Ok(NewProcess { stream, pidfd, pid: Pid::as_raw(Some(peer.pid)) })
    }

    fn hand_over(&self, frozen: &Frozen, state: &ServerState) -> io::Result<()> {
        let connections = frozen.parts.iter().map(|part| part.image.connections.len()).sum();
        let deadline = Instant::now() + OPEN_TIME_MAX + Adopting::time_max(connections);
        self.stream.set_write_timeout(Some(SILENCE_MAX))?;
        send_magic(self.stream)?;
        let mut stream = self.stream;
        pack(frozen, state, true, &mut stream)?;
        let answer = Receiver::new(self.stream).next_before(deadline)?;
        if answer.kind == Kind::Ready { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    /// Makes sure that the other process does nothing more. Only then may this one go on.
    fn kill(&self) {
        // It may be dead already.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        assert!(
            self.ends_within(DEATH_TIME_MAX),
            "process {} cannot be killed: neither process may continue with two owners of one log",
            self.pid
        );
    }

    /// Passes on signals that this process was sent, and has not acted on.
    fn pass_on(&self, signals: &[nix::sys::signal::Signal]) {
        for signal in signals {
            if let Some(signal) = Signal::from_named_raw(*signal as i32) {
                // It is the server now, or nobody is.
                let _ = pidfd_send_signal(&self.pidfd, signal);
            }
        }
    }

    /// A trial is a child of this process, which goes on: nobody else would wait for it.
    fn reap(&self) {
        // It may be reaped already.
        let _ = waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED);
    }

    fn ends_within(&self, time_max: Duration) -> bool {
        let deadline = Instant::now() + time_max;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut waited = [PollFd::new(&self.pidfd, PollFlags::IN)];
            let timeout = Timespec::try_from(left).ok();
            match poll(&mut waited, timeout.as_ref()) {
                Ok(1..) => return true,
                Ok(0) if left.is_zero() => return false,
                _ => {}
            }
        }
    }
}

/// systemd takes no process of another control group for the main one of a service.
fn is_of_this_service(pid: Pid) -> bool {
    let group = |process: &str| std::fs::read(format!("/proc/{process}/cgroup")).ok();
    let is_same = || group("self") == group(&Pid::as_raw(Some(pid)).to_string());
    std::env::var_os("NOTIFY_SOCKET").is_none() || is_same()
}

//! The old process: it gives everything away, and takes it back if the new process fails.

use super::frame::Kind;
use super::pack::{pack, say_last_words};
use super::snapshot::{exclusively, snapshot_shards};
use super::store::{execute_next_program, is_first_process};
use super::stream::{self, Receiver};
use super::{OPEN_TIME_MAX, SILENCE_MAX, VERSION};
use crate::operator::is_disconnect;
use crate::server::{ServerState, Stops, pending_signals};
use crate::systemd::notify;
use madang_engine::runtime::{Adopting, Snapshotted};
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

/// How long a killed process may take to end; longer means that the machine is broken.
const DEATH_TIME_MAX: Duration = Duration::from_secs(20);
/// How long a new process that has given up may take to log the reason and end.
const EXIT_TIME_MAX: Duration = Duration::from_millis(500);

/// The request of the new process.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The version of the handover that it supports.
    pub version: u32,
    /// Whether it is a trial, which only shows that it can take over.
    pub is_trial: bool,
}

/// The new process, at the other end of the control socket.
struct NewProcess<'a> {
    stream: &'a UnixStream,
    pidfd: OwnedFd,
    pid: i32,
}

/// Why the last handover failed.
static REFUSAL: Mutex<Option<String>> = Mutex::new(None);

/// Takes the reason why the last handover failed, if one has failed since the last call.
pub fn take_refusal() -> Option<String> {
    REFUSAL.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Hands the server over to the process at the other end of `stream`. Returns only if that failed, and this process
/// continues. If it succeeds, this process ends; or, after a trial, executes the new program.
pub fn give(stream: &UnixStream, request: Request, state: &ServerState, stops: &Stops) {
    let outcome = exclusively(|| try_give(stream, request, state, stops))
        .unwrap_or_else(|| Err("another process is already taking over".to_owned()));
    if let Err(reason) = outcome {
        *REFUSAL.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.clone());
        tracing::error!(%reason, "nothing was handed over: this process continues");
        // A killed process does not receive it.
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
    if is_first_process() && !is_trial {
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
    let (mut snapshotted, give_back) = snapshot_shards(stops)?;
    let given = new_process.hand_over(&snapshotted, state);
    // Until this program ends or resumes: signals that arrive now are for the new one.
    let held = stops.hold();
    match given {
        // The stop waits for the shards to resume, and would be lost with this program.
        Ok(()) if held.is_coming() => {
            new_process.kill();
            let _ = give_back.send(snapshotted);
            Err("the running server was told to stop meanwhile, and is stopping".to_owned())
        }
        Ok(()) if is_trial => {
            new_process.kill();
            new_process.reap();
            let Err(error) = execute_next_program(&mut snapshotted, state);
            let _ = give_back.send(snapshotted);
            Err(format!("the new program can take over, but this process cannot execute it: {error}"))
        }
        Ok(()) => {
            notify::handed_over(new_process.pid);
            // From here on the new process is the owner, even if it does not receive the frame.
            let sent = stream::send(stream, Kind::Go, &[], &[]);
            let paused_ms = snapshotted.since.elapsed().as_millis() as u64;
            // Not before: clients that reconnect at once are served, and a failed upgrade disconnects nobody.
            let ended = say_last_words(&mut snapshotted);
            state.stop_operator_listeners();
            tracing::info!(
                process = new_process.pid,
                paused_ms,
                ended,
                is_told = sent.is_ok(),
                "handed over"
            );
            new_process.pass_on(&pending_signals::take_all());
            std::process::exit(0);
        }
        Err(error) => {
            if is_disconnect(&error) {
                // It has given up, and is logging the reason.
                new_process.ends_within(EXIT_TIME_MAX);
            }
            new_process.kill();
            // The shards wait for it.
            let _ = give_back.send(snapshotted);
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

    fn hand_over(&self, snapshotted: &Snapshotted, state: &ServerState) -> io::Result<()> {
        let connections = snapshotted.parts.iter().map(|part| part.image.connections.len()).sum();
        let deadline = Instant::now() + OPEN_TIME_MAX + Adopting::time_max(connections);
        self.stream.set_write_timeout(Some(SILENCE_MAX))?;
        send_magic(self.stream)?;
        let mut stream = self.stream;
        pack(snapshotted, state, true, &mut stream)?;
        let answer = Receiver::new(self.stream).next_before(deadline)?;
        if answer.kind == Kind::Ready { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    /// Kills the new process. Only after its end may this one resume.
    fn kill(&self) {
        // It may have ended already.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        assert!(
            self.ends_within(DEATH_TIME_MAX),
            "process {} cannot be killed: neither process may continue with two owners of one log",
            self.pid
        );
    }

    /// Forwards signals that this process has received and not handled.
    fn pass_on(&self, signals: &[nix::sys::signal::Signal]) {
        for signal in signals {
            if let Some(signal) = Signal::from_named_raw(*signal as i32) {
                // It is the server now, or there is none.
                let _ = pidfd_send_signal(&self.pidfd, signal);
            }
        }
    }

    /// A trial is a child of this process, which continues: nobody else would wait for it.
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

/// systemd does not accept a process of another control group as the main process of a service.
fn is_of_this_service(pid: Pid) -> bool {
    let group = |process: &str| std::fs::read(format!("/proc/{process}/cgroup")).ok();
    let is_same = || group("self") == group(&Pid::as_raw(Some(pid)).to_string());
    std::env::var_os("NOTIFY_SOCKET").is_none() || is_same()
}

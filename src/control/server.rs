//! The server's end of the control socket, on threads of its own that end with the process.

use super::answer::answer;
use super::peer::user_of;
use crate::handover;
use crate::operator::{Answer, Command, REQUEST_BYTES_MAX, socket_path};
use crate::server::{ServerState, Stops};
use rustix::fs::Mode;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What the socket is called until it is ready; no longer than its name, as paths of sockets are bounded.
const NEW_SOCKET_FILE: &str = "control.new";
/// Connections served at once; more wait in the listener's backlog.
const WORKERS: usize = 3;
/// A peer that says nothing, or reads nothing, for so long is let go.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// Requests of one connection.
const REQUESTS_MAX: usize = 100;
/// A worker that cannot accept waits so long before it tries again.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);
/// How long a new process may take to ask for everything, with all its checks.
const UPGRADE_TIME_MAX: Duration = Duration::from_secs(15);
/// How often it is looked whether it lives.
const UPGRADE_LOOK: Duration = Duration::from_millis(20);
/// Longer than a drain takes: its asker learns of the end by the end of the connection.
const DRAIN_MAX: Duration = Duration::from_secs(30);

/// Why there is no control socket.
#[derive(thiserror::Error, Debug)]
pub enum ControlError {
    /// The path.
    #[error("{0}")]
    Path(String),
    /// The system refuses.
    #[error("cannot listen on control socket '{}': {source}; make the data directory writable", path.display())]
    Listen {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// The socket, which is removed when this is dropped.
#[derive(Debug)]
pub struct ControlSocket(PathBuf);

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // Whoever finds it left behind finds that nobody listens.
        let _ = fs::remove_file(&self.0);
    }
}

/// Serves commands from now on. The data directory is ours: a socket that is there was left behind.
///
/// # Errors
/// [`ControlError`]; the server can do without.
pub fn start(data: &Path, state: &Arc<ServerState>, stops: &Stops) -> Result<ControlSocket, ControlError> {
    let path = socket_path(data).map_err(ControlError::Path)?;
    let failed = |source: io::Error| ControlError::Listen { path: path.clone(), source };
    // Beside it first: whoever asks finds the socket of the process before, or this one, and never none.
    let beside = path.with_file_name(NEW_SOCKET_FILE);
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(&beside).map_err(failed)?;
    // The directory lets nobody else in meanwhile.
    rustix::fs::chmod(&beside, Mode::RUSR | Mode::WUSR).map_err(|error| failed(error.into()))?;
    fs::rename(&beside, &path).map_err(failed)?;
    for _ in 0..WORKERS {
        let listener = listener.try_clone().map_err(failed)?;
        let (state, stops) = (Arc::clone(state), stops.clone());
        let work = move || {
            loop {
                match listener.accept() {
                    // What goes wrong with a connection is its peer's business.
                    Ok((stream, _)) => drop(serve(&stream, &state, &stops)),
                    Err(_) => std::thread::sleep(ACCEPT_RETRY),
                }
            }
        };
        std::thread::Builder::new().name("madang-control".into()).spawn(work).map_err(failed)?;
    }
    Ok(ControlSocket(path))
}

fn serve(stream: &UnixStream, state: &ServerState, stops: &Stops) -> io::Result<()> {
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    stream.set_write_timeout(Some(SILENCE_MAX))?;
    if !is_permitted(stream) {
        return send(
            stream,
            &Answer::Error("only the user that runs the server, and root, may use this socket".to_owned()),
        );
    }
    let mut reader = BufReader::new(stream);
    for _ in 0..REQUESTS_MAX {
        let mut line = Vec::new();
        let count = reader.by_ref().take(REQUEST_BYTES_MAX as u64).read_until(b'\n', &mut line)?;
        if count == 0 {
            return Ok(());
        }
        if line.last() != Some(&b'\n') && count == REQUEST_BYTES_MAX {
            let words = format!("the command has more than {REQUEST_BYTES_MAX} bytes; shorten it");
            return send(stream, &Answer::Error(words));
        }
        match serde_json::from_slice(&line) {
            Ok(Command::Takeover { version, is_trial }) => {
                handover::give(stream, handover::Request { version, is_trial }, state, stops);
                return Ok(());
            }
            Ok(Command::Upgrade) => return upgrade_alone(stream, state),
            _ => {}
        }
        let answer = answer(&line, state, stops);
        send(stream, &answer)?;
        if matches!(answer, Answer::Draining) {
            stream.set_read_timeout(Some(DRAIN_MAX))?;
            // The process ends, or the asker does.
            let _ = reader.read(&mut [0]);
            return Ok(());
        }
    }
    Ok(())
}

/// Whether somebody's upgrade is under way.
static IS_UPGRADING: AtomicBool = AtomicBool::new(false);

/// Carries out an upgrade unless one is under way: each waits in a worker, and the new process needs one, too.
fn upgrade_alone(stream: &UnixStream, state: &ServerState) -> io::Result<()> {
    if IS_UPGRADING.swap(true, Ordering::SeqCst) {
        return send(
            stream,
            &Answer::Error("an upgrade is already under way; wait until it ends".to_owned()),
        );
    }
    let done = upgrade(stream, state);
    IS_UPGRADING.store(false, Ordering::SeqCst);
    done
}

/// Starts a process that takes over, and waits until this one ends by that, or the other by a failure.
fn upgrade(stream: &UnixStream, state: &ServerState) -> io::Result<()> {
    let Some(launch) = state.launch() else {
        return send(stream, &Answer::Error("it is not known how this server was started".to_owned()));
    };
    // Before anything begins, so that whoever asks hears what is wrong.
    let rehearsed = handover::rehearse(Some(launch), UPGRADE_TIME_MAX);
    state.set_next_takes_signals(rehearsed == Ok(true));
    if let Err(reason) = rehearsed {
        let words = format!("{reason}. Nothing has changed; this server continues");
        // What stands against it is in the journal already, by the program itself.
        tracing::error!("upgrade refused: the new program would not start; this server continues");
        return send(stream, &Answer::Error(words));
    }
    let mut new_process = match handover::spawn_new_process(launch, handover::keeps_process()) {
        Ok(new_process) => new_process,
        Err(error) => {
            let program = launch.program().display();
            let words =
                format!("the new process cannot be started: '{program}': {error}; nothing has changed");
            return send(stream, &Answer::Error(words));
        }
    };
    tracing::info!(process = new_process.pid, "started a new process to take over");
    // Who asked may be gone; the upgrade goes on.
    let _ = send(stream, &Answer::Upgrading(new_process.pid));
    let _ = handover::take_refusal();
    let started = Instant::now();
    let mut is_late = false;
    loop {
        // A trial ends in the middle of it, and this process with this loop becomes another program.
        if handover::is_under_way() {
            std::thread::sleep(UPGRADE_LOOK);
            continue;
        }
        if let Some(how) = new_process.end()? {
            let end = if is_late {
                let seconds = UPGRADE_TIME_MAX.as_secs();
                format!("has not requested the handover within {seconds} s and was killed")
            } else {
                format!("has ended ({how})")
            };
            let words = match handover::take_refusal() {
                Some(reason) => format!("nothing was handed over: {reason}"),
                None => format!("the new process {end}, and this one continues; see its journal"),
            };
            tracing::error!("upgrade failed: {words}");
            return send(stream, &Answer::Error(words));
        }
        // A handover has bounds of its own, and kills it when it is late; after it, it is the server.
        if started.elapsed() > UPGRADE_TIME_MAX {
            is_late = true;
            handover::alone(|| new_process.kill()).transpose()?;
        }
        std::thread::sleep(UPGRADE_LOOK);
    }
}

fn send(mut stream: &UnixStream, answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    stream.write_all(&line)
}

/// The mode of the socket says the same; a file system may not keep it.
fn is_permitted(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    user_of(stream).is_some_and(|user| user == own || user == 0)
}

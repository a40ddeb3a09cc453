//! The server of the control socket, on its own threads, which end with the process.

use super::answer::answer;
use super::peer::user_of;
use crate::handover;
use crate::operator::{Answer, ControlCommand, REQUEST_BYTES_MAX, socket_path};
use crate::server::{ServerState, Stops};
use rustix::fs::Mode;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The name of the socket until it is ready; not longer than its final name, because socket paths are limited.
const NEW_SOCKET_FILE: &str = "control.new";
/// Connections served at once; more wait in the listener's backlog.
const WORKERS: usize = 3;
/// How long a peer may send nothing or read nothing.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// The maximum of requests on one connection.
const REQUESTS_MAX: usize = 100;
/// How long a worker that cannot accept waits before it tries again.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);
/// How long a new process may take until it requests the handover, with all its checks.
const UPGRADE_TIME_MAX: Duration = Duration::from_secs(15);
/// How often the new process is checked.
const UPGRADE_LOOK: Duration = Duration::from_millis(20);
/// How long a connection stays open during a drain: longer than the drain, so that its end shows the end of the
/// process.
const DRAIN_MAX: Duration = Duration::from_secs(30);

/// Why there is no control socket.
#[derive(thiserror::Error, Debug)]
pub enum ControlError {
    /// The path is too long.
    #[error("{0}")]
    Path(String),
    /// The system refuses.
    #[error("cannot listen on control socket '{}': {source}; make the data directory writable", path.display())]
    Listen {
        /// The socket.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
}

/// The socket; it is removed when this is dropped.
#[derive(Debug)]
pub struct ControlSocket(PathBuf);

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // If the file stays, nobody listens at it.
        let _ = fs::remove_file(&self.0);
    }
}

/// Starts to serve commands. The data directory is locked: an existing socket is a leftover.
///
/// # Errors
/// [`ControlError`]; the server can run without it.
pub fn start(data: &Path, state: &Arc<ServerState>, stops: &Stops) -> Result<ControlSocket, ControlError> {
    let path = socket_path(data).map_err(ControlError::Path)?;
    let failed = |source: io::Error| ControlError::Listen { path: path.clone(), source };
    // Under another name first: a client finds the socket of the old process or this one, and never none.
    let beside = path.with_file_name(NEW_SOCKET_FILE);
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(&beside).map_err(failed)?;
    // The directory is private meanwhile.
    rustix::fs::chmod(&beside, Mode::RUSR | Mode::WUSR).map_err(|error| failed(error.into()))?;
    fs::rename(&beside, &path).map_err(failed)?;
    for _ in 0..WORKERS {
        let listener = listener.try_clone().map_err(failed)?;
        let (state, stops) = (Arc::clone(state), stops.clone());
        let work = move || {
            loop {
                match listener.accept() {
                    // Errors of a connection concern only its peer.
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
    let mut peer_knows_erasures = false;
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
            Ok(ControlCommand::Introduce { knows }) => {
                peer_knows_erasures = knows.iter().any(|known| known == handover::ERASURES);
                send(stream, &Answer::Introduced)?;
                continue;
            }
            Ok(ControlCommand::Takeover { version, is_trial }) => {
                let request = handover::Request { version, is_trial, knows_erasures: peer_knows_erasures };
                handover::give(stream, request, state, stops);
                return Ok(());
            }
            Ok(ControlCommand::Upgrade) => return upgrade_exclusively(stream, state),
            _ => {}
        }
        let answer = answer(&line, state, stops);
        send(stream, &answer)?;
        if matches!(answer, Answer::Draining) {
            stream.set_read_timeout(Some(DRAIN_MAX))?;
            // Until the process or the client ends.
            let _ = reader.read(&mut [0]);
            return Ok(());
        }
    }
    Ok(())
}

/// Whether an upgrade is under way.
static IS_UPGRADING: AtomicBool = AtomicBool::new(false);

/// Runs an upgrade unless one is under way: each occupies a worker, and the new process needs one, too.
fn upgrade_exclusively(stream: &UnixStream, state: &ServerState) -> io::Result<()> {
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

/// Starts a process that takes over, and waits until this process ends because of it, or the new one fails.
fn upgrade(stream: &UnixStream, state: &ServerState) -> io::Result<()> {
    let Some(launch) = state.launch() else {
        return send(stream, &Answer::Error("it is not known how this server was started".to_owned()));
    };
    // Before anything begins, so that the client gets the reason.
    let rehearsed = handover::rehearse(Some(launch), UPGRADE_TIME_MAX);
    state.set_next_takes_signals(rehearsed == Ok(true));
    if let Err(reason) = rehearsed {
        let words = format!("{reason}. Nothing has changed; this server continues");
        // The new program has logged the reason already.
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
    // The client may be gone; the upgrade continues.
    let _ = send(stream, &Answer::Upgrading(new_process.pid));
    let _ = handover::take_refusal();
    let started = Instant::now();
    let mut is_late = false;
    loop {
        // A trial ends during the handover, and then this process executes the new program.
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
                Some(refusal) if refusal.is_explained => {
                    format!("nothing was handed over: {}", refusal.reason)
                }
                Some(refusal) => {
                    format!("nothing was handed over: {}{}", refusal.reason, last_words(&new_process))
                }
                None => format!("the new process {end}{}", last_words(&new_process)),
            };
            let words = format!("{words}. Nothing has changed; this server continues");
            tracing::error!("upgrade failed: {words}");
            return send(stream, &Answer::Error(words));
        }
        // A handover has its own time limits, and kills a late process; after it, the new process is the server.
        if started.elapsed() > UPGRADE_TIME_MAX {
            is_late = true;
            handover::exclusively(|| new_process.kill()).transpose()?;
        }
        std::thread::sleep(UPGRADE_LOOK);
    }
}

/// What the new process said last, behind a colon; or where that is.
fn last_words(new_process: &handover::Started) -> String {
    let said = new_process.last_words();
    said.map_or_else(|| "; the journal may say why".to_owned(), |words| format!(": {words}"))
}

fn send(mut stream: &UnixStream, answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    stream.write_all(&line)
}

/// The mode of the socket has the same effect, but some file systems do not store it.
fn is_permitted(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    user_of(stream).is_some_and(|user| user == own || user == 0)
}

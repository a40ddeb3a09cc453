//! The old process: it gives everything away, and takes it back if the new process fails.

use super::VERSION;
use super::frame::Kind;
use super::new_process::{NewProcess, Refusal};
use super::pack::say_last_words;
use super::snapshot::{exclusively, snapshot_shards};
use super::store::{execute_next_program, is_first_process};
use super::stream;
use crate::server::{ErasureDesk, ServerState, Stops, pending_signals};
use crate::systemd::notify;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The request of the new process.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The version of the handover that it supports.
    pub version: u32,
    /// Whether it is a trial, which only shows that it can take over.
    pub is_trial: bool,
    /// Whether it knows the list of erasures.
    pub knows_erasures: bool,
}

/// Why the last handover failed.
static REFUSAL: Mutex<Option<Refusal>> = Mutex::new(None);

/// Takes the reason why the last handover failed, if one has failed since the last call.
pub fn take_refusal() -> Option<Refusal> {
    REFUSAL.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Hands the server over to the process at the other end of `stream`. Returns only if that failed, and this process
/// continues. If it succeeds, this process ends; or, after a trial, executes the new program.
pub fn give(stream: &UnixStream, request: Request, state: &ServerState, stops: &Stops) {
    let attempt = || {
        let outcome = try_give(stream, request, state, stops);
        state.erasures().resume();
        outcome
    };
    let outcome = exclusively(attempt)
        .unwrap_or_else(|| Err("another process is already taking over".to_owned().into()));
    if let Err(refusal) = outcome {
        let reason = refusal.reason.clone();
        *REFUSAL.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal);
        tracing::error!(%reason, "nothing was handed over: this process continues");
        // A killed process does not receive it.
        let _ = stream.set_write_timeout(Some(Duration::from_secs(1)));
        let _ = stream::send_magic(stream)
            .and_then(|()| stream::send(stream, Kind::Refused, reason.as_bytes(), &[]));
    }
}

fn try_give(
    stream: &UnixStream,
    Request { version, is_trial, knows_erasures }: Request,
    state: &ServerState,
    stops: &Stops,
) -> Result<(), Refusal> {
    if version != VERSION {
        return Err(format!(
            "the running server ({}) uses version {VERSION} of the handover, the new one version {version}: \
             restart instead",
            crate::version::VERSION
        )
        .into());
    }
    if is_first_process() && !is_trial {
        return Err(
            "the running server is the first process of its container, which would end with it: use \
                    `madang upgrade`, which replaces the program in the same process"
                .to_owned()
                .into(),
        );
    }
    let new_process = NewProcess::identify(stream)?;
    if state.remote().is_none() {
        let words = "the running server is still opening its log; try again when it is ready";
        return Err(words.to_owned().into());
    }
    if !knows_erasures {
        pause_erasures(state.erasures())?;
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
            Err("the running server was told to stop meanwhile, and is stopping".to_owned().into())
        }
        Ok(()) if is_trial => {
            new_process.kill();
            new_process.reap();
            let Err(error) = execute_next_program(&mut snapshotted, state);
            let _ = give_back.send(snapshotted);
            Err(format!("the new program can take over, but this process cannot execute it: {error}").into())
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
        Err(failure) => {
            let refusal = new_process.refusal(failure);
            new_process.kill();
            // The shards wait for it.
            let _ = give_back.send(snapshotted);
            Err(refusal)
        }
    }
}

/// Has no messages to be erased while a program takes over that would show them.
fn pause_erasures(desk: &ErasureDesk) -> Result<(), Refusal> {
    desk.pause_requests().map_err(|pending| {
        let (requests, are) = if pending == 1 { ("request", "is") } else { ("requests", "are") };
        let words = format!(
            "{pending} {requests} to erase messages {are} not done yet, and the new program is of a release that does \
             not know of {}: it would show these messages again. Repeat `madang log erase` without --no-wait, which \
             returns when they are in no file any more; then try again",
            if pending == 1 { "it" } else { "them" }
        );
        words.into()
    })
}

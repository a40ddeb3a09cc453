//! The thread that takes what was said out of the files of the log, beside the shards.

mod deletions;

use deletions::Deletions;

use crate::server::{ErasureDesk, PendingErasures, ServerState};
use madang_engine::runtime::{Housekeeping, Remote, step_back};
use madang_log::{Fault, PassOptions, PassOutcome, PassStep, StdFiles, erase};
use std::fs::{File, TryLockError};
use std::io;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long to wait for something to do.
const LOOK: Duration = Duration::from_secs(60);
/// How long shards may take to finish their segments.
const FINISH_MAX: Duration = Duration::from_secs(10);
/// How long shards may take to hide what is to be erased: normally a turn. Whoever asks to erase waits for it, too.
const HIDE_MAX: Duration = Duration::from_secs(2);
/// When what a shard may show is hidden again.
const RETRY_HIDE: Duration = Duration::from_secs(1);
/// When a list that could not be opened is opened again.
const RETRY_LIST: Duration = Duration::from_secs(5);
const FINISH_ATTEMPTS: u32 = 10;
const FINISH_LOOK: Duration = Duration::from_millis(200);
/// The pause after each MiB: an appender beside it has its commits within 6 ms (docs/measurements/formats.md).
const PAUSE: Duration = Duration::from_millis(5);
/// How long a file that has lost its name may be read: readers close theirs once a second.
const READERS_MAX: Duration = Duration::from_millis(2_500);
/// When a pass is repeated that could not be done, or was not complete.
const RETRY: Duration = Duration::from_secs(5);
/// The same where a program reads an old file.
const RETRY_HELD: Duration = Duration::from_secs(30);
/// The same where a file cannot be read or written.
const RETRY_UNUSABLE: Duration = Duration::from_secs(30);
/// The same where a segment is damaged, which stays so until it is repaired.
const RETRY_DAMAGED: Duration = Duration::from_secs(3_600);
/// How often to look whether the old process of an upgrade has ended.
const OLD_PROCESS_LOOK: Duration = Duration::from_millis(100);

/// Starts the thread. This process owns the log for good.
///
/// # Errors
/// If there can be no more threads.
pub fn start(state: &Arc<ServerState>, remote: Remote) -> io::Result<()> {
    let state = Arc::clone(state);
    std::thread::Builder::new().name("madang-erase".into()).spawn(move || {
        step_back();
        let desk = state.erasures();
        while let Err(error) = desk.open() {
            tracing::error!("nothing is erased until this is mended: {error}");
            sleep(RETRY_LIST);
        }
        let mut finished_to = i64::MIN;
        let mut deletions = Deletions::default();
        loop {
            let time_max = deletions.look(&state, &remote);
            let is_due = desk.wait(time_max.min(LOOK));
            if !is_hidden(desk, &remote) {
                continue;
            }
            if is_due {
                let pending = desk.pending();
                let next = Instant::now() + work(&state, &remote, &pending, &mut finished_to);
                while !desk.pause(&pending, next.saturating_duration_since(Instant::now())) {
                    is_hidden(desk, &remote);
                }
            }
        }
    })?;
    Ok(())
}

/// Hides what a shard may show, and takes a pause where that fails. Whether nothing of it is shown.
fn is_hidden(desk: &ErasureDesk, remote: &Remote) -> bool {
    let is_hidden = !desk.is_shown() || desk.hide(|erasures| remote.hide(erasures, HIDE_MAX));
    if !is_hidden {
        tracing::warn!("a shard does not answer, so it may show what is to be erased; this is tried again");
        sleep(RETRY_HIDE);
    }
    is_hidden
}

/// Does what is to be done. Returns how long to wait before the next attempt. For requests up to `finished_to` the segments
/// that were open are finished.
fn work(
    state: &ServerState,
    remote: &Remote,
    PendingErasures { erasures, ids, .. }: &PendingErasures,
    finished_to: &mut i64,
) -> Duration {
    let desk = state.erasures();
    let last = ids.iter().copied().max().unwrap_or(i64::MIN);
    // The next segment may be in the making at this moment.
    let is_finished = last <= *finished_to
        || (0..FINISH_ATTEMPTS).any(|attempt| {
            sleep(if attempt == 0 { Duration::ZERO } else { FINISH_LOOK });
            remote.finish_segments(FINISH_MAX)
        });
    if is_finished {
        *finished_to = last.max(*finished_to);
    }
    let options = PassOptions { is_served: true, is_last_call: desk.is_late(), is_opened: false };
    let files = StdFiles::new(state.data());
    // Another process may still be at it that has handed over this log and is about to end.
    let lock = wait_for_lock(state);
    let mut pace = Pace { housekeeping: remote.housekeeping(), guard: None };
    pace.take();
    let passed = erase(&files, erasures, options, &mut |step| pace.step(step));
    drop(pace);
    drop(lock);
    let outcome = match passed {
        Ok(outcome) => outcome,
        Err(error) => {
            tracing::error!(%error, "what is to be erased is still there; this is tried again");
            desk.fail(0, error.to_string());
            return RETRY;
        }
    };
    if let Some((trouble, retry)) = trouble(&outcome, is_finished) {
        desk.fail(outcome.entries, trouble);
        return retry;
    }
    tracing::info!(
        requests = ids.len(),
        entries = outcome.entries,
        files = outcome.files,
        written_bytes = outcome.written_bytes,
        "erased: it is in no file any more"
    );
    if let Err(error) = desk.finish(ids, outcome.entries) {
        tracing::error!("what was erased is looked for again, as that cannot be noted: {error}");
        return RETRY;
    }
    // What is on disk is erased: nothing of it needs to be hidden.
    desk.hide(|erasures| remote.hide(erasures, HIDE_MAX));
    Duration::ZERO
}

/// Why a pass is to be repeated, and when.
fn trouble(outcome: &PassOutcome, is_finished: bool) -> Option<(String, Duration)> {
    if let Some(fault) = outcome.faults.first() {
        tracing::error!(%fault, faults = outcome.faults.len(), "what is damaged may hold what is to be erased");
        if outcome.faults.iter().any(Fault::is_unusable) {
            return Some((fault.to_string(), RETRY_UNUSABLE));
        }
        return Some((format!("{fault}; repair the log, or restore the file"), RETRY_DAMAGED));
    }
    if let Some(open) = outcome.open.iter().find(|open| open.is_followed) {
        let path = open.path.display();
        tracing::error!(file = %path, "a segment without a seal may hold what is to be erased");
        let words = format!("'{path}' ends without a seal, though a later segment was begun");
        return Some((format!("{words}; repair the log, or restore the file"), RETRY_DAMAGED));
    }
    if !is_finished || !outcome.open.is_empty() {
        return Some(("a segment that it is in cannot be finished yet".to_owned(), RETRY));
    }
    if outcome.held > 0 {
        let words = "a backup or an export still reads an old file that holds it";
        tracing::info!(files = outcome.held, "{words}");
        return Some((words.to_owned(), RETRY_HELD));
    }
    None
}

fn wait_for_lock(state: &ServerState) -> Option<File> {
    let directory = File::open(state.data()).ok()?;
    loop {
        match directory.try_lock() {
            Ok(()) => return Some(directory),
            Err(TryLockError::WouldBlock) => sleep(OLD_PROCESS_LOOK),
            // Where there are no locks, the old process has ended by now but for unlucky moments.
            Err(TryLockError::Error(_)) => return None,
        }
    }
}

/// Pauses a pass, and lets others at the log meanwhile.
struct Pace<'a> {
    housekeeping: &'a Housekeeping,
    guard: Option<MutexGuard<'a, ()>>,
}

impl Pace<'_> {
    fn take(&mut self) {
        self.guard = Some(self.housekeeping.alone.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn step(&mut self, step: PassStep) {
        self.guard = None;
        sleep(match step {
            PassStep::Read(_) | PassStep::Wrote(_) => PAUSE,
            PassStep::ReadersMayHaveIt => READERS_MAX,
        });
        self.take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use madang_log::UnfinishedSegment;

    #[test]
    fn a_segment_that_nobody_finishes_is_named_and_not_tried_again_at_once() {
        let open = |is_followed| UnfinishedSegment { path: "/log/7.seg".into(), is_followed };
        let outcome = |open: Vec<UnfinishedSegment>| PassOutcome { open, ..PassOutcome::default() };
        assert_eq!(trouble(&outcome(Vec::new()), true), None);
        let (words, retry) = trouble(&outcome(vec![open(false)]), true).expect("it is not erased");
        assert_eq!((words.contains("cannot be finished yet"), retry), (true, RETRY));
        let found = trouble(&outcome(vec![open(false), open(true)]), true);
        let (words, retry) = found.expect("it is not erased");
        assert_eq!(retry, RETRY_DAMAGED);
        assert!(words.contains("'/log/7.seg' ends without a seal") && words.contains("repair"), "{words}");
    }
}

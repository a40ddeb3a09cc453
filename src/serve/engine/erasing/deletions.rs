//! What authors have deleted is to be erased. Nothing is queued for that: the log has every deletion, shards count them, and
//! the log is looked through when the count has changed, and at a start, as the process before may have found no time to.

use crate::server::{ServerState, wall_time};
use madang_engine::runtime::Remote;
use madang_log::{DeletionSearch, StdFiles};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A look stops when it has so many: the list is synced every 4 KiB, and nobody else can ask meanwhile.
const COUNT_MAX: usize = 8_192;
/// The pause after each file that was looked at.
const PAUSE: Duration = Duration::from_micros(200);
/// When to look that could not be done now.
const RETRY: Duration = Duration::from_secs(1);
/// The same where a file cannot be read or written.
const RETRY_FAILED: Duration = Duration::from_secs(60);

/// Which deletions the list of erasures has.
#[derive(Debug, Default)]
pub struct Deletions {
    search: DeletionSearch,
    next_look: Option<Instant>,
}

impl Deletions {
    /// Asks to erase what was deleted since the last look, if it is time for one. Returns when to try again at the latest.
    pub fn look(&mut self, state: &ServerState, remote: &Remote) -> Duration {
        let desk = state.erasures();
        if !remote.is_running() {
            // Another process may be given the log, and then its list of erasures.
            return RETRY;
        }
        // Before the look: what is counted can be read.
        let count = remote.deletions();
        let early = self.next_look.and_then(|at| at.checked_duration_since(Instant::now()));
        if early.is_some() || !self.search.is_due(count) {
            return early.unwrap_or_else(|| desk.look_time());
        }
        match self.look_now(state, remote, count) {
            Ok(is_complete) => {
                // What is not complete is continued soon, and is bundled none the less.
                self.next_look = is_complete.then(|| Instant::now() + desk.look_time());
                if is_complete { desk.look_time() } else { RETRY }
            }
            Err(error) => {
                tracing::error!("what was deleted is not erased yet; this is tried again: {error}");
                desk.fail(0, error);
                self.next_look = Some(Instant::now() + RETRY_FAILED);
                RETRY_FAILED
            }
        }
    }

    /// Whether all that was deleted is asked for.
    fn look_now(&mut self, state: &ServerState, remote: &Remote, count: u64) -> Result<bool, String> {
        let desk = state.erasures();
        let Some(asked) = desk.asked() else { return Ok(false) };
        let files = StdFiles::new(state.data());
        let pause = &mut || sleep(PAUSE);
        let found = self.search.look(&files, &asked, wall_time(), COUNT_MAX, pause);
        let mut found = found.map_err(|error| error.to_string())?;
        if !found.rules.is_empty() {
            if !remote.is_running() {
                return Ok(false);
            }
            tracing::info!(requests = found.rules.len(), "what was deleted is to be erased");
            desk.ask_deleted(std::mem::take(&mut found.rules), found.since)?;
        }
        self.search.asked(&found, count);
        Ok(found.is_complete)
    }
}

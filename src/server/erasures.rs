//! What is to be erased while the server runs: who asks for it, what is still to be done, and how far that is.

use madang_log::{ErasureList, ErasureRule, Erasures, StdFiles};
use madang_model::Timestamp;
use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How soon something is to be erased.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Urgency {
    /// At once.
    Now,
    /// Together with others, within `log.erase_hours`.
    InTime,
}

/// What is known of one request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ErasureProgress {
    /// Whether it is in no file any more.
    pub is_done: bool,
    /// How many entries the server has erased since it asked.
    pub entries: u64,
    /// Why the last attempt was not the last.
    pub trouble: Option<String>,
}

/// What metrics show.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ErasureFigures {
    /// Requests that are not done.
    pub pending: u64,
    /// Requests that were done since the start.
    pub done: u64,
    /// Entries that were erased since the start.
    pub entries: u64,
    /// Attempts that failed, or left something, since the start.
    pub failures: u64,
    /// For how long the oldest of those that are not done waits.
    pub oldest: Duration,
}

/// The one place where erasures are asked for, by any thread.
#[derive(Debug)]
pub struct ErasureDesk {
    files: StdFiles,
    state: Mutex<DeskState>,
    changed: Condvar,
    /// `log.erase_hours`, in seconds.
    time_max_seconds: AtomicU64,
    done: AtomicU64,
    entries: AtomicU64,
    failures: AtomicU64,
}

#[derive(Debug, Default)]
struct DeskState {
    /// `None` while it is not known: before this process owns the log, and if it cannot be read.
    list: Option<ErasureList>,
    /// The requests that do not wait for others.
    urgent: HashSet<i64>,
    trouble: Option<String>,
}

impl ErasureDesk {
    /// For the log in this data directory. Nothing is read yet.
    pub fn new(data: &Path) -> ErasureDesk {
        ErasureDesk {
            files: StdFiles::new(data),
            state: Mutex::default(),
            changed: Condvar::new(),
            time_max_seconds: AtomicU64::new(0),
            done: AtomicU64::new(0),
            entries: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, DeskState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on deletions are to be in no file within this time.
    pub fn set_time_max(&self, time_max: Duration) {
        self.time_max_seconds.store(time_max.as_secs(), Ordering::Relaxed);
    }

    /// Reads what earlier processes left. Nothing is written.
    ///
    /// # Errors
    /// A sentence, if the list cannot be read.
    pub fn read(&self) -> Result<Arc<Erasures>, String> {
        let list = ErasureList::read(&self.files).map_err(|error| error.to_string())?;
        Ok(Arc::new(list.pending_erasures()))
    }

    /// This process owns the log from now on. What an earlier one left is written again: what was read may be in memory
    /// only.
    ///
    /// # Errors
    /// A sentence, if the list cannot be used.
    pub fn open(&self) -> Result<(), String> {
        let mut list = ErasureList::read(&self.files).map_err(|error| error.to_string())?;
        if list.log().is_none() || !list.entries().is_empty() {
            // Backups of this log name it from now on.
            list.name_log(now());
            list.write(&self.files).map_err(|error| error.to_string())?;
        }
        let state = &mut *self.lock();
        state.urgent = list.pending().map(|entry| entry.id).collect();
        state.list = Some(list);
        self.changed.notify_all();
        Ok(())
    }

    /// Remembers that this is to be erased, as far as it was said until then. Returns the ids of the requests. From then on
    /// it is done, whatever happens.
    ///
    /// # Errors
    /// A sentence, if it cannot be remembered.
    pub fn ask(
        &self,
        rules: Vec<ErasureRule>,
        until: Timestamp,
        urgency: Urgency,
    ) -> Result<Vec<i64>, String> {
        let state = &mut *self.lock();
        let list = state.list.as_mut().ok_or_else(|| {
            "the server cannot erase anything now: it is starting, or it cannot read its list of erasures (see its \
             journal)"
                .to_owned()
        })?;
        let ids = list.ask(&self.files, rules, until, now()).map_err(|error| error.to_string())?;
        state.urgent.extend(ids.iter().filter(|_| urgency == Urgency::Now));
        state.trouble = None;
        self.changed.notify_all();
        Ok(ids)
    }

    /// What is not done, with the ids of the requests.
    pub fn pending(&self) -> (Arc<Erasures>, Vec<i64>) {
        let state = self.lock();
        let Some(list) = &state.list else { return (Arc::default(), Vec::new()) };
        (Arc::new(list.pending_erasures()), list.pending().map(|entry| entry.id).collect())
    }

    /// Waits until something is to be done, at most for `time_max`. Whether it is.
    pub fn wait(&self, time_max: Duration) -> bool {
        let deadline = Instant::now() + time_max;
        let mut state = self.lock();
        loop {
            if self.is_due(&state) {
                return true;
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return false };
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Half of the time is for waiting for more, as each pass writes whole segments; the other half is for the pass.
    fn is_due(&self, state: &DeskState) -> bool {
        let Some(oldest) = oldest(state) else { return false };
        !state.urgent.is_empty() || oldest.as_secs() >= self.time_max_seconds.load(Ordering::Relaxed) / 2
    }

    /// Whether the time of the oldest request is over.
    pub fn is_late(&self) -> bool {
        oldest(&self.lock())
            .is_some_and(|oldest| oldest.as_secs() >= self.time_max_seconds.load(Ordering::Relaxed))
    }

    /// A pass has erased so many entries, and these requests are done.
    ///
    /// # Errors
    /// A sentence, if that cannot be remembered: then they count as not done.
    pub fn finish(&self, ids: &[i64], entries: u64) -> Result<(), String> {
        self.entries.fetch_add(entries, Ordering::Relaxed);
        let state = &mut *self.lock();
        let Some(list) = state.list.as_mut() else { return Ok(()) };
        list.done(&self.files, ids, now()).map_err(|error| error.to_string())?;
        self.done.fetch_add(ids.len() as u64, Ordering::Relaxed);
        ids.iter().for_each(|id| {
            state.urgent.remove(id);
        });
        state.trouble = None;
        Ok(())
    }

    /// A pass has failed or left something, and is repeated.
    pub fn fail(&self, entries: u64, trouble: String) {
        self.entries.fetch_add(entries, Ordering::Relaxed);
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.lock().trouble = Some(trouble);
    }

    /// How far a request is.
    pub fn progress(&self, id: i64) -> ErasureProgress {
        let state = self.lock();
        let is_pending = state.list.as_ref().is_some_and(|list| list.pending().any(|entry| entry.id == id));
        let entries = self.entries.load(Ordering::Relaxed);
        ErasureProgress { is_done: !is_pending, entries, trouble: state.trouble.clone() }
    }

    /// All numbers.
    pub fn figures(&self) -> ErasureFigures {
        let state = self.lock();
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        ErasureFigures {
            pending: state.list.as_ref().map_or(0, |list| list.pending().count() as u64),
            done: read(&self.done),
            entries: read(&self.entries),
            failures: read(&self.failures),
            oldest: oldest(&state).unwrap_or_default(),
        }
    }
}

/// How long the oldest request waits.
fn oldest(state: &DeskState) -> Option<Duration> {
    let oldest = state.list.as_ref()?.pending().next()?;
    Some(Duration::from_micros(u64::try_from(now().0.saturating_sub(oldest.id)).unwrap_or(0)))
}

/// The time by the clock of the machine.
fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use madang_model::{RoomName, Seq};

    fn rules(count: u64) -> Vec<ErasureRule> {
        let room = RoomName::parse("방").expect("a room");
        (1..=count)
            .map(Seq)
            .map(|seq| ErasureRule::Entries { room: room.clone(), first: seq, last: seq })
            .collect()
    }

    #[test]
    fn what_was_asked_for_is_remembered_by_the_next_process_until_it_is_done() {
        let data = tempfile::tempdir().expect("a directory");
        let desk = ErasureDesk::new(data.path());
        desk.set_time_max(Duration::from_secs(3_600));
        assert!(desk.ask(rules(1), now(), Urgency::Now).is_err(), "the log is another process's yet");
        desk.open().expect("there is no list");
        let ids = desk.ask(rules(2), now(), Urgency::InTime).expect("space");
        assert!(!desk.wait(Duration::ZERO), "there is time for more");
        let other = ErasureDesk::new(data.path());
        assert!(!other.read().expect("a list").is_empty());
        other.set_time_max(Duration::from_secs(3_600));
        other.open().expect("a list");
        assert!(other.wait(Duration::ZERO), "the next start does at once what the last process left");
        assert_eq!(other.pending().1, ids);
        other.finish(&ids[..1], 7).expect("space");
        assert!(other.progress(ids[0]).is_done && !other.progress(ids[1]).is_done);
        let figures = other.figures();
        assert_eq!((figures.pending, figures.done, figures.entries), (1, 1, 7));
        other.finish(&ids, 0).expect("space");
        assert!(!other.wait(Duration::ZERO) && other.pending().0.is_empty());
        assert!(ErasureDesk::new(data.path()).read().expect("a list").is_empty());
    }

    #[test]
    fn what_is_urgent_does_not_wait_and_nothing_waits_longer_than_half_of_its_time() {
        let data = tempfile::tempdir().expect("a directory");
        let desk = ErasureDesk::new(data.path());
        desk.set_time_max(Duration::from_secs(3_600));
        desk.open().expect("there is no list");
        desk.ask(rules(1), now(), Urgency::InTime).expect("space");
        assert!(!desk.wait(Duration::ZERO) && !desk.is_late());
        desk.set_time_max(Duration::ZERO);
        assert!(desk.wait(Duration::ZERO) && desk.is_late());
        desk.set_time_max(Duration::from_secs(3_600));
        desk.ask(rules(1), now(), Urgency::Now).expect("space");
        assert!(desk.wait(Duration::ZERO));
    }
}

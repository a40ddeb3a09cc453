//! What is to be erased while the server runs: who asks for it, what is still to be done, and how far that is.

use super::clock::wall_time;
use madang_log::{
    ERASURES_FILE, ErasureList, ErasureListError, ErasureRule, Erasures, FoundDeletions, StdFiles,
};
use madang_model::Timestamp;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A pass begins early when so many requests wait.
const BUNDLE_MAX: usize = 65_536;
/// While more requests wait, deletions are not looked for: the log has them.
const PENDING_MAX: usize = 1_000_000;
/// How often deletions are looked for within `log.erase_hours`.
const LOOKS: u32 = 288;
const LOOK_MIN: Duration = Duration::from_secs(1);
const LOOK_MAX: Duration = Duration::from_secs(300);

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

/// What earlier processes were to erase is not known.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the list of erasures '{}': {source}; without it, what must not be seen would be shown", path.display())]
pub struct UnreadableErasures {
    path: PathBuf,
    #[source]
    source: ErasureListError,
}

/// The one place where erasures are asked for, by any thread.
#[derive(Debug)]
pub struct ErasureDesk {
    path: PathBuf,
    files: StdFiles,
    /// Whoever has it may be writing the file, which takes long on a slow disk. It is taken before `state`, never behind it.
    list: Mutex<DeskList>,
    state: Mutex<DeskState>,
    /// One thread at a time hides what is to be erased: an older set must not take the place of a newer one.
    hiding: Mutex<()>,
    changed: Condvar,
    /// `log.erase_hours`, in seconds.
    time_max_seconds: AtomicU64,
    done: AtomicU64,
    entries: AtomicU64,
    failures: AtomicU64,
}

#[derive(Debug, Default)]
struct DeskList {
    /// As it was read last.
    list: ErasureList,
    /// Whether this process owns the log, and wrote the list last.
    is_own: bool,
    /// Whether nothing is accepted, as a program may take over that does not know the list.
    is_paused: bool,
}

impl DeskList {
    fn own(&mut self) -> Option<&mut ErasureList> {
        (self.is_own && !self.is_paused).then_some(&mut self.list)
    }
}

/// What is known without the list. Nobody keeps it for long.
#[derive(Debug, Default)]
struct DeskState {
    /// Whether this process owns the log, and knows what its list has.
    is_own: bool,
    /// The requests that are not done, and since when each waits, as far as this process knows.
    waiting: HashMap<i64, Timestamp>,
    /// Since when the oldest of them waits.
    oldest: Option<Timestamp>,
    /// The requests that do not wait for others.
    urgent: HashSet<i64>,
    /// How often something urgent was asked for.
    urgent_asked: u64,
    /// Whether a shard may show what is to be erased.
    is_shown: bool,
    /// Whether deletions alone hide what was asked for last: a page that is read during a pass needs more.
    is_hidden_by_deletions: bool,
    trouble: Option<String>,
}

impl DeskState {
    /// Takes over what a list has that is not done.
    fn take(&mut self, list: &ErasureList) {
        let (now, before) = (wall_time(), std::mem::take(&mut self.waiting));
        let since = |id| before.get(&id).copied().unwrap_or(waits_since(id, now));
        self.waiting = list.pending().map(|entry| (entry.id, since(entry.id))).collect();
        self.oldest = self.waiting.values().copied().min();
    }

    fn add(&mut self, ids: &[i64]) {
        let now = wall_time();
        self.waiting.extend(ids.iter().map(|id| (*id, waits_since(*id, now))));
        self.oldest = self.oldest.into_iter().chain(ids.iter().map(|id| waits_since(*id, now))).min();
    }

    fn remove(&mut self, ids: &[i64]) {
        for id in ids {
            self.waiting.remove(id);
            self.urgent.remove(id);
        }
        self.oldest = self.waiting.values().copied().min();
    }
}

/// When it was asked for. The clock may have been ahead then, or at an earlier request: that is not known, so that it counts
/// from when it was first seen.
fn waits_since(id: i64, now: Timestamp) -> Timestamp {
    Timestamp(id.min(now.0))
}

/// What is to be done, at one moment.
#[derive(Debug)]
pub struct PendingErasures {
    /// What.
    pub erasures: Arc<Erasures>,
    /// The ids of the requests.
    pub ids: Vec<i64>,
    /// How often something urgent had been asked for.
    urgent_asked: u64,
}

impl ErasureDesk {
    /// For the log in this data directory. Nothing is read yet.
    pub fn new(data: &Path) -> ErasureDesk {
        ErasureDesk {
            path: data.join(ERASURES_FILE),
            files: StdFiles::new(data),
            list: Mutex::default(),
            state: Mutex::default(),
            hiding: Mutex::default(),
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

    fn lock_list(&self) -> MutexGuard<'_, DeskList> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on deletions are to be in no file within this time.
    pub fn set_time_max(&self, time_max: Duration) {
        self.time_max_seconds.store(time_max.as_secs(), Ordering::Relaxed);
    }

    /// Reads what earlier processes left. Nothing is written.
    ///
    /// # Errors
    /// When the list cannot be read: whoever serves the log without it shows what it must not.
    pub fn read(&self) -> Result<Arc<Erasures>, UnreadableErasures> {
        let list = ErasureList::read(&self.files);
        let list = list.map_err(|source| UnreadableErasures { path: self.path.clone(), source })?;
        let known = &mut *self.lock_list();
        known.list = list;
        self.lock().take(&known.list);
        Ok(Arc::new(known.list.pending_erasures()))
    }

    /// This process owns the log from now on. What an earlier one left is written again: what was read may be in memory
    /// only.
    ///
    /// # Errors
    /// A sentence, if the list cannot be used: nothing is erased until it can be.
    pub fn open(&self) -> Result<(), String> {
        let opened = self.try_open();
        if let Err(error) = &opened {
            self.fail(0, error.clone());
        }
        opened
    }

    fn try_open(&self) -> Result<(), String> {
        let known = &mut *self.lock_list();
        let list = ErasureList::read(&self.files);
        let mut list = list.map_err(|error| format!("cannot use '{}': {error}", self.path.display()))?;
        if list.log().is_none() || !list.entries().is_empty() {
            // Backups of this log name it from now on.
            list.name_log(wall_time());
            list.write(&self.files).map_err(|error| error.to_string())?;
        }
        let state = &mut *self.lock();
        state.urgent = list.pending().map(|entry| entry.id).collect();
        // The process before may have been asked since it was read.
        state.is_shown = !state.urgent.is_empty();
        state.take(&list);
        (state.is_own, state.trouble) = (true, None);
        (known.list, known.is_own) = (list, true);
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
        let known = &mut *self.lock_list();
        let list = known.own().ok_or_else(|| {
            "the server cannot erase anything now: it is starting, an older program takes over from it, or it cannot \
             read its list of erasures (see its journal)"
                .to_owned()
        })?;
        let ids = list.ask(&self.files, rules, until, wall_time()).map_err(|error| error.to_string())?;
        let state = &mut *self.lock();
        state.add(&ids);
        state.is_shown = true;
        if urgency == Urgency::Now {
            state.urgent.extend(&ids);
            state.urgent_asked += 1;
        }
        self.changed.notify_all();
        Ok(ids)
    }

    /// The same of messages that their authors have deleted within this time: nobody is shown them any more, and shards hear
    /// of it before a pass. Where a quarter of the time is over already, as no server ran, they do not wait for others.
    ///
    /// # Errors
    /// A sentence, if it cannot be remembered.
    pub fn ask_deleted(&self, rules: Vec<ErasureRule>, since: Timestamp) -> Result<(), String> {
        let now = wall_time();
        let age_seconds = now.0.saturating_sub(since.0) / 1_000_000;
        let is_old =
            u64::try_from(age_seconds).unwrap_or(0) >= self.time_max_seconds.load(Ordering::Relaxed) / 4;
        let known = &mut *self.lock_list();
        let list = known.own().ok_or_else(|| "the list of erasures is not open".to_owned())?;
        let ids =
            list.ask(&self.files, rules, FoundDeletions::UNTIL, now).map_err(|error| error.to_string())?;
        let state = &mut *self.lock();
        state.add(&ids);
        state.is_hidden_by_deletions = true;
        if is_old {
            state.urgent.extend(&ids);
            state.urgent_asked += 1;
        }
        Ok(())
    }

    /// Everything that was ever asked for and is remembered; `None` while so much waits that nothing is to be added.
    pub fn asked(&self) -> Option<Erasures> {
        let known = self.lock_list();
        let is_full = self.lock().waiting.len() >= PENDING_MAX;
        (!is_full).then(|| known.list.asked_erasures())
    }

    /// From now on nothing is accepted, until [`resume`](ErasureDesk::resume): a program may take over that does not know
    /// the list.
    ///
    /// # Errors
    /// How many requests are not done: such a program would show what they hide. Then nothing has changed.
    pub fn pause_requests(&self) -> Result<(), usize> {
        let known = &mut *self.lock_list();
        let pending = match known.is_own {
            true => known.list.pending().count(),
            // The process before may have been asked since the list was read.
            false => ErasureList::read(&self.files).map_or(1, |list| list.pending().count()),
        };
        if pending > 0 {
            return Err(pending);
        }
        known.is_paused = true;
        Ok(())
    }

    /// Requests are accepted again.
    pub fn resume(&self) {
        self.lock_list().is_paused = false;
    }

    /// How long deletions may wait until they are looked for: a small part of their time.
    pub fn look_time(&self) -> Duration {
        let time_max = Duration::from_secs(self.time_max_seconds.load(Ordering::Relaxed));
        (time_max / LOOKS).clamp(LOOK_MIN, LOOK_MAX)
    }

    /// Hides what is not done by `hide`, which returns whether all shards do. Whether that is so.
    pub fn hide(&self, hide: impl FnOnce(&Arc<Erasures>) -> bool) -> bool {
        let _alone = self.hiding.lock().unwrap_or_else(PoisonError::into_inner);
        self.lock().is_shown = false;
        let is_hidden = hide(&self.pending().erasures);
        // What was asked for meanwhile waits for its turn to be hidden.
        self.lock().is_shown |= !is_hidden;
        is_hidden
    }

    /// Whether a shard may show what is to be erased: [`hide`](ErasureDesk::hide) it again.
    pub fn is_shown(&self) -> bool {
        self.lock().is_shown
    }

    /// What is not done.
    pub fn pending(&self) -> PendingErasures {
        let known = self.lock_list();
        PendingErasures {
            erasures: Arc::new(known.list.pending_erasures()),
            ids: known.list.pending().map(|entry| entry.id).collect(),
            urgent_asked: self.lock().urgent_asked,
        }
    }

    /// Waits until something is to be done or hidden, at most for `time_max`. Whether something is to be done.
    pub fn wait(&self, time_max: Duration) -> bool {
        self.wait_until(time_max, |state| state.is_shown || self.is_due(state));
        let state = &mut *self.lock();
        let is_due = self.is_due(state);
        state.is_shown |= is_due && std::mem::take(&mut state.is_hidden_by_deletions);
        is_due
    }

    /// Waits before another attempt, for `time_max`, or until something is to be hidden, or something urgent is asked for that
    /// the last attempt did not know. Whether another attempt is to be made.
    pub fn pause(&self, after: &PendingErasures, time_max: Duration) -> bool {
        let is_new = |state: &DeskState| state.urgent_asked != after.urgent_asked;
        let is_early = self.wait_until(time_max, |state| state.is_shown || is_new(state));
        !is_early || is_new(&self.lock())
    }

    fn wait_until(&self, time_max: Duration, is_it: impl Fn(&DeskState) -> bool) -> bool {
        let deadline = Instant::now() + time_max;
        let mut state = self.lock();
        loop {
            if is_it(&state) {
                return true;
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return false };
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Half of the time is for waiting for more, as each pass writes whole segments; the other half is for the pass.
    fn is_due(&self, state: &DeskState) -> bool {
        let Some(oldest) = oldest(state).filter(|_| state.is_own) else { return false };
        !state.urgent.is_empty()
            || oldest.as_secs() >= self.time_max_seconds.load(Ordering::Relaxed) / 2
            || state.waiting.len() >= BUNDLE_MAX
    }

    /// Whether the time of the oldest request is over, and of what was deleted before it was found.
    pub fn is_late(&self) -> bool {
        let time_max = Duration::from_secs(self.time_max_seconds.load(Ordering::Relaxed));
        oldest(&self.lock()).is_some_and(|oldest| oldest + self.look_time() >= time_max)
    }

    /// A pass has erased so many entries, and these requests are done.
    ///
    /// # Errors
    /// A sentence, if that cannot be remembered: then they count as not done.
    pub fn finish(&self, ids: &[i64], entries: u64) -> Result<(), String> {
        self.entries.fetch_add(entries, Ordering::Relaxed);
        let known = &mut *self.lock_list();
        let Some(list) = known.own() else { return Ok(()) };
        list.done(&self.files, ids, wall_time()).map_err(|error| error.to_string())?;
        self.done.fetch_add(ids.len() as u64, Ordering::Relaxed);
        let state = &mut *self.lock();
        state.remove(ids);
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
        let is_pending = state.waiting.contains_key(&id);
        let starting = || "the server is starting, and has not opened its list of erasures yet".to_owned();
        let trouble = state.trouble.clone().or_else(|| (!state.is_own).then(starting));
        ErasureProgress { is_done: state.is_own && !is_pending, trouble }
    }

    /// All numbers.
    pub fn figures(&self) -> ErasureFigures {
        let state = self.lock();
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        ErasureFigures {
            pending: state.waiting.len() as u64,
            done: read(&self.done),
            entries: read(&self.entries),
            failures: read(&self.failures),
            oldest: oldest(&state).unwrap_or_default(),
        }
    }
}

/// How long the oldest request waits.
fn oldest(state: &DeskState) -> Option<Duration> {
    let since = state.oldest?;
    Some(Duration::from_micros(u64::try_from(wall_time().0.saturating_sub(since.0)).unwrap_or(0)))
}

#[cfg(test)]
mod tests;

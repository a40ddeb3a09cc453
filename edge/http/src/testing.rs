//! For tests: a core that only remembers what it was told.

use crate::core::{AccountEvents, AccountState, Acknowledged, CoreAway, Ended};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// What the core was told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    /// Sessions of an account ended.
    Ended(i64, Ended),
    /// An account has another state.
    Changed(AccountState),
}

/// A core that remembers what it was told, in order.
#[derive(Debug, Default)]
pub struct RecordingCore {
    told: Mutex<Vec<Told>>,
    is_away: AtomicBool,
}

impl RecordingCore {
    /// What it was told since this was asked last.
    pub fn take(&self) -> Vec<Told> {
        std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on it cannot be reached, or can again.
    pub fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::Relaxed);
    }

    fn tell(&self, told: Told) -> Acknowledged<'_> {
        Box::pin(async move {
            if self.is_away.load(Ordering::Relaxed) {
                return Err(CoreAway);
            }
            self.told.lock().unwrap_or_else(PoisonError::into_inner).push(told);
            Ok(())
        })
    }
}

impl AccountEvents for RecordingCore {
    fn end_sessions(&self, account: i64, ended: Ended) -> Acknowledged<'_> {
        self.tell(Told::Ended(account, ended))
    }

    fn account_changed(&self, state: AccountState) -> Acknowledged<'_> {
        self.tell(Told::Changed(state))
    }
}

//! Guessing passwords is slow: for one account, whoever guesses, and from one address, whichever accounts.
//!
//! After some wrong passwords each further one makes the next wait twice as long, up to a minute. Who must wait is refused
//! before anything is computed, with a right password too. It is the same for names that nobody has.

use crate::table::BoundedTable;
use madang_model::Timestamp;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Wrong passwords for an account that nobody waits after.
const FREE_OF_ACCOUNT: u32 = 5;
/// The same from an address: a school or an office is behind one.
const FREE_OF_ADDRESS: u32 = 20;
/// The longest wait. With it an account is guessed 1,440 times a day, and its owner gets in within a minute.
pub const GUESS_WAIT_MAX: Duration = Duration::from_secs(60);
/// How long a wrong password is remembered: an hour, in microseconds.
const REMEMBERED_US: i64 = 60 * 60 * 1_000_000;
/// Passwords of an account that are computed at the same time.
const AT_ONCE_MAX: u32 = 16;
/// The wait of whoever comes while others are computed.
const AT_ONCE_WAIT: Duration = Duration::from_secs(1);
/// Accounts, and addresses, that are remembered; beyond it the one used longest ago is forgotten. To have an account
/// forgotten, somebody must guess 65,536 others from thousands of addresses.
const ENTRIES_MAX: usize = 65_536;

/// What is remembered of guesses.
pub struct Guesses {
    tables: Mutex<Tables>,
}

struct Tables {
    accounts: BoundedTable<String, Tally>,
    addresses: BoundedTable<IpAddr, Tally>,
}

#[derive(Clone, Copy, Default, Debug)]
struct Tally {
    wrong: u32,
    in_flight: u32,
    wrong_at: i64,
    next_at: i64,
}

impl Tally {
    /// How long to wait before another try.
    fn wait(&mut self, free: u32, now: Timestamp) -> Option<Duration> {
        if now.0.saturating_sub(self.wrong_at) > REMEMBERED_US {
            (self.wrong, self.next_at) = (0, 0);
        }
        if self.wrong > free && self.in_flight > 0 {
            return Some(AT_ONCE_WAIT);
        }
        // However the clock was set meanwhile.
        let longest = i64::try_from(GUESS_WAIT_MAX.as_micros()).unwrap_or(i64::MAX);
        let wait_us = self.next_at.saturating_sub(now.0).min(longest);
        u64::try_from(wait_us).ok().filter(|wait_us| *wait_us > 0).map(Duration::from_micros)
    }

    fn was_wrong(&mut self, free: u32, now: Timestamp) {
        self.wrong = self.wrong.saturating_add(1);
        self.wrong_at = now.0;
        if let Some(over) = self.wrong.checked_sub(free + 1) {
            let seconds = 1_u64.checked_shl(over).unwrap_or(u64::MAX).min(GUESS_WAIT_MAX.as_secs());
            self.next_at =
                now.0.saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000));
        }
    }

    fn is_nothing(&self) -> bool {
        self.wrong == 0 && self.in_flight == 0
    }
}

impl Default for Guesses {
    fn default() -> Guesses {
        let tables =
            Tables { accounts: BoundedTable::new(ENTRIES_MAX), addresses: BoundedTable::new(ENTRIES_MAX) };
        Guesses { tables: Mutex::new(tables) }
    }
}

impl Guesses {
    /// A try to log in: it is counted when its outcome is known. `name` is the same for all ways to write a name;
    /// `address` is none where addresses do not count.
    ///
    /// # Errors
    /// How long to wait.
    pub fn begin(
        self: &Arc<Self>,
        name: &str,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Attempt, Duration> {
        let mut tables = self.lock();
        let account = tables.accounts.get_or_insert_with(name.to_owned(), Tally::default);
        let mut wait = account.wait(FREE_OF_ACCOUNT, now);
        if account.in_flight >= AT_ONCE_MAX {
            wait = wait.max(Some(AT_ONCE_WAIT));
        }
        if let Some(address) = address {
            let tally = tables.addresses.get_or_insert_with(address, Tally::default);
            wait = wait.max(tally.wait(FREE_OF_ADDRESS, now));
        }
        let attempt = Attempt { guesses: Arc::clone(self), name: name.to_owned(), address };
        tables.each(&attempt, |tally, _| tally.in_flight += 1);
        drop(tables);
        match wait {
            // Dropped, it was none.
            Some(wait) => Err(wait),
            None => Ok(attempt),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn counts(&self) -> (usize, usize) {
        let tables = self.lock();
        (tables.accounts.len(), tables.addresses.len())
    }
}

impl Tables {
    /// Both tallies of an attempt, each with what is free. What is nothing afterwards is forgotten.
    fn each(&mut self, attempt: &Attempt, change: impl Fn(&mut Tally, u32)) {
        change_in(&mut self.accounts, &attempt.name, |tally| change(tally, FREE_OF_ACCOUNT));
        if let Some(address) = &attempt.address {
            change_in(&mut self.addresses, address, |tally| change(tally, FREE_OF_ADDRESS));
        }
    }
}

fn change_in<K: Hash + Eq + Clone>(
    table: &mut BoundedTable<K, Tally>,
    key: &K,
    change: impl FnOnce(&mut Tally),
) {
    // It may have been forgotten for others.
    let Some(tally) = table.get_mut(key) else { return };
    change(tally);
    if tally.is_nothing() {
        table.remove(key);
    }
}

/// A try whose outcome is not known yet; dropped, it was none.
pub struct Attempt {
    guesses: Arc<Guesses>,
    name: String,
    address: Option<IpAddr>,
}

impl Attempt {
    /// The password was wrong.
    pub fn was_wrong(self, now: Timestamp) {
        self.guesses.lock().each(&self, |tally, free| tally.was_wrong(free, now));
    }

    /// The password was right: what was tried for the account before counts no more.
    pub fn was_right(self) {
        let mut tables = self.guesses.lock();
        change_in(&mut tables.accounts, &self.name, |tally| (tally.wrong, tally.next_at) = (0, 0));
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.guesses.lock().each(self, |tally, _| tally.in_flight = tally.in_flight.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

    fn after(milliseconds: i64) -> Timestamp {
        Timestamp(NOW.0 + milliseconds * 1_000)
    }

    fn address(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    fn wrong(guesses: &Arc<Guesses>, name: &str, from: Option<IpAddr>, now: Timestamp) -> Option<Duration> {
        match guesses.begin(name, from, now) {
            Ok(attempt) => {
                attempt.was_wrong(now);
                None
            }
            Err(wait) => Some(wait),
        }
    }

    #[test]
    fn each_wrong_password_beyond_some_makes_the_next_wait_twice_as_long_up_to_a_minute() {
        let guesses = Arc::new(Guesses::default());
        // From many addresses, as a botnet does.
        let mut now = NOW;
        let mut waits = Vec::new();
        for turn in 0..16 {
            let from = address(turn);
            if let Some(wait) = wrong(&guesses, "alice", from, now) {
                waits.push(wait.as_secs());
                now = Timestamp(now.0 + i64::try_from(wait.as_micros()).unwrap());
                assert_eq!(wrong(&guesses, "alice", from, now), None);
            }
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
        assert_eq!(wrong(&guesses, "bob", address(99), now), None, "others do not wait");
        let right =
            guesses.begin("alice", address(1), Timestamp(now.0 + 60_000_000)).unwrap_or_else(|_| panic!());
        right.was_right();
        assert_eq!(wrong(&guesses, "alice", address(1), Timestamp(now.0 + 60_000_000)), None);
    }

    #[test]
    fn an_address_that_tries_many_names_waits() {
        let guesses = Arc::new(Guesses::default());
        for turn in 0..=FREE_OF_ADDRESS {
            assert_eq!(wrong(&guesses, &format!("user{turn}"), address(1), NOW), None);
        }
        assert_eq!(wrong(&guesses, "alice", address(1), NOW), Some(Duration::from_secs(1)));
        assert_eq!(wrong(&guesses, "alice", address(2), NOW), None);
        assert_eq!(wrong(&guesses, "carol", None, NOW), None);
        // After an hour it is forgotten.
        assert_eq!(wrong(&guesses, "alice", address(1), after(3_700_000)), None);
        for _ in 0..4 {
            assert_eq!(wrong(&guesses, "alice", address(1), after(3_700_000)), None);
        }
    }

    #[test]
    fn of_many_tries_at_once_few_are_computed() {
        let guesses = Arc::new(Guesses::default());
        let mut begun: Vec<_> = (0..100).map_while(|_| guesses.begin("alice", None, NOW).ok()).collect();
        assert_eq!(begun.len(), AT_ONCE_MAX as usize);
        begun.drain(..).for_each(|attempt| attempt.was_wrong(NOW));
        let later = after(60_000);
        let only = guesses.begin("alice", None, later);
        assert!(only.is_ok() && guesses.begin("alice", None, later).is_err(), "one at a time from now on");
        drop(only);
        assert!(guesses.begin("alice", None, later).is_ok(), "what had no outcome was none");
    }

    #[test]
    fn nothing_is_kept_of_who_was_right_and_the_tables_are_bounded() {
        let guesses = Arc::new(Guesses::default());
        for number in 0..100 {
            let attempt = guesses.begin(&format!("user{number}"), address(1), NOW);
            attempt.unwrap_or_else(|_| panic!()).was_right();
        }
        assert_eq!(guesses.counts(), (0, 0));
        for number in 0..ENTRIES_MAX + 10 {
            wrong(&guesses, &format!("user{number}"), None, NOW);
        }
        assert_eq!(guesses.counts(), (ENTRIES_MAX, 0));
        // A clock that is set back makes nobody wait longer.
        for _ in 0..20 {
            wrong(&guesses, "alice", None, after(9_000_000));
        }
        let wait = wrong(&guesses, "alice", None, NOW);
        assert!(wait.is_some_and(|wait| wait <= GUESS_WAIT_MAX), "{wait:?}");
    }
}

//! How much one may ask in a time, and what is said of it (draft-ietf-httpapi-ratelimit-headers-10).

use crate::table::BoundedTable;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use madang_model::Timestamp;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What the limits are.
pub static RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// What is left of them.
pub static RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// Keys of a policy that are remembered; beyond it the one used longest ago is forgotten, and has its whole quota again.
const KEYS_MAX: usize = 65_536;

/// Something that is limited.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Policy {
    /// All requests of an account.
    Account,
    /// All requests of a service.
    Service,
    /// All requests of an address without an account or a key.
    Address,
    /// Sign-ups from an address: a class behind one still fits.
    SignUp,
    /// Names that an address asks after.
    Names,
    /// Logins from an address.
    LogIn,
    /// Codes that an address tries.
    Codes,
}

impl Policy {
    /// Every policy.
    pub const ALL: [Policy; 7] = [
        Policy::Account,
        Policy::Service,
        Policy::Address,
        Policy::SignUp,
        Policy::Names,
        Policy::LogIn,
        Policy::Codes,
    ];

    /// As the headers name it.
    pub fn name(self) -> &'static str {
        match self {
            Policy::Account => "account",
            Policy::Service => "service",
            Policy::Address => "address",
            Policy::SignUp => "sign-up",
            Policy::Names => "names",
            Policy::LogIn => "log-in",
            Policy::Codes => "codes",
        }
    }

    /// How much, and in how many seconds.
    pub fn quota(self) -> (u32, u32) {
        match self {
            Policy::Account => (3_000, 60),
            Policy::Service => (60_000, 60),
            Policy::Address => (1_200, 60),
            Policy::SignUp => (60, 3_600),
            Policy::Names => (120, 60),
            Policy::LogIn => (300, 60),
            Policy::Codes => (20, 3_600),
        }
    }

    fn place(self) -> usize {
        Policy::ALL.iter().position(|policy| *policy == self).expect("it is one of all")
    }
}

/// Who is limited.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Limited {
    /// An account.
    Account(i64),
    /// A service, by its key.
    Service(i64),
    /// An address, or a network of IPv6.
    Network(IpAddr),
}

/// How somebody stands with a policy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    policy: Policy,
    /// How much may be asked now.
    pub remaining: u32,
    /// When the whole quota is there again.
    pub whole_after: Duration,
    /// If this request is refused: how long to wait.
    pub refused: Option<Duration>,
}

impl Standing {
    /// Says it in headers.
    pub fn write(&self, headers: &mut HeaderMap) {
        let (name, (quota, window_s)) = (self.policy.name(), self.policy.quota());
        let whole_s = self.whole_after.as_millis().div_ceil(1_000);
        let policy = format!("\"{name}\";q={quota};w={window_s}");
        let limit = format!("\"{name}\";r={};t={whole_s}", self.remaining);
        for (header, text) in [(&RATE_LIMIT_POLICY, policy), (&RATE_LIMIT, limit)] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.append(header, value);
            }
        }
    }
}

/// What everyone has asked.
pub struct Rates {
    /// For each policy the time at which a key has its whole quota again (the generic cell rate algorithm), in
    /// microseconds.
    tables: Mutex<[BoundedTable<Limited, i64>; Policy::ALL.len()]>,
}

impl Default for Rates {
    fn default() -> Rates {
        Rates { tables: Mutex::new(Policy::ALL.map(|_| BoundedTable::new(KEYS_MAX))) }
    }
}

impl Rates {
    /// Counts a request; one that is refused does not count.
    pub fn take(&self, policy: Policy, who: Limited, now: Timestamp) -> Standing {
        let (quota, window_s) = policy.quota();
        let window_us = i64::from(window_s) * 1_000_000;
        let each_us = window_us / i64::from(quota);
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let whole_at = tables[policy.place()].get_or_insert_with(who, || now.0);
        // However the clock was set meanwhile.
        let used_us = whole_at.saturating_sub(now.0).clamp(0, window_us);
        let taken_us = used_us + each_us;
        let is_refused = taken_us > window_us;
        let used_us = if is_refused { used_us } else { taken_us };
        *whole_at = now.0.saturating_add(used_us);
        let microseconds = |us: i64| Duration::from_micros(u64::try_from(us).unwrap_or(0));
        Standing {
            policy,
            remaining: u32::try_from((window_us - used_us) / each_us).unwrap_or(0),
            whole_after: microseconds(used_us),
            refused: is_refused.then(|| microseconds(taken_us - window_us)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000_000);
    const WHO: Limited = Limited::Account(7);

    #[test]
    fn a_quota_is_used_up_and_comes_back_evenly() {
        let rates = Rates::default();
        for left in (0..60).rev() {
            let standing = rates.take(Policy::SignUp, WHO, NOW);
            assert_eq!((standing.remaining, standing.refused), (left, None));
        }
        for _ in 0..3 {
            let refused = rates.take(Policy::SignUp, WHO, NOW).refused;
            assert_eq!(refused, Some(Duration::from_secs(60)), "one a minute, and a refusal costs nothing");
        }
        assert_eq!(rates.take(Policy::SignUp, Limited::Account(8), NOW).remaining, 59);
        let later = Timestamp(NOW.0 + 60_000_000);
        assert_eq!(rates.take(Policy::SignUp, WHO, later).refused, None);
        assert!(rates.take(Policy::SignUp, WHO, later).refused.is_some());
        // A clock that is set back makes nobody wait for longer than the window.
        let earlier = Timestamp(NOW.0 - 86_400_000_000);
        let refused = rates.take(Policy::SignUp, WHO, earlier).refused.unwrap();
        assert!(refused <= Duration::from_secs(3_600), "{refused:?}");
    }

    #[test]
    fn headers_say_policy_and_standing_as_the_draft_does() {
        let rates = Rates::default();
        let mut headers = HeaderMap::new();
        rates.take(Policy::LogIn, WHO, NOW).write(&mut headers);
        assert_eq!(headers[&RATE_LIMIT_POLICY], "\"log-in\";q=300;w=60");
        assert_eq!(headers[&RATE_LIMIT], "\"log-in\";r=299;t=1");
    }
}

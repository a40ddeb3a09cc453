//! When a message counts as stored.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The shortest interval between two syncs.
pub const INTERVAL_MIN: Duration = Duration::from_millis(1);
/// The longest interval between two syncs.
pub const INTERVAL_MAX: Duration = Duration::from_secs(10);

/// When a message may be shown and acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Durability {
    /// After it was written and synced.
    #[default]
    Commit,
    /// After it was written; a sync follows at this interval. A power cut loses at most that much.
    Interval(Duration),
    /// After it was written; the kernel syncs when it likes. A power cut may lose half a minute.
    None,
}

impl Durability {
    /// Whether messages are shown before they are known to be on disk.
    pub fn releases_before_sync(self) -> bool {
        self != Durability::Commit
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Durability::Commit => f.write_str("commit"),
            Durability::Interval(interval) => write!(f, "interval:{}ms", interval.as_millis()),
            Durability::None => f.write_str("none"),
        }
    }
}

/// A durability that there is not.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("durability {value:?} is not known; use commit, none, or interval:<N>ms with N from 1 to 10000")]
pub struct DurabilityError {
    /// What was given.
    pub value: String,
}

impl FromStr for Durability {
    type Err = DurabilityError;

    fn from_str(value: &str) -> Result<Durability, DurabilityError> {
        let wrong = || DurabilityError { value: value.to_owned() };
        match value {
            "commit" => Ok(Durability::Commit),
            "none" => Ok(Durability::None),
            _ => {
                let milliseconds = value.strip_prefix("interval:").and_then(|rest| rest.strip_suffix("ms"));
                let digits = milliseconds.filter(|n| n.bytes().all(|b| b.is_ascii_digit()));
                let interval = Duration::from_millis(digits.and_then(|n| n.parse().ok()).ok_or_else(wrong)?);
                if !(INTERVAL_MIN..=INTERVAL_MAX).contains(&interval) {
                    return Err(wrong());
                }
                Ok(Durability::Interval(interval))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_durability_reads_as_it_is_written() {
        for text in ["commit", "none", "interval:1ms", "interval:50ms", "interval:10000ms"] {
            assert_eq!(text.parse::<Durability>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn other_durabilities_are_refused_with_what_is_allowed() {
        for text in
            ["", "Commit", "interval", "interval:50", "interval:0ms", "interval:10001ms", "interval:+5ms"]
        {
            let error = text.parse::<Durability>().expect_err(text).to_string();
            assert!(error.contains(&format!("{text:?}")) && error.contains("interval:<N>ms"), "{error}");
        }
    }
}

//! The name of a backup: the second when it began, UTC.

use jiff::Timestamp;
use std::fmt;
use std::time::SystemTime;

/// `2026-11-30T08-00-00Z`: colons are no part of file names everywhere.
const FORM: &str = "%Y-%m-%dT%H-%M-%SZ";
/// Where the form has a dash and a time has a colon.
const COLONS_AT: [usize; 2] = [13, 16];
const FAULTY: &str = ".faulty";
const UNFINISHED: &str = ".unfinished";

/// When a backup began.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct BackupTime(Timestamp);

/// What became of a backup.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BackupState {
    /// It is complete, and was verified.
    Whole,
    /// It is complete, and has faults.
    Faulty,
    /// It is being made or removed, or that was interrupted.
    Unfinished,
}

impl BackupTime {
    /// The second of a time; `None` beyond the calendar.
    pub fn of(time: SystemTime) -> Option<BackupTime> {
        let time = Timestamp::try_from(time).ok()?;
        Timestamp::from_second(time.as_second()).ok().map(BackupTime)
    }

    /// Reads what [`Display`](fmt::Display) wrote, and nothing else.
    pub fn parse(text: &str) -> Option<BackupTime> {
        let mut time = text.to_owned();
        for at in COLONS_AT {
            if text.get(at..=at) != Some("-") {
                return None;
            }
            time.replace_range(at..=at, ":");
        }
        let time = BackupTime(time.parse().ok()?);
        (time.to_string() == text).then_some(time)
    }

    /// Microseconds since 1970.
    pub fn microseconds(self) -> i64 {
        self.0.as_microsecond()
    }

    /// Whether `now` is more than so many days later.
    pub fn is_older_than(self, days: u64, now: BackupTime) -> bool {
        let age_seconds = now.0.as_second().saturating_sub(self.0.as_second());
        u64::try_from(age_seconds).is_ok_and(|seconds| seconds > days.saturating_mul(86_400))
    }

    /// The name of its directory.
    pub fn name(self, state: BackupState) -> String {
        let suffix = match state {
            BackupState::Whole => "",
            BackupState::Faulty => FAULTY,
            BackupState::Unfinished => UNFINISHED,
        };
        format!("{self}{suffix}")
    }

    /// Reads what [`name`](Self::name) wrote, and nothing else.
    pub fn parse_name(name: &str) -> Option<(BackupTime, BackupState)> {
        let with = |suffix, state| Some((BackupTime::parse(name.strip_suffix(suffix)?)?, state));
        with(FAULTY, BackupState::Faulty)
            .or_else(|| with(UNFINISHED, BackupState::Unfinished))
            .or_else(|| with("", BackupState::Whole))
    }
}

impl fmt::Display for BackupTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.strftime(FORM))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_second_of_a_time_and_nothing_else_is_a_name() {
        let time = BackupTime::parse("2026-11-30T08-00-09Z").expect("a name");
        assert_eq!(time.to_string(), "2026-11-30T08-00-09Z");
        assert_eq!(time.microseconds(), 1_796_025_609_000_000);
        for wrong in [
            "",
            "2026-11-30",
            "2026-11-30T08:00:09Z",
            "2026-11-30T08-00-09",
            "2026-11-30T08-00-09z",
            "2026-11-30T08-00-60Z",
            "2026-11-30T24-00-00Z",
            "2026-13-30T08-00-09Z",
            "2026-11-30T08-00-09Z ",
            "2026-11-30T08-00-09.5Z",
            "2026-11-30T08-00-09+00:00",
            "２026-11-30T08-00-09Z",
            "backup-2026-11-30T08-00-09Z",
        ] {
            assert_eq!(BackupTime::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_state_is_part_of_a_name() {
        let time = BackupTime::parse("2026-11-30T08-00-00Z").expect("a name");
        for state in [BackupState::Whole, BackupState::Faulty, BackupState::Unfinished] {
            assert_eq!(BackupTime::parse_name(&time.name(state)), Some((time, state)));
        }
        for wrong in ["2026-11-30T08-00-00Z.old", "2026-11-30T08-00-00Z.faulty.unfinished", ".faulty"] {
            assert_eq!(BackupTime::parse_name(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_backup_is_older_than_days_when_they_have_passed() {
        let parse = |text| BackupTime::parse(text).expect("a name");
        let (begun, now) = (parse("2026-11-30T08-00-00Z"), parse("2026-12-30T08-00-00Z"));
        assert!(!begun.is_older_than(30, now) && begun.is_older_than(29, now));
        assert!(!now.is_older_than(0, begun), "of the future");
        assert!(begun < now);
    }
}

//! Times as they are written (RFC 3339), and the clock.

use madang_model::Timestamp;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// What says what time it is. Tests have their own.
pub type WallClock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The clock of the system.
pub fn system_clock() -> WallClock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    })
}

/// A time in UTC, to the microsecond: `2026-12-01T00:44:00.123456Z`.
pub fn rfc3339(time: Timestamp) -> String {
    // Years that RFC 3339 cannot write are those of a clock that is wrong: the nearest that it can.
    let shown = jiff::Timestamp::from_microsecond(time.0).unwrap_or(match time.0 < 0 {
        true => jiff::Timestamp::MIN,
        false => jiff::Timestamp::MAX,
    });
    format!("{shown:.6}")
}

/// What [`rfc3339`] writes, with any offset; `None` for what is no time.
pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    let parsed: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp(parsed.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc_to_the_microsecond_and_read_with_any_offset() {
        let time = Timestamp(1_800_000_000_123_456);
        assert_eq!(rfc3339(time), "2027-01-15T08:00:00.123456Z");
        assert_eq!(parse_rfc3339(&rfc3339(time)), Some(time));
        assert_eq!(parse_rfc3339("2027-01-15T17:00:00.123456+09:00"), Some(time));
        for text in ["", "tomorrow", "2027-01-15", "2027-01-15T08:00:00", "1800000000"] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
        assert!(rfc3339(Timestamp(i64::MAX)).starts_with("9999-"));
    }
}

//! Times in a form for people, UTC.

use jiff::civil::{Date, DateTime, date};
use jiff::fmt::temporal::Pieces;
use jiff::tz::{Offset, TimeZone};
use std::fmt::Write;

/// Follows the seconds since 1970 if the time is beyond the calendar.
const NO_DATE: &str = " s";
const SECOND_US: i64 = 1_000_000;

/// Reads a date (its start, UTC) or a time of RFC 3339, as microseconds since the Unix epoch.
pub fn parse(given: &str) -> Result<i64, String> {
    let time = given.parse::<jiff::Timestamp>().ok().map(|time| time.as_microsecond());
    if let Some(time_us) = time.or_else(|| time_at_an_end(given)) {
        if !is_offset_possible(given) {
            return Err(
                "no clock is a day or more from UTC; write 2026-11-20T12:03:11+09:00, or a Z".to_owned()
            );
        }
        return Ok(time_us);
    }
    let date = given.parse::<Date>().ok().filter(|_| given.len() == "2026-11-20".len());
    date.map(|date| microseconds(date.into(), Offset::UTC)).ok_or_else(|| {
        "not a date or a time of RFC 3339; write 2026-11-20 or 2026-11-20T12:03:11Z".to_owned()
    })
}

/// A time within the first or the last day of the calendar. `Timestamp` excludes these days, so that it has a date
/// at every offset.
fn time_at_an_end(given: &str) -> Option<i64> {
    let pieces = Pieces::parse(given).ok()?;
    let (date, time, offset) = (pieces.date(), pieces.time()?, pieces.to_numeric_offset()?);
    Some(microseconds(date.to_datetime(time), offset))
}

/// Since the Unix epoch.
fn microseconds(time: DateTime, offset: Offset) -> i64 {
    let since = time.duration_since(date(1970, 1, 1).at(0, 0, 0, 0));
    let since_us = since.as_micros() - i128::from(offset.seconds()) * i128::from(SECOND_US);
    // Years have four digits.
    i64::try_from(since_us).unwrap_or(i64::MAX)
}

/// Whether the hours of an offset are those of RFC 3339: 00 to 23.
fn is_offset_possible(time: &str) -> bool {
    let clock = time.find(['T', 't', ' ']).map_or("", |at| &time[at..]);
    let offset = clock.find(['+', '-']).map(|at| &clock[at + 1..]);
    let hours = offset.and_then(|offset| offset.get(..2)).and_then(|hours| hours.parse::<u8>().ok());
    hours.is_none_or(|hours| hours < 24)
}

/// Formats times. It caches the second, which consecutive messages usually share.
#[derive(Debug, Default)]
pub struct Clock {
    second: Option<i64>,
    /// `2026-11-20 12:03:11`
    text: String,
    /// `2026-11-20T12:03:11.`, then the rest of the time that was written last.
    precise: String,
    /// The length of the part of it that stays the same within a second.
    second_bytes: usize,
    end: &'static str,
}

impl Clock {
    /// `2026-11-20 12:03:11`
    pub fn second(&mut self, time_us: i64) -> &str {
        let second = time_us.div_euclid(SECOND_US);
        if self.second != Some(second) {
            self.second = Some(second);
            self.text.clear();
            let written = match jiff::Timestamp::from_second(second) {
                Ok(time) => {
                    let time = time.to_zoned(TimeZone::UTC).datetime();
                    let (date, clock) = (time.date(), time.time());
                    let (hour, minute, second) = (clock.hour(), clock.minute(), clock.second());
                    write!(self.text, "{date} {hour:02}:{minute:02}:{second:02}")
                }
                // Beyond the calendar: the log of another program.
                Err(_) => write!(self.text, "{second}{NO_DATE}"),
            };
            written.expect("a string can be written");
            self.precise.clear();
            let seconds = self.text.strip_suffix(NO_DATE);
            self.end = if seconds.is_some() { NO_DATE } else { "Z" };
            self.precise.push_str(seconds.unwrap_or(&self.text));
            if let Some(between) = self.precise.find(' ') {
                self.precise.replace_range(between..=between, "T");
            }
            self.precise.push('.');
            self.second_bytes = self.precise.len();
        }
        &self.text
    }

    /// `2026-11-20T12:03:11.000250Z`
    pub fn microsecond(&mut self, time_us: i64) -> &str {
        self.second(time_us);
        self.precise.truncate(self.second_bytes);
        let fraction = time_us.rem_euclid(SECOND_US);
        for digit_us in [100_000, 10_000, 1_000, 100, 10, 1] {
            // From 0 to 9.
            self.precise.push(char::from(b'0' + (fraction / digit_us % 10) as u8));
        }
        self.precise.push_str(self.end);
        &self.precise
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_read_and_all_else_is_refused_with_a_remedy() {
        assert_eq!(parse("1970-01-02"), Ok(86_400 * SECOND_US));
        let last_day = 253_402_214_400;
        assert_eq!(parse("9999-12-31"), Ok(last_day * SECOND_US));
        assert_eq!(parse("9999-12-31T23:59:59Z"), Ok((last_day + 86_399) * SECOND_US));
        assert_eq!(parse("9999-12-31T23:59:59-01:00"), Ok((last_day + 89_999) * SECOND_US));
        assert_eq!(parse("1970-01-01T09:00:00.000001+09:00"), Ok(1));
        for wrong in [
            "2026-11-20T12:03:11+25:00",
            "2026-11-20T12:03:11-24:00",
            "2026-11-20 12:03:11+25",
            "9999-12-31T23:59:59-24:00",
        ] {
            assert!(parse(wrong).expect_err(wrong).contains("+09:00"), "{wrong}");
        }
        for wrong in ["", "yesterday", "2026-13-01", "2026-11-20T12:00:00", "12:00", "20261120"] {
            assert!(parse(wrong).expect_err(wrong).contains("RFC 3339"), "{wrong}");
        }
    }

    #[test]
    fn times_are_written_in_utc_also_before_1970_and_beyond_the_calendar() {
        let mut clock = Clock::default();
        assert_eq!(clock.second(1_795_176_191_000_250), "2026-11-20 12:03:11");
        assert_eq!(clock.microsecond(1_795_176_191_000_250), "2026-11-20T12:03:11.000250Z");
        assert_eq!(clock.microsecond(-1), "1969-12-31T23:59:59.999999Z");
        assert!(clock.second(i64::MAX).ends_with(" s"));
        assert_eq!(clock.microsecond(253_402_300_800_000_001), "253402300800.000001 s");
        assert!(clock.second(i64::MIN).ends_with(" s"));
    }
}

//! When something ends: a time, or how long from now.

use crate::log_command::parse_time;
use madang_model::Timestamp;

const SECOND_US: i64 = 1_000_000;
/// Units of a length of time, in seconds.
const UNITS: [(char, i64); 5] = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400), ('w', 604_800)];

/// How long something lasts, in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Length(pub i64);

/// Reads `30m`, `12h`, `7d`.
///
/// # Errors
/// What may be written.
pub fn length(given: &str) -> Result<Length, String> {
    let wrong = || "not a length of time; write 30m, 12h, 7d or 2w".to_owned();
    let (number, unit) = given.split_at_checked(given.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds = UNITS.iter().find(|(letter, _)| unit.starts_with(*letter)).ok_or_else(wrong)?.1;
    let number: i64 = number.parse().map_err(|_| wrong())?;
    if number <= 0 || !given.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(wrong());
    }
    let length = number.checked_mul(seconds).and_then(|seconds| seconds.checked_mul(SECOND_US));
    length
        .map(Length)
        .ok_or_else(|| "longer than any calendar; leave it out for a ban without an end".to_owned())
}

/// Reads a date or a time.
///
/// # Errors
/// What may be written.
pub fn time(given: &str) -> Result<Timestamp, String> {
    parse_time(given).map(Timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_numbers_with_a_unit() {
        for (given, seconds) in
            [("1s", 1), ("30m", 1_800), ("12h", 43_200), ("7d", 604_800), ("2w", 1_209_600)]
        {
            assert_eq!(length(given), Ok(Length(seconds * SECOND_US)), "{given}");
        }
        for wrong in ["", "7", "d", "-1d", "+1d", "0d", "7 d", "7일", "1.5h", "7days"] {
            assert!(length(wrong).expect_err(wrong).contains("30m"), "{wrong}");
        }
        assert!(length("9999999999999w").expect_err("too long").contains("without an end"));
    }
}

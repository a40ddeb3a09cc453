//! What can be measured, checked before anything is started.

use crate::error::BenchError;
use crate::protocol::Protocol;

/// What a text holds at least, in bytes: who wrote it, its number, its time.
const SIZE_BYTES_MIN: usize = 32;
/// The longest text Madang takes, less the room that a name before it needs.
const SIZE_BYTES_MAX: usize = 4_000;
/// An IRC line has 512 bytes (RFC 2812, section 2.3), of which the prefix with names and addresses
/// takes up to 150.
const IRC_SIZE_BYTES_MAX: usize = 350;
/// Connections of one measurement.
pub(crate) const CONNECTIONS_MAX: usize = 5_000_000;
/// Connections of one measurement that talk.
pub(crate) const TALKERS_MAX: usize = 100_000;
/// Pairs of a reader and a writer that are kept account of, four bytes each.
const PAIRS_MAX: usize = 100_000_000;
/// Messages of one measurement: their numbers must fit their field.
const MESSAGES_MAX: u64 = u32::MAX as u64 / 2;
/// The highest rate, far above what one processor can send.
const RATE_MAX: u64 = 10_000_000;
/// The longest measurement.
pub(crate) const SECONDS_MAX: f64 = 3_600.0;

/// `--size`.
pub(crate) fn size(bytes: usize, protocol: Protocol) -> Result<(), BenchError> {
    let size_max = if protocol == Protocol::Irc { IRC_SIZE_BYTES_MAX } else { SIZE_BYTES_MAX };
    within("size", bytes, SIZE_BYTES_MIN, size_max)
}

/// `--rooms` and `--members`, where all members hear all.
pub(crate) fn rooms_and_members(rooms: usize, members: usize, members_min: usize) -> Result<(), BenchError> {
    within("rooms", rooms, 1, TALKERS_MAX)?;
    let members_max = (TALKERS_MAX / rooms).min((PAIRS_MAX / rooms).isqrt());
    within("members", members, members_min, members_max)
}

/// `--seconds`; less than a nanosecond is nothing.
pub(crate) fn seconds(seconds: f64) -> Result<(), BenchError> {
    if (1e-9..=SECONDS_MAX).contains(&seconds) {
        return Ok(());
    }
    let allowed = format!("more than 0 and up to {SECONDS_MAX}");
    Err(BenchError::BadOption { option: "seconds", value: seconds.to_string(), allowed })
}

/// `--rate`, kept for `seconds`.
pub(crate) fn rate(per_second: u64, seconds: f64) -> Result<(), BenchError> {
    let rate_max = RATE_MAX.min(MESSAGES_MAX / (seconds as u64).max(1));
    within("rate", per_second as usize, 1, rate_max as usize)
}

/// An option whose value lies between two others.
pub(crate) fn within(
    option: &'static str,
    value: usize,
    least: usize,
    most: usize,
) -> Result<(), BenchError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    let allowed = format!("{least} to {most} here");
    Err(BenchError::BadOption { option, value: value.to_string(), allowed })
}

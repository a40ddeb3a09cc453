//! What can be measured, checked before anything is started.

use super::{Pace, Workload};
use crate::error::BenchError;
use crate::protocol::Protocol;
use std::time::Duration;

/// What a text holds at least, in bytes: who wrote it, its number, its time.
pub(crate) const SIZE_BYTES_MIN: usize = 32;
/// The longest text Madang takes, less the room that a name before it needs.
const SIZE_BYTES_MAX: usize = 4_000;
/// An IRC line has 512 bytes (RFC 2812, section 2.3), of which the prefix with names and addresses
/// takes up to 150.
const IRC_SIZE_BYTES_MAX: usize = 350;
/// Connections of one measurement.
const CONNECTIONS_MAX: usize = 5_000_000;
/// Connections of one measurement that talk.
const TALKERS_MAX: usize = 100_000;
/// Pairs of a reader and a writer that are kept account of, four bytes each.
const PAIRS_MAX: usize = 100_000_000;
/// Messages of one measurement: their numbers must fit their field.
const MESSAGES_MAX: u64 = u32::MAX as u64 / 2;
/// The highest rate, far above what one processor can send.
const RATE_MAX: u64 = 10_000_000;
/// The longest measurement.
const DURATION_MAX: Duration = Duration::from_secs(3_600);

pub(super) fn check(workload: &Workload, protocol: Protocol) -> Result<(), BenchError> {
    if !is_spoken(workload, protocol) {
        return Err(BenchError::Unsupported { workload: workload.name(), protocol: protocol.name() });
    }
    let size_max = if protocol == Protocol::Irc { IRC_SIZE_BYTES_MAX } else { SIZE_BYTES_MAX };
    let size = |bytes: usize| within("size", bytes, SIZE_BYTES_MIN, size_max);
    match workload {
        Workload::Echo(echo) => {
            size(echo.size_bytes)?;
            seconds(echo.duration)
        }
        Workload::FanOut(fan_out) => {
            // An IRC server sends a member everything but its own messages.
            let members_min = if protocol == Protocol::Irc { 2 } else { 1 };
            rooms_and_members(fan_out.rooms, fan_out.members, members_min)?;
            size(fan_out.size_bytes)?;
            seconds(fan_out.duration)?;
            match fan_out.pace {
                Pace::Saturated { in_flight } => within("in-flight", in_flight, 1, 1_000_000),
                Pace::Rate { messages_per_second } => rate(messages_per_second, fan_out.duration),
            }
        }
        Workload::Whisper(whisper) => {
            within("pairs", whisper.pairs, 1, TALKERS_MAX / 2)?;
            size(whisper.size_bytes)?;
            seconds(whisper.duration)?;
            rate(whisper.whispers_per_second, whisper.duration)
        }
        Workload::Idle(idle) => within("connections", idle.connections, 1, CONNECTIONS_MAX),
        Workload::Storm(storm) => {
            within("connections", storm.connections, 1, TALKERS_MAX)?;
            within("members", storm.members, 2, 1_000)?;
            size(storm.size_bytes)?;
            rate(storm.messages_per_second, Duration::from_secs(60))
        }
        Workload::History(history) => {
            within("messages", history.messages as usize, 100, 10_000_000)?;
            within("readers", history.readers, 1, 1_000)?;
            size(history.size_bytes)?;
            seconds(history.duration)?;
            rate(history.pages_per_second, history.duration)
        }
        Workload::Mixed(mixed) => {
            rooms_and_members(mixed.rooms, mixed.members, 2)?;
            within("rooms", mixed.rooms, 2, TALKERS_MAX)?;
            within("moves", usize::from(mixed.moves_percent), 0, 100)?;
            within(
                "whispers",
                usize::from(mixed.whispers_percent),
                0,
                100 - usize::from(mixed.moves_percent),
            )?;
            size(mixed.size_bytes)?;
            seconds(mixed.duration)?;
            rate(mixed.actions_per_second, mixed.duration)
        }
        Workload::SlowReaders(slow) => {
            rooms_and_members(slow.rooms, slow.members, 1)?;
            within("slow", slow.slow, 1, 1_000)?;
            size(slow.size_bytes)?;
            seconds(slow.duration)?;
            rate(slow.messages_per_second, slow.duration)
        }
        Workload::Upgrade(upgrade) => {
            within("members", upgrade.members, 1, 1_000)?;
            within("connections", upgrade.connections, upgrade.members, TALKERS_MAX)?;
            if !upgrade.connections.is_multiple_of(upgrade.members) {
                let allowed = format!("a multiple of --members, {}", upgrade.members);
                let value = upgrade.connections.to_string();
                return Err(BenchError::BadOption { option: "connections", value, allowed });
            }
            within("upgrades", upgrade.upgrades as usize, 1, 100)?;
            within("messages", upgrade.stored as usize, 0, 100_000_000)?;
            size(upgrade.size_bytes)?;
            rate(upgrade.messages_per_second, DURATION_MAX)
        }
        Workload::Log(log) => log.check(),
    }
}

fn is_spoken(workload: &Workload, protocol: Protocol) -> bool {
    match workload {
        Workload::Echo(_) | Workload::FanOut(_) | Workload::Idle(_) => true,
        Workload::Whisper(_) => matches!(protocol, Protocol::Line | Protocol::Irc),
        _ => protocol == Protocol::Line,
    }
}

fn rooms_and_members(rooms: usize, members: usize, members_min: usize) -> Result<(), BenchError> {
    within("rooms", rooms, 1, TALKERS_MAX)?;
    let members_max = (TALKERS_MAX / rooms).min((PAIRS_MAX / rooms).isqrt());
    within("members", members, members_min, members_max)
}

fn seconds(duration: Duration) -> Result<(), BenchError> {
    if !duration.is_zero() && duration <= DURATION_MAX {
        return Ok(());
    }
    let value = duration.as_secs_f64().to_string();
    let allowed = format!("more than 0 and up to {}", DURATION_MAX.as_secs());
    Err(BenchError::BadOption { option: "seconds", value, allowed })
}

fn rate(per_second: u64, duration: Duration) -> Result<(), BenchError> {
    let rate_max = RATE_MAX.min(MESSAGES_MAX / duration.as_secs().max(1));
    within("rate", per_second as usize, 1, rate_max as usize)
}

fn within(option: &'static str, value: usize, least: usize, most: usize) -> Result<(), BenchError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    let allowed = format!("{least} to {most} here");
    Err(BenchError::BadOption { option, value: value.to_string(), allowed })
}

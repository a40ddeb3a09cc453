//! What to measure, checked before anything is started.

use super::payload::PAYLOAD_BYTES_MIN;
use crate::error::BenchError;
use crate::target::Target;
use crate::workload::Pace;
use std::time::Duration;

/// The longest text Madang takes, less the room that a name before it needs.
const SIZE_BYTES_MAX: usize = 4_000;
/// Connections of one measurement.
const CONNECTIONS_MAX: usize = 100_000;
/// Pairs of a reader and a writer that are kept account of, four bytes each.
const PAIRS_MAX: usize = 100_000_000;
/// Messages of one measurement: their numbers must fit their field.
const MESSAGES_MAX: u64 = u32::MAX as u64;
/// The longest measurement.
const DURATION_MAX: Duration = Duration::from_secs(3_600);

/// What to measure.
#[derive(Clone, Debug)]
pub struct FanOutOptions {
    /// The server.
    pub target: Target,
    /// Rooms.
    pub rooms: usize,
    /// Members of each; every one of them hears and, as far as the pace asks, writes.
    pub members: usize,
    /// Bytes of a message's text.
    pub size_bytes: usize,
    /// For how long messages are sent.
    pub duration: Duration,
    /// When they are sent.
    pub pace: Pace,
}

impl FanOutOptions {
    /// How many connections it takes.
    pub fn connections(&self) -> usize {
        self.rooms.saturating_mul(self.members)
    }

    /// What a server of our own needs for it.
    pub(super) fn server_settings(&self) -> Vec<String> {
        vec![
            "limits.messages_per_second=0".to_owned(),
            format!("rooms.members_max={}", self.members.max(100)),
            "telemetry.level=warn".to_owned(),
        ]
    }

    pub(super) fn check(&self) -> Result<(), BenchError> {
        within("rooms", self.rooms, 1, CONNECTIONS_MAX)?;
        let members_max = (CONNECTIONS_MAX / self.rooms).min((PAIRS_MAX / self.rooms).isqrt());
        within("members", self.members, 1, members_max)?;
        within("size", self.size_bytes, PAYLOAD_BYTES_MIN, SIZE_BYTES_MAX)?;
        if self.duration.is_zero() || self.duration > DURATION_MAX {
            let value = self.duration.as_secs_f64().to_string();
            let allowed = format!("more than 0 and up to {}", DURATION_MAX.as_secs());
            return Err(BenchError::BadOption { option: "seconds", value, allowed });
        }
        match self.pace {
            Pace::Saturated { in_flight } => within("in-flight", in_flight, 1, 1_000_000),
            Pace::Rate { messages_per_second } => {
                let rate_max = MESSAGES_MAX / self.duration.as_secs().max(1) / 2;
                within("rate", messages_per_second as usize, 1, rate_max.min(10_000_000) as usize)
            }
        }
    }
}

fn within(option: &'static str, value: usize, least: usize, most: usize) -> Result<(), BenchError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    let allowed = format!("{least} to {most} here");
    Err(BenchError::BadOption { option, value: value.to_string(), allowed })
}

//! Workloads in words.

use super::{Pace, Workload};
use crate::log::LogPart;
use crate::results::Parameter;
use std::time::Duration;

pub(super) fn title(workload: &Workload) -> String {
    match workload {
        Workload::Echo(echo) => format!(
            "echo: 1 connection, {}-byte messages, one at a time, {}",
            echo.size_bytes,
            shown(echo.duration)
        ),
        Workload::FanOut(fan_out) => {
            let pace = match fan_out.pace {
                Pace::Saturated { in_flight } => format!("saturated, {in_flight} in flight a room"),
                Pace::Rate { messages_per_second } => format!("{messages_per_second} messages/s, open loop"),
            };
            format!(
                "fan-out: {} rooms x {} members, {}-byte messages, {pace}, {}",
                fan_out.rooms,
                fan_out.members,
                fan_out.size_bytes,
                shown(fan_out.duration)
            )
        }
        Workload::Whisper(whisper) => format!(
            "whisper: {} pairs, {}-byte whispers, {} whispers/s, open loop, {}",
            whisper.pairs,
            whisper.size_bytes,
            whisper.whispers_per_second,
            shown(whisper.duration)
        ),
        Workload::Idle(idle) => format!("idle: {} connections", idle.connections),
        Workload::Storm(storm) => format!(
            "storm: {} connections in rooms of {} are cut off and return, {} messages/s meanwhile",
            storm.connections, storm.members, storm.messages_per_second
        ),
        Workload::History(history) => format!(
            "history: pages of 50 from a room of {} messages, {} readers, {} pages/s, open loop, {}",
            history.messages,
            history.readers,
            history.pages_per_second,
            shown(history.duration)
        ),
        Workload::Mixed(mixed) => format!(
            "mixed: {} rooms x {} members, {} actions/s, open loop: {} % moves, {} % whispers, {} % talk, {}",
            mixed.rooms,
            mixed.members,
            mixed.actions_per_second,
            mixed.moves_percent,
            mixed.whispers_percent,
            100_u8.saturating_sub(mixed.moves_percent).saturating_sub(mixed.whispers_percent),
            shown(mixed.duration)
        ),
        Workload::SlowReaders(slow) => format!(
            "slow readers: {} rooms x {} members who read and {} who do not, {}-byte messages, \
             {} messages/s, open loop, {}",
            slow.rooms,
            slow.members,
            slow.slow,
            slow.size_bytes,
            slow.messages_per_second,
            shown(slow.duration)
        ),
        Workload::Upgrade(upgrade) => format!(
            "upgrade: {} connections in rooms of {}, {} upgrades with {} messages stored, {} messages/s, open \
             loop",
            upgrade.connections,
            upgrade.members,
            upgrade.upgrades,
            upgrade.stored,
            upgrade.messages_per_second
        ),
        Workload::Log(log) => match log.part {
            LogPart::Starts => format!("log: {} messages in {} rooms", log.messages, log.rooms),
            LogPart::Pages => {
                format!("log: pages of 50 from a room of {} messages, cold page cache", log.room_messages())
            }
            LogPart::Saturated => "log: append with commit at saturation, one shard".to_owned(),
            LogPart::Rest => "log: one message at a time, beside the disk by itself".to_owned(),
        },
    }
}

pub(super) fn parameters(workload: &Workload) -> Vec<Parameter> {
    let mut list = List(Vec::new());
    match workload {
        Workload::Echo(echo) => list.add("size", echo.size_bytes).seconds(echo.duration),
        Workload::FanOut(fan_out) => {
            list.add("rooms", fan_out.rooms).add("members", fan_out.members);
            match fan_out.pace {
                Pace::Saturated { in_flight } => list.add("in-flight", in_flight),
                Pace::Rate { messages_per_second } => list.add("rate", messages_per_second),
            };
            list.add("size", fan_out.size_bytes).seconds(fan_out.duration)
        }
        Workload::Whisper(whisper) => list
            .add("pairs", whisper.pairs)
            .add("rate", whisper.whispers_per_second)
            .add("size", whisper.size_bytes)
            .seconds(whisper.duration),
        Workload::Idle(idle) => list.add("connections", idle.connections),
        Workload::Storm(storm) => list
            .add("connections", storm.connections)
            .add("members", storm.members)
            .add("rate", storm.messages_per_second)
            .add("size", storm.size_bytes),
        Workload::History(history) => list
            .add("messages", history.messages)
            .add("readers", history.readers)
            .add("rate", history.pages_per_second)
            .add("size", history.size_bytes)
            .seconds(history.duration),
        Workload::Mixed(mixed) => list
            .add("rooms", mixed.rooms)
            .add("members", mixed.members)
            .add("rate", mixed.actions_per_second)
            .add("moves", mixed.moves_percent)
            .add("whispers", mixed.whispers_percent)
            .add("size", mixed.size_bytes)
            .seconds(mixed.duration),
        Workload::SlowReaders(slow) => list
            .add("rooms", slow.rooms)
            .add("members", slow.members)
            .add("slow", slow.slow)
            .add("rate", slow.messages_per_second)
            .add("size", slow.size_bytes)
            .seconds(slow.duration),
        Workload::Upgrade(upgrade) => list
            .add("connections", upgrade.connections)
            .add("members", upgrade.members)
            .add("upgrades", upgrade.upgrades)
            .add("messages", upgrade.stored)
            .add("rate", upgrade.messages_per_second)
            .add("size", upgrade.size_bytes),
        Workload::Log(log) => {
            list.add("part", log.part.name()).add("messages", log.messages).add("rooms", log.rooms)
        }
    };
    list.0
}

/// A few words for a progress bar.
pub(super) fn short(workload: &Workload) -> String {
    match workload {
        Workload::FanOut(fan_out) => format!("fanout {} x {}", fan_out.rooms, fan_out.members),
        Workload::Idle(idle) => format!("idle, {} connections", idle.connections),
        Workload::Storm(storm) => format!("storm, {} connections", storm.connections),
        other => other.name().to_owned(),
    }
}

/// How many connections it takes at once.
pub(super) fn connections(workload: &Workload) -> usize {
    match workload {
        Workload::Echo(_) => 1,
        Workload::FanOut(fan_out) => fan_out.rooms.saturating_mul(fan_out.members),
        Workload::Whisper(whisper) => 2 * whisper.pairs,
        Workload::Idle(idle) => idle.connections,
        Workload::Storm(storm) => storm.connections + storm.talkers(),
        Workload::History(history) => history.readers + 1,
        Workload::Mixed(mixed) => mixed.rooms * mixed.members + mixed.wanderers(),
        Workload::SlowReaders(slow) => slow.rooms.saturating_mul(slow.members + slow.slow),
        Workload::Upgrade(upgrade) => upgrade.connections,
        // A handful, which fits anywhere.
        Workload::Log(_) => 0,
    }
}

/// What a server of our own needs for it.
pub(super) fn server_settings(workload: &Workload) -> Vec<String> {
    let members = match workload {
        Workload::FanOut(fan_out) => fan_out.members,
        Workload::Storm(storm) => storm.members,
        Workload::Mixed(mixed) => mixed.members + mixed.wanderers(),
        Workload::SlowReaders(slow) => slow.members + slow.slow,
        Workload::History(history) => history.readers + 1,
        Workload::Upgrade(upgrade) => upgrade.members,
        _ => 1,
    };
    vec![
        "limits.messages_per_second=0".to_owned(),
        format!("rooms.members_max={}", members.max(100)),
        "telemetry.level=warn".to_owned(),
    ]
}

struct List(Vec<Parameter>);

impl List {
    fn add(&mut self, name: &'static str, value: impl ToString) -> &mut List {
        self.0.push(Parameter { name, value: value.to_string() });
        self
    }

    fn seconds(&mut self, duration: Duration) -> &mut List {
        self.add("seconds", duration.as_secs_f64())
    }
}

fn shown(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

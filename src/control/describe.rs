//! The state of the server, for `madang status`.

use crate::operator::{RoomLine, ShardLine, SlowLine, Status};
use crate::server::{Readiness, ServerState};
use crate::version::{COMMIT, VERSION};
use madang_engine::runtime::{Sample, ShardReport, Space};
use madang_engine::shard::{RoomReport, SlowReport, fullest_first, liveliest_first};
use std::path::absolute;
use std::time::Duration;

/// The status of the server, with lists of at most `count` entries. Shards that do not answer within `time_max` are
/// described by their last samples.
pub fn describe(state: &ServerState, count: usize, time_max: Duration) -> Status {
    let remote = state.remote();
    let samples = remote.map(|remote| remote.samples()).unwrap_or_default();
    let reports = remote.map(|remote| remote.reports(count, time_max)).unwrap_or_default();
    let shards = samples.iter().zip(&reports).enumerate();
    let shards = shards.map(|(index, (sample, report))| shard_line(index, sample, report.as_ref())).collect();
    let (mut by_members, mut by_rate, mut slow) = (Vec::new(), Vec::new(), Vec::new());
    for report in reports.into_iter().flatten() {
        by_members.extend(report.leaders.by_members);
        by_rate.extend(report.leaders.by_rate);
        slow.extend(report.leaders.slow);
    }
    by_members.sort_unstable_by(fullest_first);
    by_rate.sort_unstable_by(liveliest_first);
    slow.sort_unstable_by_key(|one| std::cmp::Reverse(one.outbox_bytes));
    Status {
        version: VERSION.to_owned(),
        commit: COMMIT.map(str::to_owned),
        pid: std::process::id(),
        started_us: state.started_us(),
        state: match state.readiness() {
            Readiness::Recovering => "recovering",
            Readiness::Ready => "ready",
            Readiness::Draining => "draining",
        }
        .to_owned(),
        faults: state.faults(),
        warnings: Space::of(state.data()).filter(Space::is_low).iter().map(Space::words).collect(),
        uptime_seconds: state.uptime().as_secs(),
        recovery_seconds: state.recovery().as_secs_f64(),
        data: absolute(state.data()).unwrap_or_else(|_| state.data().to_owned()).display().to_string(),
        addresses: state.entrances().iter().map(ToString::to_string).collect(),
        epoch: state.epoch().map_or_else(String::new, |epoch| epoch.to_string()),
        durability: state.durability().to_owned(),
        connections_limit: state.connections_max(),
        shards,
        rooms_by_members: by_members.iter().take(count).map(room_line).collect(),
        rooms_by_rate: by_rate.iter().take(count).map(room_line).collect(),
        slow_connections: slow.iter().take(count).map(slow_line).collect(),
    }
}

fn shard_line(index: usize, sample: &Sample, report: Option<&ShardReport>) -> ShardLine {
    let mut line = ShardLine {
        shard: u16::try_from(index).unwrap_or(u16::MAX),
        answers: report.is_some(),
        connections: sample.connections,
        sessions: sample.sessions,
        rooms: sample.rooms,
        users: sample.users,
        messages: sample.messages,
        messages_per_second: sample.messages_per_second_milli as f64 / 1e3,
        deliveries_per_second: sample.deliveries_per_second_milli as f64 / 1e3,
        outbox_bytes: sample.outbox_bytes,
        slow_connections: sample.slow_connections,
        mesh_overflow_entries: sample.mesh_overflow_entries,
        log: sample.storage().name().to_owned(),
        unsynced_bytes: sample.unsynced_bytes,
        commits: sample.commits,
        commit_milliseconds: 1e3 * sample.commit_seconds.sum() / sample.commits.max(1) as f64,
        commit_failures: sample.commit_failures,
    };
    if let Some(ShardReport { fill, .. }) = report {
        line.connections = fill.connections;
        line.sessions = fill.sessions;
        line.rooms = fill.rooms;
        line.users = fill.users;
        line.messages = fill.messages;
        line.outbox_bytes = fill.outbox_bytes;
        line.slow_connections = fill.slow_connections;
        line.unsynced_bytes = fill.unsynced_bytes;
    }
    line
}

fn room_line(room: &RoomReport) -> RoomLine {
    RoomLine {
        room: room.room.as_str().to_owned(),
        members: room.members,
        messages: room.messages,
        messages_per_second: room.messages_per_second,
    }
}

fn slow_line(slow: &SlowReport) -> SlowLine {
    let user = slow.user.as_ref().map(|user| user.as_str().to_owned());
    SlowLine { user, outbox_bytes: slow.outbox_bytes }
}

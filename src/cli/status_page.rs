//! The page of `madang status`.

use super::table::table;
use crate::operator::{ShardLine, Status};
use crate::version::with_commit;
use madang_engine::runtime::StorageState;
use std::fmt::Write;

/// The whole page; each line has a line end.
pub fn page(status: &Status) -> String {
    let mut page = String::new();
    let _ = writeln!(
        page,
        "madang {}  pid {}  {}  up {}",
        with_commit(&status.version, status.commit.as_deref()),
        status.pid,
        status.state,
        duration(status.uptime_seconds)
    );
    let _ = writeln!(page, "listens at {}  data {}", status.addresses.join(", "), status.data);
    if !status.epoch.is_empty() {
        let _ = writeln!(page, "log epoch {}", status.epoch);
    }
    let _ = writeln!(
        page,
        "durability {}  log opened in {:.1} s  connections {} of {}",
        status.durability,
        status.recovery_seconds,
        sum(status, |shard| shard.connections),
        status.connections_limit
    );
    for fault in status.faults.iter().chain(&status.warnings) {
        let _ = writeln!(page, "! {fault}");
    }
    page.push('\n');
    page.push_str(&shards(status));
    for (title, rooms) in
        [("largest rooms", &status.rooms_by_members), ("busiest rooms", &status.rooms_by_rate)]
    {
        if rooms.is_empty() {
            continue;
        }
        let rows: Vec<_> = rooms
            .iter()
            .map(|room| {
                let rate = format!("{:.1}", room.messages_per_second);
                [room.room.clone(), room.members.to_string(), rate, room.messages.to_string()]
            })
            .collect();
        let _ = write!(page, "\n{}", table([title, "members", "messages/s", "messages"], &rows));
    }
    if !status.slow_connections.is_empty() {
        let name = |user: &Option<String>| user.clone().unwrap_or_else(|| "(no name yet)".to_owned());
        let slow = status.slow_connections.iter();
        let rows: Vec<_> = slow.map(|one| [name(&one.user), bytes(one.outbox_bytes)]).collect();
        let _ = write!(page, "\n{}", table(["slow connections", "waiting"], &rows));
    }
    page
}

fn shards(status: &Status) -> String {
    let head = [
        "shard",
        "connections",
        "sessions",
        "rooms",
        "messages/s",
        "deliveries/s",
        "waiting",
        "slow",
        "log",
        "commit ms",
        "failed",
    ];
    let row = |name: String, shard: &ShardLine| {
        let log = if shard.answers { shard.log.clone() } else { format!("{} (no answer)", shard.log) };
        [
            name,
            shard.connections.to_string(),
            shard.sessions.to_string(),
            shard.rooms.to_string(),
            format!("{:.0}", shard.messages_per_second),
            format!("{:.0}", shard.deliveries_per_second),
            bytes(shard.outbox_bytes),
            shard.slow_connections.to_string(),
            log,
            format!("{:.2}", shard.commit_milliseconds),
            shard.commit_failures.to_string(),
        ]
    };
    let mut rows: Vec<_> = status.shards.iter().map(|shard| row(shard.shard.to_string(), shard)).collect();
    if rows.len() > 1 {
        let commits: u64 = sum(status, |shard| shard.commits);
        let spent: f64 = status.shards.iter().map(|s| s.commit_milliseconds * s.commits as f64).sum();
        let all = ShardLine {
            shard: 0,
            answers: status.shards.iter().all(|shard| shard.answers),
            connections: sum(status, |shard| shard.connections),
            sessions: sum(status, |shard| shard.sessions),
            rooms: sum(status, |shard| shard.rooms),
            messages_per_second: status.shards.iter().map(|shard| shard.messages_per_second).sum(),
            deliveries_per_second: status.shards.iter().map(|shard| shard.deliveries_per_second).sum(),
            outbox_bytes: sum(status, |shard| shard.outbox_bytes),
            slow_connections: sum(status, |shard| shard.slow_connections),
            log: worst_log(&status.shards).to_owned(),
            commit_milliseconds: spent / commits.max(1) as f64,
            commit_failures: sum(status, |shard| shard.commit_failures),
            ..ShardLine::default()
        };
        rows.push(row("all".to_owned(), &all));
    }
    table(head, &rows)
}

/// The worst state of the shards' logs. An unknown word comes from a newer server.
fn worst_log(shards: &[ShardLine]) -> &str {
    let badness = |log: &str| StorageState::NAMES.iter().position(|name| *name == log).unwrap_or(usize::MAX);
    shards.iter().map(|shard| shard.log.as_str()).max_by_key(|log| badness(log)).unwrap_or_default()
}

fn sum(status: &Status, of: impl Fn(&ShardLine) -> u64) -> u64 {
    status.shards.iter().map(of).sum()
}

/// A time for people: the two largest units.
fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// A size for people.
fn bytes(count: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.iter().find(|(_, size)| count >= *size) {
        Some((unit, size)) => format!("{:.1} {unit}", count as f64 / *size as f64),
        None => format!("{count} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_row_of_all_shards_shows_the_worst_state_that_one_of_them_has() {
        let worst = |states: &[&str]| {
            let shards =
                states.iter().map(|log| ShardLine { log: (*log).to_owned(), ..ShardLine::default() });
            worst_log(&shards.collect::<Vec<_>>()).to_owned()
        };
        assert_eq!(worst(&["last_segment", "last_segment"]), "last_segment");
        assert_eq!(worst(&["ready", "failing", "last_segment"]), "failing");
        assert_eq!(worst(&["ready", "preparing"]), "preparing");
    }

    #[test]
    fn times_and_sizes_are_for_people() {
        let times = [5, 65, 3_720, 90_000].map(duration);
        assert_eq!(times, ["5 s", "1 min 5 s", "1 h 2 min", "1 d 1 h"]);
        assert_eq!([0, 1_536, 3 << 20].map(bytes), ["0 B", "1.5 KiB", "3.0 MiB"]);
    }
}

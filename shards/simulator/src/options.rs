//! How large a session is, and what its seed makes of it.

use super::chance::Chance;
use super::client::Habits;
use super::server::StartOptions;
use madang_engine::room::RoomLimits;
use madang_engine::shard::Settings;
use madang_engine::user::UserLimits;
use madang_log::{Durability, Retention};
use madang_model::RoomName;
use madang_model::connection::{FloodLimit, Networks};
use std::time::Duration;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct SessionOptions {
    /// Everything is chosen by it.
    pub seed: u64,
    /// Clients.
    pub users: usize,
    /// Rooms beside the lobby.
    pub rooms: usize,
    /// Shards at the first start; later starts may have others.
    pub shards: u16,
    /// Steps.
    pub steps: u64,
    /// Whether the server crashes, the disk fails and connections break.
    pub has_mishaps: bool,
    /// Whether old segments expire.
    pub has_retention: bool,
    /// Whether the power is cut while the server starts, too.
    pub has_interrupted_starts: bool,
    /// Whether another process takes over, or tries to.
    pub has_upgrades: bool,
    /// Whether it comes thick: syncs fail, then the server is killed, then the power is cut.
    pub has_storms: bool,
    /// Whether an edge has sessions over the link.
    pub has_link: bool,
    /// Whether the facts of rooms change.
    pub has_facts: bool,
    /// Whether messages are erased.
    pub has_erasures: bool,
    /// Whether clients go through the members of rooms, page by page.
    pub has_lists: bool,
    /// Whether messages are erased that their authors have deleted.
    pub has_deletions: bool,
    /// Whether the log is copied while it is served, and copies take its place.
    pub has_restores: bool,
    /// Whether every step is printed.
    pub is_traced: bool,
}

impl SessionOptions {
    /// A session of the size that tests run by the dozen.
    pub fn small(seed: u64) -> SessionOptions {
        SessionOptions {
            seed,
            users: 24,
            rooms: 6,
            shards: 3,
            steps: 6_000,
            has_mishaps: true,
            has_retention: false,
            has_interrupted_starts: false,
            has_upgrades: false,
            has_storms: false,
            has_link: false,
            has_facts: false,
            has_erasures: false,
            has_lists: false,
            has_deletions: false,
            has_restores: false,
            is_traced: false,
        }
    }

    /// The largest that is asked for.
    pub fn large(seed: u64) -> SessionOptions {
        SessionOptions { users: 1_000, rooms: 200, shards: 4, steps: 100_000, ..SessionOptions::small(seed) }
    }

    /// The command that runs it again.
    pub fn command(&self) -> String {
        let SessionOptions { seed, users, rooms, shards, steps, .. } = self;
        format!(
            "cargo run --release -p madang-simulator -- --seed {seed} --steps {steps} \
             --users {users} --rooms {rooms} --shards {shards}{}{}{}{}{}{}{}{}{}{}{}",
            if self.has_mishaps { "" } else { " --calm" },
            if self.has_retention { " --retention" } else { "" },
            if self.has_interrupted_starts { " --interrupted-starts" } else { "" },
            if self.has_upgrades { " --upgrades" } else { "" },
            if self.has_storms { " --storms" } else { "" },
            if self.has_link { " --link" } else { "" },
            if self.has_facts { " --facts" } else { "" },
            if self.has_erasures { " --erasures" } else { "" },
            if self.has_lists { " --lists" } else { "" },
            if self.has_deletions { " --deletions" } else { "" },
            if self.has_restores { " --restores" } else { "" }
        )
    }
}

/// What the seed decides once for a whole session.
#[derive(Clone, Debug)]
pub struct SessionConditions {
    pub start: StartOptions,
    pub habits: Habits,
    /// Bytes that a socket takes until its peer reads.
    pub socket_bytes: usize,
}

impl SessionConditions {
    pub fn of(options: &SessionOptions, chance: &mut Chance) -> SessionConditions {
        let outbox_bytes_max = [8 << 10, 32 << 10, 128 << 10][chance.below(3)];
        let durability = match chance.below(8) {
            0 => Durability::None,
            1 => Durability::Interval(Duration::from_millis(50)),
            _ => Durability::Commit,
        };
        let bytes_max = (options.has_retention && chance.one_in(2)).then_some(200 << 10);
        let members_max = if chance.one_in(4) { 8 } else { 100 };
        let settings = Settings {
            shard_count: options.shards,
            lobby: RoomName::parse("general").expect("a room name"),
            rooms: RoomLimits {
                members_max,
                announce_members_max: 100,
                history_on_join: 15,
                grace: Duration::from_secs(3),
            },
            users: UserLimits { grace: Duration::from_secs(3), sessions_max: 3 },
            flood: FloodLimit { messages_per_second: 0, burst: 0 },
            connections_per_address: 0,
            ipv6_prefix: 64,
            outbox_bytes_max,
            outbox_total_bytes_max: outbox_bytes_max * if chance.one_in(3) { 2 } else { 64 },
            login: Duration::from_secs(60),
            proxy_from: Networks::default(),
        };
        SessionConditions {
            start: StartOptions {
                settings,
                durability,
                segment_bytes: 256 << 10,
                retention: Retention { age_max: None, bytes_max },
                channel_batches_max: [1, 4, 64][chance.below(3)],
                link_batches_max: options.has_link.then(|| [2, 4, 64][chance.below(3)]),
            },
            habits: Habits {
                users: options.users,
                padding_max: (outbox_bytes_max / 24).min(4000),
                long_one_in: [1, 4, 8][chance.below(3)],
                rooms_max: 4,
                side_rooms: 0..1,
                has_facts: false,
                has_lists: false,
                has_deletions: false,
            },
            socket_bytes: outbox_bytes_max / 4,
        }
    }
}

//! From the configuration to the settings of the shards and of the line surface.

use madang_config::{Config, Log, Shards};
use madang_engine::room::RoomLimits;
use madang_engine::shard::Settings;
use madang_engine::user::UserLimits;
use madang_log::Retention;
use madang_model::connection::FloodLimit;
use madang_surfaces::line::{LineLimit, LineSettings};
use std::time::Duration;

/// How long a name and a membership are kept after a lost connection.
pub const GRACE: Duration = Duration::from_secs(30);

/// The settings of all shards.
pub fn shard_settings(config: &Config, shards: u16) -> Settings {
    Settings {
        shard_count: shards,
        lobby: config.rooms.lobby.clone(),
        rooms: RoomLimits {
            members_max: config.rooms.members_max.u32(),
            announce_members_max: config.rooms.announce_members_max.u32(),
            history_on_join: config.rooms.history_on_join.usize(),
            grace: GRACE,
        },
        users: UserLimits { grace: GRACE, sessions_max: config.limits.sessions_per_user.u32() },
        flood: FloodLimit {
            messages_per_second: config.limits.messages_per_second.u32(),
            burst: config.limits.burst.u32(),
        },
        connections_per_address: config.limits.connections_per_address.u32(),
        ipv6_prefix: u8::try_from(config.limits.ipv6_prefix.u32()).unwrap_or(128),
        outbox_bytes_max: config.limits.outbox_bytes_max.usize(),
        outbox_total_bytes_max: usize::try_from(config.limits.outbox_total_bytes_max.number())
            .unwrap_or(usize::MAX),
        login: Duration::from_secs(config.limits.login_seconds.number()),
        proxy_from: config.listen.proxy_from.clone(),
    }
}

/// How long a text of an edge may be: as long as a line, as what one says must be shown to the others.
pub fn text_bytes_max(config: &Config) -> u32 {
    u32::try_from(config.limits.line_bytes_max.number()).unwrap_or(u32::MAX)
}

/// How long a shard polls for work before it sleeps, if configured.
pub fn spin(shards: &Shards) -> Option<Duration> {
    let spin_us = shards.spin_us.number();
    (spin_us > 0).then(|| Duration::from_micros(spin_us))
}

/// How much of the log is kept.
pub fn retention(log: &Log) -> Retention {
    let (days, bytes) = (log.retain_days.number(), log.retain_bytes.number());
    Retention {
        age_max: (days > 0).then(|| Duration::from_secs(days * 86_400)),
        bytes_max: (bytes > 0).then_some(bytes),
    }
}

/// Within what time deletions are to be in no file.
pub fn erase_time_max(log: &Log) -> Duration {
    Duration::from_secs(log.erase_hours.number() * 3_600)
}

/// The settings of the line surface.
pub fn line_settings(config: &Config, line_bytes_max: &LineLimit) -> LineSettings {
    LineSettings {
        line_bytes_max: line_bytes_max.clone(),
        lobby: config.rooms.lobby.clone(),
        greeting: LineSettings::GREETING_DEFAULT.into(),
    }
}

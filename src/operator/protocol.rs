//! The messages on the control socket. Both ends have the same version, but fields may be added.

use serde::{Deserialize, Serialize};

/// The answer to a line that is no command that the server knows begins with this, in every release.
pub const UNKNOWN_COMMAND: &str = "not a command: ";

/// The operator's commands, one per line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum ControlCommand {
    /// The status of the server; lists have at most `count` entries.
    Status {
        /// The maximum of entries.
        count: usize,
    },
    /// Stop accepting, finish accepted work, end.
    Drain,
    /// Start another process that takes over from this one.
    Upgrade,
    /// What the process knows that is about to ask for a takeover on this connection. Servers of earlier releases answer
    /// with an error, and a takeover without it comes from a program of such a release.
    Introduce {
        /// The names of what it knows: `handover::ERASURES`.
        knows: Vec<String>,
    },
    /// Hand everything over to the process that sends this. What follows is not JSON: see `handover`.
    Takeover {
        /// The version of the handover that it supports.
        version: u32,
        /// Whether it is a trial. The field is left out if not, for servers that do not know trials.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_trial: bool,
    },
    /// Close the connections of a user.
    Kick {
        /// The user.
        name: String,
        /// The reason that the user is shown; may be empty.
        reason: String,
    },
    /// Send a text to everyone.
    Broadcast {
        /// The text.
        text: String,
    },
    /// Erase messages: of a room by their numbers, or those of an author, in one room or all.
    Erase {
        /// The room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<String>,
        /// The first number and the last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        numbers: Option<(u64, u64)>,
        /// The author.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        author: Option<String>,
        /// What was said later stays, in microseconds since 1970; never earlier than the server's present.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until_us: Option<i64>,
        /// Whether it may wait for others, within `log.erase_hours`.
        #[serde(default)]
        may_wait: bool,
    },
    /// How far an erasure is.
    Erasure {
        /// Which.
        id: i64,
    },
}

/// The server's answers, one per line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The status of the server.
    Status(Box<Status>),
    /// The server drains, and closes this connection when it ends.
    Draining,
    /// It is noted what a process knows that is about to ask for a takeover.
    Introduced,
    /// Another process with this process id was started. When it has taken over, this connection is closed; if it
    /// fails, an error follows.
    Upgrading(u32),
    /// The number of connections that were closed, or got the text.
    Reached(u64),
    /// The erasure is remembered, and has this id.
    Erasing(i64),
    /// How far an erasure is.
    Erasure {
        /// Whether it is in no file any more.
        is_done: bool,
        /// Why it is not done yet, if something is in the way.
        trouble: Option<String>,
    },
    /// The command failed; a sentence with the remedy.
    Error(String),
}

/// The status of the server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Its version.
    pub version: String,
    /// The first digits of the commit that it was built from, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Its process id.
    pub pid: u32,
    /// When it started, by the monotonic clock of the machine, in microseconds: a process may continue with another
    /// program.
    #[serde(default)]
    pub started_us: u64,
    /// `recovering`, `ready` or `draining`.
    pub state: String,
    /// Faults, one sentence each.
    pub faults: Vec<String>,
    /// Warnings, one sentence each.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// How long it has been running.
    pub uptime_seconds: u64,
    /// How long opening the log took.
    pub recovery_seconds: f64,
    /// The data directory.
    pub data: String,
    /// The addresses for clients.
    pub addresses: Vec<String>,
    /// The epoch of the log, once clients are served; empty before, and of a server that has none.
    #[serde(default)]
    pub epoch: String,
    /// The durability mode.
    pub durability: String,
    /// Connections that the open-file limit allows.
    pub connections_limit: u64,
    /// Each shard.
    pub shards: Vec<ShardLine>,
    /// The rooms with the most members.
    pub rooms_by_members: Vec<RoomLine>,
    /// The rooms with the most messages a second.
    pub rooms_by_rate: Vec<RoomLine>,
    /// The connections with the largest outboxes.
    pub slow_connections: Vec<SlowLine>,
}

/// One shard.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ShardLine {
    /// Its number.
    pub shard: u16,
    /// Whether it answered in time. If not, the numbers are from its last tick.
    pub answers: bool,
    /// Connections.
    pub connections: u64,
    /// Connections with a name.
    pub sessions: u64,
    /// Rooms in memory whose home it is.
    pub rooms: u64,
    /// Names whose home it is.
    pub users: u64,
    /// Messages accepted since the start.
    pub messages: u64,
    /// Messages a second, over its last second.
    pub messages_per_second: f64,
    /// Deliveries a second, over its last second.
    pub deliveries_per_second: f64,
    /// Bytes that wait for slow connections.
    pub outbox_bytes: u64,
    /// The number of slow connections.
    pub slow_connections: u64,
    /// Entries that wait for other shards.
    pub mesh_overflow_entries: u64,
    /// `ready`, `preparing`, `last_segment` or `failing`.
    pub log: String,
    /// Bytes in the log that are not synced.
    pub unsynced_bytes: u64,
    /// Commits since the start.
    pub commits: u64,
    /// Milliseconds a commit takes on average, since the start.
    pub commit_milliseconds: f64,
    /// Commits and syncs that failed since the start.
    pub commit_failures: u64,
}

/// One room.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RoomLine {
    /// Its name.
    pub room: String,
    /// Its members.
    pub members: u32,
    /// Messages so far.
    pub messages: u64,
    /// Messages a second, over the last ten seconds at most.
    pub messages_per_second: f64,
}

/// One slow connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SlowLine {
    /// Its user; `None` before the login.
    pub user: Option<String>,
    /// Bytes that wait for it.
    pub outbox_bytes: u64,
}

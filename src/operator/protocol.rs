//! What is said over the control socket. Both ends are of one version, but fields may be added.

use serde::{Deserialize, Serialize};

/// What the operator wants: one a line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// How the server is; lists have at most `count` entries.
    Status {
        /// At most so many.
        count: usize,
    },
    /// Stop accepting, finish, leave.
    Drain,
    /// Start another process that takes over from this one.
    Upgrade,
    /// Hand everything over to the process that asks. What follows is no JSON: see `handover`.
    Takeover {
        /// The version of the handover that it understands.
        version: u32,
        /// Whether it only shows that it can. Servers from before there were trials are not told of it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_trial: bool,
    },
    /// End the connections of a user.
    Kick {
        /// The user.
        name: String,
        /// What the user is told; may be empty.
        reason: String,
    },
    /// Tell everyone.
    Broadcast {
        /// What.
        text: String,
    },
}

/// What the server answers: one a line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// How the server is.
    Status(Box<Status>),
    /// It drains, and closes this connection when it ends.
    Draining,
    /// Another process of this number is started. When it has taken over, this connection is closed; when
    /// it has not, an error follows.
    Upgrading(u32),
    /// So many connections were ended, or told.
    Reached(u64),
    /// It cannot be done; a sentence with the remedy.
    Error(String),
}

/// How the server is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Its version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// When it began, by the clock of its machine, in microseconds: a process may go on as another program.
    #[serde(default)]
    pub started_us: u64,
    /// `recovering`, `ready` or `draining`.
    pub state: String,
    /// What is wrong, a sentence each.
    pub faults: Vec<String>,
    /// What will go wrong unless something is done, a sentence each.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// How long it runs.
    pub uptime_seconds: u64,
    /// How long opening the log took.
    pub recovery_seconds: f64,
    /// The data directory.
    pub data: String,
    /// Where people come in.
    pub addresses: Vec<String>,
    /// What must have happened to a message before anyone sees it.
    pub durability: String,
    /// Connections that the open-file limit allows.
    pub connections_limit: u64,
    /// Each shard.
    pub shards: Vec<ShardLine>,
    /// The fullest rooms.
    pub rooms_by_members: Vec<RoomLine>,
    /// The liveliest rooms.
    pub rooms_by_rate: Vec<RoomLine>,
    /// The connections with the largest outboxes.
    pub slow_connections: Vec<SlowLine>,
}

/// One shard.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ShardLine {
    /// Its number.
    pub shard: u16,
    /// Whether it has answered in time. If not, the numbers are those of its last tick.
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
    /// How many of those there are.
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
    /// Its user; none has said no name.
    pub user: Option<String>,
    /// Bytes that wait for it.
    pub outbox_bytes: u64,
}

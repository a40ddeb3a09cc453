//! What an operator can decide, checked once, when it is read.
//!
//! Every value that exists is valid: the types of the fields carry their ranges. [`keys::KEYS`] is
//! the one table of names, meanings and defaults; files, the environment, flags, the printed
//! default file and the documentation are all read from it or tested against it.

mod bounded;
mod entrances;
mod error;
pub mod file;
mod http_listeners;
pub mod keys;
mod layers;
mod listen;
mod print;
mod shown;
mod size;
mod values;

#[cfg(test)]
mod tests;

pub use bounded::Bounded;
pub use entrances::{ENTRANCES, EntranceKey, LINE, LINE_TLS, LINES};
pub use error::ConfigErrors;
pub use http_listeners::{HTTP_LISTENERS, HttpKey};
pub use keys::{KEYS, Key, key_names};
pub use layers::{DEFAULT_FILE, Flag, Loaded, Sources, Written, load};
pub use listen::{ListenAddress, OptionalAddress, is_at, overlap};
pub use print::{default_file, effective};
pub use size::Size;
pub use values::{DatabaseUrl, Format, Level, OptionalFile, PlainPasswords, ShardCount, SignUp};

use madang_log::Durability;
use madang_model::RoomName;
use madang_model::connection::Networks;
use std::net::SocketAddr;

/// Everything an operator can decide, except where the data lies (`--data`).
#[derive(Clone, Debug)]
pub struct Config {
    /// Where clients connect.
    pub listen: Listen,
    /// The server's identity for TLS clients.
    pub tls: Tls,
    /// How the work is divided.
    pub shards: Shards,
    /// How messages reach the disk.
    pub log: Log,
    /// How long backups are kept.
    pub backup: Backup,
    /// Where accounts are.
    pub directory: Directory,
    /// How people get accounts and use them.
    pub accounts: Accounts,
    /// What rooms are like.
    pub rooms: Rooms,
    /// What one connection may do.
    pub limits: Limits,
    /// HTTP.
    pub http: Http,
    /// The process that serves further protocols.
    pub edge: Edge,
    /// What is reported to the operator.
    pub telemetry: Telemetry,
}

impl Config {
    /// Every address that is listened at, with its key.
    pub fn listeners(&self) -> Vec<(&'static str, SocketAddr)> {
        let entrances = self.entrances().into_iter().map(|(key, entrance)| (key.name, entrance.address));
        let http = self.http_listeners().into_iter().map(|(key, address)| (key.name, address));
        let metrics = self.telemetry.metrics.0.map(|address| ("telemetry.metrics", address));
        entrances.chain(http).chain(metrics).collect()
    }
}

/// Where clients connect.
#[derive(Clone, Debug)]
pub struct Listen {
    /// The address of the line protocol (`nc`, `telnet`).
    pub line: ListenAddress,
    /// The address of the same over TLS.
    pub line_tls: OptionalAddress,
    /// The address of the line protocol for telnets, which are asked for their options as they come.
    pub telnet: OptionalAddress,
    /// The address of HTTP.
    pub http: OptionalAddress,
    /// The address of HTTP over TLS.
    pub https: OptionalAddress,
    /// Where proxies connect from, which say whose connection they pass on.
    pub proxy_from: Networks,
}

/// The server's identity for TLS clients.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The certificate, with those that vouch for it.
    pub certificate: OptionalFile,
    /// Its key.
    pub key: OptionalFile,
}

/// How the work is divided.
#[derive(Clone, Debug)]
pub struct Shards {
    /// How many shards there are.
    pub count: ShardCount,
    /// How long a shard with nothing to do looks for work before it sleeps, in microseconds.
    pub spin_us: Bounded<0, 1_000>,
}

/// How messages reach the disk.
#[derive(Clone, Debug)]
pub struct Log {
    /// What must have happened to a message before anyone sees it.
    pub durability: Durability,
    /// The size of a log segment.
    pub segment_bytes: Size<1_048_576, 1_073_741_824>,
    /// For how many days finished segments are kept; 0 is for ever.
    pub retain_days: Bounded<0, 36_500>,
    /// How many bytes of finished segments are kept; 0 is all.
    pub retain_bytes: Size<0, 9_007_199_254_740_992>,
    /// Within how many hours what is deleted is in no file any more; 0 is at once.
    pub erase_hours: Bounded<0, 168>,
}

/// How long backups are kept, which `madang backup` makes and a server knows nothing of.
#[derive(Clone, Debug)]
pub struct Backup {
    /// For how many days; 0 is for ever.
    pub keep_days: Bounded<0, 36_500>,
}

/// Where accounts are, and service keys.
#[derive(Clone, Debug)]
pub struct Directory {
    /// The database; `None` is a file in the data directory.
    pub url: DatabaseUrl,
    /// The password for it.
    pub password_file: OptionalFile,
}

/// How people get accounts and use them.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// Who may make accounts over HTTP.
    pub sign_up: SignUp,
    /// Whether passwords are taken over connections that others can read.
    pub plain_passwords: PlainPasswords,
}

/// What rooms are like.
#[derive(Clone, Debug)]
pub struct Rooms {
    /// The room everyone lands in.
    pub lobby: RoomName,
    /// How many members a room may have; the lobby has no such limit.
    pub members_max: Bounded<2, 1_000_000>,
    /// Up to how many members a room announces joins and leaves.
    pub announce_members_max: Bounded<0, 1_000_000>,
    /// How many stored messages are shown on joining. At most what a shard remembers of a room.
    pub history_on_join: Bounded<0, 64>,
}

/// What one connection may do.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The longest line, in bytes.
    pub line_bytes_max: Size<128, 16_384>,
    /// Messages a connection may send in the long run, a second; 0 is no limit.
    pub messages_per_second: Bounded<0, 1_000_000>,
    /// Messages a connection may send at once after silence.
    pub burst: Bounded<1, 1_000_000>,
    /// Connections from one address; 0 is no limit. Loopback is exempt.
    pub connections_per_address: Bounded<0, 1_000_000>,
    /// Sessions that an account may have at once.
    pub sessions_per_user: Bounded<1, 1_000>,
    /// The leading bits of an IPv6 address that make it one address there.
    pub ipv6_prefix: Bounded<1, 128>,
    /// Bytes that may wait for one connection before it is closed as a slow reader.
    pub outbox_bytes_max: Size<65_536, 1_073_741_824>,
    /// Bytes that may wait for all connections of a shard before the fullest are closed.
    pub outbox_total_bytes_max: Size<1_048_576, 1_099_511_627_776>,
    /// Seconds a connection has to say its name.
    pub login_seconds: Bounded<1, 3_600>,
}

/// HTTP.
#[derive(Clone, Debug)]
pub struct Http {
    /// Proxies whose forwarding headers are believed.
    pub forwarded_from: Networks,
}

/// The process that serves further protocols.
#[derive(Clone, Copy, Debug)]
pub struct Edge {
    /// Whether it can connect although there is no HTTP.
    pub enabled: bool,
    /// Whether the server starts it.
    pub start: bool,
}

/// What is reported to the operator.
#[derive(Clone, Copy, Debug)]
pub struct Telemetry {
    /// The least important event that is written.
    pub level: Level,
    /// The form in which events are written.
    pub format: Format,
    /// Where metrics and health are served.
    pub metrics: OptionalAddress,
}

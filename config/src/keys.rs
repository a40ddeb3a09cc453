//! The one table of what can be configured.

use super::values::{Form, Setting};
use super::{
    Accounts, Backup, Bounded, Config, DatabaseUrl, Directory, Edge, Format, Http, Level, Limits, Listen,
    ListenAddress, Log, OptionalAddress, OptionalFile, PlainPasswords, Rooms, ShardCount, Shards, SignUp,
    Size, Telemetry, Tls,
};
use madang_log::Durability;
use madang_model::RoomName;
use madang_model::connection::Networks;
use std::net::{Ipv4Addr, SocketAddr};

/// One key of the configuration.
pub struct Key {
    /// Section and name, joined by a dot.
    pub name: &'static str,
    /// What it decides, in a sentence.
    pub about: &'static str,
    /// Which TOML types it is written in.
    pub form: Form,
    /// What may be written.
    pub allowed: fn() -> String,
    /// Checks a text and puts its value into the configuration.
    pub set: fn(&mut Config, &str) -> Result<(), String>,
    /// The value that a configuration has, as TOML.
    pub show: fn(&Config) -> String,
    /// Gives the second the value of the first.
    pub copy: fn(&Config, &mut Config),
}

impl Key {
    /// The key of that name.
    pub fn named(name: &str) -> Option<&'static Key> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// The section, without the name in it.
    pub fn section(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(section, _)| section)
    }

    /// The name within the section.
    pub fn short_name(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(_, short)| short)
    }

    /// Whether a change holds only from the next start on.
    pub fn needs_restart(&self) -> bool {
        RESTART_KEYS.contains(&self.name)
    }

    /// Whether a wrong value of it may have a password in it.
    pub fn may_have_password(&self) -> bool {
        self.name == "directory.url"
    }

    /// The environment variable that sets it.
    pub fn variable(&self) -> String {
        format!("MADANG_{}", self.name.replace('.', "_").to_uppercase())
    }
}

/// The names of all keys.
pub fn key_names() -> impl Iterator<Item = &'static str> {
    KEYS.iter().map(|key| key.name)
}

macro_rules! key {
    ($section:ident.$field:ident, $about:literal) => {
        key_of(
            concat!(stringify!($section), ".", stringify!($field)),
            $about,
            |config: &Config| &config.$section.$field,
            |config, text| {
                config.$section.$field = Setting::parse(text)?;
                Ok(())
            },
            |config| config.$section.$field.to_toml(),
            |from, to| to.$section.$field = from.$section.$field.clone(),
        )
    };
}

/// `_field` only tells the compiler the type of the setting.
const fn key_of<S: Setting>(
    name: &'static str,
    about: &'static str,
    _field: fn(&Config) -> &S,
    set: fn(&mut Config, &str) -> Result<(), String>,
    show: fn(&Config) -> String,
    copy: fn(&Config, &mut Config),
) -> Key {
    Key { name, about, form: S::FORM, allowed: S::allowed, set, show, copy }
}

/// Homes follow the number of shards and people are in the lobby; segments, durability and the form
/// of events are decided where they are opened.
pub const RESTART_KEYS: &[&str] = &[
    "shards.count",
    "shards.spin_us",
    "log.durability",
    "log.segment_bytes",
    "rooms.lobby",
    "listen.http",
    "listen.https",
    "edge.enabled",
    "edge.start",
    "telemetry.format",
    "telemetry.metrics",
];

/// Every key, in the order of the printed file. The keys of a section stand together.
pub static KEYS: &[Key] = &[
    key!(listen.line, "The address for `nc` and `telnet`. Port 0 lets the kernel choose one."),
    key!(
        listen.line_tls,
        "The address for TLS connections (`ncat --ssl`, `openssl s_client`); \"\" is none."
    ),
    key!(
        listen.telnet,
        "The address for real telnets: BINARY, SGA and UTF-8 are agreed on at once, so that plain `telnet HOST 2323` \
         types any Korean; \"\" is none."
    ),
    key!(
        listen.http,
        "The address for HTTP/1.1 and HTTP/2 without TLS, which an edge serves (`edge.start`); \"\" is none."
    ),
    key!(listen.https, "The address for the same over TLS; \"\" is none."),
    key!(
        listen.proxy_from,
        "Proxies: a connection from one of these must begin with a PROXY header (version 1 or 2), and its address is \
         the one in the header; [] is none."
    ),
    key!(
        tls.certificate,
        "The PEM file of the server's certificate, with its chain; read again on a reload."
    ),
    key!(tls.key, "The PEM file of its key, without a passphrase."),
    key!(
        shards.count,
        "How many shards share the work; \"auto\" is one for each processor the process may use."
    ),
    key!(
        shards.spin_us,
        "Microseconds an idle shard polls for work before it sleeps; 0 is none. Polling shortens the latency \
         between shards, and keeps idle processors busy."
    ),
    key!(
        log.durability,
        "When a message may be seen: after it is synced (\"commit\"), or before, with a sync every N \
         milliseconds or when the kernel decides; then a power cut loses the newest messages."
    ),
    key!(log.segment_bytes, "The size of a log file."),
    key!(log.retain_days, "For how many days messages are kept, by whole log files; 0 is for ever."),
    key!(log.retain_bytes, "How many bytes of finished log files are kept, the newest ones; 0 is all."),
    key!(
        log.erase_hours,
        "Within how many hours a running server has what was deleted in no file any more; what `madang log erase` names is \
         erased at once. 0 is within seconds for all, and rewrites whole log files for each deletion."
    ),
    key!(
        backup.keep_days,
        "For how many days `madang backup` keeps older backups; 0 is for ever. The newest whole one is always kept."
    ),
    key!(
        directory.url,
        "The database of accounts and service keys (PostgreSQL); \"\" is the file `directory.sqlite` in the data directory."
    ),
    key!(
        directory.password_file,
        "The file with the password of its user in the first line, where the database wants one."
    ),
    key!(
        accounts.sign_up,
        "Who can make accounts over HTTP: anyone, whoever has a code that an admin has made, admins, or nobody. \
         `madang account add` makes accounts whatever this says."
    ),
    key!(
        accounts.plain_passwords,
        "Whether passwords are taken over plain HTTP: from this machine and configured proxies alone, or from everywhere, as for \
         a class on a network of its own. Others on the way can read them then."
    ),
    key!(rooms.lobby, "The room that everyone joins at login."),
    key!(rooms.members_max, "How many members a room may have; the lobby has no such limit."),
    key!(
        rooms.announce_members_max,
        "Joins, leaves and new names are announced while a room has at most this many members."
    ),
    key!(rooms.history_on_join, "How many stored messages are shown to a user who joins a room."),
    key!(limits.line_bytes_max, "The longest line; a longer one is refused whole."),
    key!(
        limits.messages_per_second,
        "Messages per second that a connection may send on average; 0 is no limit. Some commands count as several."
    ),
    key!(limits.burst, "Messages a connection may send at once after a pause."),
    key!(
        limits.connections_per_address,
        "Connections from one IP address; 0 is no limit. Loopback is exempt."
    ),
    key!(
        limits.sessions_per_user,
        "Sessions that a logged-in user may have at once, on all devices together; a guest has one. At `nc` nobody can log in yet."
    ),
    key!(
        limits.ipv6_prefix,
        "IPv6 addresses with this many equal leading bits count as one address for that limit."
    ),
    key!(
        limits.outbox_bytes_max,
        "Bytes that may wait for one connection; beyond it, the connection is closed as a slow reader."
    ),
    key!(
        limits.outbox_total_bytes_max,
        "Bytes that may wait for all connections of a shard; beyond it, those with the most are closed as \
         slow readers."
    ),
    key!(limits.login_seconds, "Seconds a connection has to give a name."),
    key!(
        http.forwarded_from,
        "Proxies: of a request from one of these the client is the one that `X-Forwarded-For` and `X-Forwarded-Proto` \
         name; [] is none."
    ),
    key!(
        edge.enabled,
        "Whether an edge, a process of its own with other protocols, can connect although there is neither `listen.http` \
         nor `listen.https`: to the socket `link.sock` in the data directory, as the same user."
    ),
    key!(
        edge.start,
        "Whether the server starts the edge for `listen.http` and `listen.https`, and starts it again when it ends; false \
         where something else runs `madang edge`, such as madang-edge.service."
    ),
    key!(telemetry.level, "The least important event that is written to standard error."),
    key!(telemetry.format, "How events are written: a line for people, or a JSON object a line."),
    key!(telemetry.metrics, "Where `/metrics`, `/healthz` and `/readyz` are served over HTTP; \"\" is none."),
];

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: Listen {
                line: ListenAddress(SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))),
                line_tls: OptionalAddress(None),
                telnet: OptionalAddress(None),
                http: OptionalAddress(None),
                https: OptionalAddress(None),
                proxy_from: Networks::default(),
            },
            tls: Tls { certificate: OptionalFile(None), key: OptionalFile(None) },
            shards: Shards { count: ShardCount::Auto, spin_us: Bounded::constant::<0>() },
            log: Log {
                durability: Durability::Commit,
                segment_bytes: Size::constant::<67_108_864>(),
                retain_days: Bounded::constant::<0>(),
                retain_bytes: Size::constant::<0>(),
                erase_hours: Bounded::constant::<24>(),
            },
            backup: Backup { keep_days: Bounded::constant::<30>() },
            directory: Directory { url: DatabaseUrl(None), password_file: OptionalFile(None) },
            accounts: Accounts { sign_up: SignUp::Open, plain_passwords: PlainPasswords::Loopback },
            rooms: Rooms {
                lobby: lobby_default(),
                members_max: Bounded::constant::<100>(),
                announce_members_max: Bounded::constant::<100>(),
                history_on_join: Bounded::constant::<15>(),
            },
            limits: Limits {
                line_bytes_max: Size::constant::<4_096>(),
                messages_per_second: Bounded::constant::<20>(),
                burst: Bounded::constant::<40>(),
                // A school or an office behind one address still fits.
                connections_per_address: Bounded::constant::<256>(),
                sessions_per_user: Bounded::constant::<16>(),
                // A household or a rented machine has a /64 at least (RFC 6177).
                ipv6_prefix: Bounded::constant::<64>(),
                outbox_bytes_max: Size::constant::<1_048_576>(),
                outbox_total_bytes_max: Size::constant::<268_435_456>(),
                login_seconds: Bounded::constant::<60>(),
            },
            http: Http { forwarded_from: Networks::default() },
            edge: Edge { enabled: false, start: true },
            telemetry: Telemetry { level: Level::Info, format: Format::Text, metrics: OptionalAddress(None) },
        }
    }
}

fn lobby_default() -> RoomName {
    match RoomName::parse("general") {
        Ok(name) => name,
        Err(error) => unreachable!("'general' is a room name: {error}"),
    }
}

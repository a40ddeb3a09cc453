//! Workloads as they are typed. Defaults are the workloads' own.

use crate::log::{LogOptions, LogPart};
use crate::workload::{
    EchoOptions, FanOutOptions, HistoryOptions, IdleOptions, MixedOptions, Pace, SlowReadersOptions,
    StormOptions, UpgradeOptions, WhisperOptions, Workload,
};
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Subcommand, Clone, Debug)]
pub enum WorkloadCommand {
    /// Latency at rest: one connection that talks to itself, one message at a time
    #[command(after_help = "Example: madang bench echo --seconds 10 --rounds 5")]
    Echo(Size),
    /// Rooms in which all members write and read
    #[command(after_help = "Examples:
  madang bench fanout --rooms 10 --members 10 --in-flight 32   as fast as it goes
  madang bench fanout --rate 1000                              at times that do not wait (open loop)")]
    Fanout(Fanout),
    /// Pairs who whisper to each other, at a fixed rate
    #[command(after_help = "Example: madang bench whisper --pairs 100 --rate 5000")]
    Whisper(Whisper),
    /// Connections that say a name and then nothing: memory, and how fast they come in
    #[command(after_help = "Example: madang bench idle --connections 50000")]
    Idle {
        /// Connections [default: 10000]
        #[arg(long, value_name = "N")]
        connections: Option<usize>,
    },
    /// A reconnect storm: everyone is cut off, returns, and catches up on what was missed
    #[command(after_help = "Example: madang bench storm --connections 10000")]
    Storm(Storm),
    /// Pages of 50 stored messages from anywhere in a room
    #[command(after_help = "Example: madang bench history --messages 1000000 --rate 500")]
    History(History),
    /// Talk, whispers and moves between rooms, in proportions
    #[command(after_help = "Example: madang bench mixed --moves 10 --whispers 20 --rate 2000")]
    Mixed(Mixed),
    /// Some members stop reading: the others' latency must not move
    #[command(after_help = "Example: madang bench slow-readers --slow 3 --rate 20000")]
    SlowReaders(SlowReaders),
    /// Upgrades in place: how long people wait while another process takes over
    #[command(after_help = "Example: madang bench upgrade --connections 5000 --upgrades 10")]
    Upgrade(Upgrade),
    /// The log by itself: starts, pages, appending, export, space
    #[command(after_help = "Examples:
  madang bench log                               all parts: a minute, and 7 GB of --dir meanwhile
  madang bench log --part rest --dir /srv/disk2  what a commit takes there beside that disk by itself")]
    Log(Log),
}

#[derive(Args, Clone, Debug)]
pub struct Size {
    /// Text of a message, in bytes [default: 64; slow-readers: 1000]
    #[arg(long, value_name = "BYTES")]
    size: Option<usize>,
}

#[derive(Args, Clone, Debug)]
pub struct Fanout {
    /// Rooms [default: 10]
    #[arg(long, value_name = "N")]
    rooms: Option<usize>,
    /// Members of each room [default: 10]
    #[arg(long, value_name = "N")]
    members: Option<usize>,
    /// Messages a second over all rooms, sent on time whatever the server does
    #[arg(long, value_name = "N", conflicts_with_all = ["in_flight", "saturate"])]
    rate: Option<u64>,
    /// As fast as the server takes them, which is what happens without --rate
    #[arg(long)]
    saturate: bool,
    /// Messages on their way in each room, each followed by a next when it has come back [default: 32]
    #[arg(long, value_name = "N")]
    in_flight: Option<usize>,
    #[command(flatten)]
    size: Size,
}

#[derive(Args, Clone, Debug)]
pub struct Whisper {
    /// Pairs [default: 50]
    #[arg(long, value_name = "N")]
    pairs: Option<usize>,
    /// Whispers a second over all pairs [default: 1000]
    #[arg(long, value_name = "N")]
    rate: Option<u64>,
    #[command(flatten)]
    size: Size,
}

#[derive(Args, Clone, Debug)]
pub struct Storm {
    /// Connections that are cut off [default: 5000]
    #[arg(long, value_name = "N")]
    connections: Option<usize>,
    /// Members of each room [default: 100]
    #[arg(long, value_name = "N")]
    members: Option<usize>,
    /// Messages a second over all rooms, all the time [default: 500]
    #[arg(long, value_name = "N")]
    rate: Option<u64>,
    #[command(flatten)]
    size: Size,
}

#[derive(Args, Clone, Debug)]
pub struct History {
    /// Messages that are written into the room before [default: 100000]
    #[arg(long, value_name = "N")]
    messages: Option<u64>,
    /// Who ask, in turn [default: 8]
    #[arg(long, value_name = "N")]
    readers: Option<usize>,
    /// Pages asked for a second [default: 200]
    #[arg(long, value_name = "N")]
    rate: Option<u64>,
    #[command(flatten)]
    size: Size,
}

#[derive(Args, Clone, Debug)]
pub struct Mixed {
    /// Rooms [default: 10]
    #[arg(long, value_name = "N")]
    rooms: Option<usize>,
    /// Users of each room who stay [default: 10]
    #[arg(long, value_name = "N")]
    members: Option<usize>,
    /// Actions a second over all users [default: 1000]
    #[arg(long, value_name = "N")]
    rate: Option<u64>,
    /// Of 100 actions, so many are leaving a room for the next [default: 5]
    #[arg(long, value_name = "PERCENT")]
    moves: Option<u8>,
    /// Of 100 actions, so many are whispers; the rest is talk [default: 15]
    #[arg(long, value_name = "PERCENT")]
    whispers: Option<u8>,
    #[command(flatten)]
    size: Size,
}

#[derive(Args, Clone, Debug)]
pub struct SlowReaders {
    /// Rooms [default: 10]
    #[arg(long, value_name = "N")]
    rooms: Option<usize>,
    /// Members of each room who read [default: 9]
    #[arg(long, value_name = "N")]
    members: Option<usize>,
    /// Members of each room who do not, in the second half [default: 1]
    #[arg(long, value_name = "N")]
    slow: Option<usize>,
    /// Messages a second over all rooms [default: 10000]
    #[arg(long, value_name = "N")]
    rate: Option<u64>,
    #[command(flatten)]
    size: Size,
}

#[derive(Args, Clone, Debug)]
pub struct Upgrade {
    /// Connections, all of which talk [default: 1000]
    #[arg(long, value_name = "N")]
    connections: Option<usize>,
    /// Members of each room [default: 10]
    #[arg(long, value_name = "N")]
    members: Option<usize>,
    /// How often another process takes over [default: 5]
    #[arg(long, value_name = "N")]
    upgrades: Option<u32>,
    /// Messages that are stored before, in a thousand rooms [default: 1000000]
    #[arg(long, value_name = "N")]
    messages: Option<u64>,
    /// Messages a second over all rooms [default: 2000]
    #[arg(long, value_name = "N")]
    rate: Option<u64>,
    #[command(flatten)]
    size: Size,
}

#[derive(Args, Clone, Debug)]
pub struct Log {
    /// Messages of the large log; a tenth of them in the room that pages are read of [default: 10000000]
    #[arg(long, value_name = "N")]
    messages: Option<u64>,
    /// Its rooms [default: 100000]
    #[arg(long, value_name = "N")]
    rooms: Option<u64>,
    /// Only this of it: starts, pages, saturated or rest; may be repeated
    #[arg(long, value_name = "PART", value_parser = part)]
    part: Vec<LogPart>,
    /// Directory on the file system that is measured [default: TMPDIR]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Log {
    fn workloads(&self) -> Vec<Workload> {
        let is_wanted = |part: &LogPart| self.part.is_empty() || self.part.contains(part);
        let parts = LogPart::ALL.into_iter().filter(is_wanted);
        let options = parts.map(|part| {
            let mut options = LogOptions { directory: self.dir.clone(), ..LogOptions::of(part) };
            set(&mut options.messages, self.messages);
            set(&mut options.rooms, self.rooms);
            options
        });
        options.map(Workload::Log).collect()
    }
}

fn part(given: &str) -> Result<LogPart, String> {
    let found = LogPart::ALL.into_iter().find(|part| part.name() == given);
    found.ok_or_else(|| format!("allowed are {}", LogPart::ALL.map(LogPart::name).join(", ")))
}

impl WorkloadCommand {
    /// Where it has its data, when that was said.
    pub fn data(&self) -> Option<&Path> {
        match self {
            WorkloadCommand::Log(log) => log.dir.as_deref(),
            _ => None,
        }
    }

    /// What is to be measured.
    pub fn workloads(&self) -> Vec<Workload> {
        let workload = match self {
            WorkloadCommand::Echo(size) => {
                let mut options = EchoOptions::default();
                set(&mut options.size_bytes, size.size);
                Workload::Echo(options)
            }
            WorkloadCommand::Fanout(given) => {
                let mut options = FanOutOptions::default();
                set(&mut options.rooms, given.rooms);
                set(&mut options.members, given.members);
                let in_flight = given.in_flight.map(|in_flight| Pace::Saturated { in_flight });
                let rate = given.rate.map(|messages_per_second| Pace::Rate { messages_per_second });
                set(&mut options.pace, in_flight.or(rate));
                set(&mut options.size_bytes, given.size.size);
                Workload::FanOut(options)
            }
            WorkloadCommand::Whisper(given) => {
                let mut options = WhisperOptions::default();
                set(&mut options.pairs, given.pairs);
                set(&mut options.whispers_per_second, given.rate);
                set(&mut options.size_bytes, given.size.size);
                Workload::Whisper(options)
            }
            WorkloadCommand::Idle { connections } => {
                let mut options = IdleOptions::default();
                set(&mut options.connections, *connections);
                Workload::Idle(options)
            }
            WorkloadCommand::Storm(given) => {
                let mut options = StormOptions::default();
                set(&mut options.connections, given.connections);
                set(&mut options.members, given.members);
                set(&mut options.messages_per_second, given.rate);
                set(&mut options.size_bytes, given.size.size);
                Workload::Storm(options)
            }
            WorkloadCommand::History(given) => {
                let mut options = HistoryOptions::default();
                set(&mut options.messages, given.messages);
                set(&mut options.readers, given.readers);
                set(&mut options.pages_per_second, given.rate);
                set(&mut options.size_bytes, given.size.size);
                Workload::History(options)
            }
            WorkloadCommand::Mixed(given) => {
                let mut options = MixedOptions::default();
                set(&mut options.rooms, given.rooms);
                set(&mut options.members, given.members);
                set(&mut options.actions_per_second, given.rate);
                set(&mut options.moves_percent, given.moves);
                set(&mut options.whispers_percent, given.whispers);
                set(&mut options.size_bytes, given.size.size);
                Workload::Mixed(options)
            }
            WorkloadCommand::SlowReaders(given) => {
                let mut options = SlowReadersOptions::default();
                set(&mut options.rooms, given.rooms);
                set(&mut options.members, given.members);
                set(&mut options.slow, given.slow);
                set(&mut options.messages_per_second, given.rate);
                set(&mut options.size_bytes, given.size.size);
                Workload::SlowReaders(options)
            }
            WorkloadCommand::Upgrade(given) => {
                let mut options = UpgradeOptions::default();
                set(&mut options.connections, given.connections);
                set(&mut options.members, given.members);
                set(&mut options.upgrades, given.upgrades);
                set(&mut options.stored, given.messages);
                set(&mut options.messages_per_second, given.rate);
                set(&mut options.size_bytes, given.size.size);
                Workload::Upgrade(options)
            }
            WorkloadCommand::Log(log) => return log.workloads(),
        };
        vec![workload]
    }
}

fn set<T>(option: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *option = given;
    }
}

/// For how long a workload sends; `None` for one that ends when it is done.
pub fn duration(workload: &mut Workload) -> Option<&mut Duration> {
    match workload {
        Workload::Echo(options) => Some(&mut options.duration),
        Workload::FanOut(options) => Some(&mut options.duration),
        Workload::Whisper(options) => Some(&mut options.duration),
        Workload::History(options) => Some(&mut options.duration),
        Workload::Mixed(options) => Some(&mut options.duration),
        Workload::SlowReaders(options) => Some(&mut options.duration),
        Workload::Idle(_) | Workload::Storm(_) | Workload::Upgrade(_) | Workload::Log(_) => None,
    }
}

/// A time that [`Duration`] can hold; how much of it makes sense is the workload's to say.
pub fn seconds(given: &str) -> Result<f64, String> {
    let seconds: f64 = given.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map(|_| seconds).map_err(|error| error.to_string())
}

//! `madang bench`: options in, figures out.

use clap::{Args, Subcommand};
use madang_bench::{
    BenchError, EchoOptions, FanOutOptions, IdleOptions, NoProgress, OwnServer, Pace, Protocol, Stop, Target,
};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

/// Deliveries were lost, repeated, out of order or damaged.
const EXIT_FAULTS: u8 = 1;
/// There are no figures.
const EXIT_NOT_MEASURED: u8 = 2;

/// Measure a server: latency, fan-out, memory.
///
/// Without --target a server is started for each workload, on a temporary directory (TMPDIR says
/// where) and a processor of its own, and stopped after it. Exits with 1 when a delivery was lost,
/// repeated, out of order or damaged, and with 2 when nothing could be measured.
#[derive(Args, Debug)]
pub struct BenchCommand {
    /// Measure the server that runs at this line address
    #[arg(long, value_name = "ADDRESS", global = true)]
    target: Option<SocketAddr>,
    /// Process of that server, for its processor time and memory
    #[arg(long, value_name = "PID", global = true, requires = "target")]
    pid: Option<u32>,
    /// Durability of the server that is started: commit, interval:<N>ms or none
    #[arg(long, value_name = "MODE", global = true, conflicts_with = "target")]
    durability: Option<String>,
    /// Setting of the server that is started; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", global = true, conflicts_with = "target")]
    settings: Vec<String>,
    /// The workload; a short set of all when none is given
    #[command(subcommand)]
    workload: Option<Workload>,
}

#[derive(Subcommand, Clone, Debug)]
enum Workload {
    /// One connection that talks to itself, one message at a time
    Echo {
        /// For how long, in seconds
        #[arg(long, value_name = "N", default_value_t = 3.0, value_parser = seconds)]
        seconds: f64,
        /// Text of a message, in bytes
        #[arg(long, value_name = "BYTES", default_value_t = 64)]
        size: usize,
    },
    /// Rooms in which members talk
    Fanout {
        /// Rooms
        #[arg(long, value_name = "N", default_value_t = 10)]
        rooms: usize,
        /// Members of each room; all of them write and read
        #[arg(long, value_name = "N", default_value_t = 10)]
        members: usize,
        /// Messages on their way in each room, sent as fast as they come back
        #[arg(long, value_name = "N", default_value_t = 32)]
        in_flight: usize,
        /// Messages a second over all rooms, sent on time whatever the server does
        #[arg(long, value_name = "N", conflicts_with = "in_flight")]
        rate: Option<u64>,
        /// Text of a message, in bytes
        #[arg(long, value_name = "BYTES", default_value_t = 64)]
        size: usize,
        /// For how long, in seconds
        #[arg(long, value_name = "N", default_value_t = 5.0, value_parser = seconds)]
        seconds: f64,
    },
    /// Connections that say their name and then nothing
    Idle {
        /// How many
        #[arg(long, value_name = "N", default_value_t = 10_000)]
        connections: usize,
    },
}

/// Runs the workloads and prints what they found.
pub fn run(command: &BenchCommand) -> ExitCode {
    match measure(command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("madang bench: the server broke its promises: see the faults above");
            ExitCode::from(EXIT_FAULTS)
        }
        Err(error) => {
            eprintln!("madang bench: {error}");
            ExitCode::from(EXIT_NOT_MEASURED)
        }
    }
}

/// Whether every workload was served without a fault.
fn measure(command: &BenchCommand) -> Result<bool, BenchError> {
    let target = target(command)?;
    let workloads = command.workload.clone().map_or_else(short_set, |workload| vec![workload]);
    let mut is_faultless = true;
    for (position, workload) in workloads.iter().enumerate() {
        if position > 0 {
            println!();
        }
        is_faultless &= workload.measure(target.clone())?;
    }
    Ok(is_faultless)
}

fn target(command: &BenchCommand) -> Result<Target, BenchError> {
    if let Some(address) = command.target {
        let label = address.to_string();
        return Ok(Target::Running { protocol: Protocol::Line, address, pid: command.pid, label });
    }
    let program = std::env::current_exe()
        .map_err(|source| BenchError::System { action: "find this program to run it".to_owned(), source })?;
    let (durability, settings) = (command.durability.clone(), command.settings.clone());
    Ok(Target::Own(OwnServer { program, durability, settings }))
}

/// About twenty seconds: at rest, saturated, at a calm rate, and idle.
fn short_set() -> Vec<Workload> {
    let fan_out =
        |rate| Workload::Fanout { rooms: 10, members: 10, in_flight: 32, rate, size: 64, seconds: 5.0 };
    vec![
        Workload::Echo { seconds: 3.0, size: 64 },
        fan_out(None),
        fan_out(Some(1_000)),
        Workload::Idle { connections: 5_000 },
    ]
}

impl Workload {
    /// Prints the report, and says whether it is without faults.
    fn measure(&self, target: Target) -> Result<bool, BenchError> {
        let duration = |seconds| Duration::from_secs_f64(seconds);
        let workload = match *self {
            Workload::Echo { seconds, size } => {
                madang_bench::Workload::Echo(EchoOptions { duration: duration(seconds), size_bytes: size })
            }
            Workload::Fanout { rooms, members, in_flight, rate, size, seconds } => {
                let pace = match rate {
                    Some(messages_per_second) => Pace::Rate { messages_per_second },
                    None => Pace::Saturated { in_flight },
                };
                let (size_bytes, duration) = (size, duration(seconds));
                let options = FanOutOptions { rooms, members, pace, size_bytes, duration };
                madang_bench::Workload::FanOut(options)
            }
            Workload::Idle { connections } => madang_bench::Workload::Idle(IdleOptions { connections }),
        };
        let found = madang_bench::measure(&workload, &target, &mut NoProgress, &Stop::new())?;
        println!("{} ({})", found.title, found.server);
        for metric in &found.metrics {
            println!("  {}  {:.*} {}", metric.label, metric.decimals, metric.value, metric.unit);
        }
        for latency in &found.latencies {
            for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)] {
                let value_us = latency.histogram_ns.value_at_quantile(quantile) as f64 / 1e3;
                println!("  {} {name}  {value_us:.1} µs", latency.label);
            }
        }
        println!("  faults: {:?}", found.faults);
        found.notes.iter().chain(&found.load_limit).for_each(|note| println!("  note: {note}"));
        Ok(found.faults.is_none())
    }
}

/// A time that [`Duration`] can hold; how much of it makes sense is the workload's to say.
fn seconds(given: &str) -> Result<f64, String> {
    let seconds: f64 = given.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map(|_| seconds).map_err(|error| error.to_string())
}

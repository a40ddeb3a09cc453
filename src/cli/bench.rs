//! `madang bench`: options in, figures out.

use clap::{Args, Subcommand};
use madang_bench::{
    BenchError, EchoOptions, FanOutOptions, Figures, IdleOptions, LogOptions, NoProgress, OwnServer, Pace,
    Stop, Target, run_echo, run_fan_out, run_idle, run_log,
};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::net::SocketAddr;
use std::path::PathBuf;
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
    /// The log by itself: starts, appending, pages, export, space
    Log {
        /// Messages of the large log
        #[arg(long, value_name = "N", default_value_t = LogOptions::MESSAGES_DEFAULT)]
        messages: u64,
        /// Its rooms
        #[arg(long, value_name = "N", default_value_t = LogOptions::ROOMS_DEFAULT)]
        rooms: u64,
        /// Directory on the file system that is measured; TMPDIR when none is given
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
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
        return Ok(Target::Running { address, pid: command.pid });
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
        match *self {
            Workload::Log { messages, rooms, ref dir } => {
                if !matches!(target, Target::Own(_)) {
                    let option = "target";
                    let (value, allowed) = ("ADDRESS".to_owned(), "log starts servers of its own".to_owned());
                    return Err(BenchError::BadOption { option, value, allowed });
                }
                measure_log(messages, rooms, dir.clone())
            }
            Workload::Echo { seconds, size } => {
                let duration = Duration::from_secs_f64(seconds);
                let report = run_echo(&EchoOptions { target, duration, size_bytes: size })?;
                print!("{report}");
                Ok(report.faults().is_none())
            }
            Workload::Fanout { rooms, members, in_flight, rate, size, seconds } => {
                let pace = match rate {
                    Some(messages_per_second) => Pace::Rate { messages_per_second },
                    None => Pace::Saturated { in_flight },
                };
                let duration = Duration::from_secs_f64(seconds);
                let report =
                    run_fan_out(&FanOutOptions { target, rooms, members, size_bytes: size, duration, pace })?;
                print!("{report}");
                Ok(report.faults().is_none())
            }
            Workload::Idle { connections } => {
                print!("{}", run_idle(&IdleOptions { target, connections })?);
                Ok(true)
            }
        }
    }
}

/// Prints what was measured of the log. Ctrl-C stops it; its files are removed then too.
fn measure_log(messages: u64, rooms: u64, directory: Option<PathBuf>) -> Result<bool, BenchError> {
    static STOP: Stop = Stop::new();
    let system = |action: &str, source| BenchError::System { action: action.to_owned(), source };
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])
        .map_err(|source| system("hear signals", source))?;
    std::thread::spawn(move || {
        for _ in signals.forever() {
            STOP.ask();
        }
    });
    let program = std::env::current_exe().map_err(|source| system("find this program to run it", source))?;
    let measurements = run_log(&LogOptions { program, directory, messages, rooms }, &mut NoProgress, &STOP)?;
    for measurement in measurements {
        let mut figures = Figures::new(measurement.title);
        for metric in measurement.metrics {
            figures.measure(metric.label, metric.value, metric.decimals, metric.unit);
        }
        for latency in measurement.latencies {
            figures.latency(&latency.label, &latency.histogram_ns);
        }
        measurement.notes.into_iter().for_each(|note| figures.note(note));
        if measurement.is_cut_short {
            figures.note("stopped before its time");
        }
        println!("{figures}");
    }
    Ok(true)
}

/// A time that [`Duration`] can hold; how much of it makes sense is the workload's to say.
fn seconds(given: &str) -> Result<f64, String> {
    let seconds: f64 = given.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map(|_| seconds).map_err(|error| error.to_string())
}

//! What can be typed behind `madang bench`.

use super::outputs::OutputOptions;
use super::peer::{self, Peer};
use crate::workload::Workload;
use clap::Args;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  madang bench                                       the standard set, in about a minute
  madang bench fanout --rooms 1 --members 100        one large room, as fast as it goes
  madang bench fanout --rate 1000 --durability none  a low rate, not synced first
  madang bench --target 127.0.0.1:8080 echo          a server that runs already
  madang bench --compare redis://127.0.0.1:6379 --compare 'irc://127.0.0.1:6667?name=InspIRCd'
  madang bench --rounds 5 --json today.json --html today.html --baseline last-week.json

Without --target a server is started for each measurement, on a temporary directory (TMPDIR says
where) and on a processor of its own, and stopped after it.

Exit codes: 0 measured and as promised; 1 a delivery was lost, repeated, out of order or damaged;
2 something could not be measured, read or written (the message says what to do); 130 stopped by
Ctrl-C, with the figures until then.";

/// Measure a server: latency, fan-out, memory; alone, beside others, or beside an earlier run
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, after_long_help = EXAMPLES, next_help_heading = "Options of every workload")]
pub struct BenchCommand {
    /// Measure a server that runs: HOST:PORT of its line port, or irc://, redis://, nats://HOST:PORT
    #[arg(long, value_name = "ADDRESS", global = true, value_parser = peer::target)]
    pub(super) target: Option<Peer>,
    /// Process of that server, for its processor time and memory [default: who listens there]
    #[arg(long, value_name = "PID", global = true, requires = "target")]
    pub(super) pid: Option<u32>,
    /// Durability of the server that bench starts: commit, interval:<N>ms or none
    #[arg(long, value_name = "MODE", global = true, conflicts_with = "target")]
    pub(super) durability: Option<String>,
    /// Setting of the server that bench starts; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", global = true, conflicts_with = "target")]
    pub(super) settings: Vec<String>,
    /// Measure another server with the same work, in turns: irc://, redis:// or nats://HOST:PORT, each
    /// with ?pid=N and ?name=WORD if wanted; may be repeated
    #[arg(long, value_name = "URL", global = true, value_parser = peer::peer)]
    pub(super) compare: Vec<Peer>,
    /// Process of a compared server, in the order of --compare [default: who listens there]
    #[arg(long, value_name = "PID", global = true, requires = "compare")]
    pub(super) compare_pid: Vec<u32>,
    /// How often to measure everything; shows medians, min and max [default: 1, with --compare 5]
    #[arg(long, value_name = "N", global = true, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) rounds: Option<u32>,
    /// How long to send, in each measurement that sends for a time
    #[arg(long, value_name = "N", global = true, value_parser = seconds)]
    pub(super) seconds: Option<f64>,
    #[command(flatten)]
    pub(super) outputs: OutputOptions,
    /// The workload; the standard set when none is given
    #[command(subcommand)]
    pub(super) workload: Option<Workload>,
}

impl BenchCommand {
    /// The server that runs already, if one was named.
    pub(super) fn running(&self) -> Option<(&Peer, Option<u32>)> {
        self.target.as_ref().map(|peer| (peer, self.pid.or(peer.pid)))
    }
}

/// A time that [`Duration`] can hold; how much of it makes sense is the workload's to say.
fn seconds(given: &str) -> Result<f64, String> {
    let seconds: f64 = given.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map(|_| seconds).map_err(|error| error.to_string())
}

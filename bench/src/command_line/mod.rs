//! `madang bench`: options in, figures out, for the program that has this command.

mod conduct;
mod outputs;
mod peer;
mod plan;
mod process;
mod program;
mod progress;
mod servers;
mod stopping;

pub use program::{Program, StatusLine};

use crate::output::screen;
use crate::results::Run;
use crate::watch::Stop;
use crate::workload::Workload;
use clap::Args;
use conduct::Conducted;
use outputs::{OutputOptions, Outputs};
use peer::Peer;
use plan::Plan;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

/// Deliveries were lost, repeated, out of order or damaged.
const EXIT_FAULTS: u8 = 1;
/// Something that was asked for has no figures, or was asked for wrongly.
const EXIT_NOT_MEASURED: u8 = 2;
/// Rounds of a comparison when nothing else is said.
const ROUNDS_OF_COMPARISON: u32 = 5;

/// Asked to stop by a signal. It is one for the whole process, as signals are.
static STOP: Stop = Stop::new();

const EXAMPLES: &str = "\
Examples:
  madang bench                                       the standard set, in about a minute
  madang bench fanout --rooms 1 --members 100        one large room, as fast as it goes
  madang bench fanout --rate 1000 --durability none  a calm rate, not synced first
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
    target: Option<Peer>,
    /// Process of that server, for its processor time and memory [default: who listens there]
    #[arg(long, value_name = "PID", global = true, requires = "target")]
    pid: Option<u32>,
    /// Durability of the server that is started: commit, interval:<N>ms or none
    #[arg(long, value_name = "MODE", global = true, conflicts_with = "target")]
    durability: Option<String>,
    /// Setting of the server that is started; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", global = true, conflicts_with = "target")]
    settings: Vec<String>,
    /// Do the same work with another server, in turns: irc://, redis:// or nats://HOST:PORT, each
    /// with ?pid=N and ?name=WORD if wanted; may be repeated
    #[arg(long, value_name = "URL", global = true, value_parser = peer::peer)]
    compare: Vec<Peer>,
    /// Process of a compared server, in the order of --compare [default: who listens there]
    #[arg(long, value_name = "PID", global = true, requires = "compare")]
    compare_pid: Vec<u32>,
    /// Measure everything so often; medians, least and most are shown [default: 1, with --compare 5]
    #[arg(long, value_name = "N", global = true, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: Option<u32>,
    /// Send for so long, in each measurement that sends for a time
    #[arg(long, value_name = "N", global = true, value_parser = seconds)]
    seconds: Option<f64>,
    #[command(flatten)]
    outputs: OutputOptions,
    /// The workload; the standard set when none is given
    #[command(subcommand)]
    workload: Option<Workload>,
}

/// Measures and shows what was found.
pub fn run(command: &BenchCommand, program: &Program) -> ExitCode {
    match measure(command, program) {
        Ok(code) => code,
        Err(message) => {
            program.complain(&message);
            ExitCode::from(EXIT_NOT_MEASURED)
        }
    }
}

fn measure(command: &BenchCommand, program: &Program) -> Result<ExitCode, String> {
    let servers = servers::servers(command, program)?;
    let rounds = command.rounds.unwrap_or(if servers.len() > 1 { ROUNDS_OF_COMPARISON } else { 1 });
    let plan = Plan::make(command.workload.as_ref(), command.seconds, &servers, rounds as usize)?;
    let mut run = conduct::empty_run(&plan, &servers);
    // What cannot be written or compared is known before the minutes that it takes.
    let outputs = Outputs::prepare(&command.outputs, &run)?;
    stopping::listen(&STOP).map_err(|error| format!("cannot listen for signals: {error}"))?;

    let Conducted { error } = conduct::conduct(&plan, &servers, &mut run, program, &STOP);
    let mut failures: Vec<String> = error.into_iter().collect();
    if !run.is_empty() {
        let is_bold = (program.is_output_styled)();
        show(&screen(&run, is_bold));
        failures.extend(outputs.write(&run, is_bold));
    }
    for failure in &failures {
        program.complain(failure);
    }
    Ok(exit_code(&run, &failures, program))
}

fn exit_code(run: &Run, failures: &[String], program: &Program) -> ExitCode {
    if let Some(code) = stopping::exit_code() {
        let kept = if run.is_empty() {
            "nothing was measured yet"
        } else {
            "the figures hold what was measured until then"
        };
        program.complain(&format!("stopped: {kept}"));
        return ExitCode::from(code);
    }
    if !run.is_faultless() {
        program.complain("promises were broken: see the faults above");
        return ExitCode::from(EXIT_FAULTS);
    }
    let columns = run.entries.iter().flat_map(|entry| &entry.columns);
    // Of a set, what a server does not speak is left out; nothing is missing then.
    let failed = columns.filter(|column| column.failure.is_some() && !column.is_left_out);
    let failed: BTreeSet<&str> = failed.map(|column| column.server.as_str()).collect();
    if !failed.is_empty() && failures.is_empty() {
        let names: Vec<&str> = failed.iter().copied().collect();
        program.complain(&format!("not measured to the end: {}: see above", names.join(", ")));
    }
    if !failures.is_empty() || run.is_empty() || !failed.is_empty() {
        return ExitCode::from(EXIT_NOT_MEASURED);
    }
    ExitCode::SUCCESS
}

/// Prints to standard output. A reader that has left, as `head` does, is no error.
fn show(text: &str) {
    let mut output = io::stdout().lock();
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
}

/// Prints a line to standard error, if that is still there.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

impl BenchCommand {
    /// The server that runs already, if one was named.
    fn running(&self) -> Option<(&Peer, Option<u32>)> {
        self.target.as_ref().map(|peer| (peer, self.pid.or(peer.pid)))
    }
}

/// A time that [`Duration`] can hold; how much of it makes sense is the workload's to say.
fn seconds(given: &str) -> Result<f64, String> {
    let seconds: f64 = given.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map(|_| seconds).map_err(|error| error.to_string())
}

//! `madang log …`: looking into a log, also while a server writes it, and repairing one.

mod civil;
mod dump;
mod export;
mod json;
mod output;
mod progress;
mod record;
mod repair;
mod stats;
#[cfg(test)]
mod tests;
mod verify;

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;

const EXIT_CODES: &str = "Exit codes: 0 all is well, 1 the log has faults (named), 2 it could not be read or \
                          printed, or the command line is wrong.";

/// Look into a log, or repair one. All but repair only read, also while a server writes.
#[derive(Debug, Subcommand)]
pub enum LogCommand {
    /// Print messages of one room, several or all, each room's in order
    #[command(after_help = export::EXAMPLES, after_long_help = export::EXAMPLES)]
    Export(export::ExportArguments),
    /// Check every segment and the numbers of every room's messages
    #[command(after_help = EXIT_CODES)]
    Verify(LogPlace),
    /// Print every frame with its place; damaged stretches are shown where they are
    #[command(after_help = EXIT_CODES)]
    Dump(dump::DumpArguments),
    /// Count segments, rooms, messages and bytes, of each shard and of all
    #[command(after_help = EXIT_CODES)]
    Stats(stats::StatsArguments),
    /// Make a damaged log one that a server starts from; keeps all it takes away
    #[command(after_help = repair::NOTES, after_long_help = repair::NOTES)]
    Repair(repair::RepairArguments),
}

/// Which log.
#[derive(Debug, Args)]
pub struct LogPlace {
    /// The directory of data
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
}

/// How what a log holds is printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum LineFormat {
    /// A line each, for people (UTC)
    Text,
    /// A JSON object a line
    Jsonl,
}

/// Runs it. The exit code is 0 when all is well, 1 when the log has faults, 2 when it could not
/// be read or printed.
pub fn run(command: LogCommand) -> ExitCode {
    let outcome = match command {
        LogCommand::Export(arguments) => export::run(&arguments),
        LogCommand::Verify(place) => verify::run(&place),
        LogCommand::Dump(arguments) => dump::run(&arguments),
        LogCommand::Stats(arguments) => stats::run(&arguments),
        LogCommand::Repair(arguments) => repair::run(&arguments),
    };
    match outcome {
        Ok(Outcome::Sound) => ExitCode::SUCCESS,
        Ok(Outcome::Faulty) => ExitCode::from(1),
        Err(message) => {
            eprintln!("madang: {}", output::visible(&message));
            ExitCode::from(2)
        }
    }
}

/// What was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Sound,
    Faulty,
}

impl Outcome {
    fn of_faults(count: usize) -> Outcome {
        if count == 0 { Outcome::Sound } else { Outcome::Faulty }
    }
}

//! `madang log …`: looking into a log without changing it, also while a server writes it.

mod export;
mod output;
mod progress;
#[cfg(test)]
mod tests;
mod verify;

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;

/// What to do with a log.
#[derive(Debug, Subcommand)]
pub enum LogCommand {
    /// Print every message of a room, in order
    Export(ExportArguments),
    /// Check every segment and the numbers of every room's messages
    Verify(VerifyArguments),
}

/// Of `madang log export`.
#[derive(Debug, Args)]
pub struct ExportArguments {
    /// The directory of data
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// The room; for whispers, both names with & between them
    #[arg(long, value_name = "ROOM")]
    pub room: String,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// Of `madang log verify`.
#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// The directory of data
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
}

/// How messages are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Format {
    /// A line each: #12 2026-11-20 12:03:11 bob: hi (UTC)
    Text,
    /// A JSON object a line: room, seq, time, author, draft, text
    Jsonl,
}

/// Runs it. The exit code is 0 when all is well, 1 when the log has faults, 2 when it could not
/// be read or printed.
pub fn run(command: LogCommand) -> ExitCode {
    let outcome = match command {
        LogCommand::Export(arguments) => export::run(&arguments),
        LogCommand::Verify(arguments) => verify::run(&arguments),
    };
    match outcome {
        Ok(Outcome::Sound) => ExitCode::SUCCESS,
        Ok(Outcome::Faulty) => ExitCode::from(1),
        Err(message) => {
            eprintln!("madang: {message}");
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

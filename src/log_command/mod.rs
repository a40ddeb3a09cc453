//! `madang log …`: reading a log, even while a server writes it, repairing one, and importing messages.

pub mod civil;
mod dump;
mod erase;
mod export;
mod import;
mod json;
mod output;
pub mod progress;
mod record;
mod repair;
mod room;
mod stats;
#[cfg(test)]
mod tests;
mod verify;

pub use civil::{Clock, parse as parse_time};
pub use erase::erase_pending;
pub use output::say;
pub use repair::repair_copy;
pub use room::{NOTES as ROOM_NOTES, RoomCommand};

use crate::data_option::DataOption;
use clap::{Args, Subcommand, ValueEnum};
use madang_log::{Files, StdFiles};
use madang_model::PARTITIONS;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Examples and exit codes.
macro_rules! help {
    ($examples:literal) => {
        concat!(
            $examples,
            "\n\nExit codes: 0 all is well, 1 the log has faults (named), 2 it could not be read or printed, or \
             the command line is wrong."
        )
    };
}

/// Read a log, repair one, or change one. All commands but repair, import and erase only read, even while a server writes.
#[derive(Debug, Subcommand)]
pub enum LogCommand {
    /// Print messages of one room, several or all, each room's in order
    #[command(after_help = export::EXAMPLES, after_long_help = export::EXAMPLES)]
    Export(export::ExportArguments),
    /// Check every segment and the numbers of every room's messages
    #[command(after_help = help!("Example: madang log verify --data /var/lib/madang"))]
    Verify(LogPlace),
    /// Print every frame with its position; damaged parts are shown in their place
    #[command(after_help = help!("Example: madang log dump --data /var/lib/madang | less"))]
    Dump(dump::DumpArguments),
    /// Count segments, rooms, messages and bytes, of each shard and of all
    #[command(after_help = help!("Example: madang log stats --data /var/lib/madang"))]
    Stats(stats::StatsArguments),
    /// Store messages of other systems, or of an export, without a server
    #[command(after_help = import::EXAMPLES, after_long_help = import::EXAMPLES)]
    Import(import::ImportArguments),
    /// Take what was said out of every file, beside a running server or without one
    #[command(after_help = erase::EXAMPLES, after_long_help = erase::EXAMPLES)]
    Erase(erase::EraseArguments),
    /// Repair a damaged log so that a server starts from it; keeps a copy of all it removes
    #[command(after_help = repair::NOTES, after_long_help = repair::NOTES)]
    Repair(repair::RepairArguments),
}

/// The log to read.
#[derive(Debug, Args)]
pub struct LogPlace {
    #[command(flatten)]
    data: DataOption,
}

impl LogPlace {
    /// The data directory, and the log in it.
    ///
    /// # Errors
    /// If there is no log: it would otherwise be reported as intact.
    pub fn open(&self) -> Result<(PathBuf, StdFiles), String> {
        let data = self.data.to_running();
        let shown = data.display();
        let remedy = "pass the server's data directory with --data or MADANG_DATA";
        let names = fs::read_dir(&data).map_err(|error| format!("no log in '{shown}': {error}; {remedy}"))?;
        let is_segment = |name: &std::ffi::OsStr| Path::new(name).extension().is_some_and(|is| is == "seg");
        let is_shard = names.flatten().any(|entry| is_segment(&entry.file_name()));
        let files = StdFiles::new(&data);
        match files.shards() {
            Ok(shards) if !shards.is_empty() => Ok((data, files)),
            Err(error) => Err(error.to_string()),
            Ok(_) if is_shard => Err(format!(
                "no log in '{shown}': it is the directory of one shard; pass the directory above it"
            )),
            Ok(_) => Err(format!("no log in '{shown}': it has no directories like shard-00; {remedy}")),
        }
    }
}

/// The output format of log contents.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum LineFormat {
    /// One line each, for people (UTC)
    Text,
    /// One JSON object per line
    Jsonl,
}

/// Runs the command. The exit code is 0 if all is well, 1 if the log has faults, 2 if it could not be read or
/// printed.
pub fn run(command: LogCommand) -> ExitCode {
    let outcome = match command {
        LogCommand::Export(arguments) => export::run(&arguments),
        LogCommand::Verify(place) => verify::run(&place),
        LogCommand::Dump(arguments) => dump::run(&arguments),
        LogCommand::Stats(arguments) => stats::run(&arguments),
        LogCommand::Repair(arguments) => repair::run(&arguments),
        LogCommand::Import(arguments) => return import::run(&arguments),
        LogCommand::Erase(arguments) => return erase::run(&arguments),
    };
    exit_code(outcome)
}

/// The same for `madang room`.
pub fn run_room(command: &RoomCommand) -> ExitCode {
    exit_code(room::run(command))
}

fn exit_code(outcome: Result<Outcome, String>) -> ExitCode {
    match outcome {
        Ok(Outcome::Sound) => ExitCode::SUCCESS,
        Ok(Outcome::Faulty) => ExitCode::from(1),
        Err(message) => {
            eprintln!("madang: {}", output::visible(&message));
            ExitCode::from(2)
        }
    }
}

/// The result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Sound,
    Faulty,
}

impl Outcome {
    fn of_faults(count: usize) -> Outcome {
        if count == 0 { Outcome::Sound } else { Outcome::Faulty }
    }

    /// The same for a command that only reads; if there are faults, it prints on standard error what can be done.
    fn reported(count: usize, data: &Path) -> Outcome {
        let outcome = Outcome::of_faults(count);
        if outcome == Outcome::Faulty {
            eprintln!("madang: {}", output::visible(&next_step(data)));
        }
        outcome
    }
}

/// As many shards as the log has directories; `None` where it has none.
fn shards_with_files(files: &StdFiles) -> Result<Option<u16>, String> {
    let shards = files.shards().map_err(|error| error.to_string())?;
    Ok(shards.last().map(|last| last.0.saturating_add(1).min(PARTITIONS)))
}

/// What to do about faults.
fn next_step(data: &Path) -> String {
    let data = data.display();
    format!(
        "restore the damaged files from a copy, and then run `madang log erase --again --data {data}`, as they may hold \
         what was erased since; or see what `madang log repair --data {data}` would do"
    )
}

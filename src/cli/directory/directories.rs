//! `madang directory`: the database of accounts as a whole.

use super::NotDone;
use super::place::DirectoryPlace;
use crate::log_command::say;
use crate::terminal::visible;
use clap::{Args, Subcommand};
use madang_directory::upkeep::{check, copy};
use madang_directory::{Cause, DirectoryError, Location, Unavailable};
use std::path::{Path, PathBuf};

/// Examples and exit codes.
pub const NOTES: &str = "\
Examples:
  madang directory check
  madang directory copy --to postgres://madang@%2Frun%2Fpostgresql/madang
  madang directory copy --to /srv/new/directory.sqlite

The directory is the file directory.sqlite in the data directory, or the database of directory.url.

Exit codes: 0 all is well, or copied; 1 something is wrong with it (named); 2 it could not be read or
copied, or the configuration or the command line is wrong.";

/// Check the directory of accounts, or copy it into another database
#[derive(Debug, Subcommand)]
pub enum DirectoryCommand {
    /// Read everything, and say what does not fit together
    #[command(after_help = NOTES, after_long_help = NOTES)]
    Check(DirectoryPlace),
    /// Copy everything into another database, which has nothing in it
    #[command(after_help = NOTES, after_long_help = NOTES)]
    Copy(CopyArguments),
}

/// The arguments of `madang directory copy`.
#[derive(Debug, Args)]
pub struct CopyArguments {
    #[command(flatten)]
    place: DirectoryPlace,
    /// The other one: postgres://USER@HOST:PORT/DATABASE, or a new file whose name ends with .sqlite
    #[arg(long, value_name = "URL|FILE")]
    to: String,
    /// A file with the password of its user, for a URL
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

/// Runs the command.
pub fn run(command: DirectoryCommand) -> Result<(), NotDone> {
    match command {
        DirectoryCommand::Check(place) => {
            let location = place.location()?;
            let report = check(&location).map_err(found_damaged)?;
            for fault in &report.faults {
                eprintln!("madang: {}", visible(fault));
            }
            let unnamed = report.fault_count - report.faults.len();
            if unnamed > 0 {
                eprintln!("madang: and {unnamed} more");
            }
            for (table, rows) in &report.rows {
                say(&format!("{table}: {rows}\n"))?;
            }
            if report.fault_count > 0 {
                let words = format!("the directory '{location}' has {} faults", report.fault_count);
                return Err(NotDone::Refused(format!("{words}; restore a backup with `madang restore`")));
            }
            say(&format!("the directory '{location}' is whole (version {})\n", report.version))?;
        }
        DirectoryCommand::Copy(CopyArguments { place, to, password_file }) => {
            let location = place.location()?;
            let target = match to.strip_suffix(".sqlite") {
                Some(_) if Path::new(&to).symlink_metadata().is_ok() => {
                    return Err(NotDone::Refused(format!("'{to}' exists, and a copy replaces nothing")));
                }
                Some(_) => Location::Sqlite((&to).into()),
                None => Location::of_url(&to).map_err(|mistake| {
                    NotDone::Refused(format!("{mistake}; the name of a file ends with .sqlite"))
                })?,
            };
            let target = match password_file {
                Some(file) => target.with_password_file(&file)?,
                None => target,
            };
            let report = copy(&location, &target)?;
            for (table, rows) in &report.rows {
                say(&format!("{table}: {rows}\n"))?;
            }
            let next = match target {
                Location::Postgres(_) => "set directory.url to use it",
                Location::Sqlite(_) => {
                    "to use it, put it in the place of directory.sqlite while no server runs"
                }
            };
            say(&format!("copied '{location}' to '{target}'; {next}\n"))?;
        }
    }
    Ok(())
}

/// Damage that stops a check is what it found.
fn found_damaged(error: DirectoryError) -> NotDone {
    match error {
        DirectoryError::Unavailable(Unavailable { cause: Cause::Damaged, .. }) => {
            NotDone::Refused(error.to_string())
        }
        other => other.into(),
    }
}

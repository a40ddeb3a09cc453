//! `madang directory`: the database of accounts as a whole.

use super::NotDone;
use super::place::DirectoryPlace;
use crate::log_command::say;
use crate::terminal::visible;
use clap::{Args, Subcommand};
use madang_directory::Location;
use madang_directory::upkeep::{check, copy};
use std::path::PathBuf;

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
    /// The other one: postgres://USER@HOST:PORT/DATABASE, or a file that does not exist
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
            let report = check(&location)?;
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
            let target = if to.contains("://") {
                Location::of_url(&to).map_err(|mistake| NotDone::Refused(mistake.to_string()))?
            } else {
                Location::Sqlite(to.into())
            };
            let target = match password_file {
                Some(file) => target.with_password_file(&file)?,
                None => target,
            };
            let report = copy(&location, &target)?;
            for (table, rows) in &report.rows {
                say(&format!("{table}: {rows}\n"))?;
            }
            say(&format!("copied '{location}' to '{target}'; name it in directory.url\n"))?;
        }
    }
    Ok(())
}

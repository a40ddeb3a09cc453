//! `madang backup` and `madang restore`: what the command line and the configuration say of them.

use super::options::ConfigOptions;
use crate::backup::{self, BackupArguments, RestoreArguments};
use crate::exit_code::EXIT_USAGE;
use clap::Args;
use std::process::ExitCode;

/// Copy the log at one moment into a directory of backups, or into one file, and verify the copy
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  madang backup /var/backups/madang
  madang backup --data /srv/chat --keep-days 7 /mnt/backups
  madang backup --full /var/backups/madang   copy everything again, linking nothing
  madang backup /mnt/usb/madang.tar          one file with everything (a tar archive)

It works while a server runs, without its help, and while none does. It has the log and the
directory of accounts, unless that is a database of its own (directory.url: use pg_dump). Each backup is a directory,
which is named after the time when it began and which `madang log` reads (--data). Segments that
the last backup has, too, are linked (hard links), so they take no space again. A backup has its
name once it is whole, verified and synced; with faults it is kept as TIME.faulty. Then whole
backups that are older than backup.keep_days are removed, never the newest. Each log needs a
directory of its own. A file (NAME.tar, with faults NAME.tar.faulty) is complete in itself,
replaces nothing, and is made and compared in a directory beside it, which needs the space of
another.

Exit codes: 0 the backup is whole, 1 it has faults (named), 2 it could not be made, or the
configuration or the command line is wrong.")]
pub struct BackupCommand {
    #[command(flatten)]
    arguments: BackupArguments,

    /// For how many days whole backups are kept; 0 keeps all [default: backup.keep_days of the configuration, 30]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=36_500))]
    keep_days: Option<u64>,

    #[command(flatten)]
    config: ConfigOptions,
}

/// Put a backup in the place of a data directory
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  madang restore --list /var/backups/madang
  madang restore /var/backups/madang --data /var/lib/madang
  madang restore --at 2026-11-20T12:00:00Z /var/backups/madang
  madang restore /var/backups/madang/2026-11-30T08-00-00Z
  madang restore /mnt/usb/madang.tar

The data directory must not exist, or be empty: stop the server, and move the old one away
first. The backup is copied beside it (DIR.restoring), synced and verified before it gets its
name. Its files belong to the user that runs this: give them to the server's user (chown -R).
The log begins a new epoch when it is served.

Exit codes: 0 restored; 1 the backup has faults (named), and nothing was restored, or it was
restored, but what was erased since may still be in it (a server shows it to nobody); 2 it could
not be restored, or the command line is wrong.")]
pub struct RestoreCommand {
    #[command(flatten)]
    arguments: RestoreArguments,
}

/// Runs `madang backup`.
pub fn back_up(command: BackupCommand) -> ExitCode {
    let BackupCommand { arguments, keep_days, config } = command;
    let loaded = config.try_load(Vec::new());
    let with_accounts = loaded.as_ref().map_or(true, |loaded| loaded.config.directory.url.0.is_none());
    if let Some(keep_days) = keep_days {
        return backup::back_up(&arguments, keep_days, with_accounts);
    }
    match loaded {
        Ok(loaded) => backup::back_up(&arguments, loaded.config.backup.keep_days.number(), with_accounts),
        Err(errors) => {
            // A backup is worth more than its removal.
            eprintln!("{errors}\nno older backup is removed until the configuration is right");
            match backup::back_up(&arguments, 0, with_accounts) {
                ExitCode::SUCCESS => ExitCode::from(EXIT_USAGE),
                code => code,
            }
        }
    }
}

/// Runs `madang restore`.
pub fn restore(command: &RestoreCommand) -> ExitCode {
    backup::restore(&command.arguments)
}

//! `madang backup` and `madang restore`: the log at one moment, and the directory of accounts, copied while a server runs, into
//! a directory of backups or one file, and put back. A server is not asked for anything, so one that hangs does not stop a backup.

mod account;
mod accounts;
mod archive;
mod copying;
mod destination;
mod erasures;
mod error;
mod moment;
mod name;
mod place;
mod restore;
mod take;

pub use restore::{RestoreArguments, restore};
pub use take::{BackupArguments, back_up};

use crate::log_command::progress::Progress;
use crate::terminal::visible;
use error::BackupError;
use madang_log::{Fault, SegmentNumber, StdFiles, Verification, verify_believing};
use madang_model::ShardId;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// How a command ended that was not refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum BackupOutcome {
    Done,
    /// It was done, or not, as faults were found.
    Faulty,
}

fn exit_code(outcome: Result<BackupOutcome, BackupError>) -> ExitCode {
    match outcome {
        Ok(BackupOutcome::Done) => ExitCode::SUCCESS,
        Ok(BackupOutcome::Faulty) => ExitCode::from(1),
        Err(error) => {
            eprintln!("madang: {}", visible(&place::with_faulty(error).to_string()));
            ExitCode::from(2)
        }
    }
}

/// Checks a copy as `madang log verify` does, and names its faults on standard error. Segments that are `believed` are
/// not read again.
fn verify_copy(
    copy: &Path,
    believed: &dyn Fn(ShardId, SegmentNumber) -> bool,
) -> Result<Verification, BackupError> {
    let files = StdFiles::new(copy);
    let mut progress = Progress::begin(&files, 1);
    let verified = verify_believing(&files, believed, &mut |report| progress.read(report.file_bytes));
    progress.clear();
    let verification = verified?;
    for fault in verification.all_faults() {
        eprintln!("madang: in the copy, {}", visible(&within(copy, fault).to_string()));
    }
    Ok(verification)
}

/// A fault whose file is named from the top of the copy, which gets another name, or is removed, once it is verified.
fn within(copy: &Path, fault: &Fault) -> Fault {
    let path = fault.path.strip_prefix(copy).unwrap_or(&fault.path);
    Fault { path: path.to_owned(), ..fault.clone() }
}

fn messages(verification: &Verification) -> u64 {
    verification.segments.iter().map(|report| report.counts.records).sum()
}

/// Prints text. A reader that has ended is no failure: what was to be done is done.
fn say(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

//! `madang log import`.

mod feed;
mod known;
mod passes;
mod source;
mod store;
mod words;

use super::output::{finish, standard_output, visible};
use super::{next_step, shards_with_files};
use crate::data_option::DataOption;
use crate::privacy;
use crate::server::{DataDirectory, DataDirectoryError};
use clap::{Args, ValueEnum};
use madang_log::{Files, SEGMENT_BYTES_MAX, StdFiles};
use madang_model::PARTITIONS;
use passes::{Checked, Import, Refused};
use source::Inputs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use words::summary;

pub const EXAMPLES: &str = "\
Examples:
  madang log import history.jsonl --data /var/lib/madang
  madang log import history.jsonl --data DIR --dry-run
  madang log export --data OLD --all --format jsonl | madang log import - --data NEW

Each line is a JSON object: {\"room\": \"general\", \"time\": \"2026-11-20T12:03:11.000250Z\",
\"author\": \"alice\", \"text\": \"hello\", \"id\": \"17\"}. The time may be a number of microseconds since
1970; the id may be missing. Lines of `madang log export --format jsonl` are read as they are.
Numbers are given anew, after the newest message of each room. Messages alone are imported: an
export's lines of edits, deletions and facts of rooms (--facts) are counted and skipped.

Stop the server first. The messages of a room may come in any order within 32 MiB of lines. A
message that was imported before (the same room, author and id) is skipped, so an import that was
interrupted can be repeated. Files are checked before anything is written; standard input is
checked as it comes.

Exit codes: 0 all is stored; 1 the log has faults (named), nothing was written; 2 a line or the
command line must be corrected, or something could not be read or written (the message says what
was stored); 3 a server runs there.";

/// As a server has them, by default and at least (`log.segment_bytes`).
const SEGMENT_BYTES_DEFAULT: u64 = 64 << 20;
const SEGMENT_BYTES_LEAST: u64 = 1 << 20;
/// The exit code if a server uses the directory.
const EXIT_IN_USE: u8 = 3;

/// The arguments of `madang log import`.
#[derive(Debug, Args)]
pub struct ImportArguments {
    /// Files of JSON Lines, in this order; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    data: DataOption,
    /// The number of shards [default: as many as the log has, else one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(PARTITIONS)))]
    shards: Option<u16>,
    /// The size of a log file, in bytes; what expires goes file by file
    #[arg(
        long, value_name = "BYTES", default_value_t = SEGMENT_BYTES_DEFAULT,
        value_parser = clap::value_parser!(u64).range(SEGMENT_BYTES_LEAST..=SEGMENT_BYTES_MAX)
    )]
    segment_bytes: u64,
    /// What is done with a message that is older than the newest of its room
    #[arg(long, value_enum, default_value_t = TimesOption::Given)]
    times: TimesOption,
    /// Skip lines that cannot be stored; the first ten are shown
    #[arg(long)]
    skip_invalid: bool,
    /// Check and count, and write nothing; works beside a running server
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum TimesOption {
    /// Refuse it: the times of a room never fall
    Given,
    /// Store it with the time of the newest
    NowOrLater,
}

/// Imports, and says how it ended.
pub fn run(arguments: &ImportArguments) -> ExitCode {
    let data = arguments.data.to_running();
    let (words, code) = match import(arguments, &data) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Refused::InUse(words)) => (words, EXIT_IN_USE),
        Err(Refused::Failed(words)) => (words, 2),
        Err(Refused::Faulty(faults)) => {
            faults.iter().for_each(|fault| eprintln!("madang: {}", visible(&fault.to_string())));
            (format!("nothing was written: the log has faults; {}", next_step(&data)), 1)
        }
    };
    eprintln!("madang: {}", visible(&words));
    ExitCode::from(code)
}

fn import(arguments: &ImportArguments, data: &Path) -> Result<(), Refused> {
    let began = Instant::now();
    let inputs = Inputs::open(&arguments.files)?;
    let mut lock = None;
    if data.exists() && !arguments.dry_run {
        lock = Some(take(data)?);
    } else if !data.exists() {
        check_parent(data)?;
    }
    let log = StdFiles::new(data);
    let has_log = data.exists() && has_segments(&log)?;
    let mut import = Import::new(arguments, &inputs, &log, has_log);
    let checked = import.check(has_log);
    import.progress.clear();
    let counts = match checked? {
        Checked::DryRun(counts) => counts,
        Checked::Known(intake) => {
            // Until the end nobody else may use the directory.
            let _lock = match lock {
                Some(lock) => lock,
                None => take(data)?,
            };
            if !has_log && has_segments(&log)? {
                let words = format!("a server has used '{}' meanwhile; repeat the import", data.display());
                return Err(Refused::Failed(words));
            }
            if let Some(words) = privacy::make_private(data) {
                eprintln!("madang: {}", visible(&words));
            }
            let shard_count = arguments.shards.map_or_else(|| shard_count(&log), Ok)?;
            let stored = import.store(intake, shard_count);
            import.progress.clear();
            stored?
        }
    };
    let mut output = standard_output();
    let said = writeln!(output, "{}", summary(&counts, arguments.dry_run, began));
    Ok(finish(output, said)?)
}

/// The data directory, locked. One that is missing is made.
fn take(data: &Path) -> Result<DataDirectory, Refused> {
    DataDirectory::take(data, "log import").map_err(|error| match error {
        DataDirectoryError::InUse { path, holder } => {
            let path = path.display();
            let remedy = match holder.contains("(madang serve)") {
                true => format!(
                    "stop the server first: `madang drain --data {path}` (or `systemctl stop madang`)"
                ),
                false => "try again when it has ended".to_owned(),
            };
            Refused::InUse(format!("data directory '{path}' is in use by {holder}; {remedy}"))
        }
        error => Refused::Failed(error.to_string()),
    })
}

/// Before long checks: the directory itself is made afterwards.
fn check_parent(data: &Path) -> Result<(), Refused> {
    let parent = data.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if parent.is_dir() {
        return Ok(());
    }
    Err(Refused::Failed(format!(
        "cannot create data directory '{}': there is no directory '{}'; create it (is its disk mounted?), or pass \
         another --data",
        data.display(),
        parent.display()
    )))
}

fn has_segments(log: &StdFiles) -> Result<bool, Refused> {
    let failed = |error: madang_log::FilesError| Refused::Failed(error.to_string());
    for shard in log.shards().map_err(failed)? {
        if !log.segments(shard).map_err(failed)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// As many as the log has directories, else as many as a server would have here.
fn shard_count(log: &StdFiles) -> Result<u16, String> {
    if let Some(shards) = shards_with_files(log)? {
        return Ok(shards);
    }
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(u16::try_from(processors).unwrap_or(PARTITIONS).min(PARTITIONS))
}

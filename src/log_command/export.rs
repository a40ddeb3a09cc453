//! `madang log export`.

use super::civil;
use super::json::write_json_line;
use super::output::{finish, standard_output, visible};
use super::progress::Progress;
use super::record::RecordLines;
use super::room::{facts_line, print as print_facts};
use super::{LineFormat, LogPlace, Outcome};
use clap::Args;
use madang_log::{
    ErasureList, ErasureMatcher, Export, ExportError, Exported, Files, ReadFactsError, Selection, StdFiles,
    export, read_all_facts,
};
use madang_model::{RoomKey, RoomName, Timestamp, counted};
use std::collections::HashSet;
use std::io::{self, Write};

pub const EXAMPLES: &str = "\
Examples:
  madang log export --data /var/lib/madang --room general
  madang log export --data DIR --room match-1 --room match-2 --format jsonl > talk.jsonl
  madang log export --data DIR --room general --since 2026-11-20 --until 2026-11-21
  madang log export --data DIR --all --since 2026-11-20T12:00:00Z
  madang log export --data DIR --all --facts --format jsonl

With --all or several rooms, each line names its room; JSON lines always do. The messages of a room
are in the order of their numbers; rooms are interleaved as in the log. Edits, deletions, reactions,
pins and topics are lines of their own; a message that was deleted has no text, nor have its edits.
Messages that a repair recorded as lost are shown in their place, whatever the time range.

Exit codes: 0 all was printed, 1 the log has faults (named on standard error; the rest was
printed), 2 it could not be read or printed, the log has no such room, or the command line is
wrong.";

/// The arguments of `madang log export`.
#[derive(Debug, Args)]
pub struct ExportArguments {
    #[command(flatten)]
    place: LogPlace,
    #[command(flatten)]
    rooms: RoomOptions,
    /// Only messages of this time or later: a date (its start, UTC) or a time of RFC 3339
    #[arg(long, value_name = "TIME", value_parser = civil::parse)]
    since: Option<i64>,
    /// Only messages before this time
    #[arg(long, value_name = "TIME", value_parser = civil::parse)]
    until: Option<i64>,
    /// Also the facts of each room as they are now, behind all messages; --since and --until do not apply to them
    #[arg(long)]
    facts: bool,
    /// The output format
    #[arg(long, value_enum, default_value_t = LineFormat::Text)]
    format: LineFormat,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct RoomOptions {
    /// A room; may be repeated. For whispers, its name as the export shows it
    #[arg(long, value_name = "ROOM")]
    room: Vec<String>,
    /// Every room
    #[arg(long)]
    all: bool,
}

impl RoomOptions {
    fn selection(&self) -> Result<Selection, String> {
        if self.all {
            return Ok(Selection::All);
        }
        let parsed = self.room.iter().map(|room| {
            RoomName::from_log(room).map_err(|error| format!("--room {room:?} is not a room name: {error}"))
        });
        parsed.collect::<Result<Vec<_>, _>>().map(Selection::Rooms)
    }
}

/// Prints messages in a time range.
pub struct ExportPrinter<W> {
    pub output: W,
    pub lines: RecordLines,
    pub format: LineFormat,
    pub since_us: i64,
    /// Exclusive.
    pub until_us: i64,
    pub printed: u64,
}

impl<W: Write> ExportPrinter<W> {
    pub fn print(&mut self, exported: Exported<'_>) -> io::Result<()> {
        match (exported, self.format) {
            (Exported::Message(message), _) if !self.is_wanted(message.time) => Ok(()),
            (Exported::Message(message), format) => {
                self.printed += 1;
                // What was deleted has an author; what was erased has none.
                let is_deleted = message.is_erased && !message.author.name.is_empty();
                match (format, is_deleted) {
                    (LineFormat::Text, false) => self.lines.message_text(&mut self.output, &message),
                    (LineFormat::Jsonl, false) => self.lines.message_json(&mut self.output, &message),
                    (LineFormat::Text, true) => self.lines.deleted_text(&mut self.output, &message),
                    (LineFormat::Jsonl, true) => self.lines.deleted_json(&mut self.output, &message),
                }
            }
            (Exported::Amendment(amendment), _) if !self.is_wanted(amendment.time) => Ok(()),
            (Exported::Amendment(amendment), format) => {
                self.printed += 1;
                match format {
                    LineFormat::Text => self.lines.amendment_text(&mut self.output, &amendment),
                    LineFormat::Jsonl => self.lines.amendment_json(&mut self.output, &amendment),
                }
            }
            (Exported::Lost { room, gap }, LineFormat::Text) => {
                self.lines.lost_text(&mut self.output, room, gap)
            }
            (Exported::Lost { room, gap }, LineFormat::Jsonl) => {
                self.lines.lost_json(&mut self.output, room, gap)
            }
        }
    }

    fn is_wanted(&self, time: Timestamp) -> bool {
        (self.since_us..self.until_us).contains(&time.0)
    }
}

/// Prints the rooms. Damage is reported on standard error; the rest is printed.
pub fn run(arguments: &ExportArguments) -> Result<Outcome, String> {
    let selection = arguments.rooms.selection()?;
    let (data, files) = arguments.place.open()?;
    let names_rooms = arguments.rooms.all || arguments.rooms.room.len() > 1;
    let mut printer = ExportPrinter {
        output: standard_output(),
        lines: RecordLines::new(names_rooms),
        format: arguments.format,
        since_us: arguments.since.unwrap_or(i64::MIN),
        until_us: arguments.until.unwrap_or(i64::MAX),
        printed: 0,
    };
    // What is still in the files and to be erased is shown as what is erased.
    let erasures = ErasureList::read(&files).map_err(|error| error.to_string())?.pending_erasures();
    let mut hidden = ErasureMatcher::new(&erasures);
    let mut print = |mut exported: Exported<'_>| {
        if !erasures.is_empty() {
            hidden.hide(&mut exported);
        }
        printer.print(exported)
    };
    let mut progress = Progress::begin_beside_output(&files);
    let exported = export(&files, &selection, &mut print, &mut |bytes| progress.read(bytes));
    progress.clear();
    let ExportPrinter { mut output, mut printed, .. } = printer;
    let mut export = match exported {
        Ok(export) => export,
        Err(ExportError::Sink(error)) => return finish(output, Err(error)).map(|()| Outcome::Sound),
        Err(ExportError::Files(error)) => {
            finish(output, Ok(()))?;
            return Err(error.to_string());
        }
    };
    let mut facts = FactsExport::default();
    if arguments.facts {
        let done = facts.print(&files, &selection, arguments.format, &mut output);
        if let Err(FactsExportError::Sink(error)) = done {
            return finish(output, Err(error)).map(|()| Outcome::Sound);
        }
        done.map_err(|error| error.to_string())?;
        printed += facts.printed;
        export.unknown.retain(|room| !facts.rooms.contains(&room.key()));
    }
    finish(output, Ok(()))?;
    if printed == 0 && export.unknown.is_empty() {
        eprintln!("madang: {}", nothing_printed(&export));
    }
    for fault in &export.faults {
        eprintln!("madang: {}", visible(&fault.to_string()));
    }
    for (shard, segments) in &export.expired {
        eprintln!(
            "madang: {} of shard {shard} expired during the export; their messages are left out",
            counted(*segments, "segment")
        );
    }
    match &export.unknown[..] {
        [] => Ok(Outcome::reported(export.faults.len() + facts.faults, &data)),
        rooms => {
            let rooms: Vec<String> = rooms.iter().map(|room| format!("'{}'", room.as_str())).collect();
            Err(format!("the log has no room {}; see all with export --all", rooms.join(", ")))
        }
    }
}

/// The facts that were printed.
#[derive(Default)]
struct FactsExport {
    printed: u64,
    /// Rooms that have facts.
    rooms: HashSet<RoomKey>,
    /// Rooms whose facts are damaged, which were named on standard error.
    faults: usize,
}

#[derive(Debug, thiserror::Error)]
enum FactsExportError {
    #[error(transparent)]
    Read(#[from] ReadFactsError),
    #[error("cannot write the export: {0}")]
    Sink(#[from] io::Error),
}

impl FactsExport {
    fn print(
        &mut self,
        files: &StdFiles,
        selection: &Selection,
        format: LineFormat,
        output: &mut impl Write,
    ) -> Result<(), FactsExportError> {
        let wanted: Option<HashSet<RoomKey>> = match selection {
            Selection::All => None,
            Selection::Rooms(names) => Some(names.iter().map(RoomName::key).collect()),
        };
        let is_wanted = |key: RoomKey| wanted.as_ref().is_none_or(|wanted| wanted.contains(&key));
        let Some(beside) = files.beside() else { return Ok(()) };
        read_all_facts(beside, &is_wanted, &mut |room, loaded| {
            self.rooms.insert(room.key());
            let facts = match loaded {
                Ok(loaded) => loaded.facts,
                Err(error @ ReadFactsError::Files(_)) => return Err(error.into()),
                Err(error) => {
                    eprintln!("madang: {}", visible(&error.to_string()));
                    self.faults += 1;
                    return Ok(());
                }
            };
            self.printed += 1;
            match format {
                LineFormat::Text => print_facts(output, room.as_str(), &facts)?,
                LineFormat::Jsonl => write_json_line(output, &facts_line(room.as_str(), &facts))?,
            }
            Ok(())
        })
    }
}

fn nothing_printed(export: &Export) -> String {
    match export.records {
        0 => "the log no longer holds any such message".to_owned(),
        records => {
            format!("none of {} is from that time; widen --since and --until", counted(records, "message"))
        }
    }
}

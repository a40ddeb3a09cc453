//! The passes over the input: what is checked before anything is written, and what is stored.

use super::super::progress::{Progress, log_bytes};
use super::feed::{Counts, Feed, LinePlace, Stop};
use super::known;
use super::source::Inputs;
use super::store::{ImportStore, Shape};
use super::words::words_of;
use super::{ImportArguments, TimesOption};
use crate::server::wall_time;
use madang_import::{Accepted, Intake, LineReader, SentMessage, Times};
use madang_log::{Fault, StdFiles};
use madang_model::{RoomName, Timestamp, counted};
use std::collections::HashSet;

const REPEAT: &str = "repeat the import: what is stored already is skipped";

/// Why nothing more was imported.
pub enum Refused {
    /// Exit code 3.
    InUse(String),
    /// Exit code 1.
    Faulty(Vec<Fault>),
    /// Exit code 2.
    Failed(String),
}

impl From<String> for Refused {
    fn from(words: String) -> Refused {
        Refused::Failed(words)
    }
}

/// The passes of an import.
pub struct Import<'a> {
    arguments: &'a ImportArguments,
    inputs: &'a Inputs,
    log: &'a StdFiles,
    now: Timestamp,
    pub progress: Progress,
}

/// What the checks led to.
pub enum Checked {
    /// That was all.
    DryRun(Counts),
    /// What the log has, for the pass that writes.
    Known(Intake<(LinePlace, SentMessage)>),
}

impl<'a> Import<'a> {
    /// Nothing is read yet. `has_log` is whether there are segments.
    pub fn new(
        arguments: &'a ImportArguments,
        inputs: &'a Inputs,
        log: &'a StdFiles,
        has_log: bool,
    ) -> Import<'a> {
        let checks = if has_log { 2 } else { 1 };
        let passes = checks + u64::from(!arguments.dry_run);
        let total = || {
            let of_inputs = inputs.known_bytes().map(|bytes| bytes * passes);
            of_inputs.map_or(0, |bytes| bytes + if has_log { log_bytes(log) } else { 0 })
        };
        Import { arguments, inputs, log, now: wall_time(), progress: Progress::begin_of(total) }
    }

    fn feed(&mut self, shows_skipped: bool) -> Feed<'_> {
        Feed {
            inputs: self.inputs,
            reader: LineReader::new(self.now),
            skips_invalid: self.arguments.skip_invalid,
            shows_skipped,
            progress: &mut self.progress,
        }
    }

    /// Reads what the log has, and checks everything before anything is written. What does not come from files is
    /// checked when it is stored.
    pub fn check(&mut self, has_log: bool) -> Result<Checked, Refused> {
        let times = match self.arguments.times {
            TimesOption::Given => Times::Given,
            TimesOption::NowOrLater => Times::NowOrLater,
        };
        let is_dry = self.arguments.dry_run;
        let can_repeat = self.inputs.can_repeat();
        let mut intake: Intake<(LinePlace, ())> = Intake::new(times);
        if has_log {
            if can_repeat {
                let mut note_room = |message: &SentMessage| {
                    intake.room(&message.room);
                };
                self.feed(false).read_all(&mut note_room).map_err(refused)?;
            }
            let progress = &mut self.progress;
            let faults = known::read(self.log, &mut intake, !can_repeat, &mut |bytes| progress.read(bytes))?;
            if !faults.is_empty() {
                return Err(Refused::Faulty(faults));
            }
        }
        if !can_repeat && !is_dry {
            return Ok(Checked::Known(intake.begin_again()));
        }
        let mut counts = Counts::default();
        self.feed(is_dry).give(&mut intake, drop, &mut |_| Ok(()), &mut counts).map_err(refused)?;
        Ok(if is_dry { Checked::DryRun(counts) } else { Checked::Known(intake.begin_again()) })
    }

    /// Stores what is new.
    pub fn store(
        &mut self,
        mut intake: Intake<(LinePlace, SentMessage)>,
        shard_count: u16,
    ) -> Result<Counts, Refused> {
        let wanted =
            self.inputs.can_repeat().then(|| intake.rooms().map(RoomName::key).collect::<HashSet<_>>());
        let is_wanted = |room| wanted.as_ref().is_none_or(|wanted| wanted.contains(&room));
        let shape = Shape { shard_count, segment_bytes: self.arguments.segment_bytes, created: self.now };
        let mut store = ImportStore::open(self.log, shape, &is_wanted)?;
        let mut counts = Counts::default();
        let mut sink = |accepted: Accepted<(LinePlace, SentMessage)>| {
            let (_, message) = accepted.item;
            store.append(accepted.room, accepted.time, message)
        };
        match self.feed(true).give(&mut intake, |message| message, &mut sink, &mut counts) {
            Ok(()) => {
                store.finish()?;
                Ok(counts)
            }
            // The disk refused: what has no seal yet is given up.
            Err(Stop::Sink(words)) => Err(Refused::Failed(format!("{words}; then {REPEAT}"))),
            Err(stop) => {
                store.finish()?;
                Err(Refused::Failed(format!(
                    "{}. {} {} before it; correct it, and {REPEAT}",
                    words_of(&stop),
                    counted(counts.imported, "message"),
                    if counts.imported == 1 { "was stored" } else { "were stored" }
                )))
            }
        }
    }
}

/// A check that ended before anything was written.
fn refused(stop: Stop) -> Refused {
    Refused::Failed(format!("{}. Nothing was written", words_of(&stop)))
}

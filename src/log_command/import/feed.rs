//! A pass over all lines.

use super::super::output::visible;
use super::super::progress::Progress;
use super::source::Inputs;
use madang_import::{
    Accepted, Conflict, Given, Intake, LineFault, LineReader, ReadLine, RoomIndex, SentMessage,
};
use std::collections::HashSet;

/// Lines that are skipped and shown.
const SHOWN_MAX: u64 = 10;
/// The progress is told after so many bytes.
const PROGRESS_BYTES: usize = 1 << 16;

/// Where a line is.
#[derive(Clone, Copy, Debug)]
pub struct LinePlace {
    pub file: usize,
    pub line: u64,
}

/// What became of the lines.
#[derive(Default, Debug)]
pub struct Counts {
    pub imported: u64,
    pub known: u64,
    pub invalid: u64,
    /// Lines that say which messages a repair recorded as lost.
    pub lost: u64,
    /// Lines that say what became of messages.
    pub amendments: u64,
    /// Lines of facts of rooms.
    pub facts: u64,
    /// Lines of messages that were erased.
    pub erased: u64,
    /// The rooms of what was imported.
    pub rooms: HashSet<RoomIndex>,
}

/// Why a pass ended early, in words that name the line.
pub enum Stop {
    /// A line cannot be stored.
    Line(String),
    /// A message is older than the newest of its room.
    Conflict(Box<Conflict<String>>),
    /// An input cannot be read.
    Input(String),
    /// What was accepted cannot be written.
    Sink(String),
}

/// A pass over all inputs.
pub struct Feed<'a> {
    pub inputs: &'a Inputs,
    pub reader: LineReader,
    pub skips_invalid: bool,
    pub shows_skipped: bool,
    pub progress: &'a mut Progress,
}

/// A message, where it was, and the length of its line.
struct Met {
    place: LinePlace,
    bytes: usize,
    message: SentMessage,
}

impl Feed<'_> {
    /// Shows every message.
    pub fn read_all(&mut self, visit: &mut dyn FnMut(&SentMessage)) -> Result<(), Stop> {
        self.each(&mut Counts::default(), &mut |met, _| {
            visit(&met.message);
            Ok(())
        })
    }

    /// Gives every message to the intake, and what it accepts to `sink`.
    pub fn give<T>(
        &mut self,
        intake: &mut Intake<(LinePlace, T)>,
        keep: impl Fn(SentMessage) -> T,
        sink: &mut dyn FnMut(Accepted<(LinePlace, T)>) -> Result<(), String>,
        counts: &mut Counts,
    ) -> Result<(), Stop> {
        let inputs = self.inputs;
        let stop = |conflict: Conflict<(LinePlace, T)>| {
            let Conflict { room, time, newest, late, item: (place, _) } = conflict;
            Stop::Conflict(Box::new(Conflict { room, time, newest, late, item: named(inputs, place) }))
        };
        let mut pour = |intake: &mut Intake<(LinePlace, T)>, counts: &mut Counts| {
            for accepted in intake.accepted() {
                let room = accepted.room;
                sink(accepted).map_err(Stop::Sink)?;
                counts.imported += 1;
                counts.rooms.insert(room);
            }
            Ok(())
        };
        self.each(counts, &mut |Met { place, bytes, message }, counts| {
            let room = message.room.clone();
            let (time, id_hash) = (message.time, message.id_hash);
            let given = Given { time, id_hash, line_bytes: bytes, item: (place, keep(message)) };
            let taken = intake.take(&room, given);
            // What was accepted before a conflict can be stored.
            pour(intake, counts)?;
            counts.known += u64::from(!taken.map_err(stop)?);
            Ok(())
        })?;
        let finished = intake.finish();
        pour(intake, counts)?;
        finished.map_err(stop)
    }

    fn each(
        &mut self,
        counts: &mut Counts,
        take: &mut dyn FnMut(Met, &mut Counts) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let mut line = Vec::new();
        for file in 0..self.inputs.count() {
            let mut lines = self.inputs.lines(file).map_err(Stop::Input)?;
            let mut unsaid_bytes = 0;
            loop {
                let read = lines.read(&mut line);
                let bytes = read.map_err(|error| {
                    Stop::Input(format!("cannot read {}: {error}", self.inputs.name(file)))
                })?;
                if bytes == 0 {
                    break;
                }
                unsaid_bytes += bytes;
                if unsaid_bytes >= PROGRESS_BYTES {
                    self.progress.read(unsaid_bytes as u64);
                    unsaid_bytes = 0;
                }
                let place = LinePlace { file, line: lines.number };
                match self.reader.read(&line) {
                    Ok(ReadLine::Message(message)) => take(Met { place, bytes, message }, counts)?,
                    Ok(ReadLine::Lost) => counts.lost += 1,
                    Ok(ReadLine::Amendment) => counts.amendments += 1,
                    Ok(ReadLine::Facts) => counts.facts += 1,
                    Ok(ReadLine::Erased) => counts.erased += 1,
                    Ok(ReadLine::Blank) => {}
                    Err(fault) => {
                        let words =
                            format!("{}: {}", named(self.inputs, place), said(self.inputs, file, &fault));
                        if !self.skips_invalid {
                            return Err(Stop::Line(words));
                        }
                        counts.invalid += 1;
                        if self.shows_skipped && counts.invalid <= SHOWN_MAX {
                            self.progress.clear();
                            eprintln!("madang: skipped: {}", visible(&words));
                        }
                    }
                }
            }
            self.progress.read(unsaid_bytes as u64);
        }
        Ok(())
    }
}

/// What is wrong with a line of this file; the command that converts it names the file.
fn said(inputs: &Inputs, file: usize, fault: &LineFault) -> String {
    match (fault, inputs.path(file)) {
        (LineFault::NotUtf8 { .. }, Some(path)) => format!("{fault} {}", path.display()),
        _ => fault.to_string(),
    }
}

/// `'history.jsonl' line 17`
fn named(inputs: &Inputs, place: LinePlace) -> String {
    format!("{} line {}", inputs.name(place.file), place.line)
}

//! `madang log export`.

use super::output::{finish, standard_output};
use super::progress::Progress;
use super::{ExportArguments, Format, Outcome};
use jiff::tz::TimeZone;
use madang_shards::log::{Export, ExportError, StdFiles, StoredMessage, export_room};
use madang_shards::types::RoomName;
use serde::Serialize;
use std::io::{self, Write};

/// Prints a room. What is damaged is named on standard error; the rest is printed.
pub fn run(arguments: &ExportArguments) -> Result<Outcome, String> {
    let room = RoomName::from_log(&arguments.room)
        .map_err(|error| format!("--room {:?} is no room: {error}", arguments.room))?;
    let files = StdFiles::new(&arguments.data);
    let mut output = standard_output();
    let mut progress = Progress::begin();
    let mut sink = |message: &StoredMessage| match arguments.format {
        Format::Text => write_text(&mut output, message),
        Format::Jsonl => write_json(&mut output, message),
    };
    let exported = export_room(&files, &room, &mut sink, &mut |bytes| progress.read(bytes));
    progress.clear();
    let export = match exported {
        Ok(export) => export,
        Err(ExportError::Sink(error)) => return finish(output, Err(error)).map(|()| Outcome::Sound),
        Err(ExportError::Files(error)) => {
            finish(output, Ok(()))?;
            return Err(error.to_string());
        }
    };
    finish(output, Ok(()))?;
    Ok(report(&export, &room))
}

fn report(export: &Export, room: &RoomName) -> Outcome {
    if export.records == 0 {
        eprintln!("madang: the log holds no message of room '{room}'");
    }
    for fault in &export.faults {
        eprintln!("madang: {fault}");
    }
    if export.faults.is_empty() { Outcome::Sound } else { Outcome::Faulty }
}

pub fn write_text(output: &mut impl Write, message: &StoredMessage) -> io::Result<()> {
    let time = timestamp(message)?.to_zoned(TimeZone::UTC).datetime();
    let (date, clock) = (time.date(), time.time());
    write!(
        output,
        "#{} {date} {:02}:{:02}:{:02} ",
        message.seq,
        clock.hour(),
        clock.minute(),
        clock.second()
    )?;
    write_visible(output, &message.author)?;
    output.write_all(b": ")?;
    write_visible(output, &message.text)?;
    output.write_all(b"\n")
}

/// A log that someone else wrote may hold what steers a terminal: each such character is shown as �.
fn write_visible(output: &mut impl Write, text: &str) -> io::Result<()> {
    if !text.chars().any(char::is_control) {
        return output.write_all(text.as_bytes());
    }
    let shown: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    output.write_all(shown.as_bytes())
}

#[derive(Serialize)]
struct Line<'a> {
    room: &'a str,
    seq: u64,
    time: String,
    author: &'a str,
    draft: Option<&'a str>,
    text: &'a str,
}

pub fn write_json(output: &mut impl Write, message: &StoredMessage) -> io::Result<()> {
    let line = Line {
        room: &message.room,
        seq: message.seq.to_native(),
        time: format!("{:.6}", timestamp(message)?),
        author: &message.author,
        draft: Some(message.draft.as_str()).filter(|draft| !draft.is_empty()),
        text: &message.text,
    };
    serde_json::to_writer(&mut *output, &line)?;
    output.write_all(b"\n")
}

fn timestamp(message: &StoredMessage) -> io::Result<jiff::Timestamp> {
    jiff::Timestamp::from_microsecond(message.time_us.to_native())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

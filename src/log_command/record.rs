//! Messages and losses as lines.

use super::civil::Clock;
use super::json::{push_number, push_text, write_json_line};
use super::output::visible;
use madang_log::{MissingRange, StoredMessage};
use madang_model::{is_or_are, numbered};
use serde::Serialize;
use std::io::{self, Write};

/// Writes lines.
#[derive(Debug)]
pub struct RecordLines {
    clock: Clock,
    /// Whether each line of text names its room; JSON always does.
    names_rooms: bool,
    /// The line that is being written; reused for its memory.
    line: Vec<u8>,
}

#[derive(Serialize)]
struct LostLine<'a> {
    room: &'a str,
    lost: LostNumbers,
}

#[derive(Serialize)]
struct LostNumbers {
    first: u64,
    last: u64,
}

impl RecordLines {
    pub fn new(names_rooms: bool) -> RecordLines {
        RecordLines { clock: Clock::default(), names_rooms, line: Vec::new() }
    }

    pub fn message_text(&mut self, output: &mut impl Write, message: &StoredMessage<'_>) -> io::Result<()> {
        self.room_text(output, message.room)?;
        let time = self.clock.second(message.time.0);
        if message.is_erased {
            return writeln!(output, "#{} {time} * erased", message.seq);
        }
        let (author, text) = (visible(message.author.name), visible(message.text));
        writeln!(output, "#{} {time} {author}: {text}", message.seq)
    }

    /// Written by hand: serializing a struct took 1.8 times the processor time.
    pub fn message_json(&mut self, output: &mut impl Write, message: &StoredMessage<'_>) -> io::Result<()> {
        let line = &mut self.line;
        line.clear();
        line.extend_from_slice(b"{\"room\":");
        push_text(line, message.room);
        line.extend_from_slice(b",\"seq\":");
        push_number(line, message.seq.0);
        line.extend_from_slice(b",\"time\":");
        push_text(line, self.clock.microsecond(message.time.0));
        if message.is_erased {
            line.extend_from_slice(b",\"erased\":true}\n");
            return output.write_all(line);
        }
        line.extend_from_slice(b",\"author\":");
        push_text(line, message.author.name);
        line.extend_from_slice(b",\"draft\":");
        match message.draft {
            "" => line.extend_from_slice(b"null"),
            draft => push_text(line, draft),
        }
        line.extend_from_slice(b",\"text\":");
        push_text(line, message.text);
        line.extend_from_slice(b"}\n");
        output.write_all(line)
    }

    pub fn lost_text(&self, output: &mut impl Write, room: &str, gap: MissingRange) -> io::Result<()> {
        self.room_text(output, room)?;
        writeln!(output, "* {} lost, and recorded so by a repair", numbers_are(gap))
    }

    pub fn lost_json(&self, output: &mut impl Write, room: &str, gap: MissingRange) -> io::Result<()> {
        let lost = LostNumbers { first: gap.first.0, last: gap.last.0 };
        write_json_line(output, &LostLine { room, lost })
    }

    fn room_text(&self, output: &mut impl Write, room: &str) -> io::Result<()> {
        if self.names_rooms { write!(output, "{} ", visible(room)) } else { Ok(()) }
    }
}

/// `message #5 is` or `messages #5 to #7 are`.
pub fn numbers_are(gap: MissingRange) -> String {
    let MissingRange { first, last } = gap;
    format!("{} {}", numbered(first, last, "message", "#"), is_or_are(first == last))
}

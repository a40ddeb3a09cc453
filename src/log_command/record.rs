//! A message, and a loss, as a line.

use super::civil::Clock;
use super::output::{visible, write_json_line};
use madang_shards::log::{Gap, StoredMessage};
use serde::Serialize;
use std::io::{self, Write};

/// How lines are written.
#[derive(Debug, Default)]
pub struct Lines {
    pub clock: Clock,
    /// Whether each line of text names its room; JSON always does.
    pub names_rooms: bool,
}

#[derive(Serialize)]
struct MessageLine<'a> {
    room: &'a str,
    seq: u64,
    time: String,
    author: &'a str,
    draft: Option<&'a str>,
    text: &'a str,
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

impl Lines {
    pub fn message_text(&mut self, output: &mut impl Write, message: &StoredMessage) -> io::Result<()> {
        self.room_text(output, &message.room)?;
        let time = self.clock.second(message.time_us.to_native());
        let (author, text) = (visible(&message.author), visible(&message.text));
        writeln!(output, "#{} {time} {author}: {text}", message.seq)
    }

    pub fn message_json(&mut self, output: &mut impl Write, message: &StoredMessage) -> io::Result<()> {
        let line = MessageLine {
            room: &message.room,
            seq: message.seq.to_native(),
            time: self.clock.microsecond(message.time_us.to_native()),
            author: &message.author,
            draft: Some(message.draft.as_str()).filter(|draft| !draft.is_empty()),
            text: &message.text,
        };
        write_json_line(output, &line)
    }

    pub fn lost_text(&self, output: &mut impl Write, room: &str, gap: Gap) -> io::Result<()> {
        self.room_text(output, room)?;
        writeln!(output, "* {} lost, and recorded so by a repair", numbers(gap))
    }

    pub fn lost_json(&self, output: &mut impl Write, room: &str, gap: Gap) -> io::Result<()> {
        let lost = LostNumbers { first: gap.first.0, last: gap.last.0 };
        write_json_line(output, &LostLine { room, lost })
    }

    fn room_text(&self, output: &mut impl Write, room: &str) -> io::Result<()> {
        if self.names_rooms { write!(output, "{} ", visible(room)) } else { Ok(()) }
    }
}

/// `message #5 is` or `messages #5 to #7 are`.
pub fn numbers(gap: Gap) -> String {
    if gap.first == gap.last {
        return format!("message #{} is", gap.first);
    }
    format!("messages #{} to #{} are", gap.first, gap.last)
}

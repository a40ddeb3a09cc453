//! Messages and losses as lines.

use super::civil::Clock;
use super::json::{push_number, push_text, write_json_line};
use super::output::visible;
use madang_log::{MissingRange, StoredAmendment, StoredChange, StoredMessage};
use madang_model::{MessageReactions, is_or_are, numbered};
use serde::Serialize;
use std::collections::BTreeMap;
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

#[derive(Serialize)]
struct AmendmentLine<'a> {
    room: &'a str,
    seq: u64,
    time: &'a str,
    author: &'a str,
    amends: AmendsLine<'a>,
}

#[derive(Serialize)]
struct AmendsLine<'a> {
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reactions: Vec<MessageSums>,
}

#[derive(Serialize)]
struct MessageSums {
    message: u64,
    sums: BTreeMap<String, u32>,
}

#[derive(Serialize)]
struct DeletedLine<'a> {
    room: &'a str,
    seq: u64,
    time: &'a str,
    author: Option<&'a str>,
    deleted: bool,
}

fn sums(of: &MessageReactions) -> String {
    let sums = of.sums.iter().map(|(mark, count)| format!(" {}{count}", visible(mark.as_str())));
    format!("#{}{}", of.message, sums.collect::<String>())
}

impl RecordLines {
    pub fn new(names_rooms: bool) -> RecordLines {
        RecordLines { clock: Clock::default(), names_rooms, line: Vec::new() }
    }

    /// What became of a message or of the room.
    pub fn amendment_text(
        &mut self,
        output: &mut impl Write,
        amendment: &StoredAmendment<'_>,
    ) -> io::Result<()> {
        self.room_text(output, amendment.room)?;
        let time = self.clock.second(amendment.time.0);
        let StoredAmendment { seq, target, .. } = amendment;
        let author = visible(amendment.author.name);
        let what = match amendment.change {
            StoredChange::Edit { text } => format!("{author} edited #{target}: {}", visible(text)),
            StoredChange::Deletion => format!("{author} deleted #{target}"),
            StoredChange::Reactions { changes } => {
                let of = MessageReactions::decode(changes).unwrap_or_default();
                format!("reactions: {}", of.iter().map(sums).collect::<Vec<_>>().join(", "))
            }
            StoredChange::Pin { is_pinned: true } => format!("{author} pinned #{target}"),
            StoredChange::Pin { is_pinned: false } => format!("{author} unpinned #{target}"),
            StoredChange::Topic { text: "" } => format!("{author} cleared the topic"),
            StoredChange::Topic { text } => format!("{author} set the topic: {}", visible(text)),
            StoredChange::Erased(_) => format!("an edit of #{target}, which was deleted"),
        };
        writeln!(output, "#{seq} {time} * {what}")
    }

    /// The same as a JSON line.
    pub fn amendment_json(
        &mut self,
        output: &mut impl Write,
        amendment: &StoredAmendment<'_>,
    ) -> io::Result<()> {
        let (kind, text, changes) = change_words(&amendment.change);
        let of = MessageReactions::decode(changes.unwrap_or_default()).unwrap_or_default();
        let reactions = of.iter().map(|of| MessageSums {
            message: of.message.0,
            sums: of.sums.iter().map(|(mark, count)| (mark.as_str().to_owned(), count)).collect(),
        });
        let amends = AmendsLine {
            kind,
            message: Some(amendment.target.0).filter(|target| *target > 0),
            text,
            reactions: reactions.collect(),
        };
        let time = self.clock.microsecond(amendment.time.0);
        let (room, seq, author) = (amendment.room, amendment.seq.0, amendment.author.name);
        write_json_line(output, &AmendmentLine { room, seq, time, author, amends })
    }

    /// A message of which nothing is to be shown.
    pub fn deleted_text(&mut self, output: &mut impl Write, message: &StoredMessage<'_>) -> io::Result<()> {
        self.room_text(output, message.room)?;
        let time = self.clock.second(message.time.0);
        writeln!(output, "#{} {time} * deleted", message.seq)
    }

    /// The same as a JSON line.
    pub fn deleted_json(&mut self, output: &mut impl Write, message: &StoredMessage<'_>) -> io::Result<()> {
        let time = self.clock.microsecond(message.time.0);
        let author = Some(message.author.name).filter(|name| !name.is_empty());
        let line = DeletedLine { room: message.room, seq: message.seq.0, time, author, deleted: true };
        write_json_line(output, &line)
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

/// What a change is called in JSON, its text, and its sums of reactions as they are stored.
pub fn change_words<'a>(change: &StoredChange<'a>) -> (&'static str, Option<&'a str>, Option<&'a str>) {
    match *change {
        StoredChange::Edit { text } => ("edit", Some(text), None),
        StoredChange::Deletion => ("deletion", None, None),
        StoredChange::Reactions { changes } => ("reactions", None, Some(changes)),
        StoredChange::Pin { is_pinned: true } => ("pin", None, None),
        StoredChange::Pin { is_pinned: false } => ("unpin", None, None),
        StoredChange::Topic { text } => ("topic", Some(text), None),
        StoredChange::Erased(_) => ("erased", None, None),
    }
}

/// `message #5 is` or `messages #5 to #7 are`.
pub fn numbers_are(gap: MissingRange) -> String {
    let MissingRange { first, last } = gap;
    format!("{} {}", numbered(first, last, "message", "#"), is_or_are(first == last))
}

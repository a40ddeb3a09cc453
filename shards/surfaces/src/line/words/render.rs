//! What happens in a room, as its members read it. Each message passes here once a style and
//! shard, so that nothing is formatted or allocated but the growth of `out`.

use super::{CRLF, TIMES, end, line};
use madang_model::connection::Style;
use madang_model::{
    Amendment, Change, Message, RoomEvent, RoomName, ShownMessage, Text, Timestamp, UserName,
};

/// What stands behind a text that is not the first.
pub const EDITED: &str = " (edited)";
/// What stands for a message that was deleted.
pub const DELETED: &str = "this message was deleted";
const MICROSECONDS_A_SECOND: i64 = 1_000_000;
const SECONDS_A_DAY: i64 = 86_400;

/// Writes what a member of `room` sees of `event`.
pub fn room_event(room: &RoomName, event: &RoomEvent, style: Style, out: &mut Vec<u8>) {
    match event {
        RoomEvent::Message { message: said, .. } => message(said, style, out),
        RoomEvent::Amended { amendment, .. } => amended(amendment, style, out),
        RoomEvent::Joined { user, .. } => joined(user, room, style, out),
        RoomEvent::Left { user, .. } => left(user, room, style, out),
        RoomEvent::Renamed { old, new, .. } => renamed(old, new, style, out),
    }
}

/// `alice: hello`, live or from the past; `* [deleted / 삭제됨]` where it was erased.
pub fn message(message: &Message, style: Style, out: &mut Vec<u8>) {
    time_of_day(message.time, style, out);
    if message.is_erased() {
        return pieces(&[b"* ", message.text.as_str().as_bytes()], style, out);
    }
    pieces(&[message.author.as_str().as_bytes(), b": ", message.text.as_str().as_bytes()], style, out);
}

/// A message from the past as it is now: `alice: hello`, with `(edited)` behind a later text; of one that was deleted only
/// that.
pub fn shown(shown: &ShownMessage, style: Style, out: &mut Vec<u8>) {
    match shown {
        ShownMessage::AsSaid(said) => message(said, style, out),
        ShownMessage::Amended(amended) if amended.edited.is_none() => message(&amended.message, style, out),
        ShownMessage::Amended(amended) => {
            let said = &amended.message;
            time_of_day(said.time, style, out);
            let (author, text) = (said.author.as_str().as_bytes(), said.text.as_str().as_bytes());
            pieces(&[author, b": ", text, EDITED.as_bytes()], style, out);
        }
        ShownMessage::Deleted(tombstone) => {
            time_of_day(tombstone.time, style, out);
            match &tombstone.author {
                Some(author) => {
                    pieces(&[b"* ", author.as_str().as_bytes(), b": ", DELETED.as_bytes()], style, out)
                }
                None => pieces(&[b"* ", Text::ERASED.as_bytes()], style, out),
            }
        }
    }
}

/// `* alice edited #3: hello`, `* alice deleted #3`, `* alice pinned #3`, `* alice set the topic: games`. How many reacted
/// to a message is not shown.
fn amended(amendment: &Amendment, style: Style, out: &mut Vec<u8>) {
    let Amendment { time, author, target, change, .. } = amendment;
    if matches!(change, Change::Reactions(_)) {
        return;
    }
    time_of_day(*time, style, out);
    match change {
        Change::Edit { text } => line(out, style, format_args!("* {author} edited #{target}: {text}")),
        Change::Deletion => line(out, style, format_args!("* {author} deleted #{target}")),
        Change::Pin { is_pinned: true } => line(out, style, format_args!("* {author} pinned #{target}")),
        Change::Pin { is_pinned: false } => line(out, style, format_args!("* {author} unpinned #{target}")),
        Change::Topic { topic: Some(topic) } => {
            line(out, style, format_args!("* {author} set the topic: {topic}"))
        }
        Change::Topic { topic: None } => line(out, style, format_args!("* {author} cleared the topic")),
        Change::Reactions(_) => {}
    }
}

/// `alice -> bob : hi there`.
pub fn whisper(from: &UserName, to: &UserName, message: &Message, style: Style, out: &mut Vec<u8>) {
    time_of_day(message.time, style, out);
    let (from, to) = (from.as_str().as_bytes(), to.as_str().as_bytes());
    pieces(&[from, b" -> ", to, b" : ", message.text.as_str().as_bytes()], style, out);
}

/// `alice has joined general`.
pub fn joined(user: &UserName, room: &RoomName, style: Style, out: &mut Vec<u8>) {
    pieces(&[user.as_str().as_bytes(), b" has joined ", room.as_str().as_bytes()], style, out);
}

/// `* alice is now bob`.
pub fn renamed(old: &UserName, new: &UserName, style: Style, out: &mut Vec<u8>) {
    pieces(&[b"* ", old.as_str().as_bytes(), b" is now ", new.as_str().as_bytes()], style, out);
}

/// `alice has left the channel(r1)`.
pub fn left(user: &UserName, room: &RoomName, style: Style, out: &mut Vec<u8>) {
    let (user, room) = (user.as_str().as_bytes(), room.as_str().as_bytes());
    pieces(&[user, b" has left the channel(", room, b")"], style, out);
}

fn pieces(pieces: &[&[u8]], style: Style, out: &mut Vec<u8>) {
    let end_bytes = if style.form & CRLF != 0 { 2 } else { 1 };
    out.reserve(pieces.iter().map(|piece| piece.len()).sum::<usize>() + end_bytes);
    for piece in pieces {
        out.extend_from_slice(piece);
    }
    end(out, style);
}

/// `12:03:11 `, in UTC, when the style asks for it.
fn time_of_day(time: Timestamp, style: Style, out: &mut Vec<u8>) {
    if style.form & TIMES == 0 {
        return;
    }
    let second = time.0.div_euclid(MICROSECONDS_A_SECOND).rem_euclid(SECONDS_A_DAY);
    for (value, after) in [(second / 3600, b':'), (second / 60 % 60, b':'), (second % 60, b' ')] {
        // Two digits: an hour is below 24, minutes and seconds are below 60.
        out.extend_from_slice(&[b'0' + (value / 10) as u8, b'0' + (value % 10) as u8, after]);
    }
}

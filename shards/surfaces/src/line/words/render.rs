//! What happens in a room, as its members read it. Each message passes here once a style and
//! shard, so that nothing is formatted or allocated but the growth of `out`.

use super::{CRLF, TIMES, end};
use madang_model::connection::Style;
use madang_model::{Message, RoomEvent, RoomName, Timestamp, UserName};

const MICROSECONDS_A_SECOND: i64 = 1_000_000;
const SECONDS_A_DAY: i64 = 86_400;

/// Writes what a member of `room` sees of `event`.
pub fn room_event(room: &RoomName, event: &RoomEvent, style: Style, out: &mut Vec<u8>) {
    match event {
        RoomEvent::Message { message: said, .. } => message(said, style, out),
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

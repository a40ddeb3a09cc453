//! Madang's lines (docs/protocol.md).

use super::entry::{EntryFault, Guest, Stage};
use super::frame::{Envelope, Frame, line_of, number_of};

/// What the server says when it wants a name. No line end follows it.
const PROMPT: &[u8] = b"name: ";

pub(super) fn next_frame(bytes: &[u8]) -> Option<(usize, Frame<'_>)> {
    if bytes.starts_with(PROMPT) {
        return Some((PROMPT.len(), Frame::Prompt));
    }
    let (taken, line) = line_of(bytes)?;
    let frame = match line.first() {
        Some(b'!') => Frame::Refusal(line),
        Some(b'*') | None => Frame::Answer(line),
        Some(b'#') => stored(line).unwrap_or(Frame::Answer(line)),
        Some(_) => said(line),
    };
    Some((taken, frame))
}

/// `alice: hello`, `alice -> bob : hello`, or an answer. No name contains a colon or a space.
fn said(line: &[u8]) -> Frame<'_> {
    let Some(colon) = memchr::memchr(b':', line) else { return Frame::Answer(line) };
    let Some(text) = line[colon + 1..].strip_prefix(b" ") else { return Frame::Answer(line) };
    let before = &line[..colon];
    let Some(space) = memchr::memchr(b' ', before) else {
        return Frame::Said { author: before, whispered_to: b"", text };
    };
    let names = before[space..].strip_prefix(b" -> ").and_then(|to| to.strip_suffix(b" "));
    match names {
        Some(whispered_to) => Frame::Said { author: &before[..space], whispered_to, text },
        None => Frame::Answer(line),
    }
}

/// `#12 2026-11-20 12:03:11 bob: hi`.
fn stored(line: &[u8]) -> Option<Frame<'_>> {
    let mut words = line.strip_prefix(b"#")?.splitn(4, |byte| *byte == b' ');
    let number = number_of(words.next()?)?;
    let (_date, _time, rest) = (words.next()?, words.next()?, words.next()?);
    match said(rest) {
        Frame::Said { author, text, .. } => Some(Frame::Stored { number, author, text }),
        _ => None,
    }
}

pub(super) fn say_name(guest: &Guest, out: &mut Vec<u8>) {
    out.extend_from_slice(guest.name.as_bytes());
    out.push(b'\n');
}

pub(super) fn proceed(
    stage: &mut Stage,
    guest: &Guest,
    frame: &Frame<'_>,
    out: &mut Vec<u8>,
) -> Result<(), EntryFault> {
    let words = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    match (*stage, frame) {
        (Stage::Silent, Frame::Prompt) => {
            say_name(guest, out);
            *stage = Stage::Naming;
        }
        (Stage::Naming, Frame::Refusal(text)) => return Err(EntryFault::Name(words(text))),
        (Stage::Moving, Frame::Refusal(text)) => return Err(EntryFault::Other(words(text))),
        (Stage::Naming, Frame::Answer(text)) if has_joined(text, &guest.name, None) => match &guest.room {
            // Who was lost in the room a moment ago is in it again.
            Some(room) if !has_joined(text, &guest.name, Some(room)) => {
                out.extend_from_slice(format!("/channel {room}\n").as_bytes());
                *stage = Stage::Moving;
            }
            _ => *stage = Stage::In,
        },
        (Stage::Moving, Frame::Answer(text)) if has_joined(text, &guest.name, guest.room.as_deref()) => {
            *stage = Stage::In;
        }
        _ => {}
    }
    Ok(())
}

/// Whether `text` is `NAME has joined ROOM`, for any room when none is given.
pub(crate) fn has_joined(text: &[u8], name: &str, room: Option<&str>) -> bool {
    let joined = text.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b" has joined "));
    joined.is_some_and(|found| room.is_none_or(|room| found == room.as_bytes()))
}

pub(super) fn to_room() -> Envelope {
    Envelope::new(String::new(), b"\n")
}

pub(super) fn to_user(user: &str) -> Envelope {
    Envelope::new(format!("/msg {user} "), b"\n")
}

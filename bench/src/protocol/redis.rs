//! Redis Pub/Sub over RESP3, in which one connection may subscribe and publish (Redis 6).

use super::entry::{EntryFault, Guest, Stage};
use super::frame::{Envelope, Frame, line_of, number_of};

/// What an answer holds at most: `HELLO` answers with about thirty values.
const VALUES_MAX: usize = 1_000;
/// What begins the answer to `HELLO 3`.
const HELLO: &[u8] = b"%";

pub(super) fn next_frame(bytes: &[u8]) -> Option<(usize, Frame<'_>)> {
    let (taken, head) = line_of(bytes)?;
    let frame = match head.first() {
        Some(b'-') => Frame::Refusal(head),
        Some(b'+' | b':' | b'_' | b'#' | b',' | b'(') => Frame::Answer(head),
        Some(b'>' | b'*' | b'%' | b'~' | b'$' | b'=' | b'|' | b'!') => return whole(bytes, head),
        _ => Frame::Foreign,
    };
    Some((taken, frame))
}

/// A value of more than one line.
fn whole<'a>(bytes: &'a [u8], head: &'a [u8]) -> Option<(usize, Frame<'a>)> {
    if let Some(found) = message(bytes, head) {
        return found;
    }
    // Values that are still to be skipped.
    let mut left = 1_usize;
    let mut at = 0;
    while left > 0 {
        let (taken, line) = line_of(&bytes[at..])?;
        at += taken;
        left -= 1;
        let (Some(kind), Some(count)) = (line.first(), line.get(1..)) else { return foreign(bytes) };
        let count = || number_of(count).map_or(usize::MAX, |count| count as usize);
        match kind {
            b'>' | b'*' | b'~' => left = left.saturating_add(count()),
            b'%' | b'|' => left = left.saturating_add(count().saturating_mul(2)),
            b'$' | b'=' | b'!' => {
                at = at.checked_add(count().saturating_add(2)).filter(|end| *end <= bytes.len())?;
            }
            _ => {}
        }
        if left > VALUES_MAX {
            return foreign(bytes);
        }
    }
    Some((at, Frame::Answer(bytes.get(..at)?)))
}

/// `>3 message CHANNEL TEXT`; the outer `None` when it is something else, the inner one when it has
/// not all come.
#[allow(clippy::option_option, reason = "something else and not yet are different answers")]
fn message<'a>(bytes: &'a [u8], head: &[u8]) -> Option<Option<(usize, Frame<'a>)>> {
    const KIND: &[u8] = b"$7\r\nmessage\r\n";
    if head != b">3" && head != b"*3" {
        return None;
    }
    let at = head.len() + 2;
    let Some(rest) = bytes.get(at..at + KIND.len()) else {
        return bytes[at..].iter().zip(KIND).all(|(found, wanted)| found == wanted).then_some(None);
    };
    if rest != KIND {
        return None;
    }
    let parts = || {
        let (channel_bytes, _) = bulk(&bytes[at + KIND.len()..])?;
        let text_at = at + KIND.len() + channel_bytes;
        let (text_bytes, text) = bulk(&bytes[text_at..])?;
        Some((text_at + text_bytes, Frame::Said { author: b"", whispered_to: b"", text }))
    };
    Some(parts())
}

/// `$LENGTH`, and that many bytes.
fn bulk(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (taken, head) = line_of(bytes)?;
    // A length that is none cannot be waited for: nothing is taken for it, and what follows is foreign.
    let length = head.strip_prefix(b"$").and_then(number_of).unwrap_or(0) as usize;
    let end = taken.checked_add(length)?;
    let text = bytes.get(taken..end)?;
    (bytes.len() >= end + 2).then_some((end + 2, text))
}

#[allow(clippy::unnecessary_wraps, reason = "it is returned where frames are")]
fn foreign(bytes: &[u8]) -> Option<(usize, Frame<'_>)> {
    Some((bytes.len(), Frame::Foreign))
}

pub(super) fn subscribe(guest: &Guest, out: &mut Vec<u8>) {
    out.extend_from_slice(b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n");
    if let Some(room) = &guest.room {
        out.extend_from_slice(format!("*2\r\n$9\r\nSUBSCRIBE\r\n${}\r\n{room}\r\n", room.len()).as_bytes());
    }
}

pub(super) fn proceed(stage: &mut Stage, guest: &Guest, frame: &Frame<'_>) -> Result<(), EntryFault> {
    match frame {
        Frame::Refusal(text) => Err(EntryFault::Other(String::from_utf8_lossy(text).into_owned())),
        Frame::Answer(text) if text.starts_with(HELLO) && *stage == Stage::Naming => {
            *stage = if guest.room.is_some() { Stage::Moving } else { Stage::In };
            Ok(())
        }
        Frame::Answer(text) if *stage == Stage::Moving && text.starts_with(b">3\r\n$9\r\nsubscribe\r\n") => {
            *stage = Stage::In;
            Ok(())
        }
        _ => Ok(()),
    }
}

pub(super) fn to_channel(channel: &str, size_bytes: usize) -> Envelope {
    let before = format!("*3\r\n$7\r\nPUBLISH\r\n${}\r\n{channel}\r\n${size_bytes}\r\n", channel.len());
    Envelope::new(before, b"\r\n")
}

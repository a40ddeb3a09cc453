//! IRC: RFC 2812 (client protocol), as InspIRCd, ngIRCd and Ergo speak it.

use super::entry::{EntryFault, Guest, Stage};
use super::frame::{Envelope, Frame, line_of};

pub(super) fn next_frame(bytes: &[u8]) -> Option<(usize, Frame<'_>)> {
    let (taken, line) = line_of(bytes)?;
    Some((taken, frame_of(line)))
}

fn frame_of(line: &[u8]) -> Frame<'_> {
    if let Some(token) = line.strip_prefix(b"PING ") {
        return Frame::Ping(token);
    }
    if line.starts_with(b"ERROR ") {
        return Frame::Refusal(line);
    }
    if line.starts_with(b"NOTICE ") || line.is_empty() {
        return Frame::Answer(line); // before registration some servers name no source
    }
    let Some(sourced) = line.strip_prefix(b":") else { return Frame::Foreign };
    let Some(space) = memchr::memchr(b' ', sourced) else { return Frame::Foreign };
    let (source, rest) = (&sourced[..space], &sourced[space + 1..]);
    if let Some(addressed) = rest.strip_prefix(b"PRIVMSG ") {
        return said(source, addressed).unwrap_or(Frame::Answer(line));
    }
    match rest.first_chunk::<4>() {
        // No message of the day (422) is no error. 4xx and 5xx are (RFC 2812, section 5.2).
        Some([b'4' | b'5', b'0'..=b'9', b'0'..=b'9', b' ']) if !rest.starts_with(b"422") => {
            Frame::Refusal(line)
        }
        _ => Frame::Answer(line),
    }
}

/// `nick!user@host` and `TARGET :TEXT`.
fn said<'a>(source: &'a [u8], addressed: &'a [u8]) -> Option<Frame<'a>> {
    let author = &source[..memchr::memchr(b'!', source).unwrap_or(source.len())];
    let space = memchr::memchr(b' ', addressed)?;
    let (target, text) = (&addressed[..space], &addressed[space + 1..]);
    let is_room = matches!(target.first(), Some(b'#' | b'&' | b'+' | b'!'));
    let whispered_to = if is_room { &b""[..] } else { target };
    Some(Frame::Said { author, whispered_to, text: text.strip_prefix(b":").unwrap_or(text) })
}

pub(super) fn register(guest: &Guest, out: &mut Vec<u8>) {
    let name = &guest.name;
    out.extend_from_slice(format!("NICK {name}\r\nUSER {name} 0 * :bench\r\n").as_bytes());
}

pub(super) fn proceed(
    stage: &mut Stage,
    guest: &Guest,
    frame: &Frame<'_>,
    out: &mut Vec<u8>,
) -> Result<(), EntryFault> {
    let text = match frame {
        Frame::Refusal(text) => {
            let words = String::from_utf8_lossy(text).into_owned();
            // ERR_ERRONEUSNICKNAME, ERR_NICKNAMEINUSE, ERR_NICKCOLLISION, ERR_UNAVAILRESOURCE.
            let is_name = [&b"432"[..], b"433", b"436", b"437"].contains(&code_of(text));
            return Err(if is_name { EntryFault::Name(words) } else { EntryFault::Other(words) });
        }
        Frame::Answer(text) => *text,
        _ => return Ok(()),
    };
    match (*stage, code_of(text)) {
        // RPL_WELCOME: its first parameter is the name we have, which some servers cut short.
        (Stage::Naming, b"001") => {
            let given = text.split(|byte| *byte == b' ').nth(2).unwrap_or_default();
            if given != guest.name.as_bytes() {
                let given = String::from_utf8_lossy(given);
                return Err(EntryFault::Name(format!("it made '{given}' of it; allow longer names")));
            }
            match &guest.room {
                Some(room) => {
                    out.extend_from_slice(format!("JOIN #{room}\r\n").as_bytes());
                    *stage = Stage::Moving;
                }
                None => *stage = Stage::In,
            }
        }
        // RPL_ENDOFNAMES ends what a join is answered with.
        (Stage::Moving, b"366") => *stage = Stage::In,
        _ => {}
    }
    Ok(())
}

/// The second word of a line that names its source.
fn code_of(line: &[u8]) -> &[u8] {
    line.split(|byte| *byte == b' ').nth(1).unwrap_or_default()
}

pub(super) fn to_room(room: &str) -> Envelope {
    Envelope::new(format!("PRIVMSG #{room} :"), b"\r\n")
}

pub(super) fn to_user(user: &str) -> Envelope {
    Envelope::new(format!("PRIVMSG {user} :"), b"\r\n")
}

pub(super) fn pong(token: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"PONG ");
    out.extend_from_slice(token);
    out.extend_from_slice(b"\r\n");
}

//! The text protocol of NATS (docs.nats.io, "Client Protocol").

use super::entry::{EntryFault, Guest, Stage};
use super::frame::{Envelope, Frame, line_of, number_of};

/// No acknowledgement of each message, and own messages come back.
const CONNECT: &[u8] =
    b"CONNECT {\"verbose\":false,\"pedantic\":false,\"echo\":true,\"lang\":\"madang-bench\",\"version\":\"1\",\
      \"protocol\":1,\"headers\":false}\r\n";

pub(super) fn next_frame(bytes: &[u8]) -> Option<(usize, Frame<'_>)> {
    let (taken, line) = line_of(bytes)?;
    let frame = match line {
        [b'M', b'S', b'G', b' ', parameters @ ..] => return message(bytes, taken, parameters),
        b"PING" => Frame::Ping(b""),
        b"PONG" | b"+OK" => Frame::Answer(line),
        _ if line.starts_with(b"-ERR") => Frame::Refusal(line),
        _ if line.starts_with(b"INFO ") => Frame::Answer(line),
        _ => Frame::Foreign,
    };
    Some((taken, frame))
}

/// `SUBJECT ID [REPLY] LENGTH`, and the text in a line of its own.
fn message<'a>(bytes: &'a [u8], head: usize, parameters: &[u8]) -> Option<(usize, Frame<'a>)> {
    let length = parameters.rsplit(|byte| *byte == b' ').next().and_then(number_of);
    let Some(end) = length.and_then(|length| head.checked_add(length as usize)) else {
        return Some((bytes.len(), Frame::Foreign));
    };
    let text = bytes.get(head..end)?;
    (bytes.len() >= end + 2).then_some((end + 2, Frame::Said { author: b"", whispered_to: b"", text }))
}

pub(super) fn subscribe(guest: &Guest, out: &mut Vec<u8>) {
    out.extend_from_slice(CONNECT);
    if let Some(room) = &guest.room {
        out.extend_from_slice(format!("SUB {room} 1\r\n").as_bytes());
    }
    out.extend_from_slice(b"PING\r\n");
}

pub(super) fn proceed(stage: &mut Stage, frame: &Frame<'_>) -> Result<(), EntryFault> {
    match frame {
        Frame::Refusal(text) => Err(EntryFault::Other(String::from_utf8_lossy(text).into_owned())),
        Frame::Answer(b"PONG") => {
            *stage = Stage::In;
            Ok(())
        }
        _ => Ok(()),
    }
}

pub(super) fn to_subject(subject: &str, size_bytes: usize) -> Envelope {
    Envelope::new(format!("PUB {subject} {size_bytes}\r\n"), b"\r\n")
}

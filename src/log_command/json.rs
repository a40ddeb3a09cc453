//! JSON Lines that are safe to display.
//!
//! JSON itself escapes only C0; here all harmful characters are escaped, so that the line is safe for a terminal
//! and a program that reads it loses nothing.

use crate::terminal::is_harmful;
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;
use std::io::{self, Write};

/// Writes an object and a line end.
pub fn write_json_line(output: &mut impl Write, object: &impl Serialize) -> io::Result<()> {
    object.serialize(&mut Serializer::with_formatter(&mut *output, Escaping))?;
    output.write_all(b"\n")
}

/// Adds a text in quotes to a line.
pub fn push_text(line: &mut Vec<u8>, text: &str) {
    if is_plain(text.as_bytes()) {
        line.push(b'"');
        line.extend_from_slice(text.as_bytes());
        line.push(b'"');
        return;
    }
    let escaped = text.serialize(&mut Serializer::with_formatter(line, Escaping));
    escaped.expect("memory can be written");
}

/// Adds a number to a line.
pub fn push_number(line: &mut Vec<u8>, number: u64) {
    serde_json::to_writer(line, &number).expect("memory can be written");
}

/// Every harmful character that JSON does not escape begins with one of these bytes.
const fn may_begin_harm(byte: u8) -> bool {
    matches!(byte, 0x7f | 0xc2 | 0xe2)
}

/// Whether no byte needs escaping. Without an early exit, so that it compiles to vector instructions.
fn is_plain(bytes: &[u8]) -> bool {
    let needs_a_look = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\' || may_begin_harm(byte);
    bytes.iter().fold(0, |seen, byte| seen | u8::from(needs_a_look(*byte))) == 0
}

struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.bytes().position(may_begin_harm) {
            let (before, from) = rest.split_at(at);
            let Some(c) = from.chars().next() else { break };
            writer.write_all(before.as_bytes())?;
            if is_harmful(c) {
                write!(writer, "\\u{:04x}", u32::from(c))?;
            } else {
                writer.write_all(&from.as_bytes()[..c.len_utf8()])?;
            }
            rest = &from[c.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

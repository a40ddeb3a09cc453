//! Everything a line connection is sent, as bytes.

mod farewell;
mod help;
mod history;
mod list;
mod refusal;
mod render;
#[cfg(test)]
mod tests;

pub use farewell::{GOING_DOWN, SERVER_FULL, farewell, has_farewell};
pub use help::HELP;
pub use history::history_page;
pub use list::{rooms, user_summary, who};
pub use refusal::refusal;
pub use render::{joined, left, renamed, room_event, shown, whisper};

use madang_model::Timestamp;
use madang_model::connection::Style;
use std::fmt;
use std::io::Write;

/// The bit of a [`Style`] by which lines end in CRLF, as telnet wants it (RFC 854).
const CRLF: u8 = 1;
/// The bit of a [`Style`] by which messages are shown with their time.
const TIMES: u8 = 2;

/// Whether lines end in CRLF.
pub fn is_crlf(style: Style) -> bool {
    style.form & CRLF != 0
}

/// The style with lines that end in CRLF.
#[must_use]
pub fn with_crlf(style: Style) -> Style {
    Style { form: style.form | CRLF, ..style }
}

/// The style with or without times.
#[must_use]
pub fn with_times(style: Style, are_shown: bool) -> Style {
    Style { form: if are_shown { style.form | TIMES } else { style.form & !TIMES }, ..style }
}

/// Writes one line with its end.
pub fn line(out: &mut Vec<u8>, style: Style, words: fmt::Arguments<'_>) {
    out.write_fmt(words).expect("a Vec takes every byte, and names and numbers can be shown");
    end(out, style);
}

/// Ends a line.
pub fn end(out: &mut Vec<u8>, style: Style) {
    out.extend_from_slice(if is_crlf(style) { b"\r\n" } else { b"\n" });
}

/// A time as people read it, in UTC: `2026-11-20 12:03:11`.
struct Civil(Timestamp);

impl fmt::Display for Civil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0.0) {
            Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S").fmt(f),
            // Only a clock beyond the year 9999 leads here; the line is worth more than its time.
            Err(_) => f.write_str("????-??-?? ??:??:??"),
        }
    }
}

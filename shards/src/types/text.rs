//! What a person wrote, made safe to show to another.

use std::fmt;
use std::ops::Deref;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// A line of talk: not empty, NFC, and free of anything that could steer a reader's terminal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Text(Box<str>);

impl Text {
    /// Removes control characters (C0, DEL, C1), line and paragraph separators, bidirectional
    /// overrides, embeddings and isolates (the characters of CVE-2021-42574), and invisible
    /// format characters; `None` when nothing visible is left. A tab becomes a space. Joiners
    /// and direction marks stay: emoji and several scripts need them. The rest is composed
    /// (NFC, UAX 15), which makes it at most three times as long.
    pub fn sanitise(raw: &str) -> Option<Text> {
        // Printable ASCII is the common case and needs no second look.
        if is_printable_ascii(raw.as_bytes()) {
            return (!raw.trim().is_empty()).then(|| Text(raw.into()));
        }
        let clean: String =
            raw.chars().map(|c| if c == '\t' { ' ' } else { c }).filter(|c| is_harmless(*c)).collect();
        if !clean.chars().any(is_visible) {
            return None;
        }
        // Composing comes last: it joins what a removed character stood between.
        let composed = match is_nfc_quick(clean.chars()) {
            IsNormalized::Yes => clean,
            IsNormalized::No | IsNormalized::Maybe => clean.nfc().collect(),
        };
        Some(Text(composed.into_boxed_str()))
    }

    /// The text as a plain string slice.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Looks at all bytes whatever the first are, so that the compiler can look at many at once.
fn is_printable_ascii(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |is_so_far, byte| is_so_far & (0x20..0x7f).contains(byte))
}

fn is_harmless(c: char) -> bool {
    !(c.is_control()
        || matches!(c,
            '\u{180e}' | '\u{200b}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'))
}

/// Whether a harmless character leaves a mark on the screen by itself: not white space, a joiner,
/// a direction mark, a selector, a tag, or one of the letters that are drawn as nothing.
fn is_visible(c: char) -> bool {
    !(c.is_whitespace()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200c}'..='\u{200f}' | '\u{2800}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}'))
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;

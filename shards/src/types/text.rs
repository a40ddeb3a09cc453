//! What a person wrote, made safe to show to another.

use std::fmt;
use std::ops::Deref;

/// A line of talk: not empty, NFC, and free of anything that could steer a reader's terminal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Text(Box<str>);

impl Text {
    /// Removes control characters (C0, DEL, C1), line and paragraph separators, bidirectional
    /// overrides, embeddings and isolates, and invisible fillers; `None` when nothing is left but
    /// white space. A tab becomes a space. Joiners stay: emoji and several scripts need them.
    pub fn sanitise(raw: &str) -> Option<Text> {
        // Printable ASCII is the common case and needs no second look.
        if raw.bytes().all(|b| (0x20..0x7f).contains(&b)) {
            return (!raw.trim().is_empty()).then(|| Text(raw.into()));
        }
        let clean: String =
            raw.chars().map(|c| if c == '\t' { ' ' } else { c }).filter(|c| is_harmless(*c)).collect();
        (!clean.trim().is_empty()).then(|| Text(clean.into_boxed_str()))
    }

    /// The text as a plain string slice.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_harmless(c: char) -> bool {
    !(c.is_control()
        || matches!(c,
            '\u{200b}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2060}'
            | '\u{2066}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'))
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
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_removed() {
        let cases = [
            ("a\x1b[2Jb", "a[2Jb"),
            ("a\rb", "ab"),
            ("a\0b", "ab"),
            ("a\u{9b}31mb", "a31mb"),
            ("a\u{202e}b", "ab"),
            ("a\u{2067}b", "ab"),
            ("tab\there", "tab here"),
        ];
        for (raw, clean) in cases {
            assert_eq!(Text::sanitise(raw).as_deref(), Some(clean), "{raw:?}");
        }
    }

    #[test]
    fn what_people_write_stays() {
        for text in ["안녕하세요", "👩‍👩‍👧 family", "می‌خواهم", "  indented", "naïve"]
        {
            assert_eq!(Text::sanitise(text).as_deref(), Some(text));
        }
    }

    #[test]
    fn nothing_visible_is_no_text() {
        for raw in ["", "   ", "\x1b\x07", "\u{feff}\u{200b}"] {
            assert_eq!(Text::sanitise(raw), None, "{raw:?}");
        }
    }
}

//! What a person wrote, made safe to show to another.

mod unseen;

use std::fmt;
use std::ops::Deref;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};
pub(super) use unseen::is_unseen;
use unseen::{is_direction_mark, is_noncharacter, keep_what_is_needed, may_be_needed};

/// A line of talk: not empty, NFC, and free of anything that could steer a reader's terminal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Text(Box<str>);

/// What becomes of a character.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lot {
    /// It stays, and leaves a mark on the screen.
    Seen,
    /// It stays, as space or direction.
    Blank,
    /// It stays where its neighbours need it.
    Conditional,
    /// It goes.
    Removed,
}

impl Text {
    /// What stands for a stored text of which nothing would be seen.
    const UNSEEN: &str = "\u{fffd}";
    /// What stands for a text that was erased.
    pub const ERASED: &str = "[deleted / 삭제됨]";

    /// Removes control characters (C0, DEL, C1), line and paragraph separators, noncharacters,
    /// interlinear annotations and all that Unicode draws as nothing, among it bidirectional
    /// overrides, embeddings and isolates (the characters of CVE-2021-42574); `None` when nothing
    /// visible is left. A tab becomes a space. Joiners, selectors, tags of a flag and fillers of a
    /// Korean syllable stay between neighbours that need them, direction marks everywhere. The rest
    /// is composed (NFC, UAX 15), which makes it at most three times as long.
    pub fn sanitise(raw: &str) -> Option<Text> {
        // Printable ASCII is the common case and needs no second look.
        if Text::is_plain(raw) {
            return (!raw.trim().is_empty()).then(|| Text(raw.into()));
        }
        let mut clean = String::with_capacity(raw.len());
        let (mut is_any_seen, mut is_any_conditional) = (false, false);
        for c in raw.chars().map(|c| if c == '\t' { ' ' } else { c }) {
            let lot = lot_of(c);
            is_any_seen |= lot == Lot::Seen;
            is_any_conditional |= lot == Lot::Conditional;
            if lot != Lot::Removed {
                clean.push(c);
            }
        }
        if !is_any_seen {
            return None;
        }
        // Composing comes after: it joins what a removed character stood between.
        let mut composed = composed(clean);
        if is_any_conditional {
            composed = self::composed(keep_what_is_needed(&composed));
        }
        Some(Text(composed.into_boxed_str()))
    }

    /// A text that was stored or carried over: cleaned again, as what is harmless may have been
    /// decided otherwise then. `None` when it never was one.
    pub fn restore(stored: &str) -> Option<Text> {
        let was_text = |c: char| !c.is_control() && !c.is_whitespace();
        Text::sanitise(stored).or_else(|| stored.chars().any(was_text).then(|| Text(Text::UNSEEN.into())))
    }

    /// Whether cleaning would change nothing, as there are only spaces and visible ASCII. Looks at all
    /// bytes whatever the first are, so that the compiler can look at many at once.
    pub fn is_plain(raw: &str) -> bool {
        raw.bytes().fold(true, |is_so_far, byte| is_so_far & (0x20..0x7f).contains(&byte))
    }

    /// The text as a plain string slice.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A piece of a text from its first character that is no direction mark: nobody sees what stands before.
pub fn from_first_seen(piece: &str) -> &str {
    piece.trim_start_matches(is_direction_mark)
}

fn composed(text: String) -> String {
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => text,
        IsNormalized::No | IsNormalized::Maybe => text.nfc().collect(),
    }
}

fn lot_of(c: char) -> Lot {
    match c {
        ' ' | '\u{2800}' => Lot::Blank,
        '!'..='~' => Lot::Seen,
        '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffb}' => Lot::Removed,
        _ if c.is_control() || is_noncharacter(c) => Lot::Removed,
        _ if is_direction_mark(c) => Lot::Blank,
        _ if is_unseen(c) => {
            if may_be_needed(c) {
                Lot::Conditional
            } else {
                Lot::Removed
            }
        }
        _ if c.is_whitespace() => Lot::Blank,
        _ => Lot::Seen,
    }
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
mod tests;

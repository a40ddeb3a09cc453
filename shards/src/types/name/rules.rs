//! What makes a name, and in which form names are compared.

use super::NameError;
use crate::types::Text;
use precis_profiles::precis_core::profile::PrecisFastInvocation;
use precis_profiles::{UsernameCaseMapped, UsernameCasePreserved};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// More marks in a row on one letter are no writing, only ink over the neighbours' lines
/// (UTS 39, section 5.4, draws the same line).
const MARKS_IN_A_ROW_MAX: usize = 4;
/// How often a profile may be applied until its result stays the same (RFC 8264, section 7).
const ENFORCE_ROUNDS_MAX: usize = 4;

/// The form to show and the form to compare (RFC 8265, sections 3.4 and 3.3). Both keep every
/// rule, and either gives the same two forms again: logs store the one, direct rooms the other.
pub fn checked(raw: &str, chars_max: usize) -> Result<(Box<str>, String), NameError> {
    let raw = raw.trim();
    if raw.is_empty() {
        return Err(NameError::Empty);
    }
    fits(raw, chars_max)?;
    let shown = if raw.is_ascii() {
        raw.to_owned()
    } else {
        // PRECIS composes last and refuses the jamo that some systems send Korean in, so that
        // letters are composed before it looks at them.
        let composed: String = raw.nfc().collect();
        enforced::<UsernameCasePreserved>(&composed).ok_or_else(|| refusal(&composed))?
    };
    let canonical = canonical_of(&shown).ok_or_else(|| refusal(&shown))?;
    // Each mapping may lengthen a name: lower-case U+0130 is two characters.
    for form in [&shown, &canonical] {
        fits(form, chars_max)?;
        has_name_characters_only(form)?;
    }
    Ok((shown.into_boxed_str(), canonical))
}

fn fits(name: &str, chars_max: usize) -> Result<(), NameError> {
    let chars = name.chars().count();
    if chars > chars_max { Err(NameError::TooLong { chars, chars_max }) } else { Ok(()) }
}

fn has_name_characters_only(name: &str) -> Result<(), NameError> {
    if let Some(bad) = name.chars().find(|c| !is_name_character(*c)) {
        return Err(NameError::BadCharacter { found: shown_safely(bad) });
    }
    if !name.chars().any(char::is_alphanumeric) {
        return Err(NameError::NoLetter { found: name.to_owned() });
    }
    let mut marks_in_a_row = 0;
    let mut is_first = true;
    for c in name.chars() {
        marks_in_a_row = if is_combining_mark(c) { marks_in_a_row + 1 } else { 0 };
        if marks_in_a_row > MARKS_IN_A_ROW_MAX || (is_first && marks_in_a_row > 0) {
            return Err(NameError::NotAllowed);
        }
        is_first = false;
    }
    Ok(())
}

/// The form to compare; `None` when PRECIS refuses the name.
fn canonical_of(shown: &str) -> Option<String> {
    if shown.is_ascii() {
        return Some(shown.to_ascii_lowercase());
    }
    enforced::<UsernameCaseMapped>(shown)
}

/// The form to compare of a name in either of the forms that [`checked`] gave.
pub fn canonical_of_checked(shown: &str) -> String {
    canonical_of(shown).expect("a name that was checked has a canonical form")
}

/// Applies a profile until the result stays the same (RFC 8264, section 7), so that a stored form
/// reads back as itself; `None` when the name is refused or never comes to rest.
fn enforced<Profile: PrecisFastInvocation>(name: &str) -> Option<String> {
    let mut form = name.to_owned();
    for _ in 0..ENFORCE_ROUNDS_MAX {
        let next = Profile::enforce(form.clone()).ok()?.into_owned();
        if next == form {
            return Some(form);
        }
        form = next;
    }
    None
}

/// Names the first character that is at fault, or says that it is their mixture.
fn refusal(raw: &str) -> NameError {
    match raw.chars().find(|c| !is_name_character(*c) || !is_visible_alone(*c)) {
        Some(bad) => NameError::BadCharacter { found: shown_safely(bad) },
        None => NameError::NotAllowed,
    }
}

/// Letters, digits and marks of any script (marks complete letters in many), and `-`, `_`, `.`.
fn is_name_character(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | '.') || is_combining_mark(c)
}

fn is_visible_alone(c: char) -> bool {
    Text::sanitise(c.encode_utf8(&mut [0; 4])).is_some()
}

fn shown_safely(c: char) -> String {
    if is_visible_alone(c) { format!("'{c}'") } else { format!("U+{:04X}", u32::from(c)) }
}

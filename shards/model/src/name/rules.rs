//! What makes a name, and in which form names are compared.

use super::NameError;
use super::direction::keeps_bidi_rule;
use super::keyboard::with_known_forms;
use crate::text::{Text, is_unseen};
use precis_profiles::UsernameCaseMapped;
use precis_profiles::precis_core::profile::{Profile, Rules};
use precis_profiles::precis_core::{CodepointInfo, DerivedPropertyValue, Error, UnexpectedError};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// More marks in a row on one letter are no writing, only ink over the neighbours' lines
/// (UTS 39, section 5.4, draws the same line).
const MARKS_IN_A_ROW_MAX: usize = 4;
/// How often a profile may be applied until its result stays the same (RFC 8264, section 7).
const ENFORCE_ROUNDS_MAX: usize = 4;
/// Composing and narrowing make one character of two at most: what is longer is not looked at.
const CHARS_BEFORE_MAPPING: usize = 2;

/// Which of two profiles: they differ in nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Case {
    /// `UsernameCasePreserved` (RFC 8265, section 3.4).
    Preserved,
    /// `UsernameCaseMapped` (RFC 8265, section 3.3).
    Mapped,
}

/// The form to show and the form to compare (RFC 8265, sections 3.4 and 3.3). Both keep every
/// rule, and either gives the same two forms again: logs store the one, direct rooms the other.
/// Characters are counted in these forms, not as they were typed.
pub fn checked(raw: &str, chars_max: usize) -> Result<(Box<str>, String), NameError> {
    let raw = raw.trim();
    if raw.is_empty() {
        return Err(NameError::Empty);
    }
    if is_plain(raw, chars_max) {
        return Ok((raw.into(), raw.to_ascii_lowercase()));
    }
    by_rules(raw, chars_max)
}

/// The same, by every rule, of what is not empty.
pub fn by_rules(raw: &str, chars_max: usize) -> Result<(Box<str>, String), NameError> {
    let shown = if raw.is_ascii() {
        raw.to_owned()
    } else {
        // PRECIS composes last and refuses the jamo that some systems send Korean in, so that
        // letters are composed before it looks at them.
        let composed: String = raw.nfc().collect();
        let chars = composed.chars().count();
        if chars > CHARS_BEFORE_MAPPING * chars_max {
            return Err(NameError::TooLong { chars, chars_max });
        }
        let composed = with_known_forms(&composed);
        enforced(&composed, Case::Preserved).map_err(|error| refusal(&composed, error))?
    };
    fits(&shown, chars_max)?;
    let canonical = canonical_of(&shown).map_err(|error| refusal(&shown, error))?;
    // Each mapping may lengthen a name: lower-case U+0130 is two characters.
    for form in [&shown, &canonical] {
        fits(form, chars_max)?;
        has_name_characters_only(form)?;
    }
    Ok((shown.into_boxed_str(), canonical))
}

/// Whether it is a name by a look at its bytes: most are, and they come with each message.
fn is_plain(name: &str, chars_max: usize) -> bool {
    let has_name_bytes = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    has_name_bytes && name.len() <= chars_max && name.bytes().any(|b| b.is_ascii_alphanumeric())
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
        if is_first && marks_in_a_row > 0 {
            return Err(NameError::MarkFirst);
        }
        if marks_in_a_row > MARKS_IN_A_ROW_MAX {
            return Err(NameError::TooManyMarks { marks_max: MARKS_IN_A_ROW_MAX });
        }
        is_first = false;
    }
    Ok(())
}

/// The form to compare.
fn canonical_of(shown: &str) -> Result<String, Error> {
    if shown.is_ascii() {
        return Ok(shown.to_ascii_lowercase());
    }
    enforced(shown, Case::Mapped)
}

/// The form to compare of a name in either of the forms that [`checked`] gave.
pub fn canonical_of_checked(shown: &str) -> String {
    canonical_of(shown).expect("a name that was checked has a canonical form")
}

/// Applies a profile. It knows no Korean letters by themselves (ㅋㅋ), as they are another form of
/// those that syllables are composed of; people have such names, so that a syllable stands for each
/// while the profile looks.
fn enforced(name: &str, case: Case) -> Result<String, Error> {
    let mut letters = name.chars().filter(|c| is_korean_letter(*c)).peekable();
    if letters.peek().is_none() {
        return stable(name, case);
    }
    let stand_in = stand_in(name);
    let replaced: String = name.chars().map(|c| if is_korean_letter(c) { stand_in } else { c }).collect();
    let form = stable(&replaced, case)?;
    let restored = |c| if c == stand_in { letters.next().unwrap_or(c) } else { c };
    Ok(form.chars().map(restored).collect())
}

/// Applies a profile until the result stays the same (RFC 8264, section 7), so that a stored form
/// reads back as itself.
fn stable(name: &str, case: Case) -> Result<String, Error> {
    let mut form = name.to_owned();
    for _ in 0..ENFORCE_ROUNDS_MAX {
        let next = once(&form, case)?;
        if next == form {
            return Ok(form);
        }
        form = next;
    }
    Err(Error::Unexpected(UnexpectedError::Undefined))
}

/// Applies a profile (RFC 8265, section 3.3.3), but for the Bidi Rule of the crate.
fn once(name: &str, case: Case) -> Result<String, Error> {
    let profile = UsernameCaseMapped::new();
    let mut form = profile.prepare(name)?;
    if case == Case::Mapped {
        form = profile.case_mapping_rule(form)?;
    }
    let form = profile.normalization_rule(form)?;
    if keeps_bidi_rule(&form) { Ok(form.into_owned()) } else { Err(Error::Invalid) }
}

/// The letters of today's Korean, as keyboards type them.
fn is_korean_letter(c: char) -> bool {
    matches!(c, 'ㄱ'..='ㅣ')
}

/// A syllable that is not in the name and that nothing can be composed with.
fn stand_in(name: &str) -> char {
    ('각'..='갛').chain('댁'..='힣').find(|c| is_closed(*c) && !name.contains(*c)).unwrap_or('힣')
}

/// Whether a Korean syllable has a final consonant.
fn is_closed(syllable: char) -> bool {
    !(u32::from(syllable) - u32::from('가')).is_multiple_of(28)
}

/// Says what is wrong with a name that a profile refused, and what to write instead.
fn refusal(name: &str, error: Error) -> NameError {
    if let Some(bad) = name.chars().find(|c| !is_name_character(*c) || !is_visible_alone(*c)) {
        return NameError::BadCharacter { found: shown_safely(bad) };
    }
    match error {
        Error::BadCodepoint(CodepointInfo { cp, property, .. }) => {
            let bad = char::from_u32(cp).unwrap_or(char::REPLACEMENT_CHARACTER);
            match name.chars().find(|c| is_half_width(*c)) {
                // The profile has looked at the letter that it is half as wide as.
                Some(half) if is_korean_letter(bad) => {
                    NameError::OtherForm { found: shown_safely(half), instead: bad.into() }
                }
                _ => refused_character(bad, property),
            }
        }
        Error::Invalid => NameError::MixedDirections,
        Error::Unexpected(_) => NameError::NotAllowed,
    }
}

fn refused_character(bad: char, property: DerivedPropertyValue) -> NameError {
    let found = shown_safely(bad);
    if is_syllable_part(bad) {
        return NameError::SyllablePart { found };
    }
    let instead: String = bad.nfkc().collect();
    if !instead.chars().eq([bad]) && instead.chars().all(is_name_character) {
        return NameError::OtherForm { found, instead };
    }
    match property {
        DerivedPropertyValue::Unassigned => NameError::TooNew { found },
        DerivedPropertyValue::ContextJ | DerivedPropertyValue::ContextO => NameError::NotAllowed,
        _ => NameError::BadCharacter { found },
    }
}

/// Korean letters that wait to be composed, and those of the Korean of old.
fn is_syllable_part(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{11ff}' | '\u{a960}'..='\u{a97c}' | '\u{d7b0}'..='\u{d7fb}' | 'ㅥ'..='ㆎ')
}

fn is_half_width(korean: char) -> bool {
    matches!(korean, '\u{ffa1}'..='\u{ffdc}')
}

/// Letters, digits and marks of any script (marks complete letters in many), and `-`, `_`, `.`.
fn is_name_character(c: char) -> bool {
    (c.is_alphanumeric() || matches!(c, '-' | '_' | '.') || is_combining_mark(c)) && !is_unseen(c)
}

fn is_visible_alone(c: char) -> bool {
    Text::sanitise(c.encode_utf8(&mut [0; 4])).is_some()
}

fn shown_safely(c: char) -> String {
    match c {
        ' ' => "a space".to_owned(),
        c if is_visible_alone(c) => format!("'{c}'"),
        c => format!("U+{:04X}", u32::from(c)),
    }
}

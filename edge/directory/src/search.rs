//! Names as people look for them: by their beginning, or by the first consonants of Korean syllables (ㅎㄱㄷ, 홍길동).

use unicode_normalization::UnicodeNormalization;

/// The first consonants of syllables, in the order of Unicode, as keyboards type them.
const INITIALS: [char; 19] = [
    'ㄱ', 'ㄲ', 'ㄴ', 'ㄷ', 'ㄸ', 'ㄹ', 'ㅁ', 'ㅂ', 'ㅃ', 'ㅅ', 'ㅆ', 'ㅇ', 'ㅈ', 'ㅉ', 'ㅊ', 'ㅋ', 'ㅌ',
    'ㅍ', 'ㅎ',
];
/// Syllables that begin with one consonant.
const SYLLABLES_EACH: u32 = 588;
/// No text that begins with `x` is behind `x` and this.
const HIGHEST: char = '\u{10ffff}';

/// A name in the form that is compared.
pub fn folded(name: &str) -> String {
    name.nfc().flat_map(char::to_lowercase).nfc().collect()
}

/// A folded name with the first consonant of each Korean syllable in its place.
pub fn initials(folded: &str) -> String {
    folded.chars().map(|c| initial(c).unwrap_or(c)).collect()
}

fn initial(syllable: char) -> Option<char> {
    let index = match syllable {
        '가'..='힣' => (u32::from(syllable) - u32::from('가')) / SYLLABLES_EACH,
        _ => return None,
    };
    INITIALS.get(usize::try_from(index).ok()?).copied()
}

/// What somebody looks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pattern {
    folded: String,
    /// The part before the first consonant that stands for a syllable.
    literal: String,
}

impl Pattern {
    /// What was typed; white space around it does not count.
    pub fn of(typed: &str) -> Pattern {
        let folded = folded(typed.trim());
        let literal = folded.chars().take_while(|c| !INITIALS.contains(c)).collect();
        Pattern { folded, literal }
    }

    /// Whether it looks for consonants.
    pub fn is_of_initials(&self) -> bool {
        self.literal.len() < self.folded.len()
    }

    /// The first and the last form that a name can have that is found: bounds of an index.
    pub fn range(&self) -> [String; 2] {
        bounds(&self.folded)
    }

    /// The same of its first consonants.
    pub fn range_of_initials(&self) -> [String; 2] {
        bounds(&initials(&self.folded))
    }

    /// The same of the part that is written out.
    pub fn range_of_literal(&self) -> [String; 2] {
        bounds(&self.literal)
    }

    /// Whether a folded name is found.
    pub fn finds(&self, folded: &str) -> bool {
        let mut letters = folded.chars();
        self.folded.chars().all(|wanted| {
            letters.next().is_some_and(|found| {
                found == wanted || (INITIALS.contains(&wanted) && initial(found) == Some(wanted))
            })
        })
    }
}

fn bounds(start: &str) -> [String; 2] {
    [start.to_owned(), format!("{start}{HIGHEST}")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_consonants_find_syllables() {
        assert_eq!(initials(&folded("홍길동")), "ㅎㄱㄷ");
        assert_eq!(initials(&folded("Kim까치2")), "kimㄲㅊ2");
        for (typed, name, is_found) in [
            ("ㅎㄱㄷ", "홍길동", true),
            ("ㅎ", "홍길동", true),
            ("홍ㄱ", "홍길동", true),
            ("홍ㄱ동", "홍길동", true),
            ("ㅎ길", "홍갈동", false),
            ("ㅎㄱㄷㄷ", "홍길동", false),
            ("ㄱㄷ", "홍길동", false),
            ("AL", "alice", true),
            ("lic", "alice", false),
            ("ㅋㅋ", "ㅋㅋ", true),
            (" 홍 ", "홍길동", true),
            ("", "alice", true),
        ] {
            assert_eq!(Pattern::of(typed).finds(&folded(name)), is_found, "{typed} {name}");
        }
        assert!(Pattern::of("홍ㄱ").is_of_initials() && !Pattern::of("홍길").is_of_initials());
    }

    #[test]
    fn what_is_found_lies_within_the_bounds() {
        for (typed, name) in [("ㅎㄱ", "홍길동"), ("홍ㄱ", "홍길동"), ("al", "Alice"), ("", "x")] {
            let pattern = Pattern::of(typed);
            let within = |[from, to]: [String; 2], name: &str| *from <= *name && *name < *to;
            assert!(within(pattern.range_of_initials(), &initials(&folded(name))), "{typed}");
            assert!(within(pattern.range_of_literal(), &folded(name)), "{typed}");
        }
    }
}

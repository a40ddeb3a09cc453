//! The look-alike form of a name (UTS 39, section 4), and the shard that is home to all names that share it.
//!
//! A name has the look of what it is: `aIice` that of `alice`. And of what it is in lower case, as that is
//! the same name: `ALICE` that of `alice`. One of another's looks is enough to be taken for it.
//!
//! **Invariant:** names that share a look share a home, so that one shard decides. Looks do not go
//! over into each other: `Ν` (Greek) looks like n and is ν, which looks like v. So a home is chosen by
//! less than a look, with n and v as one letter, and only looks decide what is refused.

use crate::id::{HomeKey, SkeletonKey};
use hashbrown::HashMap;
use std::sync::LazyLock;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, is_combining_mark};

/// The looks of a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Looks {
    /// Of the form to compare. No two names that are in use have the same.
    pub lower_case: SkeletonKey,
    /// Of the form that is shown.
    pub shown: SkeletonKey,
    /// The same for all names that share one of these.
    pub home: HomeKey,
}

impl Looks {
    /// Of the two forms of a name.
    pub fn of(shown: &str, canonical: &str) -> Looks {
        let lower_case = skeleton(canonical);
        let seen =
            if shown == canonical { in_lower_case(&lower_case) } else { in_lower_case(&skeleton(shown)) };
        Looks {
            lower_case: SkeletonKey::of(&lower_case),
            shown: SkeletonKey::of(&seen),
            home: HomeKey::of(&folded(&lower_case)),
        }
    }

    /// Whether a reader could take the one for the other.
    pub fn are_alike(self, other: Looks) -> bool {
        let is_one_of = |look| look == other.lower_case || look == other.shown;
        is_one_of(self.lower_case) || is_one_of(self.shown)
    }
}

fn skeleton(name: &str) -> String {
    // A mark that is a part of its letter is seen.
    if !name.chars().any(is_combining_mark) {
        return unicode_security::skeleton(name).collect();
    }
    // A skeleton has other marks for some, so that what covers the same is left out before.
    let name = without_marks(name.nfd(), |_, before, mark| {
        JOINED.contains(&canonical_combining_class(mark)) && before.contains(&mark)
    });
    without_marks(unicode_security::skeleton(&name), is_hidden)
}

/// Letters, and marks that nobody sees on them. UTS 39 keeps these: it compares what is coded.
const HIDDEN: [(&str, &str); 3] = [
    // Their dot gives way to marks above (they are Soft_Dotted), so that this one is drawn in its place.
    ("ijɉɨʝϳᶖ", "\u{307}"),
    // A stroke that runs along the letter's own.
    ("e", "\u{335}\u{336}"),
    ("il", "\u{20d2}\u{20d3}"),
];
/// The combining class of marks above a letter: of several each is drawn over the one before.
const ABOVE: u8 = 230;
/// The classes of marks that are drawn into a letter or join it: a second one covers the first.
const JOINED: [u8; 3] = [1, 202, 216];

/// Whether a letter hides a mark. Above other marks it is seen.
fn is_hidden(letter: char, before: &[char], mark: char) -> bool {
    let hides = |(letters, marks): &(&str, &str)| letters.contains(letter) && marks.contains(mark);
    let is_above = |mark: &char| canonical_combining_class(*mark) == ABOVE;
    HIDDEN.iter().any(hides) && !(is_above(&mark) && before.iter().any(is_above))
}

/// A name in the decomposed form, without some marks: `leaves_out` says of each, with its letter and all marks
/// between them, whether it is one.
fn without_marks(
    name: impl Iterator<Item = char>,
    leaves_out: impl Fn(char, &[char], char) -> bool,
) -> String {
    let mut all = String::new();
    let mut letter = None;
    let mut before: Vec<char> = Vec::new();
    for c in name {
        if !is_combining_mark(c) {
            letter = Some(c);
            before.clear();
            all.push(c);
            continue;
        }
        if !letter.is_some_and(|letter| leaves_out(letter, &before, c)) {
            all.push(c);
        }
        before.push(c);
    }
    all
}

/// Case makes no other name, so that it makes no other look: `AIice` looks like `Alice`.
fn in_lower_case(look: &str) -> String {
    // Letter by letter: the whole word would give a last sigma another form.
    let lower: String = look.chars().flat_map(char::to_lowercase).collect();
    if lower == look { lower } else { skeleton(&lower) }
}

/// A look with every letter that some name's looks differ in as one of them, and without marks and
/// punctuation, which they differ in, too.
fn folded(look: &str) -> String {
    static FOLDED: LazyLock<HashMap<char, &'static str>> = LazyLock::new(|| {
        FOLDS.iter().flat_map(|(letters, fold)| letters.chars().map(move |letter| (letter, *fold))).collect()
    });
    let mut all = String::with_capacity(look.len());
    for c in look.chars() {
        match FOLDED.get(&c) {
            Some(fold) => all.push_str(fold),
            None if c.is_alphanumeric() && !is_combining_mark(c) => all.push(c),
            None => {}
        }
    }
    all
}

/// Letters and what stands for each of them. A test looks at every character that can be in a name,
/// and says which line is missing.
const FOLDS: [(&str, &str); 48] = [
    ("ƨⴧꝛ", "2"),
    ("Aᴀ", "a"),
    ("6BOoßƅƩʃʙΔᏸẟⲇ", "b"),
    ("Cƈ", "c"),
    ("Dᴅ∂ꮷ", "d"),
    ("EƐᴇꜫꞓ", "e"),
    ("Fϝϼ", "f"),
    ("Gɢ", "g"),
    ("HNVnvɴʜՈቡᏺⱨⴙꮒ", "h"),
    ("Llʟ", "i"),
    ("3Jȝɜʓᴊ", "j"),
    ("Kĸⱪꝁ", "k"),
    ("PÞᴘ", "p"),
    ("Q", "q"),
    ("RUYuyʀʉΓꭹꮍ", "r"),
    ("5Sտⴝꮥ", "s"),
    ("Tʈᴛⱦꮏ", "t"),
    ("WѠꮗ", "w"),
    ("Xχҳ", "x"),
    ("Zζ", "z"),
    ("ɔ", "Ɔ"),
    ("ǝ", "Ǝ"),
    ("ԋ", "ƕ"),
    ("ʊ", "Ʊ"),
    ("ʌλл", "Ʌ"),
    ("Ɐ", "ɐ"),
    ("𐑇", "ɒ"),
    ("ጣ", "ɰ"),
    ("Φփ", "ɸ"),
    ("ꙩ", "ʘ"),
    ("Ⱶⱶꭸ", "ͱ"),
    ("π", "Π"),
    ("ψ", "Ψ"),
    ("ω", "Ω"),
    ("≡", "ξ"),
    ("ϙ", "Ϙ"),
    ("ᴎ", "И"),
    ("ᴙ", "Я"),
    ("ኮ", "ի"),
    ("ሆ", "մ"),
    ("ⅎ", "Ⅎ"),
    ("ꞇ", "ⴀ"),
    ("𐐹", "ꓶ"),
    ("ꙙ", "Ꙙ"),
    ("Mʍμϻ", "rh"),
    ("ю", "ib"),
    ("ỻ", "ii"),
    ("ɂ", ""),
];

/// Where each of the two looks alone would lead.
#[cfg(test)]
pub fn homes_of_looks(shown: &str, canonical: &str) -> [String; 2] {
    [folded(&skeleton(canonical)), folded(&in_lower_case(&skeleton(shown)))]
}

//! The Bidi Rule (RFC 5893, section 2), which PRECIS demands of names (RFC 8265, section 3.3.2).
//!
//! precis-profiles 0.2 has it, too, and refuses every letter that follows a mark: pointed Hebrew and vowelled
//! Arabic, which the rule allows.

use unicode_bidi::{BidiClass, bidi_class};

/// Whether a name keeps the rule. It is one for names that have something written from right to left.
pub fn keeps_bidi_rule(name: &str) -> bool {
    use BidiClass::{AL, AN, BN, CS, EN, ES, ET, NSM, ON, R};
    if !name.chars().any(|c| matches!(bidi_class(c), R | AL | AN)) {
        return true;
    }
    // Conditions 5 and 6 are of names that begin from left to right: they have nothing of the other direction.
    let is_begun = name.chars().next().is_some_and(|first| matches!(bidi_class(first), R | AL));
    let is_allowed = |c| matches!(bidi_class(c), R | AL | AN | EN | ES | CS | ET | ON | BN | NSM);
    let last = name.chars().map(bidi_class).rfind(|class| *class != NSM);
    let is_ended = matches!(last, Some(R | AL | EN | AN));
    let has = |digit| name.chars().any(|c| bidi_class(c) == digit);
    is_begun && name.chars().all(is_allowed) && is_ended && !(has(EN) && has(AN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_condition_is_kept() {
        for name in [
            "alice",
            "1",
            "שלום",
            "שָׁלוֹם",
            "שלוֹם",
            "مَرحبا",
            "مُحَمَّد",
            "مرحباً",
            "علي1",
            "علي٣",
            "علي-1",
            "א1\u{5b0}",
        ] {
            assert!(keeps_bidi_rule(name), "{name}");
        }
        for name in ["1علي", "٣", "\u{5b0}א", "عليa", "aعلي", "علي-", "א-\u{5b0}", "علي1٣", "علي٣1"]
        {
            assert!(!keeps_bidi_rule(name), "{name}");
        }
    }
}

//! Letters that keyboards have, and PRECIS knows only in another form.

/// Letters that people write every day and whose only key gives a compatibility character, which PRECIS refuses
/// (RFC 8264, section 9.17). Their compatibility forms, which it takes, look the same, so that they stand for them.
///
/// Of all letters that Unicode decomposes with `<compat>`, these are the ones of scripts in daily use that have a
/// key. The others are ligatures, digraphs and symbols that nobody needs for a name (`ﬁ`, `ǆ`, `ϕ`), letters of
/// Korean (which have a rule of their own), and letters whose use Unicode discourages (`ŉ`, U+0675 to U+0678).
const FORMS: [(char, &str); 5] = [
    ('\u{e33}', "\u{e4d}\u{e32}"), // Thai SARA AM: น้ำ, คำ
    ('\u{eb3}', "\u{ecd}\u{eb2}"), // Lao AM: ນ້ຳ
    ('\u{edc}', "\u{eab}\u{e99}"), // Lao HO NO: ໜູ
    ('\u{edd}', "\u{eab}\u{ea1}"), // Lao HO MO: ໝາ
    ('\u{587}', "\u{565}\u{582}"), // Armenian ECH YIWN: Լևոն
];
/// The ring of SARA AM and the letter behind it, of both scripts.
const RINGS: [(char, char); 2] = [('\u{e4d}', '\u{e32}'), ('\u{ecd}', '\u{eb2}')];

/// A name with those forms for such letters.
///
/// The tone of a syllable with SARA AM is typed before it and drawn over its ring: the ring goes before the tone,
/// where it is drawn so. However the ring and the tone are typed, it is one name.
pub fn with_known_forms(name: &str) -> String {
    let mut known = String::with_capacity(name.len());
    for c in name.chars() {
        match FORMS.iter().find(|(letter, _)| *letter == c) {
            Some((_, form)) => known.push_str(form),
            None => known.push(c),
        }
    }
    for (ring, letter) in RINGS {
        if known.contains(ring) {
            known = with_ring_before_tones(&known, ring, letter);
        }
    }
    known
}

fn with_ring_before_tones(name: &str, ring: char, letter: char) -> String {
    let mut ordered: Vec<char> = name.chars().collect();
    let mut tones_from = 0;
    for at in 0..ordered.len() {
        let is_of_letter = ordered[at] == ring && ordered.get(at + 1) == Some(&letter);
        if is_of_letter {
            ordered[tones_from..=at].rotate_right(1);
        }
        if !is_tone(ordered[at]) || is_of_letter {
            tones_from = at + 1;
        }
    }
    ordered.into_iter().collect()
}

/// Of Thai and Lao.
fn is_tone(c: char) -> bool {
    matches!(c, '\u{e48}'..='\u{e4b}' | '\u{ec8}'..='\u{ecb}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_normalization::UnicodeNormalization;

    #[test]
    fn each_form_is_that_of_unicode() {
        for (letter, form) in FORMS {
            assert_eq!(letter.nfkc().collect::<String>(), form, "U+{:04X}", u32::from(letter));
        }
    }

    #[test]
    fn the_ring_of_sara_am_goes_before_the_tone_and_nothing_else_moves() {
        for (typed, known) in [
            ("น\u{e49}\u{e33}", "น\u{e4d}\u{e49}\u{e32}"),
            ("น\u{e49}\u{e4d}\u{e32}", "น\u{e4d}\u{e49}\u{e32}"),
            ("น\u{e4d}\u{e49}\u{e32}", "น\u{e4d}\u{e49}\u{e32}"),
            ("ນ\u{ec9}\u{eb3}", "ນ\u{ecd}\u{ec9}\u{eb2}"),
            ("ค\u{e33}น\u{e49}\u{e33}", "ค\u{e4d}\u{e32}น\u{e4d}\u{e49}\u{e32}"),
            ("น\u{e49}\u{e4d}ก", "น\u{e49}\u{e4d}ก"),
            ("น\u{e49}ค\u{e4d}\u{e32}", "น\u{e49}ค\u{e4d}\u{e32}"),
            ("alice", "alice"),
        ] {
            assert_eq!(with_known_forms(typed), known, "{}", typed.escape_unicode());
            assert_eq!(with_known_forms(known), known, "{}", known.escape_unicode());
        }
    }
}

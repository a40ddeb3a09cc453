//! Characters that are drawn as nothing, and which of them a text needs.

use std::sync::OnceLock;
use unicode_normalization::char::is_combining_mark;

/// Code points in a block of Unicode.
const BLOCK: usize = 256;
const BLOCKS: usize = 0x11_0000 / BLOCK;
/// A waving black flag, on which the tags of a flag such as England's hang (UTS 51, annex C).
const BLACK_FLAG: char = '\u{1f3f4}';
const TAG_END: char = '\u{e007f}';

/// Whether Unicode says that a character is drawn as nothing where it is not known
/// (`Default_Ignorable_Code_Point`). From the tables of the crate for confusables, whose skeletons
/// leave these characters out; a block is asked for once, as each question costs 0.1 µs.
pub fn is_unseen(c: char) -> bool {
    static ASKED: [OnceLock<[u64; BLOCK / 64]>; BLOCKS] = [const { OnceLock::new() }; BLOCKS];
    let code = u32::from(c) as usize;
    let block = ASKED[code / BLOCK].get_or_init(|| unseen_of_block(code / BLOCK));
    block[code % BLOCK / 64] & (1 << (code % 64)) != 0
}

fn unseen_of_block(number: usize) -> [u64; BLOCK / 64] {
    let mut unseen = [0; BLOCK / 64];
    for place in 0..BLOCK {
        // Surrogates are no characters.
        let Some(c) = char::from_u32((number * BLOCK + place) as u32) else { continue };
        if unicode_security::skeleton(c.encode_utf8(&mut [0; 4])).next().is_none() {
            unseen[place / 64] |= 1 << (place % 64);
        }
    }
    unseen
}

/// Code points that are no characters and never will be (the Unicode Standard, section 23.7).
pub fn is_noncharacter(c: char) -> bool {
    matches!(u32::from(c), 0xfdd0..=0xfdef) || u32::from(c) & 0xfffe == 0xfffe
}

/// Left-to-right mark, right-to-left mark, Arabic letter mark: they stand anywhere.
pub fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}')
}

/// Whether an unseen character is needed where its neighbours are the right ones.
pub fn may_be_needed(c: char) -> bool {
    is_joiner(c) || is_selector(c) || is_tag(c) || matches!(c, CHOSEONG_FILLER | JUNGSEONG_FILLER)
}

/// What joins letters of many scripts and the parts of an emoji, or keeps them apart.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{34f}' | '\u{180e}')
}

/// What chooses one of the shapes of the character before it.
fn is_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' | '\u{180b}'..='\u{180d}' | '\u{180f}')
}

fn is_tag(c: char) -> bool {
    matches!(c, '\u{e0020}'..=TAG_END)
}

/// They stand for the letter that an old Korean syllable lacks.
const CHOSEONG_FILLER: char = '\u{115f}';
const JUNGSEONG_FILLER: char = '\u{1160}';

fn is_choseong(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{115e}' | '\u{a960}'..='\u{a97c}')
}

fn is_jungseong(c: char) -> bool {
    matches!(c, '\u{1161}'..='\u{11a7}' | '\u{d7b0}'..='\u{d7c6}')
}

/// Leaves out what may be needed and is not: a joiner without anything to join, a selector without
/// anything to choose for. `text` is composed, and nothing else in it is unseen but direction marks.
pub fn keep_what_is_needed(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut before = None;
    let mut tags_left = 0;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let next = rest.clone().next();
        let is_needed = match c {
            CHOSEONG_FILLER => next.is_some_and(is_jungseong),
            JUNGSEONG_FILLER => before.is_some_and(is_choseong),
            BLACK_FLAG => {
                tags_left = tags_of_flag(rest.clone());
                true
            }
            _ if is_joiner(c) => joins(before, next),
            _ if is_selector(c) => before.is_some_and(has_shapes),
            _ if is_tag(c) => {
                let is_of_flag = tags_left > 0;
                tags_left -= usize::from(is_of_flag);
                is_of_flag
            }
            _ => true,
        };
        if is_needed {
            kept.push(c);
            before = Some(c);
        }
    }
    kept
}

/// Some letters are joined to a neighbour that is not written, on either side. ASCII joins nothing.
fn joins(before: Option<char>, next: Option<char>) -> bool {
    let is_seen = |c: char| !c.is_ascii() && !c.is_whitespace() && !is_unseen(c);
    match before {
        Some(joiner) if is_joiner(joiner) => false,
        Some(c) if is_seen(c) || is_selector(c) || c == TAG_END => true,
        _ => next.is_some_and(|next| is_seen(next) && next.is_alphanumeric() && !is_combining_mark(next)),
    }
}

/// Of ASCII, only what stands on the keys of a telephone.
fn has_shapes(c: char) -> bool {
    match c {
        '0'..='9' | '#' | '*' => true,
        _ => !c.is_ascii() && !c.is_whitespace() && !is_unseen(c),
    }
}

/// How many tags follow a flag: three to six letters and digits and the end, or none that count. So
/// nobody hides a text in tags.
fn tags_of_flag(mut after: std::str::Chars<'_>) -> usize {
    let mut tags = 0;
    loop {
        match after.next() {
            Some('\u{e0030}'..='\u{e0039}' | '\u{e0061}'..='\u{e007a}') if tags < 6 => tags += 1,
            Some(TAG_END) if tags >= 3 => return tags + 1,
            _ => return 0,
        }
    }
}

//! Passwords that are tried first. What is refused is what guessing finds within a few thousand tries; more rules would
//! only make people write passwords down (NIST SP 800-63B, section 5.1.1.2).

use super::PASSWORD_CHARS_MIN;
use crate::error::Weakness;
use madang_model::UserName;

/// Fewer different characters than this are one or two keys held down.
const DIFFERENT_CHARS_MIN: usize = 4;
/// Beginnings of what many people take, in lower case: what follows is digits and signs. The last ones are Korean words
/// typed with the keyboard in its Latin state (비밀번호, 안녕, 사랑해, 마당).
const COMMON: [&str; 41] = [
    "password",
    "passwort",
    "passw0rd",
    "p@ssw0rd",
    "p@ssword",
    "pass",
    "qwerty",
    "qwertz",
    "azerty",
    "admin",
    "administrator",
    "root",
    "welcome",
    "letmein",
    "iloveyou",
    "monkey",
    "dragon",
    "master",
    "sunshine",
    "princess",
    "football",
    "baseball",
    "superman",
    "batman",
    "trustno1",
    "abc",
    "test",
    "login",
    "changeme",
    "secret",
    "korea",
    "seoul",
    "asdf",
    "zxcv",
    "qwer",
    "madang",
    "qlalfqjsgh",
    "dkssud",
    "tkfkdgo",
    "akekd",
    "1q2w3e4r",
];
/// Rows of keys and of letters, in which neighbours follow each other.
const ROWS: [&str; 8] = [
    "1234567890",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "abcdefghijklmnopqrstuvwxyz",
    "1q2w3e4r5t6y7u8i9o0p",
    "가나다라마바사아자차카타파하",
    "ㄱㄴㄷㄹㅁㅂㅅㅇㅈㅊㅋㅌㅍㅎ",
];
/// Characters beside a common word or the name that make no difference.
const BESIDE_CHARS_MAX: usize = 5;

/// Why a password would be guessed.
pub fn weakness(password: &str, name: &UserName) -> Option<Weakness> {
    let chars = password.chars().count();
    if chars < PASSWORD_CHARS_MIN {
        return Some(Weakness::Short { chars, chars_min: PASSWORD_CHARS_MIN });
    }
    let lower = password.to_lowercase();
    let mut different: Vec<char> = lower.chars().collect();
    different.sort_unstable();
    different.dedup();
    if different.len() < DIFFERENT_CHARS_MIN {
        return Some(Weakness::Repeated);
    }
    if is_in_a_row(&lower) {
        return Some(Weakness::InARow);
    }
    let canonical = name.canonical();
    if is_around(&lower, &canonical, |_| true) {
        return Some(Weakness::LikeName);
    }
    let is_filling = |c: char| !c.is_alphabetic();
    if COMMON.iter().any(|word| is_around(&lower, word, is_filling)) {
        return Some(Weakness::Common);
    }
    None
}

/// Whether a text is a word, once or repeated, and a few characters around it that are `filling`.
fn is_around(text: &str, word: &str, filling: impl Fn(char) -> bool) -> bool {
    if word.is_empty() || !text.contains(word) {
        return false;
    }
    let rest = text.replace(word, "");
    rest.chars().all(&filling)
        // The whole of a short name is in many texts.
        && rest.chars().count() <= BESIDE_CHARS_MAX.min(text.chars().count() / 2)
        || rest.is_empty()
        || (rest.chars().all(|c| c.is_ascii_digit()) && filling('0') && !filling('a'))
}

/// Whether it is nothing but parts of rows, forwards or backwards, of three characters or more.
fn is_in_a_row(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    let follows = |pair: &[char]| {
        ROWS.iter().any(|row| {
            let row: Vec<char> = row.chars().collect();
            row.windows(2).any(|next| next == pair || (next[0] == pair[1] && next[1] == pair[0]))
        })
    };
    let steps = chars.windows(2).filter(|pair| follows(pair)).count();
    // One break in three characters: 123qwe, abcd1234.
    steps + chars.len() / 3 >= chars.len().saturating_sub(1) && steps * 2 >= chars.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tried_first_is_refused_and_what_people_can_keep_is_taken() {
        let name = UserName::parse("minjun").unwrap();
        let weak = |password: &str| weakness(password, &name);
        for (password, expected) in [
            ("short", Weakness::Short { chars: 5, chars_min: 8 }),
            ("aaaaaaaaaaaa", Weakness::Repeated),
            ("abababababab", Weakness::Repeated),
            ("12345678", Weakness::InARow),
            ("87654321", Weakness::InARow),
            ("qwertyuiop", Weakness::InARow),
            ("1q2w3e4r", Weakness::InARow),
            ("abcd1234", Weakness::InARow),
            ("가나다라마바사아", Weakness::InARow),
            ("password1", Weakness::Common),
            ("Password123!", Weakness::Common),
            ("dkssud1234", Weakness::Common),
            ("qlalfqjsgh1", Weakness::Common),
            ("minjun12", Weakness::LikeName),
            ("MINJUN2010!", Weakness::LikeName),
            ("minjunminjun", Weakness::LikeName),
        ] {
            assert_eq!(weak(password), Some(expected), "{password}");
        }
        for password in [
            "correct horse battery",
            "우리집 고양이 두 마리",
            "X9$kd02!mQ",
            "blue-lamp-42-river",
            "my password is a sentence",
            "minjun likes red apples",
        ] {
            assert_eq!(weak(password), None, "{password}");
        }
    }

    #[test]
    fn a_short_name_does_not_spoil_every_password() {
        let name = UserName::parse("a").unwrap();
        assert_eq!(weakness("banana castle tram", &name), None);
    }
}

//! How many and which, in words that people read.

use std::fmt::Display;

/// A number of things with their name: `1 message`, `5 messages`, `2 known losses`.
pub fn counted<N: Display + PartialEq + From<u8>>(count: N, thing: &str) -> String {
    let ending = match thing {
        _ if count == N::from(1) => "",
        thing if thing.ends_with('s') => "es",
        _ => "s",
    };
    format!("{count} {thing}{ending}")
}

/// Things in a row by their numbers: `message #5`, `messages #5 to #7`.
pub fn numbered<N: Display + PartialEq>(first: N, last: N, thing: &str, sign: &str) -> String {
    if first == last {
        format!("{thing} {sign}{first}")
    } else {
        format!("{thing}s {sign}{first} to {sign}{last}")
    }
}

/// The verb of one thing, or of several.
pub fn is_or_are(is_one: bool) -> &'static str {
    if is_one { "is" } else { "are" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_named_as_one() {
        assert_eq!(counted(1_u64, "message"), "1 message");
        assert_eq!(
            [counted(0_usize, "fault"), counted(2_usize, "known loss")],
            ["0 faults", "2 known losses"]
        );
        assert_eq!(numbered(9, 9, "message", "#"), "message #9");
        assert_eq!(numbered(2, 4, "segment", ""), "segments 2 to 4");
        assert_eq!([is_or_are(true), is_or_are(false)], ["is", "are"]);
    }
}

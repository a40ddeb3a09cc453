//! Numbers that people can read.

use std::fmt::Display;

/// A whole number in groups of three digits: `1234567` as `1,234,567`.
pub(crate) fn grouped(number: impl Display) -> String {
    let shown = number.to_string();
    let (sign, digits) = shown.strip_prefix('-').map_or(("", shown.as_str()), |digits| ("-", digits));
    let mut text = sign.to_owned();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

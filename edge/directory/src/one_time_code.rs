//! Codes that people type: letters and digits of which none is taken for another (Crockford's base 32).

use crate::secret::{hash, random};
use std::fmt;

/// The digits. There is no I, L, O or U.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Digits that stand together.
const GROUP: usize = 4;
/// The longest text that is looked at, in bytes.
const TYPED_BYTES_MAX: usize = 128;

/// A code of so many digits, each 5 bits. It is shown once, and the directory has its hash alone.
#[derive(Clone, PartialEq, Eq)]
pub struct OneTimeCode<const COUNT: usize>([u8; COUNT]);

impl<const COUNT: usize> OneTimeCode<COUNT> {
    pub(crate) fn new() -> Self {
        OneTimeCode(random::<COUNT>().map(|byte| DIGITS[usize::from(byte % 32)]))
    }

    /// As somebody typed it: small letters, without dashes or with others, and letters that look like digits.
    pub fn parse(typed: &str) -> Option<Self> {
        if typed.len() > TYPED_BYTES_MAX {
            return None;
        }
        let typed = typed.bytes().filter(|byte| !matches!(byte, b'-' | b' '));
        let digits = typed.map(|byte| match byte.to_ascii_uppercase() {
            b'O' => b'0',
            b'I' | b'L' => b'1',
            other => other,
        });
        let digits: Vec<u8> = digits.collect();
        let is_right = digits.iter().all(|digit| DIGITS.contains(digit));
        if is_right { digits.try_into().ok().map(OneTimeCode) } else { None }
    }

    /// For whoever is to have it: `7K3M-Q0ZD-1HXV`.
    pub fn reveal(&self) -> String {
        let groups = self.0.chunks(GROUP).map(|group| String::from_utf8_lossy(group).into_owned());
        groups.collect::<Vec<_>>().join("-")
    }

    /// What is stored.
    pub(crate) fn hashed(&self) -> String {
        hash(&self.0)
    }
}

impl<const COUNT: usize> fmt::Debug for OneTimeCode<COUNT> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let code = OneTimeCode::<12>(*b"7K3MQ0ZD1HXV");
        assert_eq!(code.reveal(), "7K3M-Q0ZD-1HXV");
        for typed in ["7K3M-Q0ZD-1HXV", "7k3mq0zd1hxv", " 7k3m qOzd lhxv ", "7K3MQ0ZDIHXV"] {
            assert_eq!(OneTimeCode::parse(typed).as_ref(), Some(&code), "{typed}");
        }
        for typed in [
            "",
            "7K3M-Q0ZD-1HX",
            "7K3M-Q0ZD-1HXVV",
            "7K3M-Q0ZD-1HXU",
            "7K3M-Q0ZD-1HX한",
            &"0".repeat(1 << 20),
        ] {
            assert_eq!(OneTimeCode::<12>::parse(typed), None);
        }
        let new = OneTimeCode::<24>::new();
        assert_eq!(OneTimeCode::parse(&new.reveal()), Some(new.clone()));
        assert_eq!(format!("{new:?}"), "OneTimeCode(…)");
    }
}

//! A size in bytes, which may be written with a unit.

use super::shown::shown;
use super::values::{Form, Setting};

/// The units, and their number of bytes, the largest first.
const UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// A size from `MIN` to `MAX` bytes, both included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size<const MIN: u64, const MAX: u64>(u64);

impl<const MIN: u64, const MAX: u64> Size<MIN, MAX> {
    /// A default. A size out of range does not compile.
    pub(super) const fn constant<const BYTES: u64>() -> Self {
        const { assert!(MIN <= BYTES && BYTES <= MAX) };
        Size(BYTES)
    }

    /// In bytes.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// In bytes, of a range that ends within 32 bits.
    pub const fn usize(self) -> usize {
        const { assert!(MAX <= u32::MAX as u64) };
        self.0 as usize
    }
}

impl<const MIN: u64, const MAX: u64> Setting for Size<MIN, MAX> {
    const FORM: Form = Form::TextOrNumber;

    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let is_digit = |c: char| c.is_ascii_digit() || c == '-';
        let (digits, unit) = text.split_at(text.find(|c| !is_digit(c)).unwrap_or(text.len()));
        let unit = unit.trim_start();
        let number: i128 = digits.parse().map_err(|_| "not a size".to_owned())?;
        let bytes = if unit.is_empty() {
            1
        } else if unit.starts_with(['.', ',', '_']) {
            return Err("not a whole number; take the next smaller unit, as 1536 MiB for one and a half GiB"
                .to_owned());
        } else {
            let found = UNITS.iter().find(|(name, _)| *name == unit);
            found
                .ok_or_else(|| {
                    format!("there is no unit '{}'; the units are KiB, MiB, GiB and TiB", shown(unit))
                })?
                .1
        };
        let size = number.saturating_mul(i128::from(bytes));
        match u64::try_from(size) {
            Ok(size) if (MIN..=MAX).contains(&size) => Ok(Size(size)),
            _ if size < i128::from(MIN) => Err("too small".to_owned()),
            _ => Err("too large".to_owned()),
        }
    }

    fn allowed() -> String {
        format!("{} to {}, or a number of bytes", written(MIN), written(MAX))
    }

    fn to_toml(&self) -> String {
        written(self.0)
    }
}

/// In the largest unit that leaves no remainder.
fn written(bytes: u64) -> String {
    let whole = UNITS.iter().find(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit));
    whole.map_or_else(|| bytes.to_string(), |(name, unit)| format!("\"{} {name}\"", bytes / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Segment = Size<1_048_576, 1_073_741_824>;

    #[test]
    fn a_size_is_a_number_of_bytes_or_has_a_unit() {
        for (text, bytes, shown) in [
            ("67108864", 67_108_864, "\"64 MiB\""),
            ("64 MiB", 67_108_864, "\"64 MiB\""),
            ("64MiB", 67_108_864, "\"64 MiB\""),
            (" 64  MiB ", 67_108_864, "\"64 MiB\""),
            ("1 GiB", 1_073_741_824, "\"1 GiB\""),
            ("1025 KiB", 1_049_600, "\"1025 KiB\""),
            ("1048577", 1_048_577, "1048577"),
        ] {
            let size = Segment::parse(text).unwrap();
            assert_eq!((size.number(), size.to_toml().as_str()), (bytes, shown), "{text}");
        }
        assert_eq!(Size::<0, 9>::parse("0").unwrap().to_toml(), "0");
    }

    #[test]
    fn what_is_no_size_is_refused_with_the_reason() {
        for (text, why) in [
            ("", "not a size"),
            ("many", "not a size"),
            ("MiB", "not a size"),
            ("--1", "not a size"),
            ("64 MB", "there is no unit 'MB'; the units are KiB, MiB, GiB and TiB"),
            ("64M", "there is no unit 'M'; the units are KiB, MiB, GiB and TiB"),
            ("64 mib", "there is no unit 'mib'; the units are KiB, MiB, GiB and TiB"),
            ("1 MiB 2", "there is no unit 'MiB 2'; the units are KiB, MiB, GiB and TiB"),
            ("1.5 GiB", "not a whole number; take the next smaller unit, as 1536 MiB for one and a half GiB"),
            ("-64 MiB", "too small"),
            ("1 KiB", "too small"),
            ("2 GiB", "too large"),
            ("170141183460469231731687303715884105727 TiB", "too large"),
        ] {
            assert_eq!(Segment::parse(text), Err(why.to_owned()), "{text}");
        }
        assert_eq!(Segment::allowed(), "\"1 MiB\" to \"1 GiB\", or a number of bytes");
    }
}

//! A whole number that is within its range.

use super::values::{Form, Setting};

/// A number from `MIN` to `MAX`, both included. Its unit is in the name of the key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounded<const MIN: u64, const MAX: u64>(u64);

impl<const MIN: u64, const MAX: u64> Bounded<MIN, MAX> {
    /// A default. A number out of range does not compile.
    pub(super) const fn constant<const NUMBER: u64>() -> Self {
        const { assert!(MIN <= NUMBER && NUMBER <= MAX) };
        Bounded(NUMBER)
    }

    /// The number.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The number, of a range that ends within 32 bits.
    pub const fn u32(self) -> u32 {
        const { assert!(MAX <= u32::MAX as u64) };
        self.0 as u32
    }

    /// The number as a size or count in memory.
    pub const fn usize(self) -> usize {
        const { assert!(MAX <= u32::MAX as u64) };
        self.0 as usize
    }
}

impl<const MIN: u64, const MAX: u64> Setting for Bounded<MIN, MAX> {
    const FORM: Form = Form::Number;

    fn parse(text: &str) -> Result<Self, String> {
        let number: i128 = text.parse().map_err(|_| "not a whole number".to_owned())?;
        match u64::try_from(number) {
            Ok(number) if (MIN..=MAX).contains(&number) => Ok(Bounded(number)),
            _ if number < i128::from(MIN) => Err("too small".to_owned()),
            _ => Err("too large".to_owned()),
        }
    }

    fn allowed() -> String {
        format!("{MIN} to {MAX}")
    }

    fn to_toml(&self) -> String {
        self.number().to_string()
    }
}

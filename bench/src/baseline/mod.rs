//! An earlier run beside this one: what moved beyond the noise.

mod check;
mod compare;
mod error;
mod mann_whitney;
#[cfg(test)]
mod tests;

pub use check::check;
pub use compare::{Change, Comparison, EFFECT_MIN, P_MAX, ROUNDS_MIN, Verdict, compare};
pub use error::NotComparable;

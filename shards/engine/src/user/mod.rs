//! Who holds which name, whether they can be reached, and since when. Pure, like [`crate::room`].
//!
//! **Invariant:** all names that look alike are owned by one table, so that of two
//! look-alikes exactly one is held.

mod offline;
mod table;

pub use table::{Claimed, NameHeld, UserLimits, Users, WhisperRoute};

#[cfg(test)]
mod tests;

//! The deliberate faults of the shell. In a build that is no test there are none.

/// Whether a fault of the shell is switched on.
macro_rules! mutated {
    ($name:ident) => {{
        #[cfg(test)]
        let is_on = $crate::mutation::is_on($crate::mutation::Mutation::$name);
        #[cfg(not(test))]
        let is_on = false;
        is_on
    }};
}
pub(super) use mutated;

/// Where a recovery cuts the open segment.
pub fn end_of_recovered(end_bytes: u64) -> u64 {
    // The shortest frame of a message is longer than this, so that it becomes a torn tail.
    if mutated!(DropLastFrame) { end_bytes.saturating_sub(64).max(64) } else { end_bytes }
}

//! What is written where, and when it counts.

mod appender;
mod batch;
mod durability;
#[cfg(test)]
mod tests;

pub use appender::{Appender, Position, seal_frame};
pub use batch::{Batch, BatchId, SealedSegment};
pub use durability::{Durability, DurabilityError, INTERVAL_MAX, INTERVAL_MIN};

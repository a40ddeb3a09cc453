//! What is written where, and when it counts.

mod appender;
mod batch;
mod current;
mod durability;
#[cfg(test)]
mod tests;

pub use appender::{Appender, Position};
pub use batch::{Batch, BatchId, SealedSegment};
pub use current::seal_frame;
pub use durability::{Durability, DurabilityError, INTERVAL_MAX, INTERVAL_MIN};

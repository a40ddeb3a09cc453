//! Writing a log without a server: whole segments, each with its index.

mod history_writer;
#[cfg(test)]
mod tests;

pub use history_writer::{HistoryWriter, NewSegments, WriteError};

//! The simulator: real shards in a world that is decided by a seed.
//!
//! Shards, mesh overflows, the log with its recovery, indexes, pages and retention are the real
//! ones. Clock, sockets, channels, disk and clients are virtual, and so is the shell around a shard
//! ([`server`]), which does what the runtime does in the same order. Everything that happens is
//! chosen by a [`Chance`](chance::Chance): one seed is one run, byte for byte.
//!
//! These sources are compiled into the tests of the crate and into `examples/simulate.rs`.

mod chance;
mod client;
mod disk;
mod mutation;
mod network;
mod options;
mod server;
mod session;
mod trace;
mod truth;
mod words;

pub use options::Options;
pub use session::run;

#[cfg(test)]
mod tests;

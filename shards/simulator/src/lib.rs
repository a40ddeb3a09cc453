//! The simulator: real shards in a world that is decided by a seed.
//!
//! Shards and their turns, mesh overflows, the log with its writer, recovery, indexes, pages and retention are the
//! real ones. Clock, sockets, channels, disk and clients are virtual ([`server`]). Everything that happens is
//! chosen by a [`Chance`](chance::Chance): one seed is one run, byte for byte.
//!
//! For development only: nothing that is shipped depends on this crate.

mod chance;
mod client;
mod disk;
mod edge;
mod network;
mod options;
mod server;
mod session;
mod trace;
mod truth;
mod twins;
mod words;

pub use options::SessionOptions;
pub use session::run;
pub use trace::SessionOutcome;

#[cfg(test)]
mod tests;

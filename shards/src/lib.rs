//! The engine of Madang: shards that own connections, users, rooms and a log.
//!
//! Imports point downwards only, in the order of the modules below; a test keeps it so.

pub mod room;
pub mod user;

pub mod mesh;

pub mod shard;

pub mod store;

pub mod turn;

pub mod runtime;

// The simulator's sources name this crate as an example does, which includes them too.
#[cfg(test)]
extern crate self as madang_shards;
#[cfg(test)]
pub mod mutation;
#[cfg(test)]
mod simulation;

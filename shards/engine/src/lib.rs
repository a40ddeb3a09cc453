//! The engine of Madang: shards that own connections, users and rooms, and write a log.
//!
//! Imports point downwards only, in the order of the modules below; a test keeps it so.

pub mod room;
pub mod user;

pub mod mesh;

pub mod shard;

pub mod store;

pub mod turn;

pub mod runtime;

#[cfg(any(test, feature = "deliberate-faults"))]
pub mod mutation;

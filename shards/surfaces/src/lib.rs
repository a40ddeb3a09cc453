//! The protocols by which people and programs reach the shards: bytes on one side, requests and events on the other.
//! None holds a socket, a clock or a file.

pub mod line;

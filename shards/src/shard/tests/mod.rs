//! Shards together, without I/O: a world of two or three, whose disk and mesh the test moves.

mod disk;
mod failing;
mod promises;
mod residence;
mod words;
mod world;

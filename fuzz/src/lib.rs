//! What the fuzz targets call.
//!
//! The program is a binary, and stays one: its parsers are compiled in here from their own files.
//! A library target beside it would make them public for the sake of this, and would hide from
//! the compiler what nobody uses. The same entries are compiled into the program's own tests,
//! which replay the corpora (`src/main.rs`).

// The parts of the program that no target reaches.
#![allow(dead_code, unused_imports)]

#[path = "../../src/config/mod.rs"]
mod config;
#[path = "../../src/line/mod.rs"]
mod line;

pub mod entry;

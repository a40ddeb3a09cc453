//! Madang: a chat server that puts every message on disk before anyone sees it.

#[allow(dead_code)] // until the command line calls it
mod log_command;

fn main() {}

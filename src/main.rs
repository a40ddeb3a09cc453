//! Madang: a chat server that puts every message on disk before anyone sees it.

#[allow(dead_code)]
mod line;

fn main() {}

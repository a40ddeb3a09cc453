//! Madang: a chat server that puts every message on disk before anyone sees it.

fn main() {}

//! The edge against a small core, over real sockets.

mod core;
mod http;
mod link;

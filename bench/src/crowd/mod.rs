//! Many connections, driven by one thread through one readiness set.

mod connection;
mod entry;
mod readiness;
mod turn;

pub(crate) use entry::{Guest, Names, enter};
pub(crate) use turn::{Crowd, Line};

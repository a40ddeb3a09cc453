//! Many connections, driven by one task through one readiness set.

mod connection;
mod entry;
mod source;
mod turn;

pub(crate) use entry::enter;
pub(crate) use turn::{Arrived, Crowd};

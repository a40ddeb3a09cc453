//! What is agreed with systemd: what it is told, what it passes, what it keeps and what it is about to do.

mod activation;
pub mod notify;
pub mod restart_job;

pub use activation::{ActivationError, Passed, passed};

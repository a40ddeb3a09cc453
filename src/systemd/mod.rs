//! What is agreed with systemd: what it is told, what it passes, what it keeps and what it is about to do.

mod activation;
pub mod notify;
mod restart_job;
pub mod store;

pub use activation::{ActivationError, inherited};
pub use restart_job::is_restart;
pub use store::StoredDescriptors;

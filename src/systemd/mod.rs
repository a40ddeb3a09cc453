//! The interfaces to systemd: notifications, inherited sockets, the file-descriptor store, and its jobs.

mod activation;
pub mod notify;
mod restart_job;
pub mod store;

pub use activation::{ActivationError, inherited};
pub use restart_job::is_restart;
pub use store::StoredDescriptors;

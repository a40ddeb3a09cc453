//! The server as a whole: where it is in its life, what it owns, how it was started and how it is asked to stop.

mod data_directory;
mod operator_listener;
mod state;
mod stops;
pub mod subprocess;

pub use data_directory::{DataDirectory, DataDirectoryError, holder_serves, was_served};
pub use operator_listener::Door;
pub use state::{Readiness, ServerState};
pub use stops::{Held, Stops};

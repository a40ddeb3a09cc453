//! Checks before the shards start. Each failed check names the remedy.

pub mod configuration;
pub mod file_size;
pub mod io_uring;
pub mod locked_memory;
pub mod open_files;
pub mod port;
pub mod processors;
pub mod strangers;
pub mod tls_files;

pub use configuration::{Approved, ConfigurationFaults};
pub use file_size::FileSizeError;
pub use io_uring::IoUringError;
pub use locked_memory::LockedMemoryError;
pub use open_files::OpenFilesError;
pub use port::{ListenError, listen_error};

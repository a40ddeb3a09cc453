//! The link between the core and the edge: batches of versioned envelopes.

pub mod bounds;

mod versions;

mod format;

pub use format::WireFault;
pub use versions::{VERSIONS, Versions};

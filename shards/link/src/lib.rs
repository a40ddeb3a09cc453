//! The link between the core and the edge: what they send to each other.

pub mod bounds;

mod versions;

mod format;

mod words;

mod body;
mod convert;

pub use format::WireFault;
pub use versions::{VERSIONS, Versions};
pub use words::{EdgeEvent, EdgeRequest, GoingDown, LinkEnd, RequestFault, SessionEnd, SessionNumber};

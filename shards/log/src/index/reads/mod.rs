//! What the machines of this module ask for, and what they are told.

mod bucket;
mod fault;
mod request;

pub use bucket::{BucketLookup, Damaged};
pub use fault::QueryFault;
pub use request::{Answer, ReadRequest, Step, StoredFile};

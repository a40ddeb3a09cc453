//! What the machines of this module ask for, and the answers they get.

mod bucket;
mod fault;
mod request;

pub use bucket::{BucketLookup, Damaged};
pub use fault::QueryFault;
pub use request::{ReadAnswer, ReadRequest, Step, StoredFile};

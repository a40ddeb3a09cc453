//! What handlers take of a request, each refused as a problem.

mod body;
mod conditions;
mod depth;
mod identity;
mod parameters;

pub use body::{BODY_BYTES_MAX, Json};
pub use conditions::{IfMatch, entity_tag};
pub use depth::DEPTH_MAX;
pub use identity::{Admin, AdminOrService, Presented, User};
pub use parameters::{PathOf, Query};

//! What the two ends send to each other, as their users see it.

mod end;
mod event;
mod request;
mod session;

pub use end::{GoingDown, LinkEnd};
pub use event::{EdgeEvent, RequestFault, SessionEnd};
pub use request::EdgeRequest;
pub use session::SessionNumber;

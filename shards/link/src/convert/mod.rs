//! From the engine's words to bodies, and back. Every match is exhaustive: a new variant of the engine is
//! decided on here before it compiles.

mod entries;
mod events;
mod page;
mod read_entries;
mod read_events;
mod read_names;
mod read_refusals;
mod read_replies;
mod read_requests;
mod read_said;
mod refusals;
mod replies;
mod requests;

pub use events::{bad_request_body, began_body, closed_body, event_in_all_body, room_event_body};
pub use read_events::read_event;
pub use read_requests::{Asked, Incoming, read_request};
pub use replies::reply_body;
pub use requests::{close_body, open_body, request_body};

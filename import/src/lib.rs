//! History of other systems, as JSON Lines, becomes messages of a log.
//!
//! Without files and clocks: a [`LineReader`] makes a message of a line, or says what is wrong with it, and [`Intake`]
//! skips what is known and puts each room's messages in the order of their times.

mod fault;
mod id;
mod intake;
mod line;
mod reader;
mod window;

pub use fault::{LINE_BYTES_MAX, LineFault};
pub use id::derived_id;
pub use intake::{Accepted, Conflict, Given, Intake, Late, Times};
pub use reader::{LineReader, ReadLine, SentMessage};
pub use window::RoomIndex;

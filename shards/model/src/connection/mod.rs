//! What a connection is to its shard, whatever protocol it speaks.

mod coding;
mod core;
mod entrance;
mod flood;
mod rooms;
mod surface;

pub use coding::{CodingError, Decoder, Encoder};
pub use core::{CloseReason, Core};
pub use entrance::{Entrance, EntranceKind, SurfaceId};
pub use flood::{Flood, FloodLimit};
pub use rooms::{LocalMember, LocalRoom, LocalRooms, Subscription};
pub use surface::{Link, Style, Surface};

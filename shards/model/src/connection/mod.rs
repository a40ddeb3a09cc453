//! What a connection is to its shard, whatever protocol it speaks.

mod closing;
mod coding;
mod core;
mod either;
mod entrance;
mod flood;
mod link;
mod rooms;
mod style;
mod surface;

pub use closing::{CloseReason, ProtocolReason};
pub use coding::{CodingError, Decoder, Encoder};
pub use core::Core;
pub use either::{Either, EitherSession};
pub use entrance::{Entrance, EntranceKind, SurfaceId};
pub use flood::{Flood, FloodLimit};
pub use link::{Asked, Link};
pub use rooms::{LocalMember, LocalRoom, LocalRooms, Subscription};
pub use style::Style;
pub use surface::{Silence, Surface};

//! What a connection is to its shard, whatever protocol it speaks.

mod closing;
mod coding;
mod core;
mod counted_address;
mod either;
mod entrance;
mod flood;
mod link;
mod networks;
mod proxy;
mod rooms;
mod style;
mod surface;

pub use closing::{CloseReason, ProtocolReason};
pub use coding::{CodingError, Decoder, Encoder};
pub use core::Core;
pub use counted_address::counted_address;
pub use either::{Either, EitherSession};
pub use entrance::{Entrance, EntranceKind, SurfaceId};
pub use flood::{Flood, FloodLimit};
pub use link::{DELAY_MAX, FollowUp, Link, REMINDER_MAX};
pub use networks::{IpNetwork, NETWORKS_MAX, NetworkError, Networks};
pub use proxy::{
    HeaderRead, PROXY_HEADER_BYTES_MAX, PROXY_HEADER_TIME_MAX, ProxyFault, ProxyHeader, read_header,
};
pub use rooms::{LocalMember, LocalRoom, LocalRooms, Subscription};
pub use style::Style;
pub use surface::{Silence, Surface};

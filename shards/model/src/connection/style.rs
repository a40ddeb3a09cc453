//! In which form room events are written.

use super::entrance::SurfaceId;

/// A way of writing room events that several connections share (line ends, time stamps …), so that an event is written
/// once for all of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Style {
    /// The protocol.
    pub surface: SurfaceId,
    /// Which of its forms. The protocol gives the number its meaning.
    pub form: u8,
}

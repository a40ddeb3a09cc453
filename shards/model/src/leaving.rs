//! Why a user is no longer in a room.

/// Why a user is no longer in a room, as others may see it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LeaveReason {
    /// The user left this room.
    Left,
    /// The user left the server.
    Quit,
    /// The connection was lost, and the user has not returned within the grace time.
    Lost,
    /// The operator ended the connection.
    Kicked,
    /// The user has another name, and somebody else in the room has that already.
    Renamed,
}

impl LeaveReason {
    /// All of them.
    pub const ALL: [LeaveReason; 5] =
        [LeaveReason::Left, LeaveReason::Quit, LeaveReason::Lost, LeaveReason::Kicked, LeaveReason::Renamed];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            LeaveReason::Left => "left",
            LeaveReason::Quit => "quit",
            LeaveReason::Lost => "lost",
            LeaveReason::Kicked => "kicked",
            LeaveReason::Renamed => "renamed",
        }
    }
}

//! Why something cannot be asked.

use crate::words::SessionNumber;

/// Why something is not asked. All but [`AskError::Busy`] and [`AskError::NotReady`] hold until something else is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AskError {
    /// The core has not answered the greeting yet.
    #[error("the core has not answered yet; try again in a moment")]
    NotReady,
    /// The core takes less than it is asked, and the limit of waiting requests is reached.
    #[error("the core is busy; try again in a moment")]
    Busy,
    /// The core is about to end.
    #[error("the core ends; try again when it is back")]
    GoingDown,
    /// The link has ended.
    #[error("the core is away; try again when it is back")]
    Ended,
    /// As many sessions are open as there may be.
    #[error("{sessions_max} sessions are open, as many as there may be")]
    TooManySessions {
        /// How many that is.
        sessions_max: u32,
    },
    /// All numbers that sessions can have were used: the edge is to connect anew.
    #[error("all numbers for sessions were used; connect anew")]
    NumbersUsedUp,
    /// The session is closed, or was never opened.
    #[error("session {session} is not open")]
    NoSession {
        /// Which.
        session: SessionNumber,
    },
    /// A text is too long.
    #[error("{bytes} bytes, {bytes_max} are allowed")]
    TooLong {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        bytes_max: usize,
    },
}

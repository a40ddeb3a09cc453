//! Why the core has not answered.

use madang_link::{AskError, RequestFault, SessionEnd};
use std::time::Duration;

/// Why there is no answer of the core.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CoreError {
    /// There is no link to the core, or it is about to end. Nothing was asked.
    #[error("the server is being restarted; try again in a moment")]
    Away,
    /// The link has ended between the question and its answer: it may be done or not. What has a draft id can be
    /// asked again.
    #[error("the server was restarted before it answered; try again in a moment")]
    Unknown,
    /// A queue on the way is full. Nothing was asked.
    #[error("the server is busy; try again in a moment")]
    Busy,
    /// The core has not answered in time, and the session is closed. It may be done or not.
    #[error("the server has not answered in time; try again in a moment")]
    Late,
    /// The session has ended.
    #[error("{}", session_end_words(.0))]
    SessionEnded(SessionEnd),
    /// What is asked is invalid by the rules of the core.
    #[error("{words}")]
    Invalid {
        /// What is wrong.
        fault: RequestFault,
        /// What is wrong, in words that name the value.
        words: Box<str>,
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

impl CoreError {
    /// When to try again, where that helps: the HTTP status is then 503, and this its `Retry-After`.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            CoreError::Away | CoreError::Unknown | CoreError::Busy | CoreError::Late => {
                Some(Duration::from_secs(1))
            }
            CoreError::SessionEnded(_) | CoreError::Invalid { .. } | CoreError::TooLong { .. } => None,
        }
    }
}

impl From<AskError> for CoreError {
    fn from(error: AskError) -> CoreError {
        match error {
            AskError::NotReady | AskError::GoingDown | AskError::Ended | AskError::NumbersUsedUp => {
                CoreError::Away
            }
            AskError::Busy | AskError::TooManySessions { .. } => CoreError::Busy,
            // It is open as long as it has a handle, unless the core has closed it.
            AskError::NoSession { .. } => CoreError::SessionEnded(SessionEnd::Asked),
            AskError::TooLong { bytes, bytes_max } => CoreError::TooLong { bytes, bytes_max },
        }
    }
}

fn session_end_words(end: &SessionEnd) -> String {
    match end {
        SessionEnd::Asked => "the session is closed".to_owned(),
        SessionEnd::TooManyFromAddress { connections_max } => {
            format!("{connections_max} connections come from your address, as many as may; close one first")
        }
    }
}

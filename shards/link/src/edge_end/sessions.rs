//! Which sessions are open.

use super::error::AskError;
use crate::words::SessionNumber;
use hashbrown::HashMap;

/// What the core allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// How many shards there are: a list of rooms gets that many answers.
    pub shard_count: u16,
    /// Sessions at one time.
    pub sessions_max: u32,
    /// Rooms of a session.
    pub rooms_max: u32,
    /// Bytes of a text.
    pub text_bytes_max: u32,
}

/// The sessions that the core knows of.
#[derive(Debug, Default)]
pub struct OpenSessions {
    last: u32,
    /// Whether each is closing.
    open: HashMap<SessionNumber, bool>,
}

impl OpenSessions {
    /// The number that the next session gets.
    pub fn next(&self, sessions_max: u32) -> Result<SessionNumber, AskError> {
        if self.open.len() >= sessions_max as usize {
            return Err(AskError::TooManySessions { sessions_max });
        }
        self.last.checked_add(1).and_then(SessionNumber::new).ok_or(AskError::NumbersUsedUp)
    }

    /// The session has that number.
    pub fn opened(&mut self, session: SessionNumber) {
        self.last = session.get();
        self.open.insert(session, false);
    }

    /// Whether a session can ask something.
    pub fn check(&self, session: SessionNumber) -> Result<(), AskError> {
        match self.open.get(&session) {
            Some(false) => Ok(()),
            Some(true) | None => Err(AskError::NoSession { session }),
        }
    }

    /// A session is to be closed.
    pub fn closing(&mut self, session: SessionNumber) {
        self.open.insert(session, true);
    }

    /// The core has closed it.
    pub fn closed(&mut self, session: SessionNumber) {
        self.open.remove(&session);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.open.len()
    }
}

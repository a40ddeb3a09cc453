//! How the edge names its sessions.

use std::fmt;
use std::num::NonZeroU32;

/// A session of the edge, while one link lasts. Numbers rise; none is used twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct SessionNumber(NonZeroU32);

impl SessionNumber {
    /// The session of this number; 0 is none.
    pub fn new(number: u32) -> Option<SessionNumber> {
        NonZeroU32::new(number).map(SessionNumber)
    }

    /// Its number.
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for SessionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

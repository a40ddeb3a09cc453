//! Which versions of requests and events an end speaks.

use std::fmt;

/// What this program speaks: its own version, and the one before. Version 1 is the first.
pub const VERSIONS: Versions = Versions { oldest: 1, newest: 1 };

/// The versions that an end speaks, all from the oldest to the newest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Versions {
    /// The oldest.
    pub oldest: u16,
    /// The newest: its own.
    pub newest: u16,
}

impl Versions {
    /// Whether this end speaks a version. 0 is none.
    pub fn contain(self, version: u16) -> bool {
        version > 0 && (self.oldest..=self.newest).contains(&version)
    }

    /// The newest version that both ends speak, if there is one.
    pub fn agree(self, other: Versions) -> Option<u16> {
        let newest = self.newest.min(other.newest);
        (self.contain(newest) && other.contain(newest)).then_some(newest)
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.oldest == self.newest {
            write!(f, "version {}", self.newest)
        } else {
            write!(f, "versions {} to {}", self.oldest, self.newest)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn versions(oldest: u16, newest: u16) -> Versions {
        Versions { oldest, newest }
    }

    #[test]
    fn neighbours_speak_the_older_ones_version_and_others_do_not_speak() {
        assert_eq!(VERSIONS.agree(VERSIONS), Some(VERSIONS.newest));
        assert_eq!(versions(2, 3).agree(versions(1, 2)), Some(2));
        assert_eq!(versions(1, 2).agree(versions(2, 3)), Some(2));
        assert_eq!(versions(3, 4).agree(versions(1, 2)), None);
        assert_eq!(versions(1, 2).agree(versions(3, 4)), None);
    }
}

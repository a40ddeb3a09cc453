//! Names of users and rooms, checked once, where they come in.

mod rules;

use super::id::{RoomKey, SkeletonKey, UserKey};
use rules::{canonical_of_checked, checked};
use std::fmt;
use std::sync::Arc;

/// The longest user name, in characters.
pub const USER_NAME_CHARS_MAX: usize = 32;
/// The longest room name, in characters.
pub const ROOM_NAME_CHARS_MAX: usize = 64;
/// What stands between the two names of a direct room; no name a person chooses contains it.
const DIRECT_SEPARATOR: char = '&';

/// Why a name cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("a name cannot be empty")]
    Empty,
    /// More characters than names may have.
    #[error("a name has at most {chars_max} characters, this one has {chars}")]
    TooLong {
        /// How many it has.
        chars: usize,
        /// How many it may have.
        chars_max: usize,
    },
    /// A character that names may not have.
    #[error("a name is made of letters and digits of any script and - _ . ({found} is not one)")]
    BadCharacter {
        /// The character, in a form that is safe to show.
        found: String,
    },
    /// Only punctuation.
    #[error("a name has at least one letter or digit, {found} has none")]
    NoLetter {
        /// The name.
        found: String,
    },
    /// Refused by PRECIS (RFC 8265, section 3.3), for example mixed writing directions, or made of
    /// marks without a letter to stand on.
    #[error("the characters of this name cannot stand together; use the letters of one script (RFC 8265)")]
    NotAllowed,
}

/// A user's name as its owner writes it, with the keys that decide whether two names are one.
///
/// Shared, so that a session and its memberships hold one copy.
#[derive(Clone)]
pub struct UserName(Arc<UserNameInner>);

struct UserNameInner {
    key: UserKey,
    skeleton: SkeletonKey,
    shown: Box<str>,
}

impl UserName {
    /// Checks a name and computes its keys. Surrounding white space is not part of a name.
    ///
    /// # Errors
    /// [`NameError`] says what is wrong with it.
    pub fn parse(raw: &str) -> Result<UserName, NameError> {
        let (shown, canonical) = checked(raw, USER_NAME_CHARS_MAX)?;
        let skeleton: String = unicode_security::skeleton(&canonical).collect();
        Ok(UserName(Arc::new(UserNameInner {
            key: UserKey::of(&canonical),
            skeleton: SkeletonKey::of(&skeleton),
            shown,
        })))
    }

    /// The name as its owner writes it.
    pub fn as_str(&self) -> &str {
        &self.0.shown
    }

    /// Equal for names that PRECIS holds equal.
    pub fn key(&self) -> UserKey {
        self.0.key
    }

    /// Equal for names that look alike.
    pub fn skeleton(&self) -> SkeletonKey {
        self.0.skeleton
    }
}

impl PartialEq for UserName {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for UserName {}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserName({})", self.as_str())
    }
}

/// A room's name as it was first written, with the key that decides whether two names are one.
#[derive(Clone)]
pub struct RoomName(Arc<RoomNameInner>);

struct RoomNameInner {
    key: RoomKey,
    shown: Box<str>,
}

impl RoomName {
    /// Checks the name of a channel. Surrounding white space is not part of a name.
    ///
    /// # Errors
    /// [`NameError`] says what is wrong with it.
    pub fn parse(raw: &str) -> Result<RoomName, NameError> {
        let (shown, canonical) = checked(raw, ROOM_NAME_CHARS_MAX)?;
        Ok(RoomName(Arc::new(RoomNameInner { key: RoomKey::of(&canonical), shown })))
    }

    /// The direct room of two users: the same for `(a, b)` and `(b, a)`.
    pub fn direct(a: &UserName, b: &UserName) -> RoomName {
        let (a, b) = (canonical_of_checked(a.as_str()), canonical_of_checked(b.as_str()));
        let (first, second) = if a <= b { (a, b) } else { (b, a) };
        let shown = format!("{first}{DIRECT_SEPARATOR}{second}").into_boxed_str();
        RoomName(Arc::new(RoomNameInner { key: RoomKey::of(&shown), shown }))
    }

    /// Reads a name back that a log holds: a channel's, or a direct room's with its `&`.
    ///
    /// # Errors
    /// [`NameError`] when the log was not written by this program.
    pub fn from_log(stored: &str) -> Result<RoomName, NameError> {
        match stored.split_once(DIRECT_SEPARATOR) {
            Some((a, b)) => Ok(RoomName::direct(&UserName::parse(a)?, &UserName::parse(b)?)),
            None => RoomName::parse(stored),
        }
    }

    /// The name as it was first written.
    pub fn as_str(&self) -> &str {
        &self.0.shown
    }

    /// Equal for names that PRECIS holds equal.
    pub fn key(&self) -> RoomKey {
        self.0.key
    }

    /// Whether this names the direct room of two users.
    pub fn is_direct(&self) -> bool {
        self.0.shown.contains(DIRECT_SEPARATOR)
    }

    /// Whether two names with one key are one name: a keyed hash may collide.
    pub fn is_same_as(&self, other: &RoomName) -> bool {
        if self.is_direct() || other.is_direct() {
            // A direct room is shown in its canonical form, and two names joined are not one name.
            return self.as_str() == other.as_str();
        }
        self.as_str() == other.as_str()
            || canonical_of_checked(self.as_str()) == canonical_of_checked(other.as_str())
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RoomName({})", self.as_str())
    }
}

#[cfg(test)]
mod tests;

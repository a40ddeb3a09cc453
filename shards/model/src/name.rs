//! Names of users and rooms, checked once, where they come in.

mod direct;
mod direction;
mod keyboard;
mod looks;
mod rules;

use super::account::{Account, Identity};
use super::id::{RoomKey, ShardId, SkeletonKey, UserKey};
use direct::{DIRECT_SEPARATOR, direct_name, read_direct_name};
pub use looks::Looks;
use rules::{canonical_of_checked, checked};
use std::fmt;
use std::sync::Arc;

/// The longest user name, in characters.
pub const USER_NAME_CHARS_MAX: usize = 32;
/// The longest room name, in characters.
pub const ROOM_NAME_CHARS_MAX: usize = 64;

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
    /// A mark has no letter to stand on.
    #[error("a name begins with a letter or digit, not with a mark that belongs over or under one")]
    MarkFirst,
    /// Marks that are piled up.
    #[error("a letter of a name has at most {marks_max} marks")]
    TooManyMarks {
        /// How many it may have.
        marks_max: usize,
    },
    /// A ligature, a small or circled one, or another form of characters that names may have.
    #[error("{found} is another form of {instead}: use {instead} in a name")]
    OtherForm {
        /// The character.
        found: String,
        /// What names have in its place.
        instead: String,
    },
    /// A consonant or vowel of Korean that is coded to be composed, or of the Korean of old.
    #[error(
        "{found} is a part of a syllable: use whole syllables in a name, or letters of today's Korean (ㅋㅋ)"
    )]
    SyllablePart {
        /// The character.
        found: String,
    },
    /// A letter that came to Unicode after the version that PRECIS goes by.
    #[error("{found} is newer than the letters that names are made of (Unicode 6.3, RFC 8264): use another")]
    TooNew {
        /// The character.
        found: String,
    },
    /// Refused by the Bidi Rule (RFC 5893, section 2).
    #[error(
        "a name with a letter that is written from right to left begins with such a letter, ends with one or a digit, \
         and has no letter that is written from left to right"
    )]
    MixedDirections,
    /// Refused by PRECIS (RFC 8265, section 3.3) for what stands beside what, for example digits of
    /// two kinds.
    #[error(
        "the characters of this name cannot stand together (RFC 8265); use letters and digits of one script"
    )]
    NotAllowed,
}

/// A user's name as its owner writes it, with the keys that decide whether two names are one, and who is behind it.
///
/// Shared, so that a session and its memberships hold one copy. Names are compared as names, whoever is behind them.
#[derive(Clone)]
pub struct UserName(Arc<UserNameInner>);

struct UserNameInner {
    key: UserKey,
    looks: Looks,
    shown: Box<str>,
    /// Of a name that was only written, nobody is known: as of a guest.
    identity: Identity,
}

impl UserName {
    /// Checks a name and computes its keys. Surrounding white space is not part of a name.
    ///
    /// # Errors
    /// [`NameError`] says what is wrong with it.
    pub fn parse(raw: &str) -> Result<UserName, NameError> {
        let (shown, canonical) = checked(raw, USER_NAME_CHARS_MAX)?;
        let looks = Looks::of(&shown, &canonical);
        Ok(UserName(Arc::new(UserNameInner {
            key: UserKey::of(&canonical),
            looks,
            shown,
            identity: Identity::GUEST,
        })))
    }

    /// The same name, with this one behind it.
    #[must_use]
    pub fn known_as(mut self, identity: Identity) -> UserName {
        if self.0.identity == identity {
            return self;
        }
        match Arc::get_mut(&mut self.0) {
            Some(own) => {
                own.identity = identity;
                self
            }
            None => {
                let UserNameInner { key, looks, .. } = *self.0;
                let shown = self.0.shown.clone();
                UserName(Arc::new(UserNameInner { key, looks, shown, identity }))
            }
        }
    }

    /// Who is behind it.
    pub fn identity(&self) -> Identity {
        self.0.identity
    }

    /// The account behind it, if there is one.
    pub fn account(&self) -> Option<Account> {
        self.0.identity.account()
    }

    /// In the place of a name that was erased: nobody can have it, as it is empty.
    pub fn nobody() -> UserName {
        let (shown, looks) = (Box::default(), Looks::of("", ""));
        UserName(Arc::new(UserNameInner { key: UserKey::of(""), looks, shown, identity: Identity::GUEST }))
    }

    /// Whether it stands for a name that was erased.
    pub fn is_nobody(&self) -> bool {
        self.0.shown.is_empty()
    }

    /// The name as its owner writes it.
    pub fn as_str(&self) -> &str {
        &self.0.shown
    }

    /// The form to compare: the same for names that PRECIS holds equal. Computed anew: only what stores names needs it.
    pub fn canonical(&self) -> String {
        canonical_of_checked(&self.0.shown)
    }

    /// Equal for names that PRECIS holds equal.
    pub fn key(&self) -> UserKey {
        self.0.key
    }

    /// Equal for names that look alike in lower case.
    pub fn skeleton(&self) -> SkeletonKey {
        self.0.looks.lower_case
    }

    /// Its looks, as it is shown and in lower case.
    pub fn looks(&self) -> Looks {
        self.0.looks
    }

    /// The shard that decides who has this name: the same for all names that look alike.
    pub fn home(&self, shard_count: u16) -> ShardId {
        self.0.looks.home.home(shard_count)
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

    /// The direct room of two users: the same for `(a, b)` and `(b, a)`. It is an account's whatever its name, and a
    /// guest's for as long as its session has the name: whoever takes the name later has another.
    pub fn direct(a: &UserName, b: &UserName) -> RoomName {
        RoomName::of_direct(direct_name(a, b))
    }

    fn of_direct(shown: Box<str>) -> RoomName {
        RoomName(Arc::new(RoomNameInner { key: RoomKey::of(&shown), shown }))
    }

    /// Reads a name back that a log holds: a channel's, or a direct room's with its `&`.
    ///
    /// # Errors
    /// [`NameError`] when the log was not written by this program.
    pub fn from_log(stored: &str) -> Result<RoomName, NameError> {
        match stored.split_once(DIRECT_SEPARATOR) {
            Some((a, b)) => Ok(RoomName::of_direct(read_direct_name(a, b)?)),
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

    /// Its looks, as it is shown and in lower case. Computed anew: only who makes a room needs it.
    pub fn looks(&self) -> Looks {
        Looks::of(self.as_str(), &canonical_of_checked(self.as_str()))
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

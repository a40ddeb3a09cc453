//! Names of users and rooms, checked once, where they come in.

use super::id::{RoomKey, SkeletonKey, UserKey};
use precis_profiles::precis_core::profile::PrecisFastInvocation;
use precis_profiles::{UsernameCaseMapped, UsernameCasePreserved};
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
    /// Refused by PRECIS (RFC 8265, section 3.3), for example mixed writing directions.
    #[error("the characters of this name cannot stand together (RFC 8265)")]
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
        let (a, b) = (canonical_of(a.as_str()), canonical_of(b.as_str()));
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
        self.as_str() == other.as_str() || canonical_of(self.as_str()) == canonical_of(other.as_str())
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

/// The form to show and the form to compare (RFC 8265, sections 3.4 and 3.3).
fn checked(raw: &str, chars_max: usize) -> Result<(Box<str>, String), NameError> {
    let raw = raw.trim();
    if raw.is_empty() {
        return Err(NameError::Empty);
    }
    let chars = raw.chars().count();
    if chars > chars_max {
        return Err(NameError::TooLong { chars, chars_max });
    }
    let shown = if raw.is_ascii() {
        raw.to_owned()
    } else {
        UsernameCasePreserved::enforce(raw.to_owned()).map_err(|_| refusal(raw))?.into_owned()
    };
    if let Some(bad) = shown.chars().find(|c| !is_name_character(*c)) {
        return Err(NameError::BadCharacter { found: shown_safely(bad) });
    }
    let canonical = canonical_of(&shown);
    if canonical.is_empty() {
        return Err(NameError::NotAllowed);
    }
    let chars = shown.chars().count();
    if chars > chars_max {
        return Err(NameError::TooLong { chars, chars_max });
    }
    Ok((shown.into_boxed_str(), canonical))
}

fn canonical_of(shown: &str) -> String {
    if shown.is_ascii() {
        return shown.to_ascii_lowercase();
    }
    UsernameCaseMapped::enforce(shown.to_owned()).map(|name| name.into_owned()).unwrap_or_default()
}

/// Names the first character that is at fault, or says that it is their mixture.
fn refusal(raw: &str) -> NameError {
    match raw.chars().find(|c| !is_name_character(*c)) {
        Some(bad) => NameError::BadCharacter { found: shown_safely(bad) },
        None => NameError::NotAllowed,
    }
}

/// Letters, digits and marks of any script (marks complete letters in many), and `-`, `_`, `.`.
fn is_name_character(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | '.') || unicode_normalization::char::is_combining_mark(c)
}

fn shown_safely(c: char) -> String {
    let visible = !c.is_control() && !c.is_whitespace() && super::Text::sanitise(&c.to_string()).is_some();
    if visible { format!("'{c}'") } else { format!("U+{:04X}", u32::from(c)) }
}

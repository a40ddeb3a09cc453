//! What can go wrong, by whose fault it is.

use madang_model::{NameError, Timestamp};
use std::fmt;

/// The end of what has none.
pub const FOR_EVER: Timestamp = Timestamp(i64::MAX);

/// Why something could not be done. Faults of our own are no variant: they are asserted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The caller's: another request is answered.
    #[error(transparent)]
    Mistake(#[from] Mistake),
    /// The environment's: the same request may be answered later, or after what the words say.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// What a caller did wrong.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Mistake {
    /// It is no name.
    #[error(transparent)]
    NameInvalid(#[from] NameError),
    /// An account has the name, or had it.
    #[error("the name {0} is taken; choose another")]
    NameTaken(String),
    /// An account has, or had, a name that a reader could take for it.
    #[error("the name {0} looks like one that is taken; choose another")]
    NameConfusable(String),
    /// It is no name to show.
    #[error("a display name has 1 to {chars_max} visible characters")]
    DisplayNameInvalid {
        /// How many it may have.
        chars_max: usize,
    },
    /// It would be guessed.
    #[error("the password is too weak: {0}")]
    PasswordWeak(Weakness),
    /// The two are not the same.
    #[error("the two passwords differ; type the same twice")]
    PasswordsDiffer,
    /// The name or the password is wrong: nobody is told which.
    #[error("wrong name or password")]
    WrongCredentials,
    /// The account is banned.
    #[error("the account is banned {}", until_words(*until))]
    Banned {
        /// The end; [`FOR_EVER`] if there is none.
        until: Timestamp,
        /// As it was given.
        reason: String,
    },
    /// No account has the name.
    #[error("there is no account {0}; look for it by the beginning of its name")]
    NoAccount(String),
    /// The last one would lose the role.
    #[error("{0} is the last admin, and one must stay; make another account an admin first")]
    LastAdmin(String),
    /// The refresh token is not of a session, or its session has ended.
    #[error("the session has ended; log in again")]
    SessionEnded,
    /// The refresh token was used before: the session has been ended.
    #[error("the session was ended, as a token of it was used twice; log in again")]
    TokenReused {
        /// Whose session it was.
        account: i64,
        /// Which one it was.
        session: i64,
    },
    /// A service has the name.
    #[error("there is a key {0} already; rotate it, or choose another name")]
    KeyTaken(String),
    /// Another service has the prefix, or one that begins with it, or that it begins with.
    #[error("rooms with the prefix {prefix} may belong to the key {other}; choose another prefix")]
    PrefixTaken {
        /// The one that was wanted.
        prefix: String,
        /// The key whose prefix overlaps.
        other: String,
    },
    /// What was to be changed is not what the caller has read.
    #[error("{0} was changed meanwhile; read it again")]
    ChangedMeanwhile(String),
    /// The one-time code was used, has expired, or never was one.
    #[error("the code does not hold any more; ask an admin for another")]
    CodeGone,
    /// The code to sign up with is used up, has expired, or never was one.
    #[error("the sign-up code does not hold; ask whoever gave it for another")]
    SignUpCodeInvalid,
    /// There is no code of this number, or it has expired.
    #[error("there is no sign-up code {0}; it was withdrawn, or has expired")]
    NoCode(i64),
    /// There are as many codes as there may be.
    #[error("there are {codes_max} sign-up codes already; withdraw some that are not needed any more")]
    TooManyCodes {
        /// How many there may be.
        codes_max: usize,
    },
    /// No service has the name, or the secret.
    #[error("there is no such key; it may have been rotated or removed")]
    NoKey,
    /// A value does not have the form that it needs.
    #[error("{what} {found}: {allowed}")]
    BadValue {
        /// Which value.
        what: &'static str,
        /// As it was given, in a form that is safe to show.
        found: String,
        /// What it may be.
        allowed: String,
    },
}

impl Mistake {
    /// The stable code, the same on every surface.
    pub fn code(&self) -> &'static str {
        match self {
            Mistake::NameInvalid(_) => "name-invalid",
            Mistake::NameTaken(_) => "name-taken",
            Mistake::NameConfusable(_) => "name-confusable",
            Mistake::DisplayNameInvalid { .. } => "display-name-invalid",
            Mistake::PasswordWeak(_) => "password-weak",
            Mistake::PasswordsDiffer => "passwords-differ",
            Mistake::WrongCredentials => "wrong-credentials",
            Mistake::Banned { .. } => "banned",
            Mistake::NoAccount(_) => "no-account",
            Mistake::LastAdmin(_) => "last-admin",
            Mistake::SessionEnded => "session-ended",
            Mistake::TokenReused { .. } => "token-reused",
            Mistake::KeyTaken(_) => "key-taken",
            Mistake::PrefixTaken { .. } => "prefix-taken",
            Mistake::ChangedMeanwhile(_) => "changed-meanwhile",
            Mistake::CodeGone => "code-gone",
            Mistake::SignUpCodeInvalid => "sign-up-code-invalid",
            Mistake::NoCode(_) => "no-code",
            Mistake::TooManyCodes { .. } => "too-many-codes",
            Mistake::NoKey => "no-key",
            Mistake::BadValue { .. } => "bad-value",
        }
    }
}

fn until_words(until: Timestamp) -> &'static str {
    if until == FOR_EVER { "for ever" } else { "for a time" }
}

/// Why a password would be guessed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Weakness {
    /// Too few characters.
    #[error("it has {chars} characters; take at least {chars_min}")]
    Short {
        /// How many it has.
        chars: usize,
        /// How many it needs.
        chars_min: usize,
    },
    /// Too many bytes to be computed with.
    #[error("it is longer than {bytes_max} bytes; take a shorter one")]
    Long {
        /// How many it may have.
        bytes_max: usize,
    },
    /// Many people have it.
    #[error("it is one of those that are tried first; take several words")]
    Common,
    /// It has hardly any different characters.
    #[error("it repeats the same few characters; take several words")]
    Repeated,
    /// Its characters follow each other.
    #[error("its characters follow each other on the keyboard or in the alphabet; take several words")]
    InARow,
    /// Whoever knows the name knows most of it.
    #[error("it is made of the name; take several other words")]
    LikeName,
}

/// Why the directory does not answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unavailable {
    /// The file or server.
    pub place: String,
    /// What kind of fault it is, which decides the remedy.
    pub cause: Cause,
    /// What the database or the system said.
    pub said: String,
}

/// What kind of fault the environment has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// There is no directory.
    Missing,
    /// More is asked than is answered.
    Busy,
    /// An answer took longer than its limit.
    TooSlow,
    /// Another process writes for too long.
    Locked,
    /// It cannot be written.
    ReadOnly,
    /// No space is left.
    Full,
    /// What is stored is not what was written.
    Damaged,
    /// It is no directory.
    Foreign,
    /// A later program has made it.
    LaterVersion,
    /// The system, or the database, does not let this user in.
    Denied,
    /// No server answers there.
    Unreachable,
    /// The threads have ended.
    Stopped,
    /// Anything else.
    Other,
}

impl Cause {
    fn remedy(self) -> &'static str {
        match self {
            Cause::Missing => "`madang account add` makes one; pass the server's data directory with --data",
            Cause::Busy => "try again in a moment",
            Cause::TooSlow => "try again when the disk or the database server has less to do",
            Cause::Locked => "another process is writing to it: try again when it has ended",
            Cause::ReadOnly => "mount its file system for writing, or give the file back its mode 0600",
            Cause::Full => "free some space on its file system",
            Cause::Damaged => {
                "restore a backup with `madang restore`, or take what can be read with `madang directory copy --to FILE.sqlite`"
            }
            Cause::Foreign => "move it away, or name another database",
            Cause::LaterVersion => "use that version of madang",
            Cause::Denied => {
                "run as the user that owns it, or correct directory.url and directory.password_file"
            }
            Cause::Unreachable => "start the database server, or correct directory.url",
            Cause::Stopped => "start again",
            Cause::Other => "check its file system with dmesg, or the log of the database server",
        }
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot use the directory '{}': {}; {}", self.place, self.said, self.cause.remedy())
    }
}

impl std::error::Error for Unavailable {}

//! What an operator decides of REST.

/// Who may make accounts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignUp {
    /// Anyone.
    Open,
    /// Whoever has a code that an admin made.
    Code,
    /// Admins, for others.
    Admin,
    /// Nobody, but by commands on the server's machine.
    Closed,
}

/// Whether passwords are taken over connections that others can read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PlainPasswords {
    /// From this machine and configured proxies alone.
    Loopback,
    /// From everywhere.
    Always,
}

/// Whom a user finds by the beginning of a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UserSearch {
    /// Those that one shares a room with; as long as there are no rooms here, oneself.
    Shared,
    /// Everyone.
    Everyone,
}

/// What an operator decides of REST.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// `accounts.sign_up`.
    pub sign_up: SignUp,
    /// `accounts.plain_passwords`.
    pub plain_passwords: PlainPasswords,
    /// Whom a user finds.
    pub user_search: UserSearch,
    /// Origins of other sites whose pages may ask: `https://chat.example`, without a path.
    pub origins: Vec<String>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            sign_up: SignUp::Open,
            plain_passwords: PlainPasswords::Loopback,
            user_search: UserSearch::Shared,
            origins: Vec::new(),
        }
    }
}

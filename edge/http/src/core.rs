//! What the core must know of accounts at once.
//!
//! The directory is the truth. What is written to it here is pushed to the core, which has the open connections, and
//! whoever asked is answered when the core has acknowledged it.

use madang_directory::Account;
use std::future::Future;
use std::pin::Pin;

/// What an answer of the core is waited for with.
pub type Acknowledged<'a> = Pin<Box<dyn Future<Output = Result<(), CoreAway>> + Send + 'a>>;

/// The core cannot be reached, or did not answer in time. When it is back it learns the state of all accounts before it
/// takes a token, so that nothing is lost: it only comes later.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the core does not answer; it learns of it when it is back")]
pub struct CoreAway;

/// Which sessions end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// All of the account.
    All,
    /// This one.
    One(i64),
    /// All but this one.
    AllBut(i64),
}

/// The state of an account, as the directory has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AccountState {
    /// It is there; its role, bans and names may have changed.
    Present(Account),
    /// It was deleted; its number.
    Deleted(i64),
}

/// The core, as far as accounts need it.
pub trait AccountEvents: Send + Sync {
    /// Ends sessions of an account: their connections are closed, and their access tokens hold no more.
    fn end_sessions(&self, account: i64, ended: Ended) -> Acknowledged<'_>;

    /// The state of an account has changed: it was banned, may log in again, was given another role or name, or deleted.
    fn account_changed(&self, state: AccountState) -> Acknowledged<'_>;
}

//! `madang account`, `madang key` and `madang directory`: who may log in, which programs may, and where that is stored.
//!
//! All work with and without a running server: the directory is a database of its own.

mod accounts;
mod directories;
mod ends;
mod keys;
mod passwords;
mod place;

pub use accounts::{AccountCommand, NOTES as ACCOUNT_NOTES};
pub use directories::{DirectoryCommand, NOTES as DIRECTORY_NOTES};
pub use keys::{KeyCommand, NOTES as KEY_NOTES};

use crate::terminal::visible;
use madang_directory::DirectoryError;
use std::process::ExitCode;

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub enum NotDone {
    /// Something else must be asked for.
    Refused(String),
    /// It could not be done.
    Failed(String),
}

impl From<DirectoryError> for NotDone {
    fn from(error: DirectoryError) -> NotDone {
        match error {
            DirectoryError::Mistake(mistake) => NotDone::Refused(mistake.to_string()),
            DirectoryError::Unavailable(unavailable) => NotDone::Failed(unavailable.to_string()),
        }
    }
}

impl From<String> for NotDone {
    fn from(words: String) -> NotDone {
        NotDone::Failed(words)
    }
}

/// The exit code: 0 done, 1 refused, 2 it could not be done.
fn exit_code(outcome: Result<(), NotDone>) -> ExitCode {
    let (code, words) = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(NotDone::Refused(words)) => (1, words),
        Err(NotDone::Failed(words)) => (2, words),
    };
    eprintln!("madang: {}", visible(&words));
    ExitCode::from(code)
}

/// Runs `madang account …`.
pub fn run_account(command: AccountCommand) -> ExitCode {
    exit_code(accounts::run(command))
}

/// Runs `madang key …`.
pub fn run_key(command: KeyCommand) -> ExitCode {
    exit_code(keys::run(command))
}

/// Runs `madang directory …`.
pub fn run_directory(command: DirectoryCommand) -> ExitCode {
    exit_code(directories::run(command))
}

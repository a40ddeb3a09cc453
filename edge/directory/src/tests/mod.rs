//! What the directory promises, on SQLite, and on PostgreSQL where that is installed.

mod accounts;
mod amendments;
mod backups;
mod codes;
mod copies;
mod crashes;
mod environment;
mod lists;
mod migrations;
mod restrictions;
mod server;
mod service_keys;
mod sessions;

use crate::accounts::{NewAccount, Role};
use crate::audit::Actor;
use crate::directory::Directory;
use crate::error::{Cause, DirectoryError};
use crate::location::Location;
use crate::sql::SqliteOpening;
use madang_model::Timestamp;
use server::Server;
use std::time::Duration;
use tempfile::TempDir;

/// A password that is not weak.
pub const PASSWORD: &str = "correct horse battery";
/// The present of tests.
pub const NOW: Timestamp = Timestamp(1_800_000_000_000_000);
pub const SECOND: i64 = 1_000_000;

/// A directory of its own.
pub struct Place {
    pub location: Location,
    _files: Option<TempDir>,
}

impl Place {
    pub fn sqlite() -> Place {
        let files = tempfile::tempdir().unwrap();
        Place { location: Location::in_data(files.path()), _files: Some(files) }
    }

    pub fn open(&self) -> Directory {
        Directory::open(&self.location, SqliteOpening::Create).unwrap()
    }
}

/// Runs a test on each kind of database.
pub fn on_both(test: impl Fn(&Place)) {
    test(&Place::sqlite());
    if let Some(server) = Server::shared() {
        test(&Place { location: server.new_database(), _files: None });
    }
}

pub fn after(seconds: i64) -> Timestamp {
    Timestamp(NOW.0 + seconds * SECOND)
}

pub fn new(name: &str) -> NewAccount<'_> {
    NewAccount { name, password: PASSWORD, password_again: PASSWORD, display_name: None, role: Role::User }
}

pub fn sign_up(directory: &Directory, name: &str) {
    directory.sign_up(new(name), Actor::Operator, NOW).unwrap();
}

pub fn admin(directory: &Directory, name: &str) {
    directory.sign_up(NewAccount { role: Role::Admin, ..new(name) }, Actor::Operator, NOW).unwrap();
}

/// The processor time that this thread has used: what else the machine does is not in it.
pub fn thread_time() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(used.tv_sec).unwrap();
    Duration::new(seconds, u32::try_from(used.tv_nsec).unwrap())
}

/// The code of a mistake.
pub fn code<T: std::fmt::Debug>(outcome: Result<T, DirectoryError>) -> &'static str {
    match outcome {
        Err(DirectoryError::Mistake(mistake)) => mistake.code(),
        other => panic!("a mistake is refused: {other:?}"),
    }
}

/// The cause of a fault of the environment.
pub fn cause<T: std::fmt::Debug>(outcome: Result<T, DirectoryError>) -> Cause {
    match outcome {
        Err(DirectoryError::Unavailable(unavailable)) => unavailable.cause,
        other => panic!("the environment refuses: {other:?}"),
    }
}

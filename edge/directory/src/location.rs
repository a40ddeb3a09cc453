//! Where a directory is: a file, or a database server.

use crate::error::{Cause, DirectoryError, Mistake, Unavailable};
use crate::sql::{Database, PostgresDatabase, SqliteDatabase, SqliteOpening};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// The name of the file in a data directory.
pub const SQLITE_FILE: &str = "directory.sqlite";
/// What a URL of PostgreSQL begins with.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];
/// The longest password of a database that is read.
const PASSWORD_BYTES_MAX: usize = 4_096;

/// Where a directory is.
#[derive(Clone)]
pub enum Location {
    /// A file.
    Sqlite(PathBuf),
    /// A database of a server.
    Postgres(Box<Config>),
}

impl Location {
    /// The file in a data directory.
    pub fn in_data(data: &Path) -> Location {
        Location::Sqlite(data.join(SQLITE_FILE))
    }

    /// Reads a URL, `postgres://USER@HOST:PORT/DATABASE`; a host that begins with `/` (`%2F`) is the directory of a
    /// Unix socket.
    ///
    /// # Errors
    /// What is wrong with it. A password in it is: other users of the machine would see it.
    pub fn of_url(url: &str) -> Result<Location, Mistake> {
        let bad = |allowed: &str| Mistake::BadValue {
            what: "the URL",
            found: without_password(url),
            allowed: allowed.to_owned(),
        };
        let form = "it is written postgres://USER@HOST:PORT/DATABASE";
        if !SCHEMES.iter().any(|scheme| url.starts_with(scheme)) {
            return Err(bad(form));
        }
        let config: Config = url.parse().map_err(|_| bad(form))?;
        if config.get_password().is_some() {
            return Err(bad("a password does not belong in it, as others can see it; put it into a file \
                 (directory.password_file, --password-file)"));
        }
        if config.get_hosts().len() + config.get_hostaddrs().len() != 1 {
            return Err(bad("it names one host"));
        }
        if config.get_user().is_none() || config.get_dbname().is_none() {
            return Err(bad(form));
        }
        if config.get_ssl_mode() == SslMode::Require {
            return Err(bad(
                "TLS to the database server is not supported yet; use a Unix socket, a private network or \
                 a tunnel, and leave sslmode out",
            ));
        }
        Ok(Location::Postgres(Box::new(config)))
    }

    /// The same with the password in a file, up to the end of its first line.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn with_password_file(mut self, file: &Path) -> Result<Location, DirectoryError> {
        let place = file.display().to_string();
        let text = fs::read_to_string(file).map_err(|error| {
            DirectoryError::Unavailable(Unavailable {
                place,
                cause: Cause::Denied,
                said: format!("the password file cannot be read: {error}"),
            })
        })?;
        let password = text.lines().next().unwrap_or_default();
        if let Location::Postgres(config) = &mut self {
            config.password(&password.as_bytes()[..password.len().min(PASSWORD_BYTES_MAX)]);
        }
        Ok(self)
    }

    /// Opens a connection. A query is given up after `query_time_max`.
    ///
    /// # Errors
    /// What the environment refuses.
    pub fn connect(
        &self,
        opening: SqliteOpening,
        query_time_max: Duration,
    ) -> Result<Box<dyn Database>, DirectoryError> {
        match self {
            Location::Sqlite(path) => Ok(Box::new(SqliteDatabase::open(path, opening, query_time_max)?)),
            Location::Postgres(config) => {
                Ok(Box::new(PostgresDatabase::connect(config, &self.to_string(), query_time_max)?))
            }
        }
    }

    /// The same, only to read.
    ///
    /// # Errors
    /// As [`Location::connect`].
    pub fn connect_to_read(&self, query_time_max: Duration) -> Result<Box<dyn Database>, DirectoryError> {
        match self {
            Location::Sqlite(path) => {
                let mut database = SqliteDatabase::open(path, SqliteOpening::Existing, query_time_max)?;
                database.only_read()?;
                Ok(Box::new(database))
            }
            Location::Postgres(_) => self.connect(SqliteOpening::Existing, query_time_max),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = match self {
            Location::Sqlite(path) => return write!(f, "{}", path.display()),
            Location::Postgres(config) => config,
        };
        let user = config.get_user().unwrap_or_default();
        write!(f, "postgres://{user}@")?;
        match (config.get_hosts().first(), config.get_hostaddrs().first()) {
            (Some(Host::Tcp(host)), _) => write!(f, "{host}")?,
            (Some(Host::Unix(path)), _) => write!(f, "{}", path.display())?,
            (None, Some(address)) => write!(f, "{address}")?,
            (None, None) => {}
        }
        if let Some(port) = config.get_ports().first() {
            write!(f, ":{port}")?;
        }
        write!(f, "/{}", config.get_dbname().unwrap_or_default())
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({self})")
    }
}

/// A URL as it may be shown: whatever stands before the host may be a password.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "…".to_owned() };
    let (user, host) = rest.rsplit_once('@').unwrap_or(("", rest));
    let user = user.split([':', '?', '/']).next().unwrap_or_default();
    let host = host.split('?').next().unwrap_or_default();
    match (user, rest.contains('@')) {
        (user, true) => format!("{scheme}://{user}@{host}"),
        // A user and a password without a host.
        _ => format!("{scheme}://{}", host.split(':').next().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_user_host_and_database_and_no_password() {
        let location = Location::of_url("postgres://madang@db.example:5433/chat").unwrap();
        assert_eq!(location.to_string(), "postgres://madang@db.example:5433/chat");
        let socket = Location::of_url("postgresql://madang@%2Frun%2Fpostgresql/chat").unwrap();
        assert_eq!(socket.to_string(), "postgres://madang@/run/postgresql:5432/chat");
        for (url, word) in [
            ("mysql://madang@localhost/chat", "postgres://"),
            ("postgres://localhost/chat", "postgres://USER"),
            ("postgres://madang@localhost", "postgres://USER"),
            ("postgres://madang:secret@localhost/chat", "password"),
            ("postgres://madang@localhost/chat?password=secret", "password"),
            ("postgres://madang@a,b/chat", "one host"),
            ("postgres://madang@localhost/chat?sslmode=require", "TLS"),
        ] {
            let error = Location::of_url(url).unwrap_err().to_string();
            assert!(error.contains(word) && !error.contains("secret"), "{url}: {error}");
        }
    }

    #[test]
    fn a_password_comes_from_the_first_line_of_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("password");
        fs::write(&file, "a word\nnot this\n").unwrap();
        let location = Location::of_url("postgres://madang@localhost/chat").unwrap();
        let Location::Postgres(config) = location.clone().with_password_file(&file).unwrap() else {
            panic!("a server");
        };
        assert_eq!(config.get_password(), Some(b"a word".as_slice()));
        let error = location.with_password_file(&directory.path().join("none")).unwrap_err();
        assert!(error.to_string().contains("password file"), "{error}");
    }
}

//! SQLite: a file in the data directory.

use super::{Access, Database, Row, Value};
use crate::error::{Cause, DirectoryError, Unavailable};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql};
use rustix::fs::{Gid, Uid, fchown};
use rustix::process::geteuid;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How many instructions of its machine run between two looks at the clock.
const INSTRUCTIONS_BETWEEN_LOOKS: i32 = 4_096;
/// How long to wait for another process that makes the same file.
const BETWEEN_TRIES: Duration = Duration::from_millis(5);
/// Statements that are kept compiled.
const STATEMENTS_MAX: usize = 64;
/// The form of our files in their head (`PRAGMA application_id`): "Mdng".
const APPLICATION: i64 = 0x4d64_6e67;

/// A connection to a file.
pub struct SqliteDatabase {
    connection: Connection,
    place: Arc<str>,
    query_time_max: Duration,
    /// Milliseconds after `opened_at` at which the query that runs is given up.
    deadline_ms: Arc<AtomicU64>,
    opened_at: Instant,
}

/// Whether a file is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SqliteOpening {
    /// It must be there.
    Existing,
    /// It is made if it is missing, for its owner alone.
    Create,
}

impl SqliteDatabase {
    /// Opens a file. A query is given up after `query_time_max`.
    ///
    /// # Errors
    /// What the system or the file refuses.
    pub fn open(
        path: &Path,
        opening: SqliteOpening,
        query_time_max: Duration,
    ) -> Result<Self, DirectoryError> {
        let place: Arc<str> = path.display().to_string().into();
        let refused = |error: io::Error| refused(&place, &error);
        // SQLite takes names like `file:x` and `:memory:` for something else.
        let path = &std::path::absolute(path).map_err(refused)?;
        if opening == SqliteOpening::Create {
            create(path).map_err(refused)?;
        }
        let found = fs::metadata(path).map_err(refused)?;
        if !found.is_file() {
            return Err(unavailable(&place, Cause::Foreign, "it is not a regular file".to_owned()));
        }
        // Opened by itself first: SQLite says of every refusal that it cannot open the file.
        drop(File::open(path).map_err(refused)?);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection =
            Connection::open_with_flags(path, flags).map_err(|error| of_sqlite(&place, &error))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        let (opened_at, deadline_ms) = (Instant::now(), Arc::new(AtomicU64::new(u64::MAX)));
        let watched = Arc::clone(&deadline_ms);
        let is_late = move || opened_at.elapsed().as_millis() > u128::from(watched.load(Ordering::Relaxed));
        let set_up = connection
            .busy_timeout(query_time_max)
            .and_then(|()| connection.progress_handler(INSTRUCTIONS_BETWEEN_LOOKS, Some(is_late)));
        set_up.map_err(|error| of_sqlite(&place, &error))?;
        let mut database = SqliteDatabase { connection, place, query_time_max, deadline_ms, opened_at };
        database.set_up(opening)?;
        Ok(database)
    }

    /// Opens a file that nobody uses, only to read, and writes nothing beside it, as on a medium that cannot be written.
    ///
    /// # Errors
    /// As [`SqliteDatabase::open`].
    pub fn open_unused(path: &Path, query_time_max: Duration) -> Result<Self, DirectoryError> {
        let place: Arc<str> = path.display().to_string().into();
        drop(File::open(path).map_err(|error| refused(&place, &error))?);
        let escaped: String =
            path.as_os_str().as_encoded_bytes().iter().map(|byte| format!("%{byte:02x}")).collect();
        let flags =
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let connection = Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags)
            .map_err(|error| of_sqlite(&place, &error))?;
        let (opened_at, deadline_ms) = (Instant::now(), Arc::new(AtomicU64::new(u64::MAX)));
        Ok(SqliteDatabase { connection, place, query_time_max, deadline_ms, opened_at })
    }

    /// The settings that each connection needs, and the file once.
    fn set_up(&mut self, opening: SqliteOpening) -> Result<(), DirectoryError> {
        // In this order: another process may just make it.
        let tables = self.query("SELECT count(*) FROM sqlite_schema", &[])?[0].number(0)?;
        let application = self.query("PRAGMA application_id", &[])?[0].number(0)?;
        match application {
            APPLICATION => {}
            0 if tables == 0 && opening == SqliteOpening::Existing => {
                let said = "it has nothing in it, as a file that was cut".to_owned();
                return Err(unavailable(&self.place, Cause::Damaged, said));
            }
            0 if tables == 0 => self.batch(&format!("PRAGMA application_id = {APPLICATION}"))?,
            _ => {
                let said = "it is a database of another program".to_owned();
                return Err(unavailable(&self.place, Cause::Foreign, said));
            }
        }
        let mode = self.switch_to_wal()?;
        if mode != "wal" {
            let said = format!("its file system cannot have a WAL (journal mode {mode})");
            return Err(unavailable(&self.place, Cause::Other, said));
        }
        // A commit is on disk before it is answered, and what is deleted is overwritten.
        self.batch(
            "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON; \
             PRAGMA trusted_schema = OFF",
        )
    }

    /// The mode of the journal. While another process changes it, SQLite does not wait by itself.
    fn switch_to_wal(&mut self) -> Result<String, DirectoryError> {
        let asked_at = Instant::now();
        loop {
            match self.query("PRAGMA journal_mode = WAL", &[]) {
                Err(DirectoryError::Unavailable(Unavailable { cause: Cause::Locked, .. }))
                    if asked_at.elapsed() < self.query_time_max =>
                {
                    sleep(BETWEEN_TRIES);
                }
                answer => return Ok(answer?[0].text(0)?.to_owned()),
            }
        }
    }

    /// From now on this connection only reads.
    ///
    /// # Errors
    /// As a query.
    pub fn only_read(&mut self) -> Result<(), DirectoryError> {
        self.batch("PRAGMA query_only = ON")
    }

    fn limit_time(&self) {
        let deadline = self.opened_at.elapsed() + self.query_time_max;
        let deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        self.deadline_ms.store(deadline_ms, Ordering::Relaxed);
    }

    fn try_query(&mut self, sql: &str, values: &[Value]) -> rusqlite::Result<Vec<Row>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        // SQLite numbers placeholders as it meets them, not as they are written.
        for index in 1..=statement.parameter_count() {
            let number =
                statement.parameter_name(index).and_then(|name| name.strip_prefix('$')?.parse().ok());
            let value = number.and_then(|number: usize| values.get(number.checked_sub(1)?));
            let value = value.unwrap_or_else(|| panic!("a placeholder without a value in {sql}"));
            statement.raw_bind_parameter(index, value)?;
        }
        let columns = statement.column_count();
        let mut answer = statement.raw_query();
        let mut rows = Vec::new();
        while let Some(row) = answer.next()? {
            let values =
                (0..columns).map(|column| Ok(read(row.get_ref(column)?))).collect::<rusqlite::Result<_>>()?;
            rows.push(Row { place: Arc::clone(&self.place), values });
        }
        Ok(rows)
    }
}

impl Database for SqliteDatabase {
    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, DirectoryError> {
        self.limit_time();
        self.try_query(sql, values).map_err(|error| of_sqlite(&self.place, &error))
    }

    fn batch(&mut self, sql: &str) -> Result<(), DirectoryError> {
        self.limit_time();
        self.connection.execute_batch(sql).map_err(|error| of_sqlite(&self.place, &error))
    }

    fn begin(&mut self, access: Access) -> Result<(), DirectoryError> {
        self.batch(match access {
            Access::Read => "BEGIN",
            Access::Write => "BEGIN IMMEDIATE",
        })
    }

    fn has_table(&mut self, name: &str) -> Result<bool, DirectoryError> {
        let sql = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = $1";
        Ok(self.query(sql, &[name.into()])?[0].number(0)? > 0)
    }

    fn is_usable(&mut self) -> bool {
        true
    }

    fn collation_by_bytes(&self) -> &'static str {
        ""
    }

    fn structural_faults(&mut self) -> Result<Vec<String>, DirectoryError> {
        let mut faults = Vec::new();
        for row in self.query("PRAGMA integrity_check", &[])? {
            let words = row.text(0)?;
            if words != "ok" {
                faults.push(words.replace('\n', " "));
            }
        }
        for row in self.query("PRAGMA foreign_key_check", &[])? {
            faults.push(format!("a row of {} refers to one that is not there", row.text(0)?));
        }
        Ok(faults)
    }

    fn erase_deleted(&mut self) {
        // A reader may still need the old pages: the next one does it.
        let _ = self.query("PRAGMA wal_checkpoint(TRUNCATE)", &[]);
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Nothing => ValueRef::Null,
            Value::Number(number) => ValueRef::Integer(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

fn read(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Integer(number) => Value::Number(number),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        // We store neither of the others: what reads the column says so.
        _ => Value::Nothing,
    }
}

/// Makes a file for its owner alone. What root makes in the server's directory belongs to the server's user.
fn create(path: &Path) -> io::Result<()> {
    let file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        file => file?,
    };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if geteuid().is_root() {
        let owner = fs::metadata(parent)?;
        fchown(&file, Some(Uid::from_raw(owner.uid())), Some(Gid::from_raw(owner.gid())))?;
    }
    file.sync_all()?;
    File::open(parent)?.sync_all()
}

fn unavailable(place: &str, cause: Cause, said: String) -> DirectoryError {
    DirectoryError::Unavailable(Unavailable { place: place.to_owned(), cause, said })
}

fn refused(place: &str, error: &io::Error) -> DirectoryError {
    let cause = match error.kind() {
        io::ErrorKind::NotFound => Cause::Missing,
        io::ErrorKind::PermissionDenied => Cause::Denied,
        io::ErrorKind::ReadOnlyFilesystem => Cause::ReadOnly,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Cause::Full,
        _ => Cause::Other,
    };
    unavailable(place, cause, error.to_string())
}

fn of_sqlite(place: &str, error: &rusqlite::Error) -> DirectoryError {
    let Some(code) = error.sqlite_error_code() else {
        // Rows of another form than the statement says: a fault of ours.
        panic!("the directory '{place}': {error}");
    };
    let cause = match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Cause::Locked,
        ErrorCode::OperationInterrupted => Cause::TooSlow,
        ErrorCode::ReadOnly => Cause::ReadOnly,
        ErrorCode::DiskFull => Cause::Full,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Cause::Damaged,
        ErrorCode::PermissionDenied | ErrorCode::CannotOpen => Cause::Denied,
        _ => Cause::Other,
    };
    unavailable(place, cause, error.to_string())
}

//! PostgreSQL, by tokio-postgres on a runtime of one thread: the one that calls. Nothing of tokio is seen outside.

use super::{Access, Database, Row, Value};
use crate::error::{Cause, DirectoryError, Unavailable};
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Config, NoTls, Statement};

/// What the server gives a query up after is this much less than what we do, so that it says so itself.
const SERVER_IS_SOONER: Duration = Duration::from_millis(500);
/// A connection that was used this long ago is tried before it is used again.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// Statements that are kept prepared.
const STATEMENTS_MAX: usize = 64;
/// The schema of our tables: the database may have others.
const SCHEMA: &str = "madang";
/// Held by who writes, in whichever process: as in SQLite there is one at a time, so that both databases keep the same
/// rules (one account for a name, one admin at least). "Mdng", as a number.
const WRITERS_LOCK: i64 = 0x4d64_6e67;

/// A connection to a server.
pub struct PostgresDatabase {
    runtime: Runtime,
    client: Client,
    place: Arc<str>,
    query_time_max: Duration,
    statements: HashMap<String, Statement>,
    used_at: Instant,
    /// After an answer that never came, a later one would be taken for it.
    is_lost: bool,
}

impl PostgresDatabase {
    /// Connects. A query is given up after `query_time_max`.
    ///
    /// # Errors
    /// What the server refuses, or that there is none.
    pub fn connect(config: &Config, place: &str, query_time_max: Duration) -> Result<Self, DirectoryError> {
        let place: Arc<str> = place.into();
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| unavailable(&place, Cause::Other, error.to_string()))?;
        let mut config = config.clone();
        config.application_name("madang").connect_timeout(query_time_max).tcp_user_timeout(query_time_max);
        let connected = within(&runtime, &place, query_time_max, config.connect(NoTls))?;
        let (client, connection) = connected.map_err(|error| of_postgres(&place, &error))?;
        // It ends with the client, or with the server, which the client says at its next query.
        runtime.spawn(async move {
            let _ = connection.await;
        });
        let (statements, used_at) = (HashMap::new(), Instant::now());
        let mut database =
            PostgresDatabase { runtime, client, place, query_time_max, statements, used_at, is_lost: false };
        database.set_up()?;
        Ok(database)
    }

    fn set_up(&mut self) -> Result<(), DirectoryError> {
        let limit_ms = self.query_time_max.saturating_sub(SERVER_IS_SOONER).as_millis().max(1);
        self.batch(&format!(
            "SET statement_timeout = {limit_ms}; SET lock_timeout = {limit_ms}; SET client_min_messages = warning; \
             SET idle_in_transaction_session_timeout = {limit_ms}; SET search_path = {SCHEMA}"
        ))?;
        let encoding = self.query("SELECT current_setting('server_encoding')", &[])?[0].text(0)?.to_owned();
        if encoding != "UTF8" {
            let said = format!("its encoding is {encoding}, and names of any script need UTF8");
            return Err(unavailable(&self.place, Cause::Foreign, said));
        }
        // Asked first: a user who may not create schemas may use one that is there.
        let sql = "SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = CAST($1 AS TEXT)";
        if self.query(sql, &[SCHEMA.into()])?[0].number(0)? == 0 {
            self.batch("BEGIN")?;
            self.query("SELECT pg_advisory_xact_lock($1)", &[WRITERS_LOCK.into()])?;
            self.batch(&format!("CREATE SCHEMA IF NOT EXISTS {SCHEMA}; COMMIT"))?;
        }
        Ok(())
    }

    fn run<T>(
        &mut self,
        work: impl AsyncFnOnce(&Client, &mut HashMap<String, Statement>) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, DirectoryError> {
        let answer =
            within(&self.runtime, &self.place, self.query_time_max, work(&self.client, &mut self.statements));
        self.used_at = Instant::now();
        self.is_lost |= answer.is_err();
        answer?.map_err(|error| of_postgres(&self.place, &error))
    }
}

impl Database for PostgresDatabase {
    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, DirectoryError> {
        let place = Arc::clone(&self.place);
        let rows = self.run(async |client, statements| {
            let statement = match statements.get(sql) {
                Some(statement) => statement.clone(),
                None => {
                    let statement = client.prepare(sql).await?;
                    if statements.len() >= STATEMENTS_MAX {
                        statements.clear();
                    }
                    statements.insert(sql.to_owned(), statement.clone());
                    statement
                }
            };
            let values: Vec<&(dyn ToSql + Sync)> =
                values.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
            client.query(&statement, &values).await
        })?;
        rows.iter().map(|row| Ok(Row { place: Arc::clone(&place), values: values_of(row) })).collect()
    }

    fn batch(&mut self, sql: &str) -> Result<(), DirectoryError> {
        self.run(async |client, _| client.batch_execute(sql).await)
    }

    fn begin(&mut self, access: Access) -> Result<(), DirectoryError> {
        match access {
            Access::Read => self.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
            Access::Write => {
                self.batch("BEGIN")?;
                let locked = self.query("SELECT pg_advisory_xact_lock($1)", &[WRITERS_LOCK.into()]);
                if locked.is_err() {
                    let _ = self.batch("ROLLBACK");
                }
                locked.map(drop)
            }
        }
    }

    fn has_table(&mut self, name: &str) -> Result<bool, DirectoryError> {
        let sql = "SELECT count(*) FROM pg_catalog.pg_class WHERE oid = to_regclass($1)";
        Ok(self.query(sql, &[name.into()])?[0].number(0)? > 0)
    }

    fn is_usable(&mut self) -> bool {
        if self.is_lost || self.client.is_closed() {
            return false;
        }
        self.used_at.elapsed() < TRUSTED_FOR
            || self.run(async |client, _| client.check_connection().await).is_ok()
    }

    fn collation_by_bytes(&self) -> &'static str {
        "COLLATE \"C\""
    }

    fn structural_faults(&mut self) -> Result<Vec<String>, DirectoryError> {
        // Its checksums are checked as pages are read.
        Ok(Vec::new())
    }

    fn erase_deleted(&mut self) {
        // Its autovacuum does that.
    }
}

/// What comes of `work` in time.
fn within<T>(
    runtime: &Runtime,
    place: &str,
    time_max: Duration,
    work: impl Future<Output = T>,
) -> Result<T, DirectoryError> {
    let late = || {
        let said = format!("the database server did not answer within {:.1} s", time_max.as_secs_f64());
        unavailable(place, Cause::TooSlow, said)
    };
    // The timer needs the runtime that it runs on.
    runtime.block_on(async { tokio::time::timeout(time_max, work).await }).map_err(|_| late())
}

impl ToSql for Value {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Value::Nothing => Ok(IsNull::Yes),
            Value::Number(number) => number.to_sql_checked(kind, out),
            Value::Text(text) => text.to_sql_checked(kind, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        [Type::INT8, Type::TEXT].contains(kind)
    }

    to_sql_checked!();
}

fn values_of(row: &tokio_postgres::Row) -> Vec<Value> {
    let value = |index: usize| match *row.columns()[index].type_() {
        Type::INT8 => row.try_get::<_, Option<i64>>(index).ok().flatten().map(Value::Number),
        Type::INT4 => row.try_get::<_, Option<i32>>(index).ok().flatten().map(|n| Value::Number(n.into())),
        // We have no other columns; what reads one says so.
        _ => row.try_get::<_, Option<String>>(index).ok().flatten().map(Value::Text),
    };
    (0..row.len()).map(|index| value(index).unwrap_or(Value::Nothing)).collect()
}

fn unavailable(place: &str, cause: Cause, said: String) -> DirectoryError {
    DirectoryError::Unavailable(Unavailable { place: place.to_owned(), cause, said })
}

fn of_postgres(place: &str, error: &tokio_postgres::Error) -> DirectoryError {
    let cause = match error.code() {
        Some(code) => cause_of(code),
        None if error.is_closed() => Cause::Unreachable,
        None => {
            match std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>()) {
                Some(_) => Cause::Unreachable,
                None => Cause::Other,
            }
        }
    };
    // The words of the error itself are only "db error".
    let said = match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(said), _) => said.message().to_owned(),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    };
    unavailable(place, cause, said)
}

fn cause_of(code: &SqlState) -> Cause {
    match code.code() {
        "57014" => Cause::TooSlow,
        "55P03" | "40P01" | "40001" => Cause::Locked,
        "25006" => Cause::ReadOnly,
        "53100" => Cause::Full,
        "53300" | "57P03" => Cause::Busy,
        "XX001" | "XX002" => Cause::Damaged,
        "42501" | "3D000" => Cause::Denied,
        code if code.starts_with("28") => Cause::Denied,
        code if code.starts_with("08") || code.starts_with("57P") => Cause::Unreachable,
        _ => Cause::Other,
    }
}

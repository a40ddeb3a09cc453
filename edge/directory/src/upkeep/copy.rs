//! A directory copied into another database.

use super::{ROWS_AT_ONCE, STATEMENT_TIME_MAX};
use crate::error::{Cause, DirectoryError, Unavailable};
use crate::location::Location;
use crate::sql::migrations::{MIGRATIONS, TABLES, Table, migrate};
use crate::sql::{Access, Database, SqliteOpening, Value, transaction};

/// Rows that one statement writes. SQLite takes 32,766 values, PostgreSQL 65,535.
const ROWS_WRITTEN_AT_ONCE: usize = 500;
/// Tables that a new directory has rows in.
const NOT_EMPTY_AT_FIRST: [&str; 2] = ["settings", "counters"];

/// What was copied.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct CopyReport {
    /// Each table, and its rows.
    pub rows: Vec<(&'static str, i64)>,
}

/// Copies everything at one moment into an empty directory. What fails leaves the other one empty.
///
/// # Errors
/// If the other one is not empty, or what the environment refuses.
pub fn copy(from: &Location, to: &Location) -> Result<CopyReport, DirectoryError> {
    let mut source = from.connect(SqliteOpening::Existing, STATEMENT_TIME_MAX)?;
    migrate(source.as_mut(), &from.to_string(), MIGRATIONS)?;
    let mut target = to.connect(SqliteOpening::Create, STATEMENT_TIME_MAX)?;
    migrate(target.as_mut(), &to.to_string(), MIGRATIONS)?;
    transaction(source.as_mut(), Access::Read, |source| {
        transaction(target.as_mut(), Access::Write, |target| {
            expect_empty(target, to)?;
            let mut report = CopyReport::default();
            for table in TABLES {
                if NOT_EMPTY_AT_FIRST.contains(&table.name) {
                    target.query(&format!("DELETE FROM {}", table.name), &[])?;
                }
                let copied = copy_table(source, target, table)?;
                let sql = format!("SELECT count(*) FROM {}", table.name);
                let rows = [source.query(&sql, &[])?, target.query(&sql, &[])?];
                let [had, has] = [rows[0][0].number(0)?, rows[1][0].number(0)?];
                assert!(had == copied && has == copied, "{}: {had}, {copied}, {has}", table.name);
                report.rows.push((table.name, copied));
            }
            Ok(report)
        })
    })
}

fn expect_empty(target: &mut dyn Database, to: &Location) -> Result<(), DirectoryError> {
    for table in TABLES.iter().filter(|table| !NOT_EMPTY_AT_FIRST.contains(&table.name)) {
        let rows = target.query(&format!("SELECT count(*) FROM {}", table.name), &[])?[0].number(0)?;
        if rows > 0 {
            let said =
                format!("it is not empty ({rows} rows of {}), and a copy replaces nothing", table.name);
            let (place, cause) = (to.to_string(), Cause::Foreign);
            return Err(DirectoryError::Unavailable(Unavailable { place, cause, said }));
        }
    }
    Ok(())
}

fn copy_table(
    source: &mut dyn Database,
    target: &mut dyn Database,
    table: &Table,
) -> Result<i64, DirectoryError> {
    let (columns, key) = (table.columns.join(", "), table.columns[..table.key_columns].join(", "));
    let placeholders =
        (1..=table.key_columns).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ");
    let begin = format!("SELECT {columns} FROM {} ORDER BY {key} LIMIT {ROWS_AT_ONCE}", table.name);
    let resume = format!(
        "SELECT {columns} FROM {} WHERE ({key}) > ({placeholders}) ORDER BY {key} LIMIT {ROWS_AT_ONCE}",
        table.name
    );
    let mut copied = 0;
    let mut last: Vec<Value> = Vec::new();
    loop {
        let rows = source.query(if last.is_empty() { &begin } else { &resume }, &last)?;
        let Some(end) = rows.last() else { return Ok(copied) };
        last = end.values[..table.key_columns].to_vec();
        for rows in rows.chunks(ROWS_WRITTEN_AT_ONCE) {
            let values: Vec<Value> = rows.iter().flat_map(|row| row.values.iter().cloned()).collect();
            target.query(&insertion(table, rows.len()), &values)?;
            copied += i64::try_from(rows.len()).unwrap_or(i64::MAX);
        }
    }
}

/// A statement that writes so many rows.
fn insertion(table: &Table, rows: usize) -> String {
    let columns = table.columns.len();
    let row = |row: usize| {
        let places = (1..=columns).map(|column| format!("${}", row * columns + column));
        format!("({})", places.collect::<Vec<_>>().join(", "))
    };
    let rows = (0..rows).map(row).collect::<Vec<_>>().join(", ");
    format!("INSERT INTO {} ({}) VALUES {rows}", table.name, table.columns.join(", "))
}

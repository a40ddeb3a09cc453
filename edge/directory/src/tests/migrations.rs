//! Versions of the tables.

use super::*;
use crate::sql::migrations::{MIGRATIONS, Migration, migrate};
use crate::sql::{Access, Database, transaction};
use std::time::Duration;

const FIRST: Migration = Migration { version: 1, statements: "CREATE TABLE one (id BIGINT PRIMARY KEY)" };
const SECOND: Migration = Migration {
    version: 2,
    statements: "ALTER TABLE one ADD COLUMN name TEXT; CREATE TABLE two (name TEXT_BY_BYTES)",
};
const BROKEN: Migration =
    Migration { version: 2, statements: "CREATE TABLE two (name TEXT); INSERT INTO missing VALUES (1)" };

fn connect(place: &Place) -> Box<dyn Database> {
    place.location.connect(SqliteOpening::Create, Duration::from_secs(5)).unwrap()
}

#[test]
fn an_older_directory_is_brought_up_to_date_once() {
    on_both(|place| {
        let mut database = connect(place);
        assert_eq!(migrate(database.as_mut(), "x", &[FIRST]).unwrap(), 1);
        database.batch("INSERT INTO one VALUES (7)").unwrap();
        for _ in 0..2 {
            assert_eq!(migrate(database.as_mut(), "x", &[FIRST, SECOND]).unwrap(), 2);
        }
        let rows = database.query("SELECT id, name FROM one", &[]).unwrap();
        assert_eq!(rows[0].values, [crate::sql::Value::Number(7), crate::sql::Value::Nothing]);
    });
}

#[test]
fn a_migration_that_fails_leaves_nothing_of_it() {
    on_both(|place| {
        let mut database = connect(place);
        migrate(database.as_mut(), "x", &[FIRST]).unwrap();
        migrate(database.as_mut(), "x", &[FIRST, BROKEN]).unwrap_err();
        assert!(!database.has_table("two").unwrap());
        assert_eq!(migrate(database.as_mut(), "x", &[FIRST, SECOND]).unwrap(), 2);
    });
}

#[test]
fn a_directory_of_a_later_program_is_refused_with_the_remedy() {
    on_both(|place| {
        drop(place.open());
        connect(place).batch("INSERT INTO versions VALUES (99)").unwrap();
        let refused = Directory::open(&place.location, SqliteOpening::Existing).map(drop).unwrap_err();
        let words = refused.to_string();
        assert!(words.contains("version 99") && words.contains("use that version of madang"), "{words}");
        assert_eq!(cause::<()>(Err(refused)), Cause::LaterVersion);
    });
}

#[test]
fn processes_that_make_one_directory_at_once_make_one() {
    on_both(|place| {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| drop(place.open()))).collect();
            for thread in threads {
                thread.join().unwrap();
            }
        });
        let directory = place.open();
        sign_up(&directory, "alice");
        assert_eq!(code(place.open().is_available("aIice")), "name-confusable", "all have one key of names");
    });
}

#[test]
fn versions_are_numbered_from_1_without_a_gap() {
    for (index, migration) in MIGRATIONS.iter().enumerate() {
        assert_eq!(migration.version, i64::try_from(index).unwrap() + 1);
    }
}

#[test]
fn a_transaction_that_fails_leaves_nothing() {
    on_both(|place| {
        let mut database = connect(place);
        migrate(database.as_mut(), "x", &[FIRST]).unwrap();
        let failed = transaction(database.as_mut(), Access::Write, |database| {
            database.batch("INSERT INTO one VALUES (1)")?;
            Err::<(), _>(crate::error::Mistake::NoKey.into())
        });
        assert_eq!(code(failed), "no-key");
        assert!(database.query("SELECT id FROM one", &[]).unwrap().is_empty());
    });
}

#[test]
fn a_directory_of_version_1_keeps_what_it_has_and_gets_the_tables_of_version_2() {
    on_both(|place| {
        let mut database = connect(place);
        assert_eq!(migrate(database.as_mut(), "x", &MIGRATIONS[..1]).unwrap(), 1);
        database
            .batch(
                "UPDATE counters SET value = 7 WHERE name = 'account'; \
                 INSERT INTO accounts VALUES (7, 'old', 'old', 'user', 1, NULL, '', NULL, '')",
            )
            .unwrap();
        let directory = place.open();
        sign_up(&directory, "alice");
        assert_eq!(directory.account("alice").unwrap().id, 8);
        let (id, _) = directory.add_sign_up_code("", (1, after(60)), Actor::Operator, NOW).unwrap();
        assert_eq!(id.id, 1);
        directory.add_password_reset("alice", Actor::Operator, NOW).unwrap();
        // As a program of version 1 deletes an account, which knows nothing of codes.
        for sql in [
            "DELETE FROM credentials WHERE account = 8",
            "DELETE FROM search_names WHERE account = 8",
            "UPDATE name_claims SET account = NULL WHERE account = 8",
            "DELETE FROM accounts WHERE id = 8",
        ] {
            database.batch(sql).unwrap();
        }
        let rows = database.query("SELECT count(*) FROM password_resets", &[]).unwrap();
        assert_eq!(rows[0].number(0).unwrap(), 0);
    });
}

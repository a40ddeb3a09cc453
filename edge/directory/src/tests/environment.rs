//! A directory that is missing, locked, damaged, slow, overloaded or gone.

use super::*;
use crate::sql::{Access, Database, PostgresDatabase, SqliteDatabase};
use crate::threads::{Threads, WRITES_WAITING_MAX};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn path(place: &Place) -> PathBuf {
    let Location::Sqlite(path) = &place.location else { unreachable!("a file") };
    path.clone()
}

#[test]
fn a_file_is_made_for_its_owner_alone_and_only_where_that_is_wanted() {
    let place = Place::sqlite();
    let missing = Directory::open(&place.location, SqliteOpening::Existing).map(drop).unwrap_err();
    assert!(missing.to_string().contains("madang account add"), "{missing}");
    assert_eq!(cause::<()>(Err(missing)), Cause::Missing);
    assert!(!path(&place).exists());
    let directory = place.open();
    sign_up(&directory, "alice");
    for file in fs::read_dir(path(&place).parent().unwrap()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.file_name());
    }
}

#[test]
fn what_is_no_directory_of_ours_is_refused_and_left_as_it_is() {
    let place = Place::sqlite();
    fs::write(path(&place), "not a database, but longer than its head ".repeat(100)).unwrap();
    let before = fs::read(path(&place)).unwrap();
    let refused = Directory::open(&place.location, SqliteOpening::Create).map(drop).unwrap_err();
    assert!(refused.to_string().contains("not a database"), "{refused}");
    assert_eq!(fs::read(path(&place)).unwrap(), before);
    fs::remove_file(path(&place)).unwrap();
    rusqlite::Connection::open(path(&place)).unwrap().execute_batch("CREATE TABLE theirs (id)").unwrap();
    assert_eq!(cause(Directory::open(&place.location, SqliteOpening::Create).map(drop)), Cause::Foreign);
    fs::remove_file(path(&place)).unwrap();
    fs::create_dir(path(&place)).unwrap();
    assert_eq!(cause(Directory::open(&place.location, SqliteOpening::Create).map(drop)), Cause::Foreign);
}

#[test]
fn a_damaged_file_is_named_with_the_remedy() {
    let place = Place::sqlite();
    let directory = place.open();
    for number in 0..40 {
        let name = format!("key{number}");
        directory.add_key(&name, &["rooms:read".to_owned()], "", Actor::Operator, NOW).unwrap();
    }
    drop(directory);
    let mut bytes = fs::read(path(&place)).unwrap();
    // All but the first page, which says what the file is.
    for byte in bytes.iter_mut().skip(4096).step_by(7) {
        *byte ^= 0x5a;
    }
    fs::write(path(&place), bytes).unwrap();
    let refused =
        Directory::open(&place.location, SqliteOpening::Existing).and_then(|open| open.keys().map(drop));
    let words = refused.clone().unwrap_err().to_string();
    assert!(words.contains("madang restore") && words.contains("directory.sqlite"), "{words}");
    assert_eq!(cause(refused), Cause::Damaged);
    let report = crate::upkeep::check(&place.location);
    assert!(report.is_err() || report.unwrap().fault_count > 0);
}

#[test]
fn who_waits_for_another_writer_is_told_so_in_time_and_readers_do_not_wait() {
    on_both(|place| {
        let directory = place.open();
        sign_up(&directory, "alice");
        let mut other = place.location.connect(SqliteOpening::Existing, Duration::from_secs(5)).unwrap();
        other.begin(Access::Write).unwrap();
        let mut late = place.location.connect(SqliteOpening::Existing, Duration::from_millis(700)).unwrap();
        let began = Instant::now();
        let refused = late.begin(Access::Write);
        assert!(matches!(cause(refused), Cause::Locked | Cause::TooSlow));
        assert!(began.elapsed() < Duration::from_secs(3));
        assert_eq!(directory.account("alice").unwrap().handle, "alice");
        other.batch("ROLLBACK").unwrap();
        late.begin(Access::Write).unwrap();
    });
}

#[test]
fn a_query_that_takes_too_long_is_given_up() {
    let limit = Duration::from_millis(300);
    let endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    on_both(|place| {
        drop(place.open());
        let mut database = place.location.connect(SqliteOpening::Existing, limit).unwrap();
        let began = Instant::now();
        assert_eq!(cause(database.query(endless, &[])), Cause::TooSlow);
        assert!(began.elapsed() < limit * 10);
    });
}

#[test]
fn a_full_queue_refuses_at_once_and_what_waits_is_done() {
    let place = Place::sqlite();
    drop(place.open());
    let threads = Arc::new(Threads::start(&place.location).unwrap());
    let (release, released) = flume::bounded::<()>(0);
    let (busy, is_busy) = flume::bounded::<()>(1);
    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| {
            threads.write(move |_| {
                let _ = busy.send(());
                let _ = released.recv_timeout(Duration::from_secs(9));
                Ok(())
            })
        });
        is_busy.recv().unwrap();
        let waiting: Vec<_> =
            (0..WRITES_WAITING_MAX).map(|_| scope.spawn(|| threads.write(|_| Ok(())))).collect();
        let deadline = Instant::now() + Duration::from_secs(8);
        while threads.load().writes_waiting < WRITES_WAITING_MAX {
            assert!(Instant::now() < deadline);
            std::thread::yield_now();
        }
        let began = Instant::now();
        assert_eq!(cause(threads.write(|_| Ok(()))), Cause::Busy);
        assert!(began.elapsed() < Duration::from_secs(1));
        threads.read(|_| Ok(())).unwrap();
        assert_eq!(threads.load().refused, 1);
        release.send(()).unwrap();
        blocked.join().unwrap().unwrap();
        for thread in waiting {
            thread.join().unwrap().unwrap();
        }
    });
}

#[test]
fn a_reader_cannot_write() {
    let place = Place::sqlite();
    drop(place.open());
    let mut reader = place.location.connect_to_read(Duration::from_secs(1)).unwrap();
    assert_eq!(cause(reader.batch("DELETE FROM accounts")), Cause::ReadOnly);
}

#[test]
fn values_and_placeholders_are_the_same_in_both() {
    use crate::sql::Value;
    on_both(|place| {
        let directory = place.open();
        let rows = directory.read(|database| {
            let sql = "SELECT CAST($2 AS TEXT), CAST($1 AS BIGINT), CAST($3 AS BIGINT), CAST($1 AS BIGINT)";
            database.query(sql, &[i64::MIN.into(), "한글 'quoted' \"x\"".into(), Value::Nothing])
        });
        let expected = [
            Value::Text("한글 'quoted' \"x\"".to_owned()),
            Value::Number(i64::MIN),
            Value::Nothing,
            Value::Number(i64::MIN),
        ];
        assert_eq!(rows.unwrap()[0].values, expected);
    });
}

#[test]
fn a_server_that_is_not_there_or_lets_nobody_in_is_named() {
    let nowhere = Location::of_url("postgres://madang@%2Fnonexistent/chat").unwrap();
    let refused = Directory::open(&nowhere, SqliteOpening::Create).map(drop).unwrap_err();
    assert!(refused.to_string().contains("postgres://madang@/nonexistent:5432/chat"), "{refused}");
    assert_eq!(cause::<()>(Err(refused)), Cause::Unreachable);
    if let Some(server) = Server::shared() {
        let missing = Directory::open(&server.location("missing"), SqliteOpening::Create).map(drop);
        assert_eq!(cause(missing), Cause::Denied);
    }
}

#[test]
fn a_connection_that_the_server_ends_is_made_again() {
    let Some(server) = Server::shared() else { return };
    let location = server.new_database();
    let directory = Directory::open(&location, SqliteOpening::Create).unwrap();
    sign_up(&directory, "alice");
    let mut other = location.connect(SqliteOpening::Existing, Duration::from_secs(5)).unwrap();
    let end_all = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                   WHERE pid <> pg_backend_pid() AND datname = current_database()";
    assert!(other.query(end_all, &[]).unwrap()[0].number(0).unwrap() >= 2);
    let deadline = Instant::now() + Duration::from_secs(5);
    // The one that is hit by it fails, if it is asked within a second; the next is answered.
    while directory.account("alice").is_err()
        || directory.end_all_sessions("alice", Actor::Operator, NOW).is_err()
    {
        assert!(Instant::now() < deadline);
    }
}

#[test]
fn a_server_that_stops_answering_is_given_up_and_found_again() {
    let Some(server) = Server::start() else { return };
    let location = server.new_database();
    drop(Directory::open(&location, SqliteOpening::Create).unwrap());
    let Location::Postgres(config) = &location else { unreachable!("a server") };
    let limit = Duration::from_secs(1);
    let mut database = PostgresDatabase::connect(config, "here", limit).unwrap();
    // The backend, as stopping the first process alone stops nothing.
    let sql = "SELECT CAST(pg_backend_pid() AS BIGINT)";
    let backend = database.query(sql, &[]).unwrap()[0].number(0).unwrap();
    let signal = |signal| {
        let process = Pid::from_raw(i32::try_from(backend).unwrap()).unwrap();
        kill_process(process, signal).unwrap();
    };
    signal(Signal::STOP);
    let began = Instant::now();
    let refused = database.query("SELECT count(*) FROM accounts", &[]);
    assert_eq!(cause(refused), Cause::TooSlow);
    assert!(began.elapsed() < limit * 3 && !database.is_usable());
    signal(Signal::CONT);
    PostgresDatabase::connect(config, "here", limit)
        .unwrap()
        .query("SELECT count(*) FROM accounts", &[])
        .unwrap();
}

#[test]
fn a_limit_of_time_is_per_query_and_not_per_connection() {
    let place = Place::sqlite();
    drop(place.open());
    let limit = Duration::from_millis(200);
    let mut database = SqliteDatabase::open(&path(&place), SqliteOpening::Existing, limit).unwrap();
    let began = Instant::now();
    while began.elapsed() < limit * 3 {
        database.query("SELECT count(*) FROM accounts", &[]).unwrap();
    }
}

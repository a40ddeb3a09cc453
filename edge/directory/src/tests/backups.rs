//! Copies of a file, and what a check finds.

use super::*;
use crate::upkeep::{back_up, check, verify_backup};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn file(place: &Place) -> &Path {
    let Location::Sqlite(path) = &place.location else { unreachable!("a file") };
    path
}

#[test]
fn a_copy_that_is_made_during_writes_is_of_one_moment() {
    let place = Place::sqlite();
    let directory = place.open();
    sign_up(&directory, "alice");
    let copies = tempfile::tempdir().unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                directory.give_consent("alice", "birth-date", Actor::Operator, NOW).unwrap();
                directory.withdraw_consent("alice", "birth-date", Actor::Operator, NOW).unwrap();
            }
        });
        for number in 0..5 {
            let copy = copies.path().join(format!("it's {number}%41.sqlite"));
            back_up(file(&place), &copy).unwrap();
            assert_eq!(verify_backup(&copy).unwrap(), 1);
            let entries = fs::read_dir(copies.path()).unwrap().count();
            assert_eq!(entries, number + 1, "nothing is left beside it");
            let report = check(&Location::Sqlite(copy)).unwrap();
            assert_eq!(report.faults, [""; 0]);
            // An act is there with its entry, or neither is.
            assert_eq!(
                report.rows_of("audit_log"),
                1 + consents(&copies.path().join(format!("it's {number}%41.sqlite")))
            );
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

/// Consents that were given, and those that were withdrawn.
fn consents(copy: &Path) -> i64 {
    let location = Location::Sqlite(copy.to_owned());
    let mut database = location.connect(SqliteOpening::Existing, Duration::from_secs(5)).unwrap();
    let sql = "SELECT count(*) + count(withdrawn_at) FROM consents";
    database.query(sql, &[]).unwrap()[0].number(0).unwrap()
}

#[test]
fn a_damaged_or_missing_copy_is_refused_and_nothing_is_replaced() {
    let place = Place::sqlite();
    sign_up(&place.open(), "alice");
    let copy = file(&place).with_file_name("copy.sqlite");
    back_up(file(&place), &copy).unwrap();
    assert!(back_up(file(&place), &copy).is_err(), "something is there");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o400)).unwrap();
    assert_eq!(verify_backup(&copy).unwrap(), 1);
    let mut bytes = fs::read(&copy).unwrap();
    for byte in bytes.iter_mut().skip(4096).step_by(5) {
        *byte ^= 0xff;
    }
    fs::remove_file(&copy).unwrap();
    fs::write(&copy, bytes).unwrap();
    assert!(verify_backup(&copy).is_err());
    fs::write(&copy, "").unwrap();
    assert!(verify_backup(&copy).is_err());
    fs::remove_file(&copy).unwrap();
    assert_eq!(cause(verify_backup(&copy)), Cause::Missing);
}

#[test]
fn a_check_names_what_does_not_fit_together() {
    on_both(|place| {
        let directory = place.open();
        admin(&directory, "alice");
        sign_up(&directory, "bob");
        let report = check(&place.location).unwrap();
        assert_eq!((report.version, report.admins, report.rows_of("accounts")), (2, 1, 2));
        assert_eq!(report.faults, [""; 0]);
        let mut database = place.location.connect(SqliteOpening::Existing, Duration::from_secs(5)).unwrap();
        for (breaks, words) in [
            ("DELETE FROM name_claims WHERE account = 2 AND kind = 'looks'", "a look-alike could be made"),
            ("UPDATE counters SET value = 1 WHERE name = 'account'", "the counter of accounts"),
            ("UPDATE search_names SET folded = 'x' WHERE account = 2", "not found by its name"),
            ("UPDATE accounts SET role = 'king' WHERE id = 2", "is no role"),
            ("INSERT INTO name_claims (claim, kind, account) VALUES ('x', 'is', 77)", "account 77"),
        ] {
            database.batch(breaks).unwrap();
            let report = check(&place.location).unwrap();
            assert!(report.faults.iter().any(|fault| fault.contains(words)), "{words}: {:?}", report.faults);
        }
        // What is read all the same is refused where it is read.
        assert_eq!(cause(directory.account("bob")), Cause::Damaged);
        directory.account("alice").unwrap();
    });
}

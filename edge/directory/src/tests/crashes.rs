//! `kill -9` in the middle of writes.

use super::*;
use crate::upkeep::check;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// Where the process that is killed writes.
const WHERE: &str = "MADANG_CRASHING_DIRECTORY";
const ROUNDS: usize = 6;

/// What is killed: it does nothing but when the other test starts it.
#[test]
fn writes_until_it_is_killed() {
    let Some(place) = std::env::var_os(WHERE) else { return };
    let place = place.into_string().unwrap();
    let location = match place.starts_with("postgres") {
        true => Location::of_url(&place).unwrap(),
        false => Location::in_data(Path::new(&place)),
    };
    let directory = Directory::open(&location, SqliteOpening::Create).unwrap();
    loop {
        let number = directory.keys().unwrap().len();
        let name = format!("key{number:06}");
        directory.add_key(&name, &["rooms:read".to_owned()], "", Actor::Operator, NOW).unwrap();
        println!("\nwritten {name}");
        directory.rotate_key(&name, 0, Actor::Operator, NOW).unwrap();
        directory.give_consent("alice", "birth-date", Actor::Operator, NOW).unwrap();
        directory.withdraw_consent("alice", "birth-date", Actor::Operator, NOW).unwrap();
    }
}

#[test]
fn what_was_answered_before_a_kill_is_there_and_everything_fits_together() {
    on_both(|place| {
        let directory = place.open();
        sign_up(&directory, "alice");
        drop(directory);
        let mut last = String::new();
        for round in 0..ROUNDS {
            let shown = match &place.location {
                Location::Sqlite(path) => path.parent().unwrap().display().to_string(),
                // As a URL again: the host of a socket is a path.
                location => location.to_string().replacen("@/", "@%2F", 1),
            };
            let shown = match shown.strip_prefix("postgres://madang@%2F") {
                Some(rest) => {
                    let (host, database) = rest.rsplit_once('/').unwrap();
                    format!("postgres://madang@%2F{}/{database}", host.replace('/', "%2F"))
                }
                None => shown,
            };
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "tests::crashes::writes_until_it_is_killed", "--nocapture"])
                .env(WHERE, shown)
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
            let mut written = 0;
            for line in lines {
                let Some(name) = line.strip_prefix("written ") else { continue };
                name.clone_into(&mut last);
                written += 1;
                if written == 2 + round * 3 {
                    // Whatever it does just now; what it has printed meanwhile is read, too.
                    child.kill().unwrap();
                }
            }
            child.wait().unwrap();
            assert!(written > 0);
            let directory = place.open();
            assert!(directory.keys().unwrap().iter().any(|key| key.name == last), "{last} was answered");
            let report = check(&place.location).unwrap();
            assert_eq!(report.faults, [""; 0]);
            // Each act and its entry of the log are one.
            let keys = report.rows_of("service_keys");
            let added = directory.write(|database| {
                database.query("SELECT count(*) FROM audit_log WHERE act = 'key.add'", &[])?[0].number(0)
            });
            assert_eq!(added.unwrap(), keys);
        }
    });
}

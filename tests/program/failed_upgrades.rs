//! Upgrades that are refused or fail: `madang upgrade` says why, and everyone continues as before.

use crate::harness::{self, Client, Server, Versions, ours, tested_program};
use std::fs;
use std::net::TcpListener;

/// The upgrade fails with these words, none of those, and all the rest is as it was.
#[track_caller]
fn refused(server: &Server, people: &mut [Client; 2], parts: &[&str], others: &[&str]) {
    let output = server.ask(&["upgrade"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    for part in parts.iter().chain(&["Nothing has changed; this server continues"]) {
        assert!(words.contains(part), "expected {part:?} in: {words}");
    }
    others.iter().for_each(|part| assert!(!words.contains(part), "{part:?} in: {words}"));
    let [alice, bob] = people;
    alice.send("still here");
    alice.expect("alice: still here");
    bob.expect("alice: still here");
}

#[test]
fn an_upgrade_whose_new_process_ends_says_how() {
    let beginnings: [(&str, &[&str]); 4] = [
        (
            "case \"$*\" in *--rehearse*) echo 'takes signals that wait'; kill -9 $$ ;; esac",
            &["was killed by signal 9 while it checked whether it would start"],
        ),
        (
            "case \"$*\" in *--rehearse*) echo 'takes signals that wait'; exit 7 ;; esac",
            &["would not start, or not resume the connections: exit status: 7"],
        ),
        (
            "case \"$*\" in *--trial*) echo 'no more room' >&2; kill -9 $$ ;; esac",
            &["the new process has ended (signal: 9 (SIGKILL)): no more room"],
        ),
        (
            "case \"$*\" in *--trial*) ulimit -n 250 ;; esac",
            &["nothing was handed over: the new process cannot take over: ", "open"],
        ),
    ];
    for (beginning, parts) in beginnings {
        let versions = Versions::new();
        let server = versions.start(&[]);
        let (alice, bob) = harness::alice_and_bob(&server);
        // Too many for one that may have few files open.
        let _crowd: Vec<Client> = (0..300).map(|_| Client::connect(server.address)).collect();
        versions.move_on_to(&format!("{beginning}\nexec \"REAL\" \"$@\""));
        refused(
            &server,
            &mut [alice, bob],
            parts,
            &["takes signals that wait", "Broken pipe", "end of file"],
        );
        server.verify();
    }
}

#[test]
fn an_address_that_cannot_be_had_stops_an_upgrade() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let file = directory.path().join("madang.toml");
    let listening_at = |address: &str| format!("[listen]\nline = \"{address}\"\n");
    fs::write(&file, listening_at("127.0.0.1:0")).expect("a file");
    let server = Server::start_with_file(directory, 2, &file);
    let (alice, bob) = harness::alice_and_bob(&server);
    let mut people = [alice, bob];
    let others = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = others.local_addr().expect("its address").to_string();
    for (address, why) in [
        ("192.0.2.1:8080", "no interface of this machine has that address"),
        (taken.as_str(), "another program listens there"),
    ] {
        fs::write(&file, listening_at(address)).expect("a file");
        let expected = format!("cannot listen on {address}: ");
        refused(&server, &mut people, &["nothing was handed over", &expected, why], &[]);
        assert_eq!(server.status()["addresses"][0], format!("{}", server.address), "it listens where it did");
        server.login("carol").send("/quit");
        people.iter_mut().for_each(|one| drop(one.expect("carol has left the channel(general)")));
    }
    drop(others);
    let output = server.ask(&["upgrade"]);
    assert!(output.status.success(), "the port is free now: {output:?}");
    server.expect_words(&["listening at a new address"]);
    let [alice, bob] = &mut people;
    alice.send("moved");
    bob.expect("alice: moved");
}

/// A server of this release, on a log of which the release before has written all, and a way back to that; `None` in a
/// clone without its history.
fn with_a_way_back() -> Option<(Server, Versions)> {
    let previous = std::env::var("MADANG_PREVIOUS_PROGRAM").ok()?;
    let mut server = Server::start_by(ours(&previous), 2, &[]);
    let mut alice = server.login_to("alice", "r1");
    alice.send("a secret");
    alice.expect("alice: a secret");
    assert!(server.terminate().0.success());
    let versions = Versions::new();
    server.start_again_by(ours(&versions.path("current").join("madang").display().to_string()));
    versions.move_on_to(&format!("exec \"{previous}\" \"$@\""));
    Some((server, versions))
}

#[test]
fn the_release_before_does_not_take_over_while_something_is_to_be_erased() {
    let Some((server, _versions)) = with_a_way_back() else { return };
    let erased = ["log", "erase", "--room", "r1", "--seq", "1"];
    let output = server.ask(&[&erased[..], &["--no-wait"]].concat());
    assert!(output.status.success(), "{output:?}");
    let output = server.ask(&["upgrade"]);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    for part in ["1 request to erase messages is not done yet", "`madang log erase` without --no-wait"] {
        assert!(output.status.code() == Some(1) && words.contains(part), "{output:?}");
    }
    let mut bob = server.login_to("bob", "r1");
    bob.send("/history");
    bob.settle("bob");
    assert!(!server.words().contains("a secret"));
    // As by hand.
    let previous = std::env::var("MADANG_PREVIOUS_PROGRAM").expect("there is one");
    let mut program = ours(&previous);
    program.args(["serve", "--takeover", "--shards", "2", "--listen", "127.0.0.1:0", "--data"]);
    let output = harness::refused({
        program.arg(server.data());
        program
    });
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("1 request to erase messages is not done yet"), "{words}");
    let output = server.ask(&erased);
    assert!(output.status.success(), "another may be asked for: {output:?}");
    let mut program = ours(tested_program());
    program.args(["log", "export", "--room", "r1", "--data"]).arg(server.data());
    let output = program.output().expect("run madang");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("a secret"), "{output:?}");
}

#[test]
fn the_release_before_takes_over_while_it_understands_all_and_says_what_it_does_not() {
    let Some((server, _versions)) = with_a_way_back() else { return };
    let mut alice = server.login_to("alice", "r1");
    let bob = server.login_to("bob", "r1");
    alice.expect("bob has joined r1");
    alice.send("of a format that it does not know");
    alice.expect("alice: of a format that it does not know");
    let expected = [
        "nothing was handed over: the new process ended (exit status ",
        ") before it was ready: ",
        "format version",
    ];
    refused(&server, &mut [alice, bob], &expected, &["end of file"]);
    server.verify();
}

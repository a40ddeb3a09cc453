//! `systemctl restart`: what a server has waits with its manager for the next one, and nobody notices.

use crate::harness;
use crate::harness::{Client, Identity, Manager, PATIENCE, Server, Service, TlsClient};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

const RESTARTS: usize = 10;
/// As the unit says.
const STORE_MAX: usize = 64;
/// More than some messages carry.
const CROWD: usize = 3_000;

fn start(settings: &[&str]) -> (Manager, Server) {
    let manager = Manager::with_store(STORE_MAX);
    let server = Server::start_under(&manager, 2, settings);
    (manager, server)
}

#[track_caller]
fn restart(server: &mut Server, manager: &Manager) {
    let address = server.address;
    server.end_for_restart(manager);
    server.start_again_under(manager);
    assert_eq!(server.address, address, "people come in where they did");
    manager.expect_empty_store();
}

/// Ends the server while its manager would start it again, and expects everyone to be notified.
#[track_caller]
fn expect_drain(server: &mut Server, manager: &Manager, client: &mut Client, reason: &str) {
    server.end_for_restart(manager);
    assert_eq!(client.expect_closed().last().map(String::as_str), Some("* server is going down"));
    server.expect_words(&["nothing can be left to the next process", reason]);
    manager.expect_empty_store();
    server.verify();
}

#[test]
fn ten_restarts_under_load_disconnect_nobody_and_lose_repeat_or_reorder_nothing() {
    let (manager, mut server) = start(&harness::LOAD_SETTINGS);
    harness::lose_nothing_while(&mut server, RESTARTS, |server| restart(server, &manager));
}

#[test]
fn a_stop_says_farewell_and_so_does_a_signal_without_a_job() {
    for job in ["stop", "start", ""] {
        let (manager, mut server) = start(&[]);
        let mut alice = server.login("alice");
        manager.begin_job(job);
        let (status, _) = server.terminate();
        assert!(status.success() && manager.stored().is_empty(), "{job}: {status}");
        assert_eq!(alice.expect_closed(), ["* server is going down"], "{job}");
    }
}

#[test]
fn a_manager_that_keeps_nothing_or_too_little_makes_a_restart_say_farewell() {
    for store_max in [0, 1, 3] {
        let manager = Manager::with_store(store_max);
        let mut server = Server::start_under(&manager, 2, &[]);
        let mut alice = server.login("alice");
        expect_drain(&mut server, &manager, &mut alice, "FileDescriptorStoreMax=");
        server.start_again_under(&manager);
        server.login("alice");
    }
}

#[test]
fn a_configuration_that_the_next_process_would_refuse_makes_a_restart_say_farewell() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let file = directory.path().join("madang.toml");
    fs::write(&file, "[limits]\nburst = 9\n").expect("a file");
    let manager = Manager::with_store(STORE_MAX);
    let mut server = Server::start_under_with_file(&manager, 2, &file);
    let mut alice = server.login("alice");
    fs::write(&file, "[limits]\nburst = \"many\"\n").expect("a file");
    expect_drain(&mut server, &manager, &mut alice, "would not start");
}

#[test]
fn a_start_that_fails_in_between_leaves_everyone_where_they_are() {
    let (manager, mut server) = start(&[]);
    let (mut alice, mut bob) = harness::alice_and_bob(&server);
    alice.send("stored");
    bob.expect_next("alice: stored");
    alice.expect_next("alice: stored");
    bob.send_bytes(b"half a li");
    server.end_for_restart(&manager);
    let stored = manager.stored();
    assert!(stored.len() >= 3, "{stored:?}");
    let mut late = Client::connect(server.address);
    // A mistake in the configuration, and then a log that cannot be opened.
    for (settings, damage) in [(&["--set", "limits.burst=none"][..], false), (&[][..], true)] {
        let segments = (0..2).flat_map(|shard| server.files(shard, "seg"));
        let segment = segments.last().expect("a segment");
        let aside = segment.with_extension("aside");
        if damage {
            fs::rename(&segment, &aside).expect("put it aside");
            fs::create_dir(&segment).expect("something else in its place");
        }
        let mut program = manager.program();
        program.args(["serve", "--shards", "2", "--listen", "127.0.0.1:0", "--data"]).arg(server.data());
        let mut failing = Service(program.args(settings).spawn().expect("run madang"));
        assert!(!failing.await_end().success());
        assert_eq!(manager.stored(), stored, "it is all there for the next start");
        if damage {
            fs::remove_dir(&segment).expect("take it away");
            fs::rename(&aside, &segment).expect("put it back");
        }
    }
    let address = server.address;
    server.start_again_under(&manager);
    assert_eq!(server.address, address);
    bob.send("ne");
    alice.expect_next("bob: half a line");
    bob.expect_next("bob: half a line");
    // A client that connected while no server ran waited to be accepted.
    late.expect("name: ");
    late.name("late");
    alice.expect_next("late has joined general");
    manager.expect_empty_store();
    server.verify();
}

#[test]
fn a_crowd_goes_along_each_with_its_own_connection() {
    harness::raise_open_files();
    let (manager, mut server) = start(&["limits.connections_per_address=0", "rooms.announce_members_max=0"]);
    let mut crowd: Vec<Client> = (0..CROWD).map(|_| Client::connect(server.address)).collect();
    for (number, one) in crowd.iter_mut().enumerate() {
        one.send(&format!("user{number}"));
    }
    for (number, one) in crowd.iter_mut().enumerate() {
        one.expect(&format!("user{number} has joined general"));
    }
    server.end_for_restart(&manager);
    assert!(manager.stored().len() < 8, "{:?}", manager.stored());
    server.start_again_under(&manager);
    for (number, one) in crowd.iter_mut().enumerate() {
        one.send(&format!("/whois user{number}"));
    }
    for (number, one) in crowd.iter_mut().enumerate() {
        let line = one.read_line();
        assert!(line.contains(&format!("user{number}")), "{line} to user{number}");
    }
    server.expect_words(&[&format!("connections={CROWD}")]);
}

#[test]
fn what_is_left_damaged_incomplete_or_for_another_is_closed_and_the_server_starts() {
    let lost = ["madang-state", "madang-queue-0", "madang-lock"];
    for damage in lost.into_iter().chain(["version", "end", "seal", "lock of another"]) {
        let (manager, mut server) = start(&[]);
        let mut alice = server.login("alice");
        alice.send("stored");
        alice.expect("alice: stored");
        server.end_for_restart(&manager);
        match damage {
            "version" | "end" | "seal" => replace_state(&manager, damage),
            "lock of another" => {
                manager.lose("madang-lock");
                let other = File::create(manager.path().join("madang.lock")).expect("a file");
                manager.store("madang-lock", OwnedFd::from(other));
            }
            lost => manager.lose(lost),
        }
        server.keep_address();
        server.start_again_under(&manager);
        manager.expect_empty_store();
        println!("{damage}");
        server.expect_words(&["its connections are closed"]);
        alice.expect_closed();
        let mut bob = server.login("bob");
        bob.expect("alice: stored");
        server.verify();
    }
}

#[test]
fn a_next_process_that_may_open_fewer_files_goes_on_with_as_many_connections_as_that_allows() {
    let (mut manager, mut server) = start(&["limits.connections_per_address=0"]);
    let mut crowd: Vec<Client> = (0..100).map(|number| server.login(&format!("user{number}"))).collect();
    server.end_for_restart(&manager);
    manager.open_files_max = Some(256);
    server.start_again_under(&manager);
    manager.expect_empty_store();
    let stays = |one: &mut Client| one.try_send("/ping\n").is_some() && one.hears("pong");
    let kept: Vec<bool> = crowd.iter_mut().map(stays).collect();
    let connections_max = server.status()["connections_limit"].as_u64().expect("a number");
    assert_eq!(kept.iter().filter(|is_kept| **is_kept).count() as u64, connections_max, "{kept:?}");
    server.expect_words(&["connections are closed, because no more files"]);
}

/// Puts another state in the place of the one that is stored: as it was but for one thing.
fn replace_state(manager: &Manager, damage: &str) {
    let mut stored = File::from(manager.copy("madang-state"));
    let mut bytes = Vec::new();
    stored.seek(SeekFrom::Start(0)).expect("seek");
    stored.read_to_end(&mut bytes).expect("read");
    match damage {
        "version" => bytes[4] += 1,
        "end" => bytes.truncate(bytes.len() - 3),
        _ => {}
    }
    let state = memfd_create("state", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).expect("a memfd");
    let mut state = File::from(state);
    state.write_all(&bytes).expect("write");
    if damage != "seal" {
        fcntl_add_seals(&state, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK).expect("seal");
    }
    manager.lose("madang-state");
    manager.store("madang-state", OwnedFd::from(state));
}

/// How many sockets the server has.
fn open_sockets(server: &Server) -> usize {
    let entries = fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("its descriptors").flatten();
    let targets = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
}

#[test]
fn sockets_of_the_manager_are_passed_by_it_and_nothing_piles_up() {
    let manager = Manager::with_store(STORE_MAX);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    manager.store("line", listener.into());
    let mut server = Server::start_under(&manager, 2, &[]);
    assert_eq!(server.address, address);
    let (mut alice, mut bob) = harness::alice_and_bob(&server);
    let sockets = open_sockets(&server);
    for round in 0..3 {
        server.end_for_restart(&manager);
        server.start_again_under(&manager);
        assert_eq!(server.address, address);
        alice.send(&format!("round {round}"));
        bob.expect_next(&format!("alice: round {round}"));
        assert_eq!(manager.stored(), ["line"]);
        // A socket that notifies systemd may be open for a moment.
        let asked_at = Instant::now();
        while open_sockets(&server) > sockets {
            assert!(asked_at.elapsed() < PATIENCE, "{} sockets, {sockets} before", open_sockets(&server));
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    server.login("carol");
}

#[test]
fn who_came_by_tls_is_told_to_reconnect_and_waits_at_the_door() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let identity = Identity::write(directory.path());
    let settings = identity.settings();
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let (manager, mut server) = start(&settings);
    let (tls, trust) = (server.tls_address(), identity.trust());
    let mut alice = TlsClient::login(tls, &trust, "alice");
    let mut bob = server.login("bob");
    alice.expect("bob has joined general");
    server.end_for_restart(&manager);
    let notice = alice.read_line().expect("she is told");
    assert!(notice.starts_with("! closed: ") && notice.ends_with("; reconnect"), "{notice}");
    assert_eq!(alice.read_line().expect("an announced end"), "");
    let address = server.address;
    let returning = std::thread::spawn(move || TlsClient::login(tls, &trust, "alice"));
    server.start_again_under(&manager);
    assert_eq!(server.address, address);
    let mut alice = returning.join().expect("she is in again");
    alice.send("back");
    bob.expect_next("alice: back");
}

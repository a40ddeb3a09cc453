//! What the operator asks of a running server over its control socket.

use crate::harness;
use crate::harness::{Client, Server, deaf_and_alice, madang};
use rustix::process::Signal;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Output, Stdio};

fn words(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|stream| String::from_utf8_lossy(stream).into_owned()).concat()
}

#[track_caller]
fn sum(status: &serde_json::Value, field: &str) -> u64 {
    let shards = status["shards"].as_array().expect("shards");
    shards.iter().map(|shard| shard[field].as_u64().unwrap_or_else(|| panic!("no {field} in {shard}"))).sum()
}

#[test]
fn status_tells_how_the_server_is_with_its_largest_rooms() {
    let server = Server::start(2, &[]);
    let mut people: Vec<Client> =
        (0..3).map(|number| server.login_to(&format!("user{number}"), "마당")).collect();
    let mut lively = server.login_to("김철수", "r1");
    for number in 0..20 {
        lively.send(&format!("{number}"));
    }
    lively.expect("김철수: 19");
    people[0].send("hello");
    people[0].expect("user0: hello");

    let status = server.status();
    assert_eq!(status["state"], "ready");
    assert_eq!(status["pid"], server.pid());
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["addresses"][0], server.address.to_string());
    assert_eq!(status["faults"].as_array().map(Vec::len), Some(0));
    assert_eq!((sum(&status, "connections"), sum(&status, "sessions")), (4, 4));
    assert_eq!(sum(&status, "messages"), 21);
    assert_eq!(status["rooms_by_members"][0]["room"], "마당");
    assert_eq!(status["rooms_by_members"][0]["members"], 3);
    assert_eq!(status["rooms_by_rate"][0]["room"], "r1");
    assert!(status["rooms_by_rate"][0]["messages_per_second"].as_f64().expect("a rate") >= 2.0);

    let output = server.ask(&["status", "--count", "1"]);
    let page = words(&output);
    assert!(output.status.success(), "{page}");
    assert!(page.contains("ready") && page.contains(&format!("pid {}", server.pid())), "{page}");
    assert!(page.contains("largest rooms  members") && page.contains("마당"), "{page}");
    assert!(!page.contains("general"), "one room is listed: {page}");
}

#[test]
fn a_slow_connection_is_named_with_what_waits_for_it() {
    let server = Server::start(1, &["limits.outbox_bytes_max=33554432"]);
    let _people = deaf_and_alice(&server);
    let status = server.status();
    assert_eq!(status["slow_connections"][0]["user"], "deaf");
    assert!(status["slow_connections"][0]["outbox_bytes"].as_u64().expect("bytes") > 100_000);
    assert_eq!(sum(&status, "slow_connections"), 1);
    assert!(words(&server.ask(&["status"])).contains("deaf"));
}

#[test]
fn watch_shows_it_again_and_again() {
    let server = Server::start(1, &[]);
    let mut program = madang();
    program.args(["status", "--watch", "--json", "--data"]).arg(server.data());
    let mut child = program.stdout(Stdio::piped()).spawn().expect("run madang");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    for _ in 0..2 {
        let line = lines.next().expect("a line").expect("readable");
        let status: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(status["state"], "ready");
    }
    drop(lines);
    child.kill().expect("kill");
    child.wait().expect("wait");
}

#[test]
fn who_is_kicked_is_told_why_and_the_name_is_free() {
    let server = Server::start(2, &[]);
    let mut alice = server.login("alice");
    let mut mallory = server.login("Mallory");
    alice.expect_next("Mallory has joined general");
    let output = server.ask(&["kick", "mallory", "--reason", "그만하세요\u{1b}[2J"]);
    assert!(output.status.success() && words(&output).contains("1 connection ended"), "{output:?}");
    assert_eq!(mallory.expect_closed(), ["! closed by the operator: 그만하세요[2J"]);
    alice.expect_next("Mallory has left the channel(general)");
    Client::login_when_free(server.address, "Mallory");

    let output = server.ask(&["kick", "nobody"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(words(&output).contains("no user named nobody"), "{output:?}");
    let output = server.ask(&["kick", "not a name"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

/// The name's home is another shard than the connection's as often as not.
#[test]
fn when_a_kick_is_answered_the_name_is_free() {
    let server = Server::start(3, &[]);
    for round in 0..200 {
        let name = format!("mallory-{round}");
        let mut mallory = server.login(&name);
        let mut next = Client::connect(server.address);
        next.expect("name: ");
        let kick = format!("{{\"command\":\"kick\",\"name\":\"{name}\",\"reason\":\"\"}}\n");
        let mut operator = UnixStream::connect(server.data().join("control.sock")).expect("connect");
        operator.write_all(kick.as_bytes()).expect("ask");
        let mut answer = String::new();
        BufReader::new(operator).read_line(&mut answer).expect("an answer");
        assert!(answer.contains('1'), "{answer}");
        next.name(&name);
        mallory.expect_closed();
    }
}

#[test]
fn a_broadcast_reaches_everyone_who_has_a_name() {
    let server = Server::start(2, &[]);
    let mut alice = server.login_to("alice", "r1");
    let mut bob = server.login_to("bob", "r2");
    let mut stranger = Client::connect(server.address);
    stranger.expect("name: ");
    let output = server.ask(&["broadcast", "점심에", "다시", "시작합니다"]);
    assert_eq!(words(&output), "sent to 2 connections\n");
    for client in [&mut alice, &mut bob] {
        client.expect_next("* the operator says: 점심에 다시 시작합니다");
    }
    // What ends a line keeps words apart, and no word of the operator begins a line of its own.
    server.ask(&["broadcast", "점심에\n다시\r\n\n시작합니다\u{2028}곧"]);
    for client in [&mut alice, &mut bob] {
        client.expect_next("* the operator says: 점심에 다시 시작합니다 곧");
    }
    server.ask(&["kick", "bob", "--reason", "too\nloud"]);
    bob.expect_next("! closed by the operator: too loud");
    stranger.name("carol"); // nothing came before
}

#[test]
fn a_server_that_is_stopped_is_said_to_answer_late_and_what_to_do() {
    let server = Server::start(1, &[]);
    server.signal(Signal::STOP);
    let output = server.ask(&["status"]);
    server.signal(Signal::CONT);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("does not answer within 10 s") && words.contains("kill -CONT"), "{words}");
}

#[test]
fn drain_ends_the_server_in_order_and_waits_for_it() {
    let mut server = Server::start(2, &[]);
    let mut alice = server.login("alice");
    alice.send("last words");
    alice.expect("alice: last words");
    let output = server.ask(&["drain"]);
    assert_eq!(words(&output), "the server has ended\n");
    assert_eq!(alice.expect_closed(), ["* server is going down"]);
    assert!(server.wait().success());
    assert_eq!(server.export("general").len(), 1);
    assert!(!server.data().join("control.sock").exists(), "the socket is removed");
    for command in [&["status"][..], &["drain"], &["kick", "alice"], &["broadcast", "hi"]] {
        let output = server.ask(command);
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        assert!(
            words(&output).contains("no server runs on") && words(&output).contains("--data"),
            "{output:?}"
        );
    }
}

#[test]
fn a_socket_left_behind_is_replaced_and_only_the_owner_may_use_it() {
    let mut server = Server::start(1, &[]);
    server.kill_nine();
    let socket = server.data().join("control.sock");
    assert!(socket.exists());
    assert_eq!(server.ask(&["status"]).status.code(), Some(3));
    server.start_again();
    let mode = std::fs::metadata(&socket).expect("the socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(server.status()["state"], "ready");
}

#[test]
fn what_is_no_command_is_answered_and_bounded() {
    let server = Server::start(1, &[]);
    let exchange = |request: &[u8]| {
        let mut stream = UnixStream::connect(server.data().join("control.sock")).expect("connect");
        stream.set_read_timeout(Some(harness::PATIENCE)).expect("set a time-out");
        // A request that is too long is answered before its end.
        let _ = stream.write_all(request);
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).expect("an answer");
        line
    };
    assert!(exchange(b"hello\n").contains("not a command"));
    assert!(exchange(b"{\"command\":\"format_disk\"}\n").contains("not a command"));
    assert!(exchange(b"\xff\x00\n").contains("not a command"));
    assert!(exchange(&[b'x'; 20_000]).contains("more than 16384 bytes"));
    assert!(exchange(b"{\"command\":\"broadcast\",\"text\":\"\"}\n").contains("no visible characters"));
    // Silent peers do not keep the operator out for long.
    let _silent: Vec<UnixStream> =
        (0..2).map(|_| UnixStream::connect(server.data().join("control.sock")).expect("connect")).collect();
    assert_eq!(server.status()["state"], "ready");
}

/// The copy names the process that serves, and nobody has its lock.
#[test]
fn a_copy_of_a_running_servers_directory_is_one_where_no_server_runs() {
    let server = Server::start(1, &[]);
    let copies = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let copy = copies.path().join("copy");
    std::fs::create_dir(&copy).expect("a directory");
    std::fs::copy(server.data().join("madang.lock"), copy.join("madang.lock")).expect("a copy");
    for command in ["status", "drain", "upgrade"] {
        let output = harness::madang().args([command, "--data"]).arg(&copy).output().expect("run madang");
        assert_eq!(output.status.code(), Some(3), "{command}: {output:?}");
    }
    assert_eq!(server.ask(&["status"]).status.code(), Some(0));
}

/// Asking whether a server runs keeps none from starting.
#[test]
fn a_server_starts_while_others_ask_whether_one_runs() {
    let mut server = Server::start(1, &[]);
    let lock = server.data().join("madang.lock");
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                let file = std::fs::File::open(&lock).expect("the lock file");
                let _ = file.try_lock_shared();
                drop(file);
                std::thread::sleep(std::time::Duration::from_micros(200));
            }
        });
        let end = harness::End(&is_over);
        for _ in 0..10 {
            server.kill_nine();
            server.start_again();
        }
        drop(end);
    });
}

//! Upgrades in place: one process takes over from another, and nobody notices.

use crate::harness;
use crate::harness::{Client, Identity, PATIENCE, Server, TlsClient, messages};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

const UPGRADES: usize = 10;
/// The part of a line sent before an upgrade; the rest follows after it.
const HALF: &str = "half a li";

#[test]
fn ten_upgrades_under_load_disconnect_nobody_and_lose_repeat_or_reorder_nothing() {
    let mut server = Server::start(2, &harness::LOAD_SETTINGS);
    harness::lose_nothing_while(&mut server, UPGRADES, |server| server.take_over(2));
}

#[test]
fn what_a_person_has_set_typed_and_not_seen_goes_along() {
    let mut server = Server::start(2, &[]);
    let (mut alice, mut bob) = harness::alice_and_bob(&server);
    let mut teller = server.login("telnet");
    alice.expect_next("telnet has joined general");
    bob.expect_next("telnet has joined general");
    // IAC WILL ECHO is answered with IAC DONT ECHO, once; BINARY is asked for, and on from then on.
    teller.send_bytes(b"\xff\xfb\x01\xff\xfb\0");
    bob.ask("/away at lunch");
    bob.settle("bob");
    alice.ask("/echo off");
    alice.ask("/time on");
    alice.send("/msg bob are you there?");
    alice.expect("* bob is away: at lunch");
    alice.send("unheard by myself");
    bob.expect("alice: unheard by myself");
    bob.send_bytes("한글 반 ".as_bytes());
    teller.send_bytes(b"\xff");
    teller.first_words(PATIENCE);
    server.take_over(2);
    bob.send_bytes("줄\n".as_bytes());
    teller.send_bytes(b"\xf6"); // the rest of ARE YOU THERE
    teller.send_bytes(b"\xff\xfb\x01\xff\xfb\0");
    teller.send_bytes(b"in BINARY this is a line\r");
    bob.expect("telnet: in BINARY this is a line");
    let said = "bob: 한글 반 줄";
    let heard = std::iter::repeat_with(|| alice.read_line()).find(|line| line.ends_with(said));
    assert!(heard.is_some_and(|line| line.len() > said.len()), "it is shown with its time");
    let unread = bob.ask("/unread");
    assert!(unread.iter().any(|line| line.starts_with("* general: ")), "{unread:?}");
    assert!(unread.iter().any(|line| line == "* alice: 1 unread whisper"), "{unread:?}");
    alice.send("still unheard by myself");
    bob.expect("alice: still unheard by myself");
    assert!(alice.ask("/whois bob").iter().any(|line| line.contains("at lunch")));
    alice.send("/echo on");
    alice.expect("* your own messages come back to you");
    teller.send("/quit");
    let bytes = teller.expect_closed_raw();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(text.contains("madang is here\r\n"), "{text:?}");
    for answer in [b"\xff\xfe\x01", b"\xff\xfd\0"] {
        let count = bytes.windows(3).filter(|window| window == answer).count();
        assert_eq!(count, 1, "answered once: {bytes:?}");
    }
}

#[test]
fn the_number_of_shards_may_change() {
    let mut server = Server::start(1, &[]);
    let mut people: Vec<Client> = (0..9).map(|n| server.login_to(&format!("user{n}"), "r1")).collect();
    for (round, shards) in [3, 2, 1, 4].into_iter().enumerate() {
        server.take_over(shards);
        assert_eq!(server.status()["shards"].as_array().map(Vec::len), Some(usize::from(shards)));
        let speaker = round % people.len();
        people[speaker].send(&format!("round {round}"));
        for person in &mut people {
            person.expect(&format!("user{speaker}: round {round}"));
        }
    }
    let mut late = server.login("late");
    late.send("/channel r1");
    late.expect("user3: round 3");
    server.verify();
}

#[test]
fn whoever_asks_for_the_status_is_answered_at_every_moment_of_an_upgrade() {
    let mut server = Server::start(2, &[]);
    let data = server.data().to_owned();
    let (answers, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    scope(|scope| {
        let asking = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let output = harness::madang().args(["status", "--data"]).arg(&data).output();
                let output = output.expect("run madang");
                assert!(output.status.success(), "after {answers:?} answers: {output:?}");
                answers.fetch_add(1, Ordering::Relaxed);
            }
        });
        let end = harness::End(&is_over);
        for upgrade in 0..UPGRADES {
            let before = answers.load(Ordering::Relaxed);
            server.take_over(2);
            let deadline = Instant::now() + PATIENCE;
            // The client that asks has met at most this upgrade, and asks again before the next.
            while answers.load(Ordering::Relaxed) <= before + 1 && !asking.is_finished() {
                assert!(Instant::now() < deadline, "{answers:?} answers after {upgrade} upgrades");
                sleep(Duration::from_millis(1));
            }
        }
        drop(end);
        asking.join().expect("each was answered");
    });
}

#[test]
fn one_whose_connection_was_lost_comes_back_to_the_next_process() {
    let mut server = Server::start(2, &[]);
    let (mut alice, bob) = harness::alice_and_bob(&server);
    bob.reset();
    // Known by what bob's home says, once it has heard.
    let deadline = Instant::now() + PATIENCE;
    while !alice.ask("/who").iter().any(|line| line.contains("lost")) {
        assert!(Instant::now() < deadline, "bob is lost");
    }
    alice.send("/msg bob when you are back");
    alice.ask("/ping");
    server.take_over(2);
    let mut bob = Client::connect(server.address);
    bob.expect("name: ");
    bob.name("bob");
    let lines = bob.ask("/ping");
    assert!(lines.iter().any(|line| line == "* alice: 1 unread whisper"), "{lines:?}");
    assert_eq!(alice.ask("/who").iter().filter(|line| line.contains("lost")).count(), 0);
}

#[test]
fn a_process_that_cannot_take_over_leaves_the_running_one_as_it_is() {
    let server = Server::start(2, &[]);
    let (mut alice, mut bob) = harness::alice_and_bob(&server);
    let mut still_there = |words: &str| {
        alice.send(words);
        alice.expect_next(&format!("alice: {words}"));
        bob.expect_next(&format!("alice: {words}"));
        server.login("carol").send("/quit");
        for reader in [&mut alice, &mut bob] {
            reader.expect_next("carol has joined general");
            reader.expect_next("carol has left the channel(general)");
        }
    };
    let refused = server.refused_takeover(&["--set", "limits.burst=0"], None);
    assert_eq!(refused.code, Some(2), "{}", refused.words);
    still_there("after a mistake in the configuration");
    let elsewhere = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let output = harness::madang()
        .args(["serve", "--takeover", "--listen", "127.0.0.1:0", "--data"])
        .arg(elsewhere.path())
        .output()
        .expect("run madang");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && words.contains("no server runs on"), "{words}");
    still_there("after a look at another directory");
    let crowd: Vec<Client> = (0..200).map(|_| Client::connect(server.address)).collect();
    // Enough for the checks, and too few for everyone.
    let refused = server.refused_takeover(&[], Some(230));
    assert!(refused.words.contains("descriptors") || refused.words.contains("open"), "{}", refused.words);
    drop(crowd);
    still_there("after one that could not hold everyone");
    server.verify();
}

#[test]
fn a_process_that_dies_or_hangs_on_the_way_gives_everything_back() {
    let mut server = Server::start(2, &[]);
    let (mut alice, mut bob) = harness::alice_and_bob(&server);
    alice.send("before");
    bob.expect("alice: before");
    alice.expect("alice: before");
    let mut failed = 0;
    for (round, signal) in [Signal::KILL, Signal::STOP, Signal::KILL].into_iter().enumerate() {
        bob.send_bytes(HALF.as_bytes());
        let mut next = server.begin_takeover(&[], None);
        let asked_at = Instant::now();
        while server.words().matches("handing over to a new process").count() <= round {
            assert!(asked_at.elapsed() < PATIENCE, "it asks");
            std::thread::yield_now();
        }
        kill_process(Pid::from_child(&next), signal).expect("send a signal");
        let deadline = Instant::now() + PATIENCE;
        while next.try_wait().expect("wait").is_none() && server.is_running() {
            assert!(Instant::now() < deadline, "one of the two ends");
            sleep(Duration::from_millis(5));
        }
        if !server.is_running() {
            // It had handed over before the signal came: the machine was too fast for this test.
            let _ = next.kill();
            let _ = next.wait();
            return;
        }
        failed += 1;
        let line = format!("round {round}");
        alice.send(&line);
        alice.expect(&format!("alice: {line}"));
        bob.expect(&format!("alice: {line}"));
        bob.send("ne");
        bob.expect(&format!("bob: {HALF}ne"));
        alice.expect(&format!("bob: {HALF}ne"));
        assert_eq!(server.words().matches("nothing was handed over").count(), failed);
    }
    server.take_over(2);
    alice.send("after");
    bob.expect("alice: after");
    server.verify();
    let seqs: Vec<u64> = server.export("general").iter().map(|said| said.seq).collect();
    assert!(seqs.iter().copied().eq(1..=seqs.len() as u64), "{seqs:?}");
}

/// A paused shard learns of the drain though it never saw the server run again.
#[test]
fn a_server_that_is_to_stop_while_an_upgrade_fails_stops_in_order() {
    let mut server = Server::start(2, &[]);
    let (mut alice, mut bob) = harness::alice_and_bob(&server);
    alice.send("before");
    bob.expect("alice: before");
    let mut next = server.begin_takeover(&[], None);
    let asked_at = Instant::now();
    while !server.words().contains("handing over to a new process") {
        assert!(asked_at.elapsed() < PATIENCE, "it asks");
        std::thread::yield_now();
    }
    kill_process(Pid::from_child(&next), Signal::STOP).expect("send a signal");
    // It waits for the new one as long as that may take, takes everything back, and stops.
    let (status, _) = server.terminate();
    assert!(status.success(), "{}", server.words());
    // If it had handed over before the signal came, the machine was too fast for this test.
    if server.words().contains("nothing was handed over") {
        for client in [&mut alice, &mut bob] {
            assert!(client.expect_closed().iter().any(|line| line == "* server is going down"));
        }
        server.verify();
    }
    let _ = next.kill();
    let _ = next.wait();
}

/// Lines that one sends without a pause around each attempt at an upgrade.
const LINES: usize = 3_000;

#[test]
fn who_talks_on_while_processes_fail_and_take_over_is_heard_whole_once_and_in_order() {
    let settings = ["limits.outbox_bytes_max=268435456"];
    let mut server = Server::start(2, &settings);
    let (mut alice, mut bob) = harness::alice_and_bob(&server);
    let mut writer = alice.writer();
    // Too many for the process that fails.
    let _crowd: Vec<Client> = (0..200).map(|_| Client::connect(server.address)).collect();
    let mut said = 0;
    for upgrade in 0..4 {
        let talking = {
            let mut writer = writer.try_clone().expect("a descriptor");
            let lines: String = (said..said + LINES).map(|number| format!("line {number}\n")).collect();
            std::thread::spawn(move || {
                for bytes in lines.as_bytes().chunks(13) {
                    writer.write_all(bytes).expect("the line is open");
                    sleep(Duration::from_micros(250));
                }
            })
        };
        said += LINES;
        if upgrade % 2 == 0 {
            // What it was given comes back.
            let refused = server.refused_takeover(&[], Some(230));
            assert!(
                refused.words.contains("descriptors") || refused.words.contains("open"),
                "{}",
                refused.words
            );
        } else {
            server.take_over(2);
        }
        talking.join().expect("it talked");
    }
    writer.write_all(b"the end\n").expect("the line is open");
    for reader in [&mut alice, &mut bob] {
        let heard = messages(reader.expect("alice: the end"));
        let expected: Vec<String> = (0..said).map(|number| format!("alice: line {number}")).collect();
        assert_eq!(heard, expected);
    }
    server.verify();
    let stored: Vec<String> = server.export("general").iter().map(harness::Said::line).collect();
    assert_eq!(stored.len(), said + 1);
}

/// Talks without reading until stopped, then reads to the end. Returns what was read; the end must be one that TLS
/// has announced.
fn talk_on(mut client: TlsClient, is_over: &AtomicBool) -> Vec<String> {
    for number in 0.. {
        if is_over.load(Ordering::Relaxed) || client.try_send(&format!("{number}")).is_err() {
            break;
        }
        sleep(Duration::from_millis(1));
    }
    let mut read = Vec::new();
    loop {
        match client.read_line() {
            Ok(line) if line.is_empty() => return read,
            Ok(line) => read.push(line),
            Err(error) => panic!("cut off: {error}; read last: {:?}", read.last()),
        }
    }
}

#[test]
fn who_came_by_tls_is_told_to_reconnect_once_another_serves_and_finds_her_room_as_it_was() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let identity = Identity::write(directory.path());
    let settings = identity.settings();
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let mut server = Server::start(2, &settings);
    let (tls, trust) = (server.tls_address(), identity.trust());
    let mut alice = TlsClient::login(tls, &trust, "alice");
    alice.enter("r1", "alice");
    let mut bob = server.login_to("bob", "r1");
    alice.expect("bob has joined r1");
    let mut quiet = TlsClient::login(tls, &trust, "quiet");
    // A connection whose handshake is under way is sent no words, and is only closed.
    let mut silent = TcpStream::connect(tls).expect("connect");
    silent.set_read_timeout(Some(PATIENCE)).expect("set a time-out");
    // An upgrade that fails: nobody was asked to reconnect, and TLS continues.
    let refused = {
        let _crowd: Vec<Client> = (0..200).map(|_| Client::connect(server.address)).collect();
        server.refused_takeover(&[], Some(230))
    };
    assert!(refused.words.contains("descriptors") || refused.words.contains("open"), "{}", refused.words);
    alice.send("still here");
    alice.expect("alice: still here");
    bob.expect("alice: still here");
    quiet.send("/ping");
    quiet.expect("pong");
    let is_over = AtomicBool::new(false);
    let read = scope(|scope| {
        let talking = scope.spawn(|| talk_on(alice, &is_over));
        bob.expect("alice: 20");
        // What she writes meanwhile is read by nobody, and must not cost her the last words.
        server.take_over(2);
        is_over.store(true, Ordering::Relaxed);
        talking.join().expect("she talked")
    });
    let (notice, heard) = read.split_last().expect("she was told");
    assert!(notice.starts_with("! closed: ") && notice.ends_with("; reconnect"), "{notice}");
    let stored: Vec<String> = server.export("r1").iter().map(harness::Said::line).collect();
    assert_eq!(stored[1..], *heard, "what is stored is what she saw stored");
    quiet.expect(notice);
    assert_eq!(quiet.read_line().expect("an announced end"), "");
    assert_eq!(silent.read(&mut [0; 1]).expect("an end"), 0);
    // She comes back: nobody has seen her go, and her room continues where it was.
    let mut alice = TlsClient::login(tls, &trust, "alice");
    alice.enter("r1", "alice");
    alice.send("back");
    alice.expect("alice: back");
    let heard_beside = bob.expect("alice: back");
    assert_eq!(heard_beside[heard_beside.len() - (stored.len() - 22)..], stored[22..], "and nothing else");
    bob.send("welcome back");
    alice.expect("bob: welcome back");
    let seqs: Vec<u64> = server.export("r1").iter().map(|said| said.seq).collect();
    assert!(seqs.iter().copied().eq(1..=stored.len() as u64 + 2), "{seqs:?}");
    server.expect_words(&["took over from a running server"]);
    assert!(server.words_before().contains("ended=3"), "{}", server.words_before());
    server.verify();
}

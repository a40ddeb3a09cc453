//! The server as systemd starts, watches and stops it: a notify socket and passed listeners.

use crate::harness::{
    Client, Identity, Manager, PATIENCE, Server, Service, StuckThread, TlsClient, http, madang,
    tested_program, words_of,
};
use rustix::process::{Pid, Signal, getpid, kill_process, set_child_subreaper};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Listens, and starts the service with these as descriptors 3 and 4, as systemd does.
fn activate(manager: &Manager, sockets: [TcpListener; 2]) -> Service {
    activate_named(manager, sockets, "", &[])
}

/// The same, with what their units call them (`FileDescriptorName=`).
fn activate_named(manager: &Manager, sockets: [TcpListener; 2], names: &str, settings: &[String]) -> Service {
    let set = settings.iter().flat_map(|setting| ["--set", setting]);
    let options: Vec<&str> = ["--listen", "127.0.0.1:1"].into_iter().chain(set).collect();
    activate_with(manager, sockets, names, &options)
}

/// The same, with these options.
fn activate_with(manager: &Manager, sockets: [TcpListener; 2], names: &str, options: &[&str]) -> Service {
    let [third, fourth] = sockets.map(OwnedFd::from);
    let mut shell = manager.command("sh");
    // LISTEN_PID must name the process that the shell becomes.
    let script = "exec 3<&0 4<&1 </dev/null >/dev/null; LISTEN_PID=$$ LISTEN_FDS=2 exec \"$@\"";
    shell.args(["-c", script, "sh", tested_program()]).env("LISTEN_FDNAMES", names);
    shell.stdin(Stdio::from(third)).stdout(Stdio::from(fourth));
    manager.serve(&mut shell, options)
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    (listener, address)
}

#[test]
fn systemd_hears_of_recovery_readiness_reload_and_the_end() {
    let mut manager = Manager::new();
    let mut program = manager.command(tested_program());
    program.stdin(Stdio::null()).stdout(Stdio::null());
    let mut service = manager.serve(&mut program, &["--listen", "127.0.0.1:0"]);
    let recovering = manager.expect("STATUS=Opening the log");
    assert!(recovering.contains("EXTEND_TIMEOUT_USEC="), "{recovering}");
    let ready = manager.expect("READY=1");
    let (_, address) = ready.split_once("STATUS=Serving at ").expect("where");
    Client::login(address.trim().parse().expect("an address"), "alice");
    service.signal(Signal::HUP);
    let reloading = manager.expect("RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    manager.expect("READY=1");
    service.signal(Signal::TERM);
    let stopping = manager.expect("STOPPING=1");
    assert!(stopping.contains("EXTEND_TIMEOUT_USEC="), "{stopping}");
    service.expect_success();
}

#[test]
fn the_watchdog_is_fed_while_every_shard_turns_and_only_when_asked() {
    let mut manager = Manager::new();
    let mut program = manager.command(tested_program());
    program.stdin(Stdio::null()).stdout(Stdio::null()).env("WATCHDOG_USEC", "3000000");
    let service = manager.serve(&mut program, &["--listen", "127.0.0.1:0"]);
    manager.expect("READY=1");
    let fed_at: Vec<Instant> = (0..3)
        .map(|_| {
            manager.expect("WATCHDOG=1");
            Instant::now()
        })
        .collect();
    assert!(fed_at[2] - fed_at[0] < Duration::from_secs(6), "fed too seldom");
    // A process that is stopped turns no shard.
    service.signal(Signal::STOP);
    manager.await_silence(Duration::from_secs(3)); // what was on its way, then nothing
    service.signal(Signal::CONT);
    manager.expect("WATCHDOG=1");
    drop(service);

    let mut manager = Manager::new();
    let mut program = manager.command(tested_program());
    program.stdin(Stdio::null()).stdout(Stdio::null());
    let _service = manager.serve(&mut program, &["--listen", "127.0.0.1:0"]);
    manager.expect("READY=1");
    assert!(!manager.hears_anything(Duration::from_secs(3)), "nobody asked for the watchdog");
}

#[test]
fn one_shard_that_is_stuck_is_named_and_leaves_the_watchdog_unfed() {
    let mut manager = Manager::new();
    let mut program = manager.command(tested_program());
    program.stdin(Stdio::null()).stdout(Stdio::null()).env("WATCHDOG_USEC", "20000000");
    let settings = ["--listen", "127.0.0.1:0", "--set", "telemetry.metrics=127.0.0.1:0"];
    let mut service = manager.serve(&mut program, &settings);
    manager.expect("READY=1");
    let words = words_of(manager.directory.path());
    let metrics = words.split(" metrics address=").nth(1).and_then(|rest| rest.split_whitespace().next());
    let metrics: SocketAddr = metrics.expect("where metrics are").parse().expect("an address");
    manager.expect("WATCHDOG=1");
    assert_eq!(http::get(metrics, "/healthz").body, "ok\n");
    let stuck = StuckThread::stop(service.0.id(), 1);
    // What was on its way, then nothing for three seconds, though all else runs.
    manager.await_silence(Duration::from_secs(3));
    let asked_at = Instant::now();
    let sick = loop {
        let answer = http::get(metrics, "/healthz");
        if answer.status == 503 {
            break answer.body;
        }
        assert!(asked_at.elapsed() < PATIENCE, "{answer:?}");
        std::thread::sleep(Duration::from_millis(100));
    };
    assert!(sick.starts_with("shard 1: ") && !sick.contains("shard 0"), "{sick}");
    drop(stuck);
    manager.expect("WATCHDOG=1");
    assert_eq!(http::get(metrics, "/healthz").body, "ok\n");

    // On SIGTERM it ends in time though one shard does not, and says so.
    let stuck = StuckThread::stop(service.0.id(), 1);
    let asked_at = Instant::now();
    service.signal(Signal::TERM);
    manager.expect("STOPPING=1");
    let status = loop {
        stuck.bury();
        if let Some(status) = service.0.try_wait().expect("wait") {
            break status;
        }
        assert!(asked_at.elapsed() < Duration::from_secs(20), "it does not end");
        std::thread::sleep(Duration::from_millis(20));
    };
    let words = words_of(manager.directory.path());
    assert_eq!(status.code(), Some(1), "{words}");
    assert!(asked_at.elapsed() < Duration::from_secs(14), "before systemd would kill it");
    assert!(words.contains("the drain did not finish"), "{words}");
}

#[test]
fn people_come_in_at_every_socket_that_was_passed() {
    let mut manager = Manager::new();
    let ((one, first), (two, second)) = (listener(), listener());
    let mut service = activate(&manager, [one, two]);
    let ready = manager.expect("READY=1");
    assert!(ready.contains(&first.to_string()) && ready.contains(&second.to_string()), "{ready}");
    let mut alice = Client::login(first, "alice");
    // More than there are shards, so that each shard has some from each socket.
    let mut others: Vec<Client> =
        (0..6).map(|number| Client::login([first, second][number % 2], &format!("user{number}"))).collect();
    alice.send("hello");
    for other in &mut others {
        other.expect("alice: hello");
    }
    service.signal(Signal::TERM);
    service.expect_success();
}

#[test]
fn a_socket_that_was_passed_is_served_as_its_name_says() {
    let mut manager = Manager::new();
    let identity = Identity::write(manager.path());
    let ((one, tls), (two, plain)) = (listener(), listener());
    let mut service = activate_named(&manager, [one, two], "line_tls:line", &identity.settings());
    let ready = manager.expect("READY=1");
    assert!(ready.contains(&format!("STATUS=Serving at {plain}, {tls} (TLS)")), "{ready}");
    let mut alice = Client::login(plain, "alice");
    TlsClient::login(tls, &identity.trust(), "bob");
    alice.expect_next("bob has joined general");
    service.signal(Signal::TERM);
    service.expect_success();
}

#[test]
fn a_socket_that_is_named_telnet_is_for_real_telnets() {
    let mut manager = Manager::new();
    let ((one, telnet), (two, plain)) = (listener(), listener());
    let mut service = activate_named(&manager, [one, two], "telnet:line", &[]);
    manager.expect("READY=1");
    let mut alice = Client::login(plain, "alice");
    let mut bob = Client::login_by_telnet(telnet, "bob");
    alice.expect_next("bob has joined general");
    assert_eq!(bob.telnet_commands()[0], b"\xff\xfd\0", "it is asked for BINARY as it comes");
    service.signal(Signal::TERM);
    bob.expect("* server is going down");
    service.expect_success();
}

#[test]
fn at_sockets_that_were_passed_the_networks_of_proxies_change_by_a_reload() {
    let mut manager = Manager::new();
    let file = manager.path().join("madang.toml");
    let write = |networks: &str| {
        let text = format!("[listen]\nline = \"127.0.0.1:1\"\nproxy_from = [{networks}]\n");
        std::fs::write(&file, text).expect("write the configuration");
    };
    write("");
    let ((one, first), (two, second)) = (listener(), listener());
    let mut service = activate_with(&manager, [one, two], "", &["--config", &file.display().to_string()]);
    manager.expect("READY=1");
    let mut alice = Client::login(first, "alice");
    write("\"127.0.0.1\"");
    service.signal(Signal::HUP);
    manager.expect("READY=1");
    let words = words_of(manager.directory.path());
    assert!(!words.contains("needs a restart"), "{words}");
    let mut bob = Client::connect(second);
    bob.send_bytes(b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n");
    bob.expect("name: ");
    bob.name("bob");
    alice.expect_next("bob has joined general");
    let mut nobody = Client::connect(first);
    nobody.send("nobody");
    assert_eq!(nobody.expect_closed_raw(), b"");
    service.signal(Signal::TERM);
    service.expect_success();
}

#[test]
fn a_socket_of_a_name_that_nothing_has_is_refused_with_the_names_that_there_are() {
    let manager = Manager::new();
    let mut service = activate_named(&manager, [listener().0, listener().0], "line:line-tls", &[]);
    expect_refused(&mut service, &manager, &["'line-tls'", "line, line_tls", "FileDescriptorName=line"]);
}

#[test]
fn a_passed_socket_that_does_not_listen_is_refused_with_the_remedy() {
    let manager = Manager::new();
    let (one, _) = listener();
    // Bound, but not listening.
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None);
    let socket = TcpListener::from(socket.expect("a socket"));
    let mut service = activate(&manager, [one, socket]);
    expect_refused(&mut service, &manager, &["socket 1", "ListenStream="]);
}

/// It ends at once, and says why.
#[track_caller]
fn expect_refused(service: &mut Service, manager: &Manager, words: &[&str]) {
    let asked_at = Instant::now();
    let status = loop {
        match service.0.try_wait().expect("wait") {
            Some(status) => break status,
            None => assert!(asked_at.elapsed() < PATIENCE, "it runs"),
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let said = words_of(manager.directory.path());
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
}

#[test]
fn without_systemd_nothing_is_missed() {
    let server = Server::start(1, &[]);
    assert!(!server.words().contains("systemd"), "{}", server.words());
}

#[test]
fn an_upgrade_names_the_next_main_process_before_this_one_ends() {
    // As the service manager does: a process without a parent becomes its child.
    set_child_subreaper(Some(getpid())).expect("no right is needed");
    let mut manager = Manager::new();
    let (listener, address) = listener();
    let second = listener.try_clone().expect("a second handle");
    let mut service = activate_watched(&manager, [listener, second]);
    manager.expect("READY=1");
    let mut alice = Client::login(address, "alice");
    let output = madang()
        .args(["upgrade", "--data"])
        .arg(manager.directory.path().join("data"))
        .output()
        .expect("run madang upgrade");
    assert!(output.status.success(), "{output:?}; it said:\n{}", words_of(manager.directory.path()));
    let message = manager.expect("MAINPID=");
    let next = message.lines().find_map(|line| line.strip_prefix("MAINPID=")).expect("a process");
    // systemd looks now, and waits at a stop only for a main process that is its own child.
    let status = std::fs::read_to_string(format!("/proc/{next}/status")).expect("it runs");
    let parent = format!("PPid:\t{}\n", std::process::id());
    assert!(status.contains(&parent), "{status}");
    let next = Pid::from_raw(next.parse().expect("a number")).expect("a process");
    manager.expect("BARRIER=1");
    manager.expect("READY=1");
    service.expect_success();
    // The watchdog was set for the old process, and is fed by the new one.
    manager.expect("WATCHDOG=1");
    alice.send("still here");
    alice.expect_next("alice: still here");
    Client::login(address, "bob");
    kill_process(next, Signal::TERM).expect("send a signal");
    manager.expect("STOPPING=1");
    alice.expect("* server is going down");
}

/// As [`activate`], with a watchdog.
fn activate_watched(manager: &Manager, sockets: [TcpListener; 2]) -> Service {
    let [third, fourth] = sockets.map(OwnedFd::from);
    let mut shell = manager.command("sh");
    let script = "exec 3<&0 4<&1 </dev/null >/dev/null; \
        LISTEN_PID=$$ LISTEN_FDS=2 WATCHDOG_PID=$$ WATCHDOG_USEC=20000000 exec \"$@\"";
    shell.args(["-c", script, "sh", tested_program()]);
    shell.stdin(Stdio::from(third)).stdout(Stdio::from(fourth));
    manager.serve(&mut shell, &["--listen", "127.0.0.1:1"])
}

//! The server inside the list of system calls that its unit allows.

use crate::harness::edge_process::{HTTP, expect_served, http_address};
use crate::harness::{
    Client, Manager, PATIENCE, Refusal, Server, Service, http, inside_the_unit, inside_unit, madang,
    tested_program, words_of,
};
use rustix::process::{Pid, Signal, getpid, kill_process, set_child_subreaper};
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// How nice the threads beside the shards are.
const BESIDE_NICENESS: i32 = 10;

/// A service that runs inside the unit's list, with metrics on a port of its own choice, and what it said when it
/// was ready.
fn start(refusal: Refusal, without: &[&str]) -> (Manager, Service, SocketAddr) {
    let mut manager = Manager::new();
    let mut program = manager.command(tested_program());
    program.stdin(Stdio::null()).stdout(Stdio::null());
    inside_the_unit(&mut program, refusal, without);
    let settings = [
        ["--listen", "127.0.0.1:0"],
        ["--set", "telemetry.metrics=127.0.0.1:0"],
        ["--set", "listen.http=127.0.0.1:0"],
    ];
    let service = manager.serve(&mut program, settings.as_flattened());
    let ready = manager.expect("READY=1");
    let (_, address) = ready.split_once("STATUS=Serving at ").expect("where");
    let address = address.lines().next().expect("a line").trim().parse().expect("an address");
    (manager, service, address)
}

/// Waits until the threads beside the shards have come to this niceness.
#[track_caller]
fn expect_niceness(pid: u32, niceness: i32) {
    let asked_at = Instant::now();
    for thread in ["madang-files", "madang-index", "madang-snapshot"] {
        while niceness_of(pid, thread) != Some(niceness) {
            assert!(asked_at.elapsed() < PATIENCE, "{thread} is {:?}", niceness_of(pid, thread));
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The niceness of the thread of this name, if it runs.
fn niceness_of(pid: u32, name: &str) -> Option<i32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("stat")).ok()).find_map(
        |stat| {
            // proc_pid_stat(5): the name in brackets, then the third field and on; the niceness is the 19th.
            let (before, after) = stat.rsplit_once(')')?;
            let (_, found) = before.split_once('(')?;
            (found == name).then(|| after.split_whitespace().nth(19 - 3)?.parse().ok())?
        },
    )
}

/// All that a server does in its life: talk, rooms, history, metrics, a reload, an operator's questions.
fn live(manager: &mut Manager, address: SocketAddr, pid: Pid) {
    let mut alice = Client::login(address, "alice");
    let mut bob = Client::login(address, "bob");
    alice.expect_next("bob has joined general");
    alice.send("hello");
    bob.expect("alice: hello");
    bob.send("/channel r1");
    bob.expect("bob has joined r1");
    bob.send("/msg alice psst");
    alice.expect("bob -> alice : psst");
    assert!(alice.ask("/history").iter().any(|line| line.starts_with("#1 ") && line.ends_with("hello")));
    let words = words_of(manager.directory.path());
    let (_, rest) = words.split_once(" metrics address=").expect("the address of metrics");
    let metrics = rest.split_whitespace().next().expect("an address").parse().expect("an address");
    assert_eq!(http::get(metrics, "/healthz").status, 200);
    // The edge that it started is inside the same list.
    http::expect_sum(metrics, "madang_edge_serving", |serving| serving == 1.0);
    kill_process(pid, Signal::HUP).expect("it runs");
    manager.expect("RELOADING=1");
    manager.expect("READY=1");
    let data = manager.directory.path().join("data");
    for arguments in [&["status", "--json"][..], &["broadcast", "noon"], &["kick", "bob"]] {
        let output = madang().args(arguments).arg("--data").arg(&data).output().expect("run madang");
        assert!(output.status.success(), "{output:?}");
    }
    alice.expect("* the operator says: noon");
}

#[test]
fn the_unit_allows_every_system_call_of_a_servers_life_and_of_an_upgrade() {
    // As the service manager does: a process without a parent becomes its child.
    set_child_subreaper(Some(getpid())).expect("no right is needed");
    let (mut manager, mut service, address) = start(Refusal::Kills, &[]);
    let pid = Pid::from_child(&service.0);
    live(&mut manager, address, pid);
    expect_niceness(service.0.id(), BESIDE_NICENESS);
    let next = upgrade(&mut manager);
    service.expect_success();
    let mut carol = Client::login(address, "carol");
    carol.send("hello");
    carol.expect("carol: hello");
    expect_niceness(next.as_raw_nonzero().get().unsigned_abs(), BESIDE_NICENESS);
    kill_process(next, Signal::TERM).expect("it runs");
    manager.expect("STOPPING=1");
    carol.expect_closed();
    let (_, status) = rustix::process::waitpid(Some(next), rustix::process::WaitOptions::empty())
        .expect("our child")
        .expect("it has ended");
    assert_eq!(status.exit_status(), Some(0), "{}", words_of(manager.directory.path()));
}

#[test]
fn the_unit_of_the_edge_allows_every_system_call_of_its_life() {
    let server = Server::start(1, &[HTTP, "edge.start=false"]);
    let address = http_address(&server, "http");
    let mut program = madang();
    program.args(["edge", "--set", HTTP, "--data"]).arg(server.data()).stdin(Stdio::null());
    inside_unit("madang-edge.service", &mut program, Refusal::Kills, &[]);
    let mut edge = Service(program.spawn().expect("run madang edge"));
    expect_served(address);
    let pid = Pid::from_child(&edge.0);
    kill_process(pid, Signal::HUP).expect("it runs");
    expect_served(address);
    kill_process(pid, Signal::TERM).expect("it runs");
    edge.expect_success();
}

/// Upgrades it, and says which process serves now.
fn upgrade(manager: &mut Manager) -> Pid {
    let data = manager.directory.path().join("data");
    let output = madang().args(["upgrade", "--data"]).arg(data).output().expect("run madang upgrade");
    assert!(output.status.success(), "{output:?}; it said:\n{}", words_of(manager.directory.path()));
    let message = manager.expect("MAINPID=");
    let next = message.lines().find_map(|line| line.strip_prefix("MAINPID=")).expect("a process");
    manager.expect("READY=1");
    Pid::from_raw(next.parse().expect("a number")).expect("a process")
}

#[test]
fn a_refused_low_priority_is_said_and_the_server_serves() {
    let (manager, service, address) = start(Refusal::Fails, &["setpriority"]);
    Client::login(address, "alice");
    let asked_at = Instant::now();
    let said = || words_of(manager.path()).matches("setpriority is refused").count();
    while said() == 0 {
        assert!(asked_at.elapsed() < PATIENCE, "{}", words_of(manager.path()));
        std::thread::sleep(Duration::from_millis(5));
    }
    expect_niceness(service.0.id(), 0);
    // Two threads are refused, and one line says it.
    assert_eq!(said(), 1);
}

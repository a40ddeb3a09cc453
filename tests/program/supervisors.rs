//! Upgrades where somebody waits for the process and must not see it end: the first process of a container, a
//! loop in a shell, a terminal; and where the program lies behind a link.

use crate::harness;
use crate::harness::{
    Client, Identity, LOAD_SETTINGS, Manager, PATIENCE, Server, TlsClient, Versions, lose_nothing_while,
    ours, tested_program,
};
use rustix::process::{Pid, Signal, getpid, kill_process, set_child_subreaper};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// As the unit says.
const STORE_MAX: usize = 64;

/// Has the server become another program, which must work.
#[track_caller]
fn upgrade(server: &Server) {
    let output = server.ask(&["upgrade"]);
    assert!(output.status.success(), "{output:?}; it said:\n{}", server.words());
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("upgraded: "), "{output:?}");
}

#[track_caller]
fn still_talk(alice: &mut Client, bob: &mut Client, words: &str) {
    alice.send(words);
    alice.expect(&format!("alice: {words}"));
    bob.expect(&format!("alice: {words}"));
}

/// The program under test as the first process of a namespace; `None` where this user may make none, as in most
/// containers.
fn in_a_namespace() -> Option<Command> {
    let unshare = || {
        let mut unshare = ours("unshare");
        unshare.args(["--pid", "--fork", "--mount-proc", "--kill-child"]);
        unshare
    };
    let made = unshare().arg("true").status();
    if !made.is_ok_and(|status| status.success()) {
        println!("left out: no namespace of processes can be made here");
        return None;
    }
    let mut program = unshare();
    program.arg(tested_program());
    Some(program)
}

#[test]
fn ten_upgrades_within_one_process_under_load_disconnect_nobody_and_lose_repeat_or_reorder_nothing() {
    let mut server = Server::start(2, &LOAD_SETTINGS);
    let pid = server.pid();
    lose_nothing_while(&mut server, 10, |server| upgrade(server));
    assert!(server.is_running());
    assert_eq!(server.status()["pid"], pid);
}

/// The longer the log is, the more of its files are open, for readers of history.
fn open_files_but_the_logs(server: &Server) -> usize {
    let data = server.data();
    let entries = fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("its descriptors").flatten();
    let targets = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
    targets.filter(|target| !target.starts_with(&data)).count()
}

#[test]
fn a_process_that_goes_on_as_another_program_keeps_its_number_and_piles_nothing_up() {
    let mut server = Server::start(2, &["telemetry.metrics=127.0.0.1:0"]);
    let (mut alice, mut bob) = harness::alice_and_bob(&server);
    bob.send_bytes("한글 반 ".as_bytes());
    let mut open_files = None;
    for round in 0..4 {
        upgrade(&server);
        server.expect_words(&["resumed in the same process"]);
        still_talk(&mut alice, &mut bob, &format!("round {round}"));
        server.login("carol").send("/quit");
        bob.expect("carol has left the channel(general)");
        alice.expect("carol has left the channel(general)");
        // What a client that has left still sends is read for some seconds.
        let asked_at = Instant::now();
        while open_files_but_the_logs(&server)
            > *open_files.get_or_insert_with(|| open_files_but_the_logs(&server))
        {
            assert!(asked_at.elapsed() < PATIENCE, "more than {open_files:?} in round {round}");
            sleep(Duration::from_millis(20));
        }
    }
    bob.send_bytes("줄\n".as_bytes());
    alice.expect("bob: 한글 반 줄");
    assert!(server.is_running());
    // No trial is left: not even as a zombie.
    let children =
        fs::read_to_string(format!("/proc/{0}/task/{0}/children", server.pid())).expect("children");
    assert_eq!(children.trim(), "");
    let (status, _) = server.terminate();
    assert!(status.success(), "{status}");
    server.verify();
}

#[test]
fn a_program_that_cannot_go_on_leaves_the_process_as_it_is() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let file = directory.path().join("madang.toml");
    let text = "[listen]\nline = \"127.0.0.1:0\"\n";
    fs::write(&file, text).expect("a file");
    let mut server = Server::start_with_file(directory, 2, &file);
    let (mut alice, mut bob) = harness::alice_and_bob(&server);
    fs::write(&file, format!("{text}[limits]\nburst = \"many\"\n")).expect("a file");
    let output = server.ask(&["upgrade"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    // What is wrong, and where, is reported to the caller.
    for part in ["madang.toml:4: limits.burst = \"many\"", "this server continues"] {
        assert!(words.contains(part), "{words}");
    }
    still_talk(&mut alice, &mut bob, "after a mistake in the configuration");
    fs::write(&file, text).expect("a file");
    upgrade(&server);
    still_talk(&mut alice, &mut bob, "after it was mended");
    assert!(server.is_running());
}

#[test]
fn a_stop_that_comes_during_an_upgrade_is_not_lost() {
    let mut server = Server::start(2, &[]);
    let _alice = server.login("alice");
    std::thread::scope(|scope| {
        let asker = scope.spawn(|| server.ask(&["upgrade"]));
        server.expect_words(&["handing over to a new process"]);
        server.signal(Signal::TERM);
        // It is refused, or the next program has begun and is stopped.
        asker.join().expect("it asks");
    });
    let asked_at = Instant::now();
    while server.is_running() {
        assert!(asked_at.elapsed() < PATIENCE, "it serves on; it said:\n{}", server.words());
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn of_upgrades_asked_for_at_once_one_is_carried_out_and_nobody_is_disconnected() {
    let server = Server::start(2, &[]);
    let mut alice = server.login("alice");
    let outputs: Vec<_> = std::thread::scope(|scope| {
        let askers: Vec<_> = (0..4).map(|_| scope.spawn(|| server.ask(&["upgrade"]))).collect();
        askers.into_iter().map(|asker| asker.join().expect("it asks")).collect()
    });
    assert!(outputs.iter().any(|output| output.status.success()), "{outputs:?}; {}", server.words());
    alice.send("still here");
    alice.expect("alice: still here");
}

#[test]
fn who_came_by_tls_is_told_to_reconnect_and_the_process_stays() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let identity = Identity::write(directory.path());
    let settings = identity.settings();
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let mut server = Server::start(2, &settings);
    let (tls, trust) = (server.tls_address(), identity.trust());
    let mut alice = TlsClient::login(tls, &trust, "alice");
    let mut bob = server.login("bob");
    alice.expect("bob has joined general");
    upgrade(&server);
    let notice = alice.read_line().expect("she is told");
    assert!(notice.starts_with("! closed: ") && notice.ends_with("; reconnect"), "{notice}");
    assert_eq!(alice.read_line().expect("an announced end"), "");
    let mut alice = TlsClient::login(tls, &trust, "alice");
    alice.send("back");
    bob.expect_next("alice: back");
    assert!(server.is_running());
}

#[test]
fn the_first_process_of_a_namespace_goes_on_as_the_next_program() {
    let Some(program) = in_a_namespace() else { return };
    let mut server = Server::start_by(program, 2, &[]);
    let (mut alice, mut bob) = harness::alice_and_bob(&server);
    assert_eq!(server.status()["pid"], 1);
    for round in 0..3 {
        upgrade(&server);
        assert_eq!(server.status()["pid"], 1);
        still_talk(&mut alice, &mut bob, &format!("round {round}"));
    }
    assert!(server.is_running());
    assert!(server.ask(&["drain"]).status.success());
    assert!(server.wait().success());
    server.verify();
}

#[test]
fn a_loop_in_a_shell_does_not_see_an_upgrade() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let ends = directory.path().join("ends");
    let mut program = ours("sh");
    let script = "while \"$0\" \"$@\"; echo $? >> ENDS; [ $(wc -l < ENDS) -lt 3 ]; do :; done";
    program.args(["-c", &script.replace("ENDS", &ends.display().to_string()), tested_program()]);
    let server = Server::start_by(program, 2, &[]);
    let (mut alice, mut bob) = harness::alice_and_bob(&server);
    let pid = server.status()["pid"].clone();
    upgrade(&server);
    still_talk(&mut alice, &mut bob, "still here");
    assert_eq!(server.status()["pid"], pid);
    assert!(!ends.exists(), "the loop has started it again");
    // The loop would continue: it ends first.
    server.signal(Signal::KILL);
    assert!(server.ask(&["drain"]).status.success());
}

#[test]
fn an_upgrade_starts_what_the_path_names_now_also_when_the_old_program_is_gone() {
    // By its path, and by its name alone.
    for is_by_path in [true, false] {
        let versions = Versions::new();
        let current = versions.path("current");
        let mut program = ours(&if is_by_path {
            current.join("madang").display().to_string()
        } else {
            "madang".to_owned()
        });
        let path = std::env::var("PATH").unwrap_or_default();
        program.env("PATH", format!("{}:{path}", current.display()));
        let server = Server::start_by(program, 2, &[]);
        let (mut alice, mut bob) = harness::alice_and_bob(&server);
        versions.move_on();
        for round in 0..2 {
            upgrade(&server);
            versions.expect_second(&server.status()["pid"]);
            still_talk(&mut alice, &mut bob, &format!("round {round}"));
        }
    }
}

#[test]
fn a_stop_that_comes_between_two_programs_is_heard_by_the_next() {
    let versions = Versions::new();
    let mut server = versions.start(&[]);
    let mut alice = server.login("alice");
    // The trial continues at once. The process waits on the way to the next program until a signal waits for it;
    // without children, as a shell that waits for one lets signals through.
    versions.move_on_to(
        "case \"$*\" in *--trial* | *--rehearse*) ;; *) : > \"$0.begun\"; while [ ! -e \"$0.go\" ]; do :; done ;; esac
        exec \"REAL\" \"$@\"",
    );
    let (begun, go) = (versions.path("v2").join("madang.begun"), versions.path("v2").join("madang.go"));
    std::thread::scope(|scope| {
        let asker = scope.spawn(|| server.ask(&["upgrade"]));
        let asked_at = Instant::now();
        while !begun.exists() {
            assert!(asked_at.elapsed() < PATIENCE, "it does not go on; it said:\n{}", server.words());
            sleep(Duration::from_millis(5));
        }
        server.signal(Signal::TERM);
        fs::write(&go, "").expect("a file");
        asker.join().expect("it asks");
    });
    assert!(server.wait().success());
    let words = server.words();
    assert!(words.contains("resumed in the same process") && words.contains("drained"), "{words}");
    assert_eq!(alice.expect_closed(), ["* server is going down"]);
    server.verify();
}

#[test]
fn a_program_that_is_gone_after_its_trial_leaves_people_and_metrics_served() {
    let versions = Versions::new();
    let mut server = versions.start(&["telemetry.metrics=127.0.0.1:0"]);
    let metrics = harness::http::metrics_address(&server);
    let mut alice = server.login("alice");
    versions.move_on_to("case \"$*\" in *--trial*) chmod a-x \"$0\" ;; esac; exec \"REAL\" \"$@\"");
    let output = server.ask(&["upgrade"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("this process cannot execute it: Permission denied"), "{words}");
    for _ in 0..3 {
        harness::http::expect_status(metrics, "/metrics", 200);
    }
    alice.send("still here");
    alice.expect("alice: still here");
    assert!(server.is_running());
}

/// Notes which signals are blocked where it is started.
fn noting_what_is_blocked(name: &str, then: &str) -> String {
    // Without a child: a shell that waits for one blocks nothing.
    format!(
        "while read -r line; do case $line in SigBlk*) echo \"$line\" > \"$0.{name}\" ;; esac; \
         done < /proc/$$/status; {then}"
    )
}

/// None of them would end by a signal, and a program of before would be deaf: it takes signals by handlers.
#[test]
fn programs_that_are_started_have_nothing_blocked_unless_they_say_that_they_take_it() {
    for (rehearses, is_blocked) in
        [("exec \"REAL\" \"$@\"", true), ("exec \"REAL\" \"$@\" >/dev/null", false)]
    {
        let versions = Versions::new();
        let mut server = versions.start(&[]);
        let mut alice = server.login("alice");
        let run = "exec \"REAL\" \"$@\"";
        versions.move_on_to(&format!(
            "case \"$*\" in *--rehearse*) {} ;; *--trial*) {} ;; *) {} ;; esac",
            noting_what_is_blocked("rehearsal", rehearses),
            noting_what_is_blocked("trial", run),
            noting_what_is_blocked("next", run),
        ));
        upgrade(&server);
        let blocked = |name: &str| {
            let text = fs::read_to_string(versions.path("v2").join(format!("madang.{name}")));
            let text = text.unwrap_or_else(|error| panic!("{name}: {error}"));
            let digits = text.split_whitespace().nth(1).expect("a mask").to_owned();
            u64::from_str_radix(&digits, 16).expect("a number") & 0x4003 != 0
        };
        assert_eq!([blocked("rehearsal"), blocked("trial"), blocked("next")], [false, false, is_blocked]);
        alice.send("after it");
        alice.expect("alice: after it");
        server.signal(Signal::TERM);
        assert!(server.wait().success());
    }
}

/// It looks well, and then asks for nothing.
const HANGS: &str = "case \"$*\" in *--rehearse*) exec \"REAL\" \"$@\" ;; esac
    echo $$ > \"$0.pid\"; exec sleep 1000";

#[test]
fn a_new_program_that_hangs_is_killed_and_the_asker_is_told_so() {
    let versions = Versions::new();
    let server = versions.start(&[]);
    let mut alice = server.login("alice");
    versions.move_on_to(HANGS);
    let output = server.ask(&["upgrade"]);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.contains("has not requested the handover within 15 s and was killed"), "{words}");
    assert!(!is_alive(&versions), "it lives on");
    alice.send("still here");
    alice.expect("alice: still here");
}

#[test]
fn a_new_program_that_hangs_ends_with_the_server() {
    let versions = Versions::new();
    let mut server = versions.start(&[]);
    versions.move_on_to(HANGS);
    std::thread::scope(|scope| {
        scope.spawn(|| server.ask(&["upgrade"]));
        let asked_at = Instant::now();
        while !is_alive(&versions) {
            assert!(asked_at.elapsed() < PATIENCE, "it does not begin; it said:\n{}", server.words());
            sleep(Duration::from_millis(5));
        }
        server.signal(Signal::TERM);
    });
    assert!(server.wait().success());
    let ended_at = Instant::now();
    while is_alive(&versions) {
        assert!(ended_at.elapsed() < PATIENCE, "it lives on");
        sleep(Duration::from_millis(5));
    }
}

/// Whether the stand-in that wrote down its number runs.
fn is_alive(versions: &Versions) -> bool {
    let number = fs::read_to_string(versions.path("v2").join("madang.pid")).unwrap_or_default();
    let Some(number) = number.strip_suffix('\n') else { return false };
    let state = fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
    // A zombie has ended.
    state.split_whitespace().nth(2).is_some_and(|state| state != "Z")
}

/// A process that is no child of this test.
struct Stranger(i32);

impl Drop for Stranger {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.0) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

#[test]
fn a_manager_that_is_told_sees_another_process_of_what_the_path_names_now() {
    set_child_subreaper(Some(getpid())).expect("no right is needed");
    let versions = Versions::new();
    let manager = Manager::with_store(STORE_MAX);
    let program = manager.command(&versions.path("current").join("madang").display().to_string());
    let mut server = Server::start_by(program, 2, &[]);
    let (mut alice, mut bob) = harness::alice_and_bob(&server);
    let before = server.status()["pid"].clone();
    versions.move_on();
    upgrade(&server);
    let next = server.status()["pid"].clone();
    let _next = next.as_i64().and_then(|pid| i32::try_from(pid).ok()).map(Stranger);
    assert_ne!(next, before);
    versions.expect_second(&next);
    still_talk(&mut alice, &mut bob, "still here");
    assert!(server.wait().success());
}

#[test]
fn a_restart_asks_the_program_that_the_path_names_now() {
    let versions = Versions::new();
    let manager = Manager::with_store(STORE_MAX);
    let mut program = manager.program();
    // The program is an argument of the shell that starts it.
    let current = versions.path("current").join("madang");
    let arguments: Vec<_> = program.get_args().map(std::ffi::OsStr::to_owned).collect();
    let environment: Vec<_> =
        program.get_envs().map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned))).collect();
    program = Command::new("sh");
    for argument in arguments {
        program.arg(if argument == *tested_program() { current.as_os_str() } else { &argument });
    }
    for (name, value) in environment {
        match value {
            Some(value) => program.env(name, value),
            None => program.env_remove(name),
        };
    }
    let mut server = Server::start_by(program, 2, &[]);
    let mut alice = server.login("alice");
    versions.move_on();
    server.end_for_restart(&manager);
    server.start_again_under(&manager);
    alice.send("still here");
    alice.expect("alice: still here");
}

/// The program by hand is another process: the first of a container does not give itself away to it.
#[test]
fn a_process_that_must_stay_refuses_another_that_is_started_by_hand() {
    let Some(program) = in_a_namespace() else { return };
    let server = Server::start_by(program, 1, &[]);
    let mut alice = server.login("alice");
    let inner = inner_process(server.pid());
    let mut by_hand = ours("nsenter");
    by_hand.args([
        "--target",
        &inner,
        "--pid",
        "--mount",
        tested_program(),
        "serve",
        "--takeover",
        "--shards",
        "1",
    ]);
    by_hand.args(["--listen", "127.0.0.1:0", "--data"]).arg(server.data());
    let output = by_hand.output().expect("run nsenter");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("first process of its container") && words.contains("madang upgrade"), "{words}");
    alice.send("still here");
    alice.expect("alice: still here");
}

/// The child of this process.
#[track_caller]
fn inner_process(pid: u32) -> String {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let asked_at = Instant::now();
    loop {
        let children = fs::read_to_string(Path::new(&path)).expect("its children");
        if let Some(first) = children.split_whitespace().next() {
            return first.to_owned();
        }
        assert!(asked_at.elapsed() < PATIENCE, "it has no child");
        sleep(Duration::from_millis(5));
    }
}

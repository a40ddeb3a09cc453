//! A world in which lines of the documents may do what they say: mounts, a network and processes of its own.

use super::page::ROOT;
use crate::harness::{Client, PATIENCE, needs, tested_program};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Set inside.
const INSIDE: &str = "DOCUMENTS_WORLD";
/// Where the documents' server lies, and where it listens if nothing else is said.
const DATA: &str = "/var/lib/madang";
pub const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);
const LOOK: Duration = Duration::from_millis(5);

/// Puts directories of this world over those where lines write: `/etc` and `/usr/bin` with all that is there, the
/// others empty. Its user madang is root, as there may be no other one.
const PREPARE: &str = r#"
    ip link set lo up
    mount -t tmpfs none /mnt
    PATH=/mnt/usr/bin:$PATH
    for place in /etc /usr/bin; do
        mkdir -p /mnt$place
        mount --rbind $place /mnt$place
        mount -t tmpfs none $place
        hash -r
        ln -s /mnt$place/* $place/
    done
    rm -rf /etc/madang /etc/systemd /etc/passwd /usr/bin/madang
    { cat /mnt/etc/passwd; echo 'madang:x:0:0::/var/lib/madang:/bin/false'; } > /etc/passwd
    rm -f /etc/group
    { cat /mnt/etc/group; echo 'madang:x:0:'; } > /etc/group
    written='/usr/lib/sysusers.d /var/lib /var/backups /usr/share/man /usr/share/bash-completion'
    mkdir -p /etc/systemd/system target/release stand-ins $written
    for place in $written; do
        mount -t tmpfs none $place
    done
    mkdir -p /usr/share/bash-completion/completions
    cp "$MADANG" /usr/bin/madang
    ln -s "$MADANG" target/release/madang
    ln -s "$ROOT/systemd" systemd
    cp "$ROOT/tests/program/documents/systemctl" stand-ins/systemctl
    printf '#!/bin/sh\ntest -s /usr/lib/sysusers.d/madang.conf\n' > stand-ins/systemd-sysusers
    chmod +x stand-ins/*
"#;

pub struct World {
    directory: TempDir,
    /// People who are connected to the server.
    people: Vec<Client>,
}

/// What a line did. The code is `None` when a signal ended it.
pub struct Ran {
    pub code: Option<i32>,
    pub words: String,
}

/// Runs this test in a world of its own: its name is that of the test.
pub fn in_a_world(name: &str, test: impl Fn(&mut World)) {
    if std::env::var_os(INSIDE).is_some() {
        return test(&mut World::prepare());
    }
    needs("ip", "iproute2");
    let unshare = || {
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]);
        if !rustix::process::geteuid().is_root() {
            unshare.args(["--user", "--map-root-user"]);
        }
        unshare
    };
    let tried = unshare().arg("true").output().expect("run unshare");
    assert!(
        tried.status.success(),
        "this test runs the documents' lines with mounts and a network of their own: run it as root, or let users \
         have namespaces (sysctl kernel.unprivileged_userns_clone=1, and no profile against it). {}",
        String::from_utf8_lossy(&tried.stderr)
    );
    let output = unshare()
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", &format!("documents::{name}"), "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        // Where programs keep what was typed.
        .env("HOME", "/mnt")
        .stdin(Stdio::null())
        .output()
        .expect("run this test inside");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, errors) = (said(&output.stdout), said(&output.stderr));
    println!("{out}");
    assert!(output.status.success() && out.contains("test result: ok. 1 passed"), "{out}{errors}");
}

impl World {
    fn prepare() -> World {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
        let world = World { directory, people: Vec::new() };
        world.must(PREPARE);
        world
    }

    /// A file where lines are run.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A shell where the documents' reader stands, whose words go to files of this name.
    fn shell(&self, line: &str, words: &str) -> Child {
        let file =
            |kind: &str| File::create(self.file(&format!("{words}.{kind}"))).expect("a file for its words");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut shell = Command::new("sh");
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MADANG_")) {
            shell.env_remove(name);
        }
        shell
            .args(["-c", line])
            .current_dir(self.directory.path())
            .env("PATH", format!("{}:/usr/bin:{path}", self.file("stand-ins").display()))
            .env("MADANG", tested_program())
            .env("ROOT", ROOT)
            // Segments are filled with zeros ahead of their use.
            .env("MADANG_LOG_SEGMENT_BYTES", "1048576")
            .stdin(Stdio::null())
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .expect("run a shell")
    }

    pub fn words(&self, words: &str) -> String {
        let read = |kind: &str| fs::read_to_string(self.file(&format!("{words}.{kind}"))).unwrap_or_default();
        read("stdout") + &read("stderr")
    }

    /// Runs a line to its end.
    pub fn run(&self, line: &str) -> Ran {
        let mut shell = self.shell(line, "line");
        let started_at = Instant::now();
        let status = loop {
            if let Some(status) = shell.try_wait().expect("wait") {
                break status;
            }
            assert!(started_at.elapsed() < PATIENCE, "does not end: {line}\n{}", self.words("line"));
            sleep(LOOK);
        };
        Ran { code: status.code(), words: self.words("line") }
    }

    /// Runs a script of ours.
    pub fn must(&self, script: &str) {
        let ran = self.run(&format!("set -e\n{script}"));
        assert_eq!(ran.code, Some(0), "{script}\n{}", ran.words);
    }

    /// Runs a line that shows something until Ctrl-C ends it.
    pub fn run_until_ctrl_c(&self, line: &str) {
        // The tests may have been started with SIGINT ignored.
        let mut program = self.shell(&format!("exec env --default-signal=INT {line}"), "line");
        let started_at = Instant::now();
        while self.words("line").matches("listens at").count() < 2 {
            assert!(started_at.elapsed() < PATIENCE, "shows nothing: {line}\n{}", self.words("line"));
            sleep(LOOK);
        }
        assert!(program.try_wait().expect("wait").is_none(), "{line} ended: {}", self.words("line"));
        kill_process(Pid::from_child(&program), Signal::INT).expect("send a signal");
        while program.try_wait().expect("wait").is_none() {
            assert!(started_at.elapsed() < PATIENCE, "goes on after Ctrl-C: {line}");
            sleep(LOOK);
        }
    }

    /// Runs a line that serves, and returns when it does.
    pub fn serve(&mut self, line: &str) -> Child {
        let mut server = self.shell(&format!("exec {line}"), "server");
        let started_at = Instant::now();
        while !self.words("server").contains("talk to me with") {
            let has_ended = server.try_wait().expect("wait").is_some();
            assert!(!has_ended && started_at.elapsed() < PATIENCE, "{line}\n{}", self.words("server"));
            sleep(LOOK);
        }
        server
    }

    /// Sees to it that the documents' server runs.
    pub fn have_a_server(&mut self) {
        if TcpStream::connect(ADDRESS).is_err() {
            self.serve(&format!("madang serve --data {DATA}"));
        }
    }

    /// Connects the people whom lines name; one has talked.
    pub fn have_people(&mut self) {
        self.people.clear();
        let mut alice = Client::login_when_free(ADDRESS, "alice");
        alice.send("hello");
        alice.expect("alice: hello");
        self.people = vec![alice, Client::login_when_free(ADDRESS, "mallory")];
    }
}

//! A server process on a temporary directory, its end, and what its log holds afterwards.

use super::{Client, Manager, PATIENCE, tested_program};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a start may take: segments are filled with zeros, on a disk that others use too.
pub(super) const START_MAX: Duration = Duration::from_secs(30);
/// How often a process is looked at.
pub(super) const LOOK: Duration = Duration::from_millis(5);
/// What tests do not measure: the message rate. Segments are small, so that many are sealed.
const SETTINGS: [&str; 2] = ["limits.messages_per_second=0", "log.segment_bytes=1048576"];

/// A server, or its directory while it is stopped.
pub struct Server {
    child: Child,
    /// Where `nc` would connect.
    pub address: SocketAddr,
    arguments: Vec<String>,
    /// Files it may have open; `None` is as many as this process.
    open_files_max: Option<u64>,
    directory: TempDir,
}

/// A message as the log holds it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    pub seq: u64,
    pub author: String,
    pub text: String,
}

impl Said {
    /// As it is shown in a room.
    pub fn line(&self) -> String {
        format!("{}: {}", self.author, self.text)
    }
}

/// A start that was refused.
pub struct Refused {
    pub code: Option<i32>,
    /// On standard error.
    pub words: String,
}

impl Server {
    /// Starts a server on an empty directory; `settings` are `KEY=VALUE`.
    pub fn start(shards: u16, settings: &[&str]) -> Server {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
        Server::start_on(directory, shards, settings)
    }

    /// Starts a server that may have at most `open_files_max` files open.
    pub fn start_with_open_files(shards: u16, settings: &[&str], open_files_max: u64) -> Server {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
        Server::begin(directory, shards, settings, Some(open_files_max))
    }

    /// Starts a server on a directory that was made ready; its data lies in `data` there.
    pub fn start_on(directory: TempDir, shards: u16, settings: &[&str]) -> Server {
        Server::begin(directory, shards, settings, None)
    }

    /// Starts a server whose standard error is a pipe of 4 KiB that is read only when the test does.
    pub fn start_unread(shards: u16, settings: &[&str]) -> (Server, File) {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
        let path = directory.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .expect("a pipe");
        // Open for both, so that nobody waits for the other end.
        let pipe = File::options().read(true).write(true).open(&path).expect("open the pipe");
        rustix::pipe::fcntl_setpipe_size(&pipe, 4096).expect("a small pipe");
        let mut program = ours("sh");
        let script = format!("exec \"$0\" \"$@\" 2> '{}'", path.display());
        program.args(["-c", &script, tested_program()]);
        let arguments = arguments(shards, settings);
        let (child, address) = launch_program(program, directory.path(), &arguments);
        (Server { child, address, arguments, open_files_max: None, directory }, pipe)
    }

    /// Starts a server by this command, which runs madang with what is added to it.
    pub fn start_by(program: Command, shards: u16, settings: &[&str]) -> Server {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
        Server::start_on_by(directory, program, shards, settings)
    }

    /// The same on a directory that was made ready.
    pub fn start_on_by(directory: TempDir, program: Command, shards: u16, settings: &[&str]) -> Server {
        let arguments = arguments(shards, settings);
        let (child, address) = launch_program(program, directory.path(), &arguments);
        Server { child, address, arguments, open_files_max: None, directory }
    }

    /// Starts the server again by this command, after it has ended.
    pub fn start_again_by(&mut self, program: Command) {
        (self.child, self.address) = launch_program(program, self.directory.path(), &self.arguments);
    }

    /// Starts a server as this manager does.
    pub fn start_under(manager: &Manager, shards: u16, settings: &[&str]) -> Server {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
        let arguments = arguments(shards, settings);
        let (child, address) = launch_program(manager.program(), directory.path(), &arguments);
        Server { child, address, arguments, open_files_max: None, directory }
    }

    /// Starts a server as this manager does, with a configuration file.
    pub fn start_under_with_file(manager: &Manager, shards: u16, file: &Path) -> Server {
        let mut arguments = arguments(shards, &[]);
        arguments.extend(["--config".to_owned(), file.display().to_string()]);
        arguments.extend(["--listen".to_owned(), "127.0.0.1:0".to_owned()]);
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
        let (child, address) = launch_program(manager.program(), directory.path(), &arguments);
        Server { child, address, arguments, open_files_max: None, directory }
    }

    /// Its manager ends it to start it again: it must end well.
    #[track_caller]
    pub fn end_for_restart(&mut self, manager: &Manager) {
        manager.begin_job("restart");
        let (status, _) = self.terminate();
        assert!(status.success(), "ended with {status}; it said:\n{}", self.words());
    }

    /// From the next start on it listens where it does now, as servers with a port of their own do.
    pub fn keep_address(&mut self) {
        self.change(&format!("listen.line={}", self.address));
    }

    /// From the next start on this `KEY=VALUE` holds.
    pub fn change(&mut self, setting: &str) {
        self.arguments.extend(["--set".to_owned(), setting.to_owned()]);
    }

    /// Starts it again as its manager does, with what is stored, after it has ended.
    #[track_caller]
    pub fn start_again_under(&mut self, manager: &Manager) {
        self.put_words_aside();
        (self.child, self.address) =
            launch_program(manager.program(), self.directory.path(), &self.arguments);
    }

    fn begin(directory: TempDir, shards: u16, settings: &[&str], open_files_max: Option<u64>) -> Server {
        let arguments = arguments(shards, settings);
        let (child, address) = launch(directory.path(), &arguments, open_files_max);
        Server { child, address, arguments, open_files_max, directory }
    }

    /// Starts a server on a directory with a configuration file, in which the address stands, too.
    pub fn start_with_file(directory: TempDir, shards: u16, file: &Path) -> Server {
        let arguments = vec![
            "--shards".to_owned(),
            shards.to_string(),
            "--config".to_owned(),
            file.display().to_string(),
        ];
        let (child, address) = launch(directory.path(), &arguments, None);
        Server { child, address, arguments, open_files_max: None, directory }
    }

    /// Starts the server again on what it left behind, after it has ended.
    pub fn start_again(&mut self) {
        (self.child, self.address) = launch(self.directory.path(), &self.arguments, self.open_files_max);
    }

    /// Starts it again with another number of shards, after it has ended.
    pub fn start_again_with(&mut self, shards: u16) {
        self.arguments[1] = shards.to_string();
        self.start_again();
    }

    /// A new process takes over, with `shards`, and this is it from now on. The old process must have ended well.
    #[track_caller]
    pub fn take_over(&mut self, shards: u16) {
        self.arguments[1] = shards.to_string();
        let mut arguments = self.arguments.clone();
        arguments.push("--takeover".to_owned());
        self.put_words_aside();
        let (next, address) = launch(self.directory.path(), &arguments, self.open_files_max);
        let mut before = std::mem::replace(&mut self.child, next);
        assert_eq!(address, self.address, "people come in where they did");
        let asked_at = Instant::now();
        let status = loop {
            if let Some(status) = before.try_wait().expect("wait") {
                break status;
            }
            if asked_at.elapsed() > PATIENCE {
                before.kill().expect("kill");
                panic!("two servers run");
            }
            sleep(LOOK);
        };
        assert!(status.success(), "the one before ended with {status}");
    }

    /// The old process still writes to its own files.
    fn put_words_aside(&self) {
        for name in ["stdout", "stderr"] {
            let (now, before) = (self.directory.path().join(name), format!("{name}.before"));
            fs::rename(now, self.directory.path().join(before)).expect("put its words aside");
        }
    }

    /// Begins to start a process that takes over; more arguments may follow. Its words are in `stderr.next`
    /// there.
    pub fn begin_takeover(&self, more: &[&str], open_files_max: Option<u64>) -> Child {
        let mut program = open_files_max.map_or_else(madang, limited);
        program.args(["serve", "--data"]).arg(self.data()).args(&self.arguments);
        program.args(["--listen", "127.0.0.1:0", "--takeover"]).args(more);
        let file = File::create(self.directory.path().join("stderr.next")).expect("a file for its words");
        program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).spawn().expect("run madang")
    }

    /// Starts a process that must fail to take over.
    #[track_caller]
    pub fn refused_takeover(&self, more: &[&str], open_files_max: Option<u64>) -> Refused {
        let mut child = self.begin_takeover(more, open_files_max);
        let started_at = Instant::now();
        while child.try_wait().expect("wait").is_none() {
            if started_at.elapsed() > START_MAX {
                child.kill().expect("kill");
                panic!("a server that must fail to take over runs");
            }
            sleep(LOOK);
        }
        let words = fs::read_to_string(self.directory.path().join("stderr.next")).unwrap_or_default();
        Refused { code: child.wait().expect("wait").code(), words }
    }

    /// A user in the lobby.
    pub fn login(&self, name: &str) -> Client {
        Client::login(self.address, name)
    }

    /// A user in a room.
    pub fn login_to(&self, name: &str, room: &str) -> Client {
        Client::login_to(self.address, name, room)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where its data lies.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Where TLS clients connect.
    #[track_caller]
    pub fn tls_address(&self) -> SocketAddr {
        self.expect_words(&["tls=true"]);
        let words = self.words();
        let ready = words.lines().rfind(|line| line.contains("tls=true")).expect("it listens with TLS");
        let address = ready.split("address=").nth(1).expect("where").split(' ').next().expect("an address");
        address.parse().expect("an address")
    }

    /// Where real telnets connect.
    #[track_caller]
    pub fn telnet_address(&self) -> SocketAddr {
        self.expect_words(&[": telnet ", " ready "]);
        announced(&self.words(), "telnet").expect("it listens for telnets")
    }

    /// What the process said from which this one has taken over.
    pub fn words_before(&self) -> String {
        fs::read_to_string(self.directory.path().join("stderr.before")).unwrap_or_default()
    }

    /// Whether each shard has a segment after the first, which is made once the first is open.
    pub(super) fn has_segments_ready(&self) -> bool {
        let shards: u16 = self.arguments[1].parse().expect("a number of shards");
        let has_second = |shard| self.data().join(format!("shard-{shard:02}/{:020}.seg", 2)).exists();
        (0..shards).all(has_second)
    }

    /// What it has said since it was started last.
    pub fn words(&self) -> String {
        words_of(self.directory.path())
    }

    /// Waits until it has said all this to its operator.
    #[track_caller]
    pub fn expect_words(&self, parts: &[&str]) {
        let asked_at = Instant::now();
        while !parts.iter().all(|part| self.words().contains(part)) {
            assert!(asked_at.elapsed() < PATIENCE, "expected {parts:?} in:\n{}", self.words());
            sleep(LOOK);
        }
    }

    /// Tries to start it again on what it left behind, and returns how it refused.
    #[track_caller]
    pub fn refused_start_again(&self) -> Refused {
        let output = refused_start(&self.data(), "127.0.0.1:0");
        Refused { code: output.status.code(), words: String::from_utf8_lossy(&output.stderr).into_owned() }
    }

    /// The files of a shard's directory with this extension, in order.
    pub fn files(&self, shard: u16, extension: &str) -> Vec<PathBuf> {
        let directory = self.data().join(format!("shard-{shard:02}"));
        let entries = fs::read_dir(directory).expect("the shard's directory").flatten();
        let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        found.retain(|path| path.extension().is_some_and(|found| found == extension));
        found.sort();
        found
    }

    /// Ends it with SIGKILL.
    pub fn kill_nine(&mut self) {
        self.child.kill().expect("kill");
        self.child.wait().expect("wait");
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("send a signal");
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("wait").is_none()
    }

    /// Ends it with SIGTERM. Returns its status and how long it took.
    #[track_caller]
    pub fn terminate(&mut self) -> (ExitStatus, Duration) {
        let asked_at = Instant::now();
        self.signal(Signal::TERM);
        (self.wait(), asked_at.elapsed())
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let asked_at = Instant::now();
        while asked_at.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().expect("wait") {
                return status;
            }
            sleep(LOOK);
        }
        panic!("the server did not end within {PATIENCE:?}");
    }

    /// What the log holds of a room.
    #[track_caller]
    pub fn export(&self, room: &str) -> Vec<Said> {
        let output = self.log_tool(&["export", "--room", room, "--format", "jsonl"]);
        assert!(output.status.success(), "log export: {output:?}");
        let text = String::from_utf8(output.stdout).expect("UTF-8 from log export");
        // A loss that a repair recorded has no number of its own.
        text.lines().filter(|line| line.contains("\"seq\":")).map(said).collect()
    }

    /// Checks the log as `madang log verify` does.
    #[track_caller]
    pub fn verify(&self) {
        let output = self.log_tool(&["verify"]);
        assert!(output.status.success(), "log verify: {output:?}");
    }

    /// Runs a command of `madang` about the server that runs on its data.
    pub fn ask(&self, arguments: &[&str]) -> Output {
        let mut program = madang();
        program.args(arguments).arg("--data").arg(self.data());
        program.stdin(Stdio::null()).output().expect("run madang")
    }

    /// What `madang status --json` says.
    #[track_caller]
    pub fn status(&self) -> serde_json::Value {
        let output = self.ask(&["status", "--json"]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }

    /// Runs `madang log` with these arguments on its data.
    pub fn log_tool(&self, arguments: &[&str]) -> Output {
        let (command, rest) = arguments.split_first().expect("a command of madang log");
        let mut program = madang();
        program.args(["log", command, "--data"]).arg(self.data()).args(rest);
        program.stdin(Stdio::null()).output().expect("run madang log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the server's last words:\n{}", self.words());
            eprintln!("of the one before it:\n{}", self.words_before());
        }
    }
}

fn arguments(shards: u16, settings: &[&str]) -> Vec<String> {
    let mut arguments = vec!["--shards".to_owned(), shards.to_string()];
    for setting in SETTINGS.iter().chain(settings) {
        arguments.extend(["--set".to_owned(), (*setting).to_owned()]);
    }
    arguments
}

/// Tries to start a server that must refuse, and returns what it said.
#[track_caller]
pub fn refused_start(data: &Path, listen: &str) -> Output {
    refused_start_with(data, listen, &[])
}

/// Tries to start a server with settings (`KEY=VALUE`) that it must refuse.
#[track_caller]
pub fn refused_start_with(data: &Path, listen: &str, settings: &[&str]) -> Output {
    let mut program = madang();
    program.args(["serve", "--shards", "1", "--listen", listen, "--data"]).arg(data);
    for setting in settings {
        program.args(["--set", setting]);
    }
    refused(program)
}

/// Runs what must end by itself, and returns what it said.
#[track_caller]
pub fn refused(mut program: Command) -> Output {
    let mut child = program
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("run madang");
    let started_at = Instant::now();
    while child.try_wait().expect("wait").is_none() {
        if started_at.elapsed() > START_MAX {
            child.kill().expect("kill");
            panic!("a server that must refuse to start runs: {:?}", child.wait_with_output());
        }
        sleep(LOOK);
    }
    child.wait_with_output().expect("read its output")
}

fn launch(directory: &Path, arguments: &[String], open_files_max: Option<u64>) -> (Child, SocketAddr) {
    launch_program(open_files_max.map_or_else(madang, limited), directory, arguments)
}

fn launch_program(mut program: Command, directory: &Path, arguments: &[String]) -> (Child, SocketAddr) {
    program.args(["serve", "--data"]).arg(directory.join("data")).args(arguments);
    if !arguments.iter().any(|argument| argument == "--config") {
        program.args(["--listen", "127.0.0.1:0"]);
    }
    // Files, as a pipe that nobody reads would stop the server when it is full.
    let file = |name: &str| File::create(directory.join(name)).expect("a file for the server's words");
    program.stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr"));
    let mut child = program.spawn().expect("run madang");
    // It may hold what is passed to the child.
    drop(program);
    let started_at = Instant::now();
    loop {
        let stdout = fs::read_to_string(directory.join("stdout")).expect("read the server's words");
        if let Some(address) = announced(&stdout, "nc") {
            return (child, address);
        }
        let ended = child.try_wait().expect("wait");
        if ended.is_some() || started_at.elapsed() > START_MAX {
            let _ = child.kill();
            let _ = child.wait();
            panic!("the server does not listen (ended: {ended:?}):\n{}", words_of(directory));
        }
        sleep(LOOK);
    }
}

/// The address in `madang: talk to me with: nc HOST PORT`, or with another program, once its line is complete.
fn announced(stdout: &str, program: &str) -> Option<SocketAddr> {
    let (complete, _) = stdout.rsplit_once('\n')?;
    complete.lines().find_map(|line| {
        let (host, port) = line.split_once(&format!(": {program} "))?.1.trim().split_once(' ')?;
        Some(SocketAddr::new(host.parse().ok()?, port.parse().ok()?))
    })
}

/// The program under test, with fewer open files than this process.
fn limited(open_files_max: u64) -> Command {
    let mut program = ours("sh");
    let script = format!("ulimit -n {open_files_max} && exec \"$0\" \"$@\"");
    program.args(["-c", &script, tested_program()]);
    program
}

/// The program under test, away from this machine's configuration and environment.
pub fn madang() -> Command {
    ours(tested_program())
}

/// Another program, away from the same.
pub fn ours(program: &str) -> Command {
    let mut program = Command::new(program);
    let ours = |name: &std::ffi::OsString| name.to_string_lossy().starts_with("MADANG_");
    std::env::vars_os().map(|(name, _)| name).filter(ours).for_each(|name| {
        program.env_remove(name);
    });
    program
}

/// What a server on this directory has said.
pub fn words_of(directory: &Path) -> String {
    let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap_or_default();
    format!("{}{}", read("stdout"), read("stderr"))
}

/// A line of an export.
pub(super) fn said(line: &str) -> Said {
    let value: serde_json::Value = serde_json::from_str(line).expect("a JSON object a line");
    let text = |key: &str| value[key].as_str().unwrap_or_else(|| panic!("no {key} in {line}")).to_owned();
    let seq = value["seq"].as_u64().unwrap_or_else(|| panic!("no seq in {line}"));
    Said { seq, author: text("author"), text: text("text") }
}

//! The service manager's end of a service: a notify socket, and a store of descriptors.

use super::{PATIENCE, madang, tested_program, words_of};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::{IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How often it is looked whether the manager is still needed.
const LOOK: Duration = Duration::from_millis(100);
/// Where a service finds what is passed to it (sd_listen_fds(3)).
const FIRST_PASSED: RawFd = 3;
/// Out of the way of that.
const FIRST_COPY: RawFd = 200;

/// Descriptors by name, in the order in which they came.
type Store = Vec<(String, OwnedFd)>;

/// A manager of one service.
pub struct Manager {
    pub directory: TempDir,
    heard: Receiver<String>,
    log: Vec<String>,
    store: Arc<Mutex<Store>>,
    is_over: Arc<AtomicBool>,
    /// Files that what it starts may have open (`LimitNOFILE=`); `None` is as many as this process.
    pub open_files_max: Option<u64>,
}

/// A service that is ended with its test.
pub struct Service(pub Child);

impl Manager {
    /// One that stores nothing.
    pub fn new() -> Manager {
        Manager::with_store(0)
    }

    /// One that stores at most `store_max` descriptors (`FileDescriptorStoreMax=`).
    pub fn with_store(store_max: usize) -> Manager {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
        // The path of a socket is bounded: it lies where paths are short.
        let socket = UnixDatagram::bind(directory.path().join("notify")).expect("a notify socket");
        socket.set_read_timeout(Some(LOOK)).expect("set a time-out");
        let (hear, heard) = mpsc::channel();
        let (store, is_over) = (Arc::<Mutex<Store>>::default(), Arc::new(AtomicBool::new(false)));
        let (their_store, their_end) = (Arc::clone(&store), Arc::clone(&is_over));
        std::thread::spawn(move || listen(&socket, store_max, &their_store, &hear, &their_end));
        Manager { directory, heard, log: Vec::new(), store, is_over, open_files_max: None }
    }

    /// A program that talks to this manager, away from this machine's configuration.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for (name, _) in madang().get_envs() {
            command.env_remove(name);
        }
        command.env("NOTIFY_SOCKET", self.directory.path().join("notify"));
        command.stderr(File::create(self.directory.path().join("stderr")).expect("a file"));
        command
    }

    /// `madang` as this manager starts it, with all that is stored.
    pub fn program(&self) -> Command {
        let store = self.store.lock().expect("not poisoned");
        let names: Vec<&str> = store.iter().map(|(name, _)| name.as_str()).collect();
        // LISTEN_PID must name the process that the shell becomes.
        let mut command = self.command("sh");
        let limit = self.open_files_max.map(|most| format!("ulimit -n {most} && ")).unwrap_or_default();
        let script = format!("{limit}LISTEN_PID=$$ exec \"$0\" \"$@\"");
        command.args(["-c", &script, tested_program()]);
        command.env("LISTEN_FDS", names.len().to_string()).env("LISTEN_FDNAMES", names.join(":"));
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.directory.path().join("bin").display()));
        command.env("MADANG_UNIT", "madang.service");
        let copy = |descriptor| {
            rustix::io::fcntl_dupfd_cloexec(descriptor, FIRST_COPY).expect("a copy of a descriptor")
        };
        let copies: Vec<OwnedFd> = store.iter().map(|(_, descriptor)| copy(descriptor)).collect();
        // SAFETY: between fork and exec only dup2 is called, which is safe there (signal-safety(7)), on
        // descriptors that live as long as the closure, which the command owns.
        unsafe {
            command.pre_exec(move || {
                for (place, copy) in (FIRST_PASSED..).zip(&copies) {
                    nix::unistd::dup2(copy.as_raw_fd(), place)?;
                }
                Ok(())
            });
        }
        command
    }

    /// What runs next for the service, as `systemctl list-jobs` says: `restart`, `stop`, or nothing. Once it gets
    /// the signal that is meant for the server, as happens with systemd, which signals all it finds.
    pub fn begin_job(&self, kind: &str) {
        let bin = self.directory.path().join("bin");
        fs::create_dir_all(&bin).expect("a directory");
        let line = if kind.is_empty() { String::new() } else { format!("7 madang.service {kind} running") };
        let script = format!(
            "#!/bin/sh\n[ -e \"$0.ended\" ] || {{ : > \"$0.ended\"; kill -TERM $$; }}\n\
             echo '6 other.service restart running'\necho '{line}'\n"
        );
        // It is not there at first.
        let _ = fs::remove_file(bin.join("systemctl.ended"));
        write_program(&bin.join("systemctl.new"), &script);
        fs::rename(bin.join("systemctl.new"), bin.join("systemctl")).expect("put it in its place");
    }

    pub fn serve(&self, program: &mut Command, settings: &[&str]) -> Service {
        program.args(["serve", "--shards", "2", "--set", "log.segment_bytes=1048576", "--data"]);
        program.arg(self.directory.path().join("data")).args(settings);
        Service(program.spawn().expect("start the service"))
    }

    /// Waits for a message that holds this line, and returns the whole message.
    #[track_caller]
    pub fn expect(&mut self, line: &str) -> String {
        loop {
            let Ok(message) = self.heard.recv_timeout(PATIENCE) else {
                panic!("no {line:?} in {:?}; it said:\n{}", self.log, words_of(self.directory.path()));
            };
            self.log.push(message.clone());
            if message.lines().any(|found| found.starts_with(line)) {
                return message;
            }
        }
    }

    /// Waits until nothing is heard for `time`, once what is on its way has come.
    pub fn await_silence(&mut self, time: Duration) {
        while let Ok(message) = self.heard.recv_timeout(time) {
            self.log.push(message);
        }
    }

    /// Whether anything is heard within this time.
    pub fn hears_anything(&mut self, time: Duration) -> bool {
        self.heard.recv_timeout(time).is_ok()
    }

    /// The names of what is stored.
    pub fn stored(&self) -> Vec<String> {
        self.store.lock().expect("not poisoned").iter().map(|(name, _)| name.clone()).collect()
    }

    /// Forgets what is stored by names of this beginning, as if it had been lost.
    pub fn lose(&self, beginning: &str) {
        self.store.lock().expect("not poisoned").retain(|(name, _)| !name.starts_with(beginning));
    }

    /// A copy of the descriptor of this name.
    pub fn copy(&self, name: &str) -> OwnedFd {
        let store = self.store.lock().expect("not poisoned");
        let (_, stored) = store.iter().find(|(found, _)| found == name).expect("it is stored");
        stored.try_clone().expect("a copy")
    }

    /// Waits until nothing is stored.
    #[track_caller]
    pub fn expect_empty_store(&self) {
        let asked_at = Instant::now();
        while !self.stored().is_empty() {
            assert!(asked_at.elapsed() < PATIENCE, "{:?} is stored", self.stored());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Stores one more, as a service could.
    pub fn store(&self, name: &str, descriptor: OwnedFd) {
        self.store.lock().expect("not poisoned").push((name.to_owned(), descriptor));
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// Writes a script that can be run at once. Another process does, as a file that this one has open for writing is also
/// open in whatever another test is just starting, and cannot be run meanwhile (ETXTBSY).
fn write_program(path: &Path, script: &str) {
    let mut install = Command::new("install");
    let install = install.args(["-m", "755", "/dev/stdin"]).arg(path).stdin(Stdio::piped());
    let mut install = install.spawn().expect("install, of coreutils");
    let mut input = install.stdin.take().expect("a pipe");
    input.write_all(script.as_bytes()).expect("it reads");
    drop(input);
    assert!(install.wait().expect("it ends").success(), "{}", path.display());
}

/// Hears what the service says, and keeps what it gives.
fn listen(
    socket: &UnixDatagram,
    store_max: usize,
    store: &Mutex<Store>,
    hear: &Sender<String>,
    is_over: &AtomicBool,
) {
    let mut buffer = [0; 4096];
    while !is_over.load(Ordering::Relaxed) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC;
        let Ok(message) = recvmsg(socket, &mut [IoSliceMut::new(&mut buffer)], &mut ancillary, flags) else {
            continue; // nothing came in this time
        };
        let came: Vec<OwnedFd> = ancillary
            .drain()
            .filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors.collect::<Vec<_>>()),
                _ => None,
            })
            .flatten()
            .collect();
        let text = String::from_utf8_lossy(&buffer[..message.bytes]).into_owned();
        let says = |line: &str| text.lines().any(|found| found == line);
        let name = text.lines().find_map(|line| line.strip_prefix("FDNAME=")).unwrap_or("stored");
        let mut stored = store.lock().expect("not poisoned");
        if says("FDSTORE=1") {
            assert!(says("FDPOLL=0"), "systemd would let go of it when its peer ends");
            let room = store_max.saturating_sub(stored.len());
            stored.extend(came.into_iter().take(room).map(|descriptor| (name.to_owned(), descriptor)));
        } else if says("FDSTOREREMOVE=1") {
            stored.retain(|(found, _)| found != name);
        }
        drop(stored);
        // What is not kept is closed when this turn ends: so is a barrier, which notifies its sender.
        if hear.send(text).is_err() {
            return;
        }
    }
}

impl Service {
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("send a signal");
    }

    #[track_caller]
    pub fn expect_success(&mut self) {
        let status = self.await_end();
        assert!(status.success(), "ended with {status}");
    }

    #[track_caller]
    pub fn await_end(&mut self) -> ExitStatus {
        let asked_at = Instant::now();
        while asked_at.elapsed() < PATIENCE {
            if let Some(status) = self.0.try_wait().expect("wait") {
                return status;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the service did not end");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

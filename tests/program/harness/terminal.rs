//! A program in a terminal, and a person at its keys.

use super::PATIENCE;
use super::server::LOOK;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Instant;

/// What `Ctrl-D` sends.
pub const CTRL_D: &str = "\x04";

/// A program that runs in a terminal of its own, which `script` makes.
pub struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: Arc<Mutex<Vec<u8>>>,
    command: String,
}

impl Terminal {
    /// Starts a command, as a shell understands it.
    #[track_caller]
    pub fn run(command: &str) -> Terminal {
        let in_terminal = format!("stty cols 120 rows 40 iutf8; exec {command}");
        let mut child = Command::new("script")
            .args(["--quiet", "--flush", "--command", &in_terminal, "/dev/null"])
            .envs([("TERM", "xterm"), ("LANG", "C.UTF-8")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("script makes a terminal; it is in util-linux (bsdutils)");
        let keys = child.stdin.take().expect("its keys");
        let mut output = child.stdout.take().expect("its screen");
        let screen = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                seen.lock().expect("nobody panics with it").extend_from_slice(&buffer[..count]);
            }
        });
        Terminal { child, keys, screen, command: command.to_owned() }
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) {
        // A program that has ended hears none; what it should have shown is missed then.
        let _ = self.keys.write_all(keys.as_bytes()).and_then(|()| self.keys.flush());
    }

    /// Types a line.
    pub fn type_line(&mut self, line: &str) {
        self.press(&format!("{line}\n"));
    }

    /// All that was shown so far.
    pub fn screen(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().expect("nobody panics with it")).into_owned()
    }

    /// Waits until this is on the screen.
    #[track_caller]
    pub fn expect(&self, words: &str) {
        let asked_at = Instant::now();
        while !self.screen().contains(words) {
            assert!(asked_at.elapsed() < PATIENCE, "{}: no {words:?} in {:?}", self.command, self.screen());
            sleep(LOOK);
        }
    }

    /// Waits until the program has ended by itself.
    #[track_caller]
    pub fn expect_end(&mut self) {
        self.expect_end_by(|_| {});
    }

    /// Does this again and again until the program has ended.
    #[track_caller]
    pub fn expect_end_by(&mut self, mut act: impl FnMut(&mut Terminal)) {
        let asked_at = Instant::now();
        while self.child.try_wait().expect("wait").is_none() {
            assert!(asked_at.elapsed() < PATIENCE, "{} goes on: {:?}", self.command, self.screen());
            act(self);
            sleep(LOOK);
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The terminal ends with it, and what runs in it with that.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says what to install when a program that a test runs is not there: nothing is passed over.
#[track_caller]
pub fn needs(program: &str, package: &str) {
    let is_file = |directory: std::path::PathBuf| directory.join(program).is_file();
    let is_there = std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(is_file));
    assert!(is_there, "{program} is missing: apt-get install {package}, or .ci/run as root");
}

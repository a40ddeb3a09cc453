//! A server of our own: a child process on a temporary directory, gone when the measurement ends.

use crate::child;
use crate::error::BenchError;
use crate::target::OwnServer;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long the server may take until it says where it listens.
const START_MAX: Duration = Duration::from_secs(10);
/// How long an upgrade may take.
const UPGRADE_MAX: Duration = Duration::from_secs(30);
/// How long it may take to end after SIGTERM.
const STOP_MAX: Duration = Duration::from_secs(5);
/// How often a child process is looked at.
const LOOK: Duration = Duration::from_millis(5);
/// What is behind the names of the files of a process that takes over.
const NEXT: &str = ".next";
/// How much of what a server wrote an error shows, in bytes.
const LAST_WORDS_BYTES: usize = 600;

/// A running child. Killed when it is dropped without [`ChildServer::stop`].
#[derive(Debug)]
pub(crate) struct ChildServer {
    child: Child,
    /// The process that is taking over, while one is, and since when.
    successor: Option<(Child, Instant)>,
    program: PathBuf,
    arguments: Vec<OsString>,
    /// Holds the data, an empty configuration, and what the server wrote.
    directory: TempDir,
}

impl ChildServer {
    /// Starts a server on a free port of loopback and waits until it says which. Its data directory is
    /// what `fill` makes of it, if anything.
    ///
    /// # Errors
    /// [`BenchError::OwnServer`] with the end of what it wrote, when it ends or stays silent; and what
    /// `fill` fails with.
    pub(crate) fn start(
        own: &OwnServer,
        settings: &[String],
        fill: impl FnOnce(&Path) -> Result<(), BenchError>,
    ) -> Result<(ChildServer, SocketAddr), BenchError> {
        let directory =
            tempfile::tempdir().map_err(BenchError::system("make a temporary directory; set TMPDIR"))?;
        let data = directory.path().join("data");
        fill(&data)?;
        // Neither the machine's configuration nor the caller's environment is part of the measurement.
        let config = directory.path().join("madang.toml");
        fs::write(&config, "").map_err(BenchError::system(format!("write '{}'", config.display())))?;
        let mut arguments: Vec<OsString> = vec!["serve".into(), "--config".into(), config.into()];
        arguments.extend(["--data".into(), data.into(), "--listen".into(), "127.0.0.1:0".into()]);
        if let Some(durability) = &own.durability {
            arguments.extend(["--durability".into(), durability.into()]);
        }
        for setting in settings.iter().chain(&own.settings) {
            arguments.extend(["--set".into(), setting.into()]);
        }
        let child = run(&own.program, &arguments, &directory, "")?;
        let program = own.program.clone();
        let mut server = ChildServer { child, successor: None, program, arguments, directory };
        let address = server.address()?;
        Ok((server, address))
    }

    /// Starts a process that takes over from the one that serves.
    ///
    /// # Errors
    /// When it cannot be run.
    pub(crate) fn begin_upgrade(&mut self) -> Result<(), BenchError> {
        let mut arguments = self.arguments.clone();
        arguments.push("--takeover".into());
        let began = Instant::now();
        self.successor = Some((run(&self.program, &arguments, &self.directory, NEXT)?, began));
        Ok(())
    }

    /// Whether the new process serves and the old one has ended; then this is the new one.
    ///
    /// # Errors
    /// [`BenchError::OwnServer`] when one of the two ends otherwise, or it takes too long.
    pub(crate) fn is_upgraded(&mut self) -> Result<bool, BenchError> {
        let Some((successor, began)) = &mut self.successor else { return Ok(true) };
        let began = *began;
        let wait = |child: &mut Child| {
            child.try_wait().map_err(BenchError::system("wait for a server started for the measurement"))
        };
        let (after, before) = (wait(successor)?, wait(&mut self.child)?);
        if let Some(status) = after {
            let what = format!("could not be upgraded: the new process ended with {status}");
            let last_words = last_of(&self.text_of(&format!("stderr{NEXT}")));
            return Err(BenchError::OwnServer { what, last_words });
        }
        match before {
            Some(status) if !status.success() => {
                Err(self.failed(format!("ended with {status} when it was upgraded")))
            }
            Some(_) if announced(&self.text_of(&format!("stdout{NEXT}"))).is_some() => {
                for stream in ["stdout", "stderr"] {
                    let of_next = self.directory.path().join(format!("{stream}{NEXT}"));
                    fs::rename(of_next, self.directory.path().join(stream))
                        .map_err(BenchError::system("rename a file of a server"))?;
                }
                if let Some((successor, _)) = self.successor.take() {
                    self.child = successor;
                }
                Ok(true)
            }
            _ if began.elapsed() > UPGRADE_MAX => {
                Err(self.failed(format!("was not upgraded within {} s", UPGRADE_MAX.as_secs())))
            }
            _ => Ok(false),
        }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it with SIGTERM.
    ///
    /// # Errors
    /// [`BenchError::OwnServer`] when it does not end in 5 s or not with success.
    pub(crate) fn stop(mut self) -> Result<(), BenchError> {
        let asked_at = Instant::now();
        kill_process(Pid::from_child(&self.child), Signal::TERM)
            .map_err(BenchError::system("stop the server started for the measurement"))?;
        while asked_at.elapsed() < STOP_MAX {
            match self.ended()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(self.failed(format!("ended with {status} when told to stop"))),
                None => sleep(LOOK),
            }
        }
        Err(self.failed(format!("did not stop within {} s", STOP_MAX.as_secs())))
    }

    fn address(&mut self) -> Result<SocketAddr, BenchError> {
        let started_at = Instant::now();
        while started_at.elapsed() < START_MAX {
            if let Some(address) = announced(&self.text_of("stdout")) {
                return Ok(address);
            }
            if let Some(status) = self.ended()? {
                return Err(self.failed(format!("ended at once with {status}")));
            }
            sleep(LOOK);
        }
        Err(self.failed(format!("did not say where it listens within {} s", START_MAX.as_secs())))
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>, BenchError> {
        self.child.try_wait().map_err(BenchError::system("wait for the server started for the measurement"))
    }

    fn failed(&self, what: String) -> BenchError {
        let words = format!("{}{}", self.text_of("stdout"), self.text_of("stderr"));
        BenchError::OwnServer { what, last_words: last_of(&words) }
    }

    fn text_of(&self, stream: &str) -> String {
        // What cannot be read is as good as not written.
        let bytes = fs::read(self.directory.path().join(stream)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for ChildServer {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let successor = self.successor.as_mut().map(|(successor, _)| successor);
        for child in successor.into_iter().chain([&mut self.child]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn run(
    program: &Path,
    arguments: &[OsString],
    directory: &TempDir,
    which: &str,
) -> Result<Child, BenchError> {
    let mut command = Command::new(program);
    command.args(arguments);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MADANG_") {
            command.env_remove(name);
        }
    }
    // Files, as a pipe that nobody reads would stop the server when it is full.
    command
        .stdin(Stdio::null())
        .stdout(written(directory, &format!("stdout{which}"))?)
        .stderr(written(directory, &format!("stderr{which}"))?);
    child::spawn(command).map_err(BenchError::system(format!("run '{}'", program.display())))
}

/// The end of what a server wrote.
fn last_of(words: &str) -> String {
    let words = words.trim();
    let cut = words.len().saturating_sub(LAST_WORDS_BYTES);
    let last_words = words.get(words.ceil_char_boundary(cut)..).unwrap_or_default();
    if last_words.is_empty() { "none".to_owned() } else { format!("\n{last_words}") }
}

fn written(directory: &TempDir, name: &str) -> Result<File, BenchError> {
    let path = directory.path().join(name);
    File::create(&path).map_err(BenchError::system(format!("write '{}'", path.display())))
}

/// The address in `… nc HOST PORT`, once its line is complete.
fn announced(stdout: &str) -> Option<SocketAddr> {
    let (complete, _) = stdout.rsplit_once('\n')?;
    complete.lines().find_map(|line| {
        let (_, address) = line.split_once(": nc ")?;
        let (host, port) = address.trim().split_once(' ')?;
        Some(SocketAddr::new(host.parse().ok()?, port.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_a_complete_line_only() {
        let said = "madang: 2 shards\nmadang: talk to me with: nc 127.0.0.1 41234";
        assert_eq!(announced(said), None);
        let expected = "127.0.0.1:41234".parse().expect("an address");
        assert_eq!(announced(&format!("{said}\n")), Some(expected));
    }

    #[test]
    fn a_program_that_ends_at_once_is_an_error_with_its_words() {
        let own = OwnServer { program: "/bin/false".into(), durability: None, settings: Vec::new() };
        let refusal = ChildServer::start(&own, &[], |_| Ok(())).expect_err("no server").to_string();
        assert!(refusal.contains("ended at once"), "{refusal}");
    }
}

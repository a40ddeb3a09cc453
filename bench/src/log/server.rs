//! A server on a directory that is there already, timed from the start of its process.

use crate::child;
use crate::error::BenchError;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long it may take to end after SIGTERM.
const STOP_MAX: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(2);

/// A running server; killed when it is dropped.
pub(super) struct LogServer {
    child: Child,
    pub(super) address: SocketAddr,
    /// From the start of its process until it said where it listens.
    pub(super) ready_after: Duration,
}

impl LogServer {
    /// Starts `madang serve` on `data`, with its own number of shards when `shards` is `None`, and new
    /// segments of its own size when `segment_bytes` is.
    pub(super) fn start(
        program: &Path,
        data: &Path,
        shards: Option<u16>,
        segment_bytes: Option<u64>,
    ) -> Result<LogServer, BenchError> {
        let beside = data.with_extension("server");
        fs::create_dir_all(&beside).map_err(BenchError::system(format!("make '{}'", beside.display())))?;
        let config = beside.join("madang.toml");
        fs::write(&config, "").map_err(BenchError::system(format!("write '{}'", config.display())))?;
        let words = beside.join("stderr");
        let stderr =
            File::create(&words).map_err(BenchError::system(format!("write '{}'", words.display())))?;
        let mut command = Command::new(program);
        command.arg("serve").arg("--config").arg(&config).arg("--data").arg(data);
        command.args(["--listen", "127.0.0.1:0", "--set", "limits.messages_per_second=0"]);
        if let Some(shards) = shards {
            command.args(["--shards", &shards.to_string()]);
        }
        if let Some(segment_bytes) = segment_bytes {
            command.args(["--set", &format!("log.segment_bytes={segment_bytes}")]);
        }
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("MADANG_") {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        let started = Instant::now();
        let child =
            child::spawn(command).map_err(BenchError::system(format!("run '{}'", program.display())))?;
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = LogServer { child, address, ready_after: Duration::ZERO };
        let failed = |what: &str| BenchError::OwnServer {
            what: what.to_owned(),
            last_words: fs::read_to_string(&words).unwrap_or_default(),
        };
        // Until it speaks or ends: how long it takes is what is measured.
        let mut stdout = server.child.stdout.take().map(BufReader::new);
        let mut line = String::new();
        while let Some(stdout) = &mut stdout {
            line.clear();
            match stdout.read_line(&mut line) {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
            if let Some(address) = announced(&line) {
                server.ready_after = started.elapsed();
                server.address = address;
                return Ok(server);
            }
        }
        Err(failed("ended without saying where it listens"))
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it with SIGTERM, and waits.
    pub(super) fn stop(mut self) -> Result<(), BenchError> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)
            .map_err(BenchError::system("stop the server that is measured"))?;
        let asked = Instant::now();
        while asked.elapsed() < STOP_MAX {
            let ended = self.child.try_wait().map_err(BenchError::system("wait for the server"))?;
            match ended {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    let what = format!("ended with {status} when told to stop");
                    return Err(BenchError::OwnServer { what, last_words: "none".to_owned() });
                }
                None => sleep(LOOK),
            }
        }
        let what = format!("did not stop within {} s", STOP_MAX.as_secs());
        Err(BenchError::OwnServer { what, last_words: "none".to_owned() })
    }

    /// Ends it as a crash would.
    pub(super) fn kill(mut self) -> Result<(), BenchError> {
        self.child.kill().map_err(BenchError::system("kill the server that is measured"))?;
        self.child.wait().map(|_| ()).map_err(BenchError::system("wait for the server"))
    }
}

impl Drop for LogServer {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in `… nc HOST PORT`.
fn announced(line: &str) -> Option<SocketAddr> {
    let (_, address) = line.split_once(": nc ")?;
    let (host, port) = address.trim().split_once(' ')?;
    Some(SocketAddr::new(host.parse().ok()?, port.parse().ok()?))
}

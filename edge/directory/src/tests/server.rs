//! A PostgreSQL of our own, in a temporary directory, for the tests of this process.

use crate::location::Location;
use crate::sql::{Database, PostgresDatabase};
use rustix::fs::{Gid, Uid, chown};
use rustix::process::geteuid;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The user that it runs as where we are root, which it refuses to be: nobody.
const NOBODY: u32 = 65_534;

/// Makes a server and runs it until standard input ends, with the process that holds the other end, however that ends.
/// Nothing is synced: what the server keeps is not what is tested.
const SCRIPT: &str = r#"
    set -eu
    cd "$HOME"
    "$BIN/initdb" -D data -U madang -A trust -E UTF8 --no-locale --no-sync --no-instructions >initdb.log 2>&1
    "$BIN/postgres" -D data -k "$HOME" -c listen_addresses= -c fsync=off -c max_connections=200 \
        -c shared_buffers=32MB >server.log 2>&1 </dev/null &
    server=$!
    trap 'kill -INT $server; wait $server || true; cd /; rm -rf "$HOME"' EXIT
    until "$BIN/pg_isready" -q -h "$HOME"; do
        kill -0 $server
        sleep 0.05
    done
    echo ready
    cat >/dev/null
"#;

pub struct Server {
    home: PathBuf,
    /// It ends when this process does.
    _running: Child,
    databases: AtomicU32,
}

impl Server {
    /// The one of this process; `None` where no PostgreSQL is installed, which `tests/run` says.
    pub fn shared() -> Option<&'static Server> {
        static SERVER: OnceLock<Option<Server>> = OnceLock::new();
        SERVER.get_or_init(Server::start).as_ref()
    }

    /// One of the caller's own, to be stopped and killed.
    pub fn start() -> Option<Server> {
        let Some(programs) = programs() else {
            println!("no PostgreSQL is installed: only SQLite is tested");
            return None;
        };
        let home = tempfile::Builder::new().prefix("madang-pg").tempdir().unwrap().keep();
        let mut command = match geteuid().is_root() {
            true => {
                chown(&home, Some(Uid::from_raw(NOBODY)), Some(Gid::from_raw(NOBODY))).unwrap();
                let mut command = Command::new("setpriv");
                command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--", "sh", "-c", SCRIPT]);
                command
            }
            false => {
                let mut command = Command::new("sh");
                command.args(["-c", SCRIPT]);
                command
            }
        };
        command.env("HOME", &home).env("BIN", &programs).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut running = command.spawn().expect("run PostgreSQL");
        let mut line = String::new();
        BufReader::new(running.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said = |name: &str| fs::read_to_string(home.join(name)).unwrap_or_default();
        assert!(line == "ready\n", "PostgreSQL does not start: {}{}", said("initdb.log"), said("server.log"));
        Some(Server { home, _running: running, databases: AtomicU32::new(0) })
    }

    /// A database that nobody else uses.
    pub fn new_database(&self) -> Location {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.connect("postgres").batch(&format!("CREATE DATABASE {name}")).unwrap();
        self.location(&name)
    }

    pub fn location(&self, database: &str) -> Location {
        let host = self.home.display().to_string().replace('/', "%2F");
        Location::of_url(&format!("postgres://madang@{host}/{database}")).unwrap()
    }

    fn connect(&self, database: &str) -> PostgresDatabase {
        let Location::Postgres(config) = self.location(database) else { unreachable!("a server") };
        PostgresDatabase::connect(&config, "test", Duration::from_secs(30)).unwrap()
    }
}

/// The directory of its programs.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let mut found: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin")).collect();
    found.retain(|programs| Path::new(programs).join("initdb").exists());
    found.sort();
    found.pop()
}

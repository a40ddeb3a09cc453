//! The edge process: `madang edge`. It serves HTTP for a server that runs on the same data directory.
//!
//! Its life: it takes the lock `edge.lock`, so that there is one at a time; opens the directory of accounts; borrows the
//! listening sockets from the server (`edge_desk`) and connects to its link; serves; and ends within 2 s when it is asked
//! to, or when the server that started it ends. If the server ends, it waits for the next one.

mod borrowing;
mod error;
mod lock;
mod place;
mod rest;
mod settings;

pub use error::EdgeError;
pub use place::location;

use borrowing::{Borrowing, Left};
use lock::EdgeLock;
use madang_config::{Loaded, Sources};
use madang_directory::{Directory, Location, SqliteOpening};
use madang_edge::{EdgeServer, EdgeSettings};
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use settings::{connections_max, limits};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Threads that serve connections: an edge waits for the core, mostly.
const WORKERS: usize = 1;
/// An edge that was asked to end and has not ended after this time ends at once.
const END_TIME_MAX: Duration = Duration::from_millis(2_400);

/// How an edge ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// It was asked to.
    Done,
    /// The configuration has no HTTP.
    NothingToServe,
    /// The server is of another version than before: an edge of that one is to be started.
    Outdated,
}

/// Runs an edge until it is to end. `parent` is the process that started it, with which it ends.
///
/// # Errors
/// [`EdgeError`].
pub fn run(loaded: &Loaded, data: &Path, parent: Option<u32>) -> Result<Ended, EdgeError> {
    if let Some(parent) = parent {
        end_with(parent);
    }
    let is_starting = Arc::new(AtomicBool::new(true));
    // Before anything that waits: without a handler SIGHUP would end this process.
    let (signals, closing) = take_signals(Arc::clone(&is_starting)).map_err(EdgeError::System)?;
    // A server that starts an edge has sockets for it.
    if parent.is_none() && loaded.config.http_listeners().is_empty() {
        tracing::info!("there is nothing to serve: set listen.http or listen.https, and start this again");
        return Ok(Ended::NothingToServe);
    }
    let _lock = EdgeLock::take(data)?;
    let directory = open_directory(loaded, data)?;
    let settings = EdgeSettings {
        link_socket: data.join("link.sock"),
        workers: WORKERS,
        connections_max: connections_max(),
        limits: limits(&loaded.config)?,
    };
    let handlers = rest::router(&loaded.config, data, directory)?;
    let server = EdgeServer::start(settings, |_| handlers);
    let server = Arc::new(server.map_err(EdgeError::System)?);
    let (left, has_left) = flume::bounded(1);
    let borrowing = Borrowing::new(Arc::clone(&server), data, left, closing);
    borrowing.start().map_err(EdgeError::System)?;
    is_starting.store(false, Ordering::SeqCst);
    for signal in signals {
        match signal {
            SIGHUP => reload(&loaded.sources, &server),
            _ => break,
        }
    }
    let ended = has_left.try_recv().unwrap_or(Left::Asked);
    force_end_in_time();
    server.stop();
    tracing::info!("the edge has ended");
    Ok(if ended == Left::ForAnother { Ended::Outdated } else { Ended::Done })
}

/// Checks whether an edge could serve with this configuration, and changes nothing.
///
/// # Errors
/// [`EdgeError`].
pub fn check(loaded: &Loaded, data: &Path) -> Result<(), EdgeError> {
    match check_configuration(loaded, data)? {
        // It is made when an edge starts.
        Location::Sqlite(file) if !file.exists() => Ok(()),
        location => {
            let opened = location.connect_to_read(Duration::from_secs(5));
            opened.map(drop).map_err(EdgeError::Directory)
        }
    }
}

/// The same without asking a database, which may be away for a moment.
///
/// # Errors
/// [`EdgeError`].
pub fn check_configuration(loaded: &Loaded, data: &Path) -> Result<Location, EdgeError> {
    limits(&loaded.config)?;
    location(&loaded.config, data).map_err(EdgeError::Place)
}

fn open_directory(loaded: &Loaded, data: &Path) -> Result<Directory, EdgeError> {
    if !data.is_dir() {
        return Err(EdgeError::NoData(data.to_owned()));
    }
    let location = location(&loaded.config, data).map_err(EdgeError::Place)?;
    Directory::open(&location, SqliteOpening::Create).map_err(EdgeError::Directory)
}

/// Receives signals on a thread of its own, until the handle is closed. While the edge `is_starting` one that asks it to
/// end ends the process at once: the start may wait, for the lock or for a database, and nothing is under way.
fn take_signals(is_starting: Arc<AtomicBool>) -> io::Result<(flume::Receiver<i32>, Handle)> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let closing = signals.handle();
    let (taken, receiver) = flume::unbounded();
    let work = move || {
        for signal in signals.forever() {
            if signal != SIGHUP && is_starting.load(Ordering::SeqCst) {
                std::process::exit(0);
            }
            // Nobody receives it when the edge is ending.
            let _ = taken.send(signal);
        }
    };
    std::thread::Builder::new().name("madang-signals".into()).spawn(work)?;
    Ok((receiver, closing))
}

/// Ends with the process that has started this one; at once if it has ended already.
fn end_with(parent: u32) {
    let _ = set_parent_process_death_signal(Some(Signal::TERM));
    let is_there = getppid().map(Pid::as_raw_nonzero).map(|pid| pid.get().unsigned_abs()) == Some(parent);
    if !is_there {
        std::process::exit(0);
    }
}

/// A request under way may hang in a way that its time limits do not know of.
fn force_end_in_time() {
    let work = || {
        std::thread::sleep(END_TIME_MAX);
        std::process::exit(1);
    };
    // Without the thread whoever has started this process kills it.
    let _ = std::thread::Builder::new().name("madang-end".into()).spawn(work);
}

/// Reads the configuration again: limits of connections and the certificate, for new connections.
fn reload(sources: &Sources, server: &EdgeServer) {
    let loaded = madang_config::load(sources).map_err(|errors| errors.to_string());
    let limits = loaded.and_then(|loaded| limits(&loaded.config).map_err(|error| error.to_string()));
    match limits {
        Ok(limits) => {
            server.set_limits(limits);
            tracing::info!("the edge has read its configuration again");
        }
        // The server names each mistake.
        Err(words) => tracing::error!("the edge goes on with its configuration: {words}"),
    }
}

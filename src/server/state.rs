//! What the threads beside the shards know of the server as a whole.

use super::clock::now_us;
use super::data_directory::DataDirectory;
use super::inherited::SocketActivation;
use super::launch::Launch;
use super::operator_listener::OperatorListener;
use madang_engine::runtime::{Remote, ShardHealth};
use madang_model::connection::Entrance;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How long who looks at the server may keep it from ending.
const SERVED_TIME_MAX: Duration = Duration::from_millis(200);

/// Where the server is in its life. One instance, shared by all who tell others of it.
#[derive(Debug)]
pub struct ServerState {
    data: PathBuf,
    durability: String,
    connections_max: u64,
    started: Instant,
    started_at: SystemTime,
    started_us: u64,
    recovery_us: AtomicU64,
    entrances: Mutex<Vec<Entrance>>,
    remote: OnceLock<Remote>,
    reloads: [AtomicU64; 2],
    lock: Option<OwnedFd>,
    activation: Mutex<SocketActivation>,
    launch: Option<Launch>,
    is_adopting: AtomicBool,
    /// Whether the next program takes signals that wait for it.
    next_takes_signals: AtomicBool,
    /// They live as long as the process, so that they can be lent to whoever hands them over.
    operator_listeners: Mutex<Vec<&'static OperatorListener>>,
}

/// Whether people can come in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Readiness {
    /// The log is being opened.
    Recovering,
    /// They can.
    Ready,
    /// No more.
    Draining,
}

impl ServerState {
    /// A server that begins to start.
    pub fn new(data: &DataDirectory, durability: String, connections_max: u64) -> Arc<ServerState> {
        Arc::new(ServerState {
            data: data.path().to_owned(),
            durability,
            connections_max,
            started: Instant::now(),
            started_at: SystemTime::now(),
            started_us: now_us(),
            recovery_us: AtomicU64::new(0),
            entrances: Mutex::default(),
            remote: OnceLock::new(),
            reloads: [AtomicU64::new(0), AtomicU64::new(0)],
            lock: data.lock(),
            activation: Mutex::default(),
            launch: Launch::of_this_process(),
            is_adopting: AtomicBool::new(false),
            next_takes_signals: AtomicBool::new(false),
            operator_listeners: Mutex::default(),
        })
    }

    /// The lock of the data directory.
    pub fn lock(&self) -> Option<BorrowedFd<'_>> {
        self.lock.as_ref().map(AsFd::as_fd)
    }

    /// Which sockets systemd has opened, as it turns out.
    pub fn set_activation(&self, activation: SocketActivation) {
        *self.activation.lock().unwrap_or_else(PoisonError::into_inner) = activation;
    }

    /// Which sockets systemd has opened.
    pub fn activation(&self) -> SocketActivation {
        self.activation.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From here on what the process before had is this one's alone: it may not end before it serves.
    pub fn adopts(&self) {
        self.is_adopting.store(true, Ordering::Release);
    }

    /// What the next program has said of signals that wait for it.
    pub fn set_next_takes_signals(&self, does: bool) {
        self.next_takes_signals.store(does, Ordering::Release);
    }

    /// Whether the next program takes signals that wait for it.
    pub fn next_takes_signals(&self) -> bool {
        self.next_takes_signals.load(Ordering::Acquire)
    }

    /// Whether there is more to lose than a start.
    pub fn is_adopting(&self) -> bool {
        self.is_adopting.load(Ordering::Acquire)
    }

    /// The operator is served there, too.
    pub fn add_operator_listener(&self, listener: OperatorListener) {
        let listener: &'static OperatorListener = Box::leak(Box::new(listener));
        self.operator_listeners.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    /// Where the operator is served, but for the control socket.
    pub fn operator_listeners(&self) -> Vec<&'static OperatorListener> {
        self.operator_listeners.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Another process serves the operator from now on: whoever has connected here is served before this one ends.
    pub fn stop_operator_listeners(&self) {
        let deadline = Instant::now() + SERVED_TIME_MAX;
        self.operator_listeners().iter().for_each(|listener| listener.stop(deadline));
    }

    /// There is no such process: the operator is served as before.
    pub fn resume_operator_listeners(&self) {
        for listener in self.operator_listeners() {
            if let Err(error) = listener.resume() {
                let name = listener.name();
                tracing::error!(%error, "{name} is unavailable until the server is restarted");
            }
        }
    }

    /// How another process is started like this one.
    pub fn launch(&self) -> Option<&Launch> {
        self.launch.as_ref()
    }

    /// The log is open, after so long.
    pub fn recovered(&self, took: Duration) {
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.recovery_us.store(microseconds, Ordering::Relaxed);
    }

    /// People can come in there.
    pub fn serves(&self, remote: Remote, entrances: Vec<Entrance>) {
        self.listens(entrances);
        // A server comes up once.
        let _ = self.remote.set(remote);
    }

    /// From now on people come in there.
    pub fn listens(&self, entrances: Vec<Entrance>) {
        *self.entrances.lock().unwrap_or_else(PoisonError::into_inner) = entrances;
    }

    /// A reload was asked for, and taken or not.
    pub fn reloaded(&self, is_taken: bool) {
        self.reloads[usize::from(!is_taken)].fetch_add(1, Ordering::Relaxed);
    }

    /// How many reloads were taken, and how many refused.
    pub fn reloads(&self) -> (u64, u64) {
        (self.reloads[0].load(Ordering::Relaxed), self.reloads[1].load(Ordering::Relaxed))
    }

    /// The shards, once they run.
    pub fn remote(&self) -> Option<&Remote> {
        self.remote.get()
    }

    /// Whether people can come in.
    pub fn readiness(&self) -> Readiness {
        match self.remote() {
            None => Readiness::Recovering,
            Some(remote) if remote.is_draining() => Readiness::Draining,
            Some(_) => Readiness::Ready,
        }
    }

    /// What is wrong, a sentence for each shard that does not do its work.
    pub fn faults(&self) -> Vec<String> {
        let health = self.remote().map(Remote::health).unwrap_or_default();
        let fault = |(shard, health): (usize, &ShardHealth)| match health {
            ShardHealth::Well => None,
            ShardHealth::Stuck(seconds) => Some(format!("shard {shard}: has been stuck for {seconds} s")),
            ShardHealth::CannotStore(reason) => {
                Some(format!("shard {shard}: cannot store messages: {reason}"))
            }
        };
        health.iter().enumerate().filter_map(fault).collect()
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// What must have happened to a message before anyone sees it.
    pub fn durability(&self) -> &str {
        &self.durability
    }

    /// How many connections the open-file limit allows.
    pub fn connections_max(&self) -> u64 {
        self.connections_max
    }

    /// How long the process runs.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// When it began, by the clock that all processes of a machine share.
    pub fn started_us(&self) -> u64 {
        self.started_us
    }

    /// When it began.
    pub fn started_at(&self) -> SystemTime {
        self.started_at
    }

    /// How long opening the log took.
    pub fn recovery(&self) -> Duration {
        Duration::from_micros(self.recovery_us.load(Ordering::Relaxed))
    }

    /// Where people come in.
    pub fn entrances(&self) -> Vec<Entrance> {
        self.entrances.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

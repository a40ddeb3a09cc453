//! The state of the server, for the threads besides the shards.

use super::clock::now_us;
use super::data_directory::DataDirectory;
use super::edge_report::EdgeReport;
use super::erasures::ErasureDesk;
use super::http_socket::HttpSocket;
use super::inherited::SocketActivation;
use super::launch::Launch;
use super::link_report::LinkReport;
use super::operator_listener::OperatorListener;
use madang_engine::runtime::{Remote, ShardHealth};
use madang_model::LogEpoch;
use madang_model::connection::Entrance;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How long operator connections may delay the end of the process.
const SERVED_TIME_MAX: Duration = Duration::from_millis(200);

/// The state of the server. One instance, shared by all threads that report it.
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
    link: LinkReport,
    edge: EdgeReport,
    /// They live as long as the process, so that a handover can borrow them.
    http_sockets: Mutex<Vec<&'static HttpSocket>>,
    epoch: OnceLock<LogEpoch>,
    erasures: ErasureDesk,
    lock: Option<OwnedFd>,
    activation: Mutex<SocketActivation>,
    launch: Option<Launch>,
    is_adopting: AtomicBool,
    /// Whether the new program handles signals that were blocked before its start.
    next_takes_signals: AtomicBool,
    /// They live as long as the process, so that a handover can borrow them.
    operator_listeners: Mutex<Vec<&'static OperatorListener>>,
}

/// Whether clients can connect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Readiness {
    /// The log is being opened.
    Recovering,
    /// Clients can connect.
    Ready,
    /// The server is stopping.
    Draining,
}

impl ServerState {
    /// A server that is starting.
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
            link: LinkReport::default(),
            edge: EdgeReport::default(),
            http_sockets: Mutex::default(),
            epoch: OnceLock::new(),
            erasures: ErasureDesk::new(data.path()),
            lock: data.lock(),
            activation: Mutex::default(),
            launch: Launch::of_this_process(),
            is_adopting: AtomicBool::new(false),
            next_takes_signals: AtomicBool::new(false),
            operator_listeners: Mutex::default(),
        })
    }

    /// Where erasures are asked for.
    pub fn erasures(&self) -> &ErasureDesk {
        &self.erasures
    }

    /// Records the epoch of the log, before clients are served.
    pub fn set_epoch(&self, epoch: LogEpoch) {
        let _ = self.epoch.set(epoch);
    }

    /// The epoch of the log; `None` before clients are served.
    pub fn epoch(&self) -> Option<LogEpoch> {
        self.epoch.get().copied()
    }

    /// The lock of the data directory.
    pub fn lock(&self) -> Option<BorrowedFd<'_>> {
        self.lock.as_ref().map(AsFd::as_fd)
    }

    /// Records which sockets systemd has opened.
    pub fn set_activation(&self, activation: SocketActivation) {
        *self.activation.lock().unwrap_or_else(PoisonError::into_inner) = activation;
    }

    /// Which sockets systemd has opened.
    pub fn activation(&self) -> SocketActivation {
        self.activation.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From here on only this process has the state of the old one: it must not end before it serves.
    pub fn set_adopting(&self) {
        self.is_adopting.store(true, Ordering::Release);
    }

    /// Records whether the new program handles signals that were blocked before its start.
    pub fn set_next_takes_signals(&self, does: bool) {
        self.next_takes_signals.store(does, Ordering::Release);
    }

    /// Whether the new program handles signals that were blocked before its start.
    pub fn next_takes_signals(&self) -> bool {
        self.next_takes_signals.load(Ordering::Acquire)
    }

    /// Whether this process has inherited state that would be lost with it.
    pub fn is_adopting(&self) -> bool {
        self.is_adopting.load(Ordering::Acquire)
    }

    /// Adds a listener for the operator.
    pub fn add_operator_listener(&self, listener: OperatorListener) {
        let listener: &'static OperatorListener = Box::leak(Box::new(listener));
        self.operator_listeners.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    /// The listeners for the operator, except the control socket.
    pub fn operator_listeners(&self) -> Vec<&'static OperatorListener> {
        self.operator_listeners.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops the operator listeners, because another process serves from now on. Accepted connections are still
    /// served.
    pub fn stop_operator_listeners(&self) {
        let deadline = Instant::now() + SERVED_TIME_MAX;
        self.operator_listeners().iter().for_each(|listener| listener.stop(deadline));
    }

    /// Serves the operator again, because there is no other process.
    pub fn resume_operator_listeners(&self) {
        for listener in self.operator_listeners() {
            if let Err(error) = listener.resume() {
                let name = listener.name();
                tracing::error!(%error, "{name} is unavailable until the server is restarted");
            }
        }
    }

    /// How to start another process like this one.
    pub fn launch(&self) -> Option<&Launch> {
        self.launch.as_ref()
    }

    /// Records how long opening the log took.
    pub fn set_recovery_time(&self, took: Duration) {
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.recovery_us.store(microseconds, Ordering::Relaxed);
    }

    /// Records that clients can connect at these addresses.
    pub fn set_serving(&self, remote: Remote, entrances: Vec<Entrance>) {
        self.listens(entrances);
        // A server starts to serve once.
        let _ = self.remote.set(remote);
    }

    /// Records the addresses for clients.
    pub fn listens(&self, entrances: Vec<Entrance>) {
        *self.entrances.lock().unwrap_or_else(PoisonError::into_inner) = entrances;
    }

    /// Counts a reload, successful or refused.
    pub fn reloaded(&self, is_taken: bool) {
        self.reloads[usize::from(!is_taken)].fetch_add(1, Ordering::Relaxed);
    }

    /// The numbers of successful and of refused reloads.
    pub fn reloads(&self) -> (u64, u64) {
        (self.reloads[0].load(Ordering::Relaxed), self.reloads[1].load(Ordering::Relaxed))
    }

    /// The link to the edge.
    pub fn link(&self) -> &LinkReport {
        &self.link
    }

    /// The edge.
    pub fn edge(&self) -> &EdgeReport {
        &self.edge
    }

    /// Adds a socket of HTTP.
    pub fn add_http_socket(&self, socket: HttpSocket) {
        let socket: &'static HttpSocket = Box::leak(Box::new(socket));
        self.http_sockets.lock().unwrap_or_else(PoisonError::into_inner).push(socket);
    }

    /// The sockets of HTTP, which are lent to the edge and handed over to the next process.
    pub fn http_sockets(&self) -> Vec<&'static HttpSocket> {
        self.http_sockets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The shards, once they run.
    pub fn remote(&self) -> Option<&Remote> {
        self.remote.get()
    }

    /// Whether clients can connect.
    pub fn readiness(&self) -> Readiness {
        match self.remote() {
            None => Readiness::Recovering,
            Some(remote) if remote.is_draining() => Readiness::Draining,
            Some(_) => Readiness::Ready,
        }
    }

    /// The faults, one sentence for each shard that is stuck or cannot store messages.
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

    /// The durability mode.
    pub fn durability(&self) -> &str {
        &self.durability
    }

    /// The number of connections that the open-file limit allows.
    pub fn connections_max(&self) -> u64 {
        self.connections_max
    }

    /// How long the process has been running.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// When it started, by the monotonic clock of the machine.
    pub fn started_us(&self) -> u64 {
        self.started_us
    }

    /// When it started.
    pub fn started_at(&self) -> SystemTime {
        self.started_at
    }

    /// How long opening the log took.
    pub fn recovery(&self) -> Duration {
        Duration::from_micros(self.recovery_us.load(Ordering::Relaxed))
    }

    /// The addresses for clients.
    pub fn entrances(&self) -> Vec<Entrance> {
        self.entrances.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

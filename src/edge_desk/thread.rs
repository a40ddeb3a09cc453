//! The thread: it waits for what happens to the edge, and acts on it.

use super::child::{EdgeLaunch, RunningEdge, restart_wait};
use super::lease::{Lease, SOCKET};
use super::left::LeftChildren;
use crate::control::PrivateSocket;
use crate::server::{EdgeEnd, HttpSocket, Readiness, ServerState};
use crate::version::{COMMIT, VERSION, with_commit};
use madang_config::HttpKey;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::process::Signal;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the state of the server is looked at.
const TICK: Duration = Duration::from_millis(200);
/// How long an edge may take to end: it finishes requests for 2 s.
const END_TIME_MAX: Duration = Duration::from_millis(2_500);
/// How long to wait before listening or accepting is tried again.
const RETRY: Duration = Duration::from_secs(10);
/// After this time without a line, of which one comes each second, an edge hangs.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// What one turn of this thread adds to that, at most: if this process was stopped, so was the edge, perhaps.
const TURN_MAX: Duration = Duration::from_secs(1);
/// How long to wait after an edge that ended well: if it was asked to, the server is perhaps about to end as well.
const AFTER_SUCCESS: Duration = Duration::from_millis(50);

/// All that the thread has.
pub struct Desk {
    state: Arc<ServerState>,
    launch: Option<EdgeLaunch>,
    /// Readable once the edge is to end.
    end: OwnedFd,
    socket: PrivateSocket,
    lease: Option<Lease>,
    edge: Option<RunningEdge>,
    /// Whether it has had the sockets.
    has_served: bool,
    /// Edges that ended soon, one after another.
    failures: u32,
    /// When the next edge is started.
    starts_at: Instant,
    is_ending: bool,
    /// Reloads that the edge knows of.
    reloads: u64,
    /// When the edge is killed that is ending.
    killed_at: Option<Instant>,
    /// Of a program that ran in this process before.
    left: LeftChildren,
    /// Addresses at which this process does not listen yet.
    missing: Vec<(&'static HttpKey, SocketAddr)>,
    /// How long the edge with the sockets has sent no line.
    silent: Duration,
    /// When this thread looked at it last.
    looked_at: Instant,
    /// Nobody is accepted before this.
    accepts_at: Instant,
}

impl Desk {
    /// It lends the sockets of the server.
    pub fn new(
        state: Arc<ServerState>,
        launch: Option<EdgeLaunch>,
        end: OwnedFd,
        missing: Vec<(&'static HttpKey, SocketAddr)>,
    ) -> Desk {
        let now = Instant::now();
        Desk {
            socket: PrivateSocket::new(state.data(), SOCKET),
            state,
            launch,
            end,
            lease: None,
            edge: None,
            has_served: false,
            failures: 0,
            starts_at: now,
            is_ending: false,
            reloads: 0,
            killed_at: None,
            left: LeftChildren::end(),
            missing,
            silent: Duration::ZERO,
            looked_at: now,
            accepts_at: now,
        }
    }

    /// Runs until the edge is to end, and has ended.
    pub fn run(mut self) {
        self.state.edge().set(|_| {});
        loop {
            let now = Instant::now();
            self.is_ending |= self.is_to_end();
            self.bind_missing();
            self.lend(now);
            self.read_figures(now);
            self.left.look_after(now);
            self.pass_reloads_on();
            self.look_after_edge(now);
            if self.is_ending && self.edge.is_none() {
                self.socket.close();
                return;
            }
            self.wait(now);
        }
    }

    /// The server drains, or has drained.
    fn is_to_end(&self) -> bool {
        let mut number = [0; 8];
        self.state.readiness() == Readiness::Draining || rustix::io::read(&self.end, &mut number).is_ok()
    }

    /// Listens where another program was, if that has ended. An edge that has sockets gets all of them anew.
    fn bind_missing(&mut self) {
        let state = &self.state;
        let is_missing = |(key, address): &(&'static HttpKey, SocketAddr)| {
            let Ok(socket) = HttpSocket::bind(key, *address) else { return true };
            let (address, listener) = (socket.address(), key.short_name());
            tracing::info!(%address, listener, tls = key.has_tls, "listening for the edge");
            state.add_http_socket(socket);
            false
        };
        let count = self.missing.len();
        self.missing.retain(is_missing);
        if self.missing.len() < count {
            self.end_lease();
        }
    }

    fn end_lease(&mut self) {
        if self.lease.take().is_some() {
            self.state.edge().set(|edge| {
                edge.is_serving = false;
                edge.figures.connections = 0;
            });
        }
    }

    /// Lends the sockets to the next edge, if none has them.
    fn lend(&mut self, now: Instant) {
        let sockets = self.state.http_sockets();
        if self.lease.is_some() || self.accepts_at > now || sockets.is_empty() {
            return;
        }
        if self.socket.listener().is_none()
            && let Err(error) = self.socket.listen()
        {
            self.accepts_at = now + RETRY;
            let path = self.socket.path().display();
            tracing::warn!(%error, "cannot listen on '{path}', so no edge can serve HTTP; it is tried again");
            return;
        }
        let stream = match self.socket.accept() {
            Ok(Some(stream)) => stream,
            Ok(None) => return,
            Err(error) => {
                self.accepts_at = now + RETRY;
                tracing::warn!(%error, "cannot accept an edge; it is tried again");
                return;
            }
        };
        match Lease::grant(stream, with_commit(VERSION, COMMIT), &sockets) {
            Ok(lease) => {
                self.lease = Some(lease);
                self.has_served = true;
                self.silent = Duration::ZERO;
                self.state.edge().set(|edge| edge.is_serving = true);
            }
            Err(error) => tracing::debug!(%error, "an edge is gone before it has the sockets"),
        }
    }

    fn read_figures(&mut self, now: Instant) {
        self.silent += now.saturating_duration_since(self.looked_at).min(TURN_MAX);
        self.looked_at = now;
        let Some(lease) = &mut self.lease else { return };
        match lease.read() {
            Ok(None) if self.silent >= SILENCE_MAX => {
                tracing::error!("the edge hangs: it has sent nothing for 5 s, and gets the sockets no more");
                self.end_lease();
                if let Some(edge) = &self.edge {
                    edge.signal(Signal::KILL);
                }
            }
            Ok(None) => {}
            Ok(Some(figures)) => {
                self.silent = Duration::ZERO;
                self.state.edge().set(|edge| edge.figures = figures);
            }
            Err(error) => {
                tracing::debug!(%error, "the edge has the sockets no more");
                self.end_lease();
            }
        }
    }

    /// What the server has read again, its edge reads again.
    fn pass_reloads_on(&mut self) {
        let (reloads, _) = self.state.reloads();
        if std::mem::replace(&mut self.reloads, reloads) != reloads
            && let Some(edge) = &self.edge
        {
            edge.signal(Signal::HUP);
        }
    }

    /// Starts, restarts and ends it.
    fn look_after_edge(&mut self, now: Instant) {
        if let Some((words, how)) = self.edge.as_ref().and_then(RunningEdge::ended)
            && let Some(edge) = self.edge.take()
        {
            self.failures = if edge.has_run_well() { 0 } else { self.failures + 1 };
            let wait = restart_wait(self.failures, std::mem::take(&mut self.has_served));
            let is_well = how == EdgeEnd::Success;
            let wait = if is_well { wait.max(AFTER_SUCCESS) } else { wait };
            self.starts_at = now + wait;
            self.state.edge().set(|status| status.ends[how as usize] += 1);
            self.is_ending |= self.is_to_end();
            let wait_ms = wait.as_millis() as u64;
            if !self.is_ending && is_well {
                tracing::info!(
                    process = edge.pid,
                    wait_ms,
                    "the edge was asked to end; it is started again, unless the server ends as well"
                );
            } else if !self.is_ending {
                tracing::error!(
                    process = edge.pid,
                    wait_ms,
                    "the edge has ended ({words}); it is started again"
                );
            }
        }
        match (&self.edge, self.is_ending) {
            (Some(edge), true) => match self.killed_at {
                None => {
                    edge.signal(Signal::TERM);
                    self.killed_at = Some(now + END_TIME_MAX);
                }
                Some(at) if at <= now => {
                    edge.signal(Signal::KILL);
                    // It may hang in the kernel.
                    self.killed_at = Some(now + END_TIME_MAX);
                }
                Some(_) => {}
            },
            (None, false) if self.starts_at <= now => self.start(now),
            _ => {}
        }
    }

    fn start(&mut self, now: Instant) {
        let Some(launch) = &self.launch else { return };
        match launch.start() {
            Ok(edge) => {
                tracing::debug!(process = edge.pid, "the edge is started");
                self.state.edge().set(|status| status.starts += 1);
                self.edge = Some(edge);
            }
            Err(error) => {
                self.failures += 1;
                let wait = restart_wait(self.failures, false);
                self.starts_at = now + wait;
                let wait_ms = wait.as_millis() as u64;
                tracing::error!(%error, wait_ms, "the edge cannot be started; it is tried again");
            }
        }
    }

    /// Waits until something happens.
    fn wait(&self, now: Instant) {
        let mut wait = TICK;
        if self.edge.is_none() && self.launch.is_some() {
            wait = wait.min(self.starts_at.saturating_duration_since(now));
        }
        if let Some(at) = self.killed_at {
            wait = wait.min(at.saturating_duration_since(now));
        }
        // A millisecond more: what is due is past then.
        let timeout = Timespec::try_from(wait + Duration::from_millis(1)).ok();
        let mut polled = vec![PollFd::new(&self.end, PollFlags::IN)];
        match (&self.lease, self.socket.listener()) {
            (Some(lease), _) => polled.push(PollFd::new(lease.stream(), PollFlags::IN)),
            (None, Some(listener)) if self.accepts_at <= now => {
                polled.push(PollFd::new(listener, PollFlags::IN));
            }
            _ => {}
        }
        if let Some(edge) = &self.edge {
            polled.push(PollFd::from_borrowed_fd(edge.process.as_fd(), PollFlags::IN));
        }
        if poll(&mut polled, timeout.as_ref()).is_err() {
            // Interrupted, or short of memory, as poll(2) says.
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

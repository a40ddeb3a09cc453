//! The thread: it waits for what happens to the edge, and acts on it.

use super::child::{EdgeLaunch, RunningEdge, left_children, reap, restart_wait};
use super::lease::{Lease, SOCKET};
use crate::control::PrivateSocket;
use crate::server::{Readiness, ServerState};
use crate::version::{COMMIT, VERSION, with_commit};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::process::Signal;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the state of the server is looked at.
const TICK: Duration = Duration::from_millis(200);
/// How long an edge may take to end: it finishes requests for 2 s.
const END_TIME_MAX: Duration = Duration::from_millis(2_500);
/// How long to wait before listening or accepting is tried again.
const RETRY: Duration = Duration::from_secs(10);

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
    left: Vec<OwnedFd>,
    /// Nobody is accepted before this.
    accepts_at: Instant,
}

impl Desk {
    /// It lends the sockets of the server.
    pub fn new(state: Arc<ServerState>, launch: Option<EdgeLaunch>, end: OwnedFd) -> Desk {
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
            left: left_children(),
            accepts_at: now,
        }
    }

    /// Runs until the edge is to end, and has ended.
    pub fn run(mut self) {
        self.state.edge().set(|_| {});
        loop {
            let now = Instant::now();
            self.is_ending |= self.is_to_end();
            self.lend(now);
            self.read_figures();
            reap(&mut self.left);
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

    /// Lends the sockets to the next edge, if none has them.
    fn lend(&mut self, now: Instant) {
        if self.lease.is_some() || self.accepts_at > now {
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
        let sockets = self.state.http_sockets();
        match Lease::grant(stream, with_commit(VERSION, COMMIT), sockets) {
            Ok(lease) => {
                self.lease = Some(lease);
                self.has_served = true;
                self.state.edge().set(|edge| edge.is_serving = true);
            }
            Err(error) => tracing::debug!(%error, "an edge is gone before it has the sockets"),
        }
    }

    fn read_figures(&mut self) {
        let Some(lease) = &mut self.lease else { return };
        match lease.read() {
            Ok(None) => {}
            Ok(Some(figures)) => self.state.edge().set(|edge| edge.figures = figures),
            Err(error) => {
                tracing::debug!(%error, "the edge has the sockets no more");
                self.lease = None;
                self.state.edge().set(|edge| {
                    edge.is_serving = false;
                    edge.figures.connections = 0;
                });
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
            self.starts_at = now + wait;
            self.state.edge().set(|status| status.ends[how as usize] += 1);
            if !self.is_ending {
                let wait_ms = wait.as_millis() as u64;
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
                Some(at) if at <= now => edge.signal(Signal::KILL),
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

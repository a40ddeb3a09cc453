//! The thread of the link: one round after another, and it waits in between.

use super::peer::{Moved, Peer};
use crate::control::PrivateSocket;
use crate::server::{LinkFigures, ServerState};
use madang_engine::mesh::{BATCH_ENTRIES_MAX, Received};
use madang_engine::runtime::{Closing, Endpoint, EndpointStage};
use madang_link::{CoreEnd, GoingDown, LinkEnd, RequestBatches};
use madang_model::{MeshEntry, Moment};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::sync::Arc;
use std::time::Duration;

/// How often time passes for the link.
const TICK: Duration = Duration::from_secs(1);
/// How long answers may take to what was asked before the server began to end or to be upgraded.
const LAST_ANSWERS: Duration = Duration::from_millis(100);
/// How long an edge may take to read why its link has ended.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long to wait before listening or accepting is tried again.
const RETRY: Duration = Duration::from_secs(10);
/// Batches of shards in one round: then it is the turn of the edge.
const BATCHES_MAX: usize = 256;
/// Requests taken in one round: then it is the turn of events.
const REQUESTS_MAX: usize = 4096;

/// All that the thread has.
pub struct LinkThread {
    core: CoreEnd,
    endpoint: Endpoint,
    socket: PrivateSocket,
    peer: Option<Peer>,
    requests: RequestBatches,
    state: Arc<ServerState>,
    /// Whether an edge may connect.
    is_open: bool,
    /// When the link is ended because the server is.
    closes_at: Option<(Moment, GoingDown)>,
    /// When a connection is closed whose link has ended.
    disconnects_at: Option<Moment>,
    next_tick: Moment,
    /// Nobody is accepted before this.
    accepts_at: Moment,
}

impl LinkThread {
    /// Nobody can connect before it runs.
    pub fn new(
        core: CoreEnd,
        endpoint: Endpoint,
        socket: PrivateSocket,
        state: Arc<ServerState>,
    ) -> LinkThread {
        let requests = RequestBatches::new(endpoint.shard_count(), BATCH_ENTRIES_MAX);
        let now = endpoint.now();
        LinkThread {
            core,
            endpoint,
            socket,
            peer: None,
            requests,
            state,
            is_open: false,
            closes_at: None,
            disconnects_at: None,
            next_tick: now,
            accepts_at: now,
        }
    }

    /// Runs as long as the process.
    pub fn run(mut self) -> ! {
        loop {
            self.endpoint.awake();
            if self.round(self.endpoint.now()) {
                continue;
            }
            if let Err(error) = self.wait() {
                // Short of memory, as poll(2) says. The thread must last: sessions hold names and rooms.
                tracing::error!(%error, "the link to the edge cannot wait for its socket; it is tried again");
                std::thread::sleep(TICK);
            }
        }
    }

    /// Does what can be done now. Whether there may be more.
    fn round(&mut self, now: Moment) -> bool {
        self.follow_stage(now);
        self.accept(now);
        let mut has_done = self.read(now);
        has_done |= self.take_events();
        has_done |= self.send_requests();
        has_done |= self.write(now);
        if self.next_tick <= now {
            self.next_tick = now.after(TICK);
            self.core.tick(now);
        }
        if !self.is_open {
            self.endpoint.set_idle(self.is_over());
        }
        self.report();
        has_done
    }

    /// Opens and closes the link with the server.
    fn follow_stage(&mut self, now: Moment) {
        match self.endpoint.stage() {
            EndpointStage::Open => {
                if !self.is_open {
                    self.is_open = self.endpoint.open();
                    self.accepts_at = now;
                    // What was to end goes on after all.
                    self.closes_at = None;
                }
            }
            EndpointStage::Paused => {}
            EndpointStage::Closing(closing) => {
                if std::mem::take(&mut self.is_open) {
                    self.socket.close();
                    let going_down = match closing {
                        Closing::Stop => GoingDown::Stop,
                        Closing::Upgrade => GoingDown::Upgrade,
                    };
                    self.core.go_down(going_down);
                    let is_used = self.core.session_count() > 0;
                    let wait = if is_used { LAST_ANSWERS } else { Duration::ZERO };
                    self.closes_at = Some((now.after(wait), going_down));
                }
            }
        }
        if let Some((_, going_down)) = self.closes_at.take_if(|(at, _)| *at <= now) {
            self.core.end(LinkEnd::GoingDown(going_down));
        }
    }

    /// Listens, and accepts an edge if there is none.
    fn accept(&mut self, now: Moment) {
        if !self.is_open || self.peer.is_some() || self.accepts_at > now {
            return;
        }
        if self.socket.listener().is_none()
            && let Err(error) = self.socket.listen()
        {
            self.accepts_at = now.after(RETRY);
            let path = self.socket.path().display();
            tracing::warn!(%error, "cannot listen on '{path}', so no edge can connect; it is tried again");
            return;
        }
        match self.socket.accept() {
            Ok(None) => {}
            Ok(Some(stream)) => {
                tracing::info!("an edge has connected");
                self.core.connected(now);
                self.peer = Some(Peer::new(stream));
            }
            Err(error) => {
                self.accepts_at = now.after(RETRY);
                tracing::warn!(%error, "cannot accept an edge; it is tried again");
            }
        }
    }

    fn read(&mut self, now: Moment) -> bool {
        let Some(peer) = &mut self.peer else { return false };
        let moved = peer.read(&mut self.core, now);
        self.moved(moved)
    }

    /// Writes to the edge; if the link has ended, the last words, and then the connection is closed.
    fn write(&mut self, now: Moment) -> bool {
        let Some(peer) = &mut self.peer else { return false };
        let moved = peer.write(&mut self.core);
        if self.core.ended().is_some() {
            let disconnects_at = *self.disconnects_at.get_or_insert(now.after(LAST_WORDS));
            if self.core.output().is_empty() {
                peer.finish();
            }
            if disconnects_at <= now {
                return self.moved(Moved::Gone);
            }
        }
        self.moved(moved)
    }

    fn moved(&mut self, moved: Moved) -> bool {
        if moved == Moved::Gone {
            self.peer = None;
            self.disconnects_at = None;
            self.closes_at = None;
            match self.core.disconnected() {
                Some(end @ (LinkEnd::GoingDown(_) | LinkEnd::Goodbye(_) | LinkEnd::Lost)) => {
                    tracing::info!(reason = %end, "the link to the edge has ended");
                }
                Some(end) => tracing::warn!(reason = %end, "the link to the edge was ended"),
                None => {}
            }
        }
        moved != Moved::Nothing
    }

    /// Takes what shards have for sessions of the edge.
    fn take_events(&mut self) -> bool {
        for count in 0..BATCHES_MAX {
            match self.endpoint.receive() {
                None => return count > 0,
                Some(Received::Overrun) => self.core.end(LinkEnd::Overrun),
                Some(Received::Batch(batch)) => {
                    for envelope in batch {
                        match envelope {
                            MeshEntry::Event(event) => self.core.event(event),
                            MeshEntry::Request(request) => {
                                tracing::error!(?request, "a shard has asked the link, which has no home");
                            }
                        }
                    }
                }
            }
        }
        true
    }

    /// Takes requests of the edge and sends them, as far as shards take them.
    fn send_requests(&mut self) -> bool {
        let LinkThread { core, endpoint, requests, .. } = self;
        let has_sent = requests.send(core, REQUESTS_MAX, |shard, batch| endpoint.try_send(shard, batch));
        endpoint.ring();
        has_sent
    }

    /// Whether no session is left, and all that they gave back was sent.
    fn is_over(&self) -> bool {
        let is_link_over = self.peer.is_none() || self.core.ended().is_some();
        is_link_over
            && self.core.session_count() == 0
            && !self.core.has_requests()
            && self.requests.is_empty()
    }

    fn report(&self) {
        self.state.link().set(|figures: &mut LinkFigures| {
            figures.is_connected = self.core.is_up();
            figures.sessions = self.core.session_count() as u64;
            figures.waiting_requests = self.core.waiting_requests() as u64;
            figures.waiting_event_bytes = self.core.waiting_event_bytes() as u64;
            figures.waiting_entries = self.endpoint.waiting_entries() as u64;
            figures.dropped_entries = self.endpoint.dropped_entries();
            figures.counters.clone_from(&self.core.counters);
        });
    }

    /// Waits until something can be done.
    ///
    /// # Errors
    /// Of the system: nothing can be waited for.
    fn wait(&mut self) -> Result<(), Errno> {
        if !self.endpoint.may_sleep() {
            return Ok(());
        }
        let now = self.endpoint.now();
        let deadlines = self.closes_at.map(|(at, _)| at).into_iter().chain(self.disconnects_at);
        let wakes_at = deadlines.fold(self.next_tick, Moment::min);
        // A millisecond more: this clock has no smaller ones.
        let wait = Duration::from_millis(wakes_at.since_ms(now) + 1);
        let timeout = Timespec::try_from(wait).ok();
        let mut polled = vec![PollFd::new(&self.endpoint, PollFlags::IN)];
        match (&self.peer, self.socket.listener()) {
            (Some(peer), _) => {
                let is_writing = !self.core.output().is_empty();
                let flags = if is_writing { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
                polled.push(PollFd::new(peer.stream(), flags));
            }
            (None, Some(listener)) if self.accepts_at <= now => {
                polled.push(PollFd::new(listener, PollFlags::IN));
            }
            _ => {}
        }
        match poll(&mut polled, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

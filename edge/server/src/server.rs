//! An edge as a whole: its runtime, its listeners, its connections and its link.

use crate::bounds::{ACCEPT_RETRY, CONNECTIONS_MAX, GRACE, LINK_TIME_MAX};
use crate::connection::{Shared, Stop};
use crate::counters::Figures;
use crate::limits::{CurrentLimits, EdgeLimits};
use crate::link::{Core, LinkState};
use crate::router::router;
use axum::Router;
use std::io;
use std::net::TcpListener as StdListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// How an edge is made.
#[derive(Clone, Debug)]
pub struct EdgeSettings {
    /// The socket of the core's end of the link.
    pub link_socket: PathBuf,
    /// Threads that serve connections; at least 1.
    pub workers: usize,
    /// Connections at one time; at most [`CONNECTIONS_MAX`].
    pub connections_max: usize,
    /// What operators decide about connections.
    pub limits: EdgeLimits,
}

/// A listening socket.
#[derive(Debug)]
pub struct EdgeListener {
    /// It listens.
    pub socket: StdListener,
    /// Whether clients speak TLS there.
    pub has_tls: bool,
}

/// A running edge.
pub struct EdgeServer {
    runtime: Runtime,
    shared: Arc<Shared>,
    core: Core,
    /// One for each connection that may be open.
    slots: Arc<Semaphore>,
    connections_max: usize,
    stop: watch::Sender<bool>,
    accepting: Mutex<Vec<JoinHandle<()>>>,
}

impl EdgeServer {
    /// Starts an edge that listens nowhere yet. The handlers are made for its core, within its runtime.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(settings: EdgeSettings, handlers: impl FnOnce(&Core) -> Router) -> io::Result<EdgeServer> {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(settings.workers.max(1)).thread_name("madang-edge").enable_all();
        let runtime = builder.build()?;
        let entered = runtime.enter();
        let core = Core::connect(settings.link_socket);
        let router = router(handlers(&core), core.clone());
        drop(entered);
        let connections_max = settings.connections_max.clamp(1, CONNECTIONS_MAX);
        Ok(EdgeServer {
            runtime,
            shared: Shared::new(router, CurrentLimits::new(settings.limits)),
            core,
            slots: Arc::new(Semaphore::new(connections_max)),
            connections_max,
            stop: watch::Sender::new(false),
            accepting: Mutex::default(),
        })
    }

    /// Listens at these sockets from now on, and at no other; at none once it stops. Connections that were accepted stay.
    ///
    /// # Errors
    /// What the system says of one of them; then it listens nowhere.
    pub fn listen(&self, listeners: Vec<EdgeListener>) -> io::Result<()> {
        let mut accepting = self.accepting.lock().unwrap_or_else(PoisonError::into_inner);
        accepting.drain(..).for_each(|task| task.abort());
        if *self.stop.borrow() {
            return Ok(());
        }
        let _entered = self.runtime.enter();
        let listeners: io::Result<Vec<(TcpListener, bool)>> = listeners
            .into_iter()
            .map(|EdgeListener { socket, has_tls }| {
                socket.set_nonblocking(true)?;
                Ok((TcpListener::from_std(socket)?, has_tls))
            })
            .collect();
        for (listener, has_tls) in listeners? {
            let (shared, core, slots) =
                (Arc::clone(&self.shared), self.core.clone(), Arc::clone(&self.slots));
            let door = Door { listener, has_tls, shared, core, slots, stop: self.stop.subscribe() };
            accepting.push(self.runtime.spawn(door.accept_all()));
        }
        Ok(())
    }

    /// From now on these limits hold, for new connections.
    pub fn set_limits(&self, limits: EdgeLimits) {
        self.shared.limits.replace(limits);
    }

    /// The core, as handlers have it.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// What has happened.
    pub fn figures(&self) -> Figures {
        self.shared.counters.figures()
    }

    /// The link as it is now.
    pub fn link(&self) -> LinkState {
        self.core.link()
    }

    /// Accepts nobody any more, finishes requests under way, and returns when all connections have ended, at
    /// most after [`GRACE`].
    pub fn stop(&self) {
        let mut accepting = self.accepting.lock().unwrap_or_else(PoisonError::into_inner);
        self.stop.send_replace(true);
        accepting.drain(..).for_each(|task| task.abort());
        drop(accepting);
        let all = u32::try_from(self.connections_max).unwrap_or(u32::MAX);
        self.runtime.block_on(async {
            // When every slot is free, every connection has ended.
            let _ = timeout(GRACE, self.slots.acquire_many(all)).await;
        });
    }
}

/// A listener that accepts.
struct Door {
    listener: TcpListener,
    has_tls: bool,
    shared: Arc<Shared>,
    core: Core,
    slots: Arc<Semaphore>,
    stop: Stop,
}

impl Door {
    async fn accept_all(self) {
        loop {
            self.await_link().await;
            let slot = self.slot().await;
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, from)) => {
                        self.shared.counters.accept();
                        let (shared, stop, has_tls) =
                            (Arc::clone(&self.shared), self.stop.clone(), self.has_tls);
                        tokio::spawn(async move {
                            Arc::clone(&shared).serve(stream, from, has_tls, stop).await;
                            shared.counters.close();
                            drop(slot);
                        });
                    }
                    Err(error) => {
                        self.shared.counters.accept_error();
                        tracing::debug!(%error, "no connection can be accepted");
                        sleep(ACCEPT_RETRY).await;
                    }
                },
                // Whoever comes then waits in the backlog.
                () = self.core.lost() => {}
            }
        }
    }

    /// While there is no link, nobody is accepted: in an upgrade it is back in a moment. Those who would wait for too
    /// long are answered that it is not.
    async fn await_link(&self) {
        if !self.core.is_up() {
            let wait = LINK_TIME_MAX.saturating_sub(self.core.down_for());
            self.core.until(true, wait).await;
        }
    }

    async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        match Arc::clone(&self.slots).try_acquire_owned() {
            Ok(slot) => Some(slot),
            Err(_) => {
                self.shared.counters.wait_when_full();
                // It is never closed.
                Arc::clone(&self.slots).acquire_owned().await.ok()
            }
        }
    }
}

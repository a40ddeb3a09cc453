//! A listener for the operator. It is handed over to the new process, like those for clients.

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{fmt, io};

/// How long a worker that cannot accept (no descriptor left) waits before it tries again.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);
const LOOK: Duration = Duration::from_millis(1);

/// Serves one connection.
type Serve = dyn Fn(TcpStream) + Send + Sync;

/// The threads of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Threads {
    /// Their number.
    pub count: usize,
    /// The name of each.
    pub name: &'static str,
}

/// A listener, and the threads that serve its connections.
pub struct OperatorListener {
    name: &'static str,
    listener: TcpListener,
    /// Readable once the threads should end.
    stop: OwnedFd,
    threads: Threads,
    serve: Arc<Serve>,
    workers: Mutex<Vec<JoinHandle<()>>>,
}

impl OperatorListener {
    /// Serves connections on threads. The new process identifies the listener by `name`.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(
        name: &'static str,
        listener: TcpListener,
        threads: Threads,
        serve: impl Fn(TcpStream) + Send + Sync + 'static,
    ) -> io::Result<OperatorListener> {
        // A worker that wakes for a connection which another worker has accepted must not block in `accept`.
        listener.set_nonblocking(true)?;
        let stop = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let serve = Arc::new(serve);
        let opened = OperatorListener { name, listener, stop, threads, serve, workers: Mutex::default() };
        opened.start_workers()?;
        Ok(opened)
    }

    fn start_workers(&self) -> io::Result<()> {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.clear();
        let Threads { count, name } = self.threads;
        for _ in 0..count {
            let (listener, stop) = (self.listener.try_clone()?, self.stop.try_clone()?);
            let serve = Arc::clone(&self.serve);
            let work = move || accept(&listener, &stop, &*serve);
            workers.push(std::thread::Builder::new().name(name.to_owned()).spawn(work)?);
        }
        Ok(())
    }

    /// The name by which the new process identifies it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its address.
    ///
    /// # Errors
    /// What the system says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The listening socket.
    pub fn listener(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    /// Stops accepting, and returns when accepted connections are served, or at the deadline. The new process
    /// serves new connections.
    pub fn stop(&self, deadline: Instant) {
        // It fails only if the counter is full of earlier writes.
        let _ = rustix::io::write(&self.stop, &1_u64.to_ne_bytes());
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        while !workers.iter().all(JoinHandle::is_finished) && Instant::now() < deadline {
            std::thread::sleep(LOOK);
        }
    }

    /// Serves again after [`stop`](OperatorListener::stop): there is no new process.
    ///
    /// # Errors
    /// What the system says.
    pub fn resume(&self) -> io::Result<()> {
        // Otherwise the threads would end at once. It fails only if the counter is empty.
        let _ = rustix::io::read(&self.stop, &mut [0_u8; 8]);
        self.start_workers()
    }
}

impl fmt::Debug for OperatorListener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("OperatorListener")
            .field("name", &self.name)
            .field("listener", &self.listener)
            .finish()
    }
}

fn accept(listener: &TcpListener, stop: &OwnedFd, serve: &Serve) {
    loop {
        let mut waited = [PollFd::new(stop, PollFlags::IN), PollFd::new(listener, PollFlags::IN)];
        // At worst it is interrupted.
        let _ = poll(&mut waited, None);
        if !waited[0].revents().is_empty() {
            return;
        }
        match listener.accept() {
            Ok((stream, _)) => serve(stream),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => std::thread::sleep(ACCEPT_RETRY),
        }
    }
}

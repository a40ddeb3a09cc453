//! A listener for the operator. It is handed over to the next process, as those of clients are.

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{fmt, io};

/// A worker that cannot accept (no descriptor left) waits so long before it tries again.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);
const LOOK: Duration = Duration::from_millis(1);

/// Serves who has come.
type Serve = dyn Fn(TcpStream) + Send + Sync;

/// A listener, and the threads that serve who comes.
pub struct OperatorListener {
    name: &'static str,
    listener: TcpListener,
    /// Readable once the threads are to end.
    stop: OwnedFd,
    /// How many, and by what name.
    threads: (usize, &'static str),
    serve: Arc<Serve>,
    workers: Mutex<Vec<JoinHandle<()>>>,
}

impl OperatorListener {
    /// Serves who comes there, on so many threads of this name. The next process knows it by `name`.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(
        name: &'static str,
        listener: TcpListener,
        threads: (usize, &'static str),
        serve: impl Fn(TcpStream) + Send + Sync + 'static,
    ) -> io::Result<OperatorListener> {
        // One that wakes for a connection which another has taken must not wait for the next in `accept`.
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
        let (count, name) = self.threads;
        for _ in 0..count {
            let (listener, stop) = (self.listener.try_clone()?, self.stop.try_clone()?);
            let serve = Arc::clone(&self.serve);
            let work = move || accept(&listener, &stop, &*serve);
            workers.push(std::thread::Builder::new().name(name.to_owned()).spawn(work)?);
        }
        Ok(())
    }

    /// By what the next process knows it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Where it is.
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

    /// Accepts no more, and returns when those who have connected are served, or at the deadline: the next process
    /// serves who connects from now on.
    pub fn stop(&self, deadline: Instant) {
        // It can only be full of such words.
        let _ = rustix::io::write(&self.stop, &1_u64.to_ne_bytes());
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        while !workers.iter().all(JoinHandle::is_finished) && Instant::now() < deadline {
            std::thread::sleep(LOOK);
        }
    }

    /// Serves who comes again, after [`stop`](OperatorListener::stop): there was no next process.
    ///
    /// # Errors
    /// What the system says.
    pub fn resume(&self) -> io::Result<()> {
        // Else the threads end at once. It can only be empty.
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
        // It is interrupted at worst.
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

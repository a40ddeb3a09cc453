//! A listener for the operator: it goes along to the next process, as those of people do.

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
pub struct Door {
    name: &'static str,
    listener: TcpListener,
    /// Readable once the threads are to end.
    leave: OwnedFd,
    /// So many, of this name.
    threads: (usize, &'static str),
    serve: Arc<Serve>,
    workers: Mutex<Vec<JoinHandle<()>>>,
}

impl Door {
    /// Serves who comes there, on so many threads of this name. The next process knows it by `name`.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(
        name: &'static str,
        listener: TcpListener,
        threads: (usize, &'static str),
        serve: impl Fn(TcpStream) + Send + Sync + 'static,
    ) -> io::Result<Door> {
        // One that wakes for a connection which another has taken must not wait for the next in `accept`.
        listener.set_nonblocking(true)?;
        let leave = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let door = Door { name, listener, leave, threads, serve: Arc::new(serve), workers: Mutex::default() };
        door.start_workers()?;
        Ok(door)
    }

    fn start_workers(&self) -> io::Result<()> {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.clear();
        let (count, name) = self.threads;
        for _ in 0..count {
            let (listener, leave) = (self.listener.try_clone()?, self.leave.try_clone()?);
            let serve = Arc::clone(&self.serve);
            let work = move || accept(&listener, &leave, &*serve);
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

    /// Takes nobody more, and returns when those who came are served, or at the deadline: the next process serves
    /// who comes from now on.
    pub fn leave(&self, deadline: Instant) {
        // It can only be full of such words.
        let _ = rustix::io::write(&self.leave, &1_u64.to_ne_bytes());
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        while !workers.iter().all(JoinHandle::is_finished) && Instant::now() < deadline {
            std::thread::sleep(LOOK);
        }
    }

    /// Serves who comes again, after [leaving](Door::leave): there was no next process.
    ///
    /// # Errors
    /// What the system says.
    pub fn come_back(&self) -> io::Result<()> {
        // Else the threads end at once. It can only be empty.
        let _ = rustix::io::read(&self.leave, &mut [0_u8; 8]);
        self.start_workers()
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Door").field("name", &self.name).field("listener", &self.listener).finish()
    }
}

fn accept(listener: &TcpListener, leave: &OwnedFd, serve: &Serve) {
    loop {
        let mut waited = [PollFd::new(leave, PollFlags::IN), PollFd::new(listener, PollFlags::IN)];
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

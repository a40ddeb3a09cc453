//! The readiness set: one epoll instance a shard, which the executor itself waits for.
//!
//! Every socket is added once, edge-triggered, and never changed: what is readable or writable is
//! remembered here until the kernel says it is used up. An idle connection costs one entry of the
//! table. The seam is this file's methods: an io_uring socket layer would offer the same.

use super::listener::Listener;
use super::tls::{TlsCounters, TlsFault, TlsSession, TlsTable};
use crate::types::ConnectionId;
use futures_lite::AsyncRead;
use glommio::net::TcpStream;
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{self, RecvFlags, SendFlags, Shutdown, SocketFlags};
use rustix::process::{Resource, getrlimit};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Events taken from the kernel at a time.
const EVENTS_MAX: usize = 1024;
/// The event data that stands for the listener.
const LISTENER: u64 = u64::MAX;
/// The event data that stands for the bell.
const BELL: u64 = u64::MAX - 1;
/// Bytes read from a socket at once.
pub const READ_BYTES_MAX: usize = 16 * 1024;
const NO_WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// Descriptors that connections leave to the log, its readers and the waits of a shard, and of the
/// process. Without them a shard could neither wait nor store.
const SHARD_FILES_LEFT: u64 = 80;
const PROCESS_FILES_LEFT: u64 = 16;

/// What the kernel reported.
#[derive(Clone, Copy, Debug)]
pub enum Readiness {
    /// Connections wait to be accepted.
    Accept,
    /// A socket can be read.
    Read(ConnectionId),
    /// A socket takes bytes again.
    Write(ConnectionId),
}

/// What reading gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Input {
    /// So many bytes, and perhaps more to come at once.
    Bytes { count: usize, is_more: bool },
    /// Nothing now; readiness will be reported.
    Nothing,
    /// The peer will send no more.
    End,
    /// The connection is broken.
    Broken,
}

/// What writing gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Written {
    /// So many bytes are taken; of what they became, so many are held here until the peer reads.
    Bytes { taken: usize, held: usize },
    /// Nothing can be written before the peers have agreed on keys.
    Opening,
    /// The connection is broken.
    Broken,
}

/// A connection as it comes in.
#[derive(Debug)]
pub struct Arrival {
    descriptor: OwnedFd,
    /// Where the peer is.
    pub address: Option<IpAddr>,
    tls: Option<Box<TlsSession>>,
}

impl Arrival {
    /// A connection that another process has handed over.
    pub fn carried(descriptor: OwnedFd) -> Arrival {
        Arrival { descriptor, address: None, tls: None }
    }

    /// Best effort: the peer learns why, or just that it is closed. To who speaks TLS it would be noise.
    pub fn refuse(self, words: &[u8]) {
        if self.tls.is_none() {
            let _ = net::send(&self.descriptor, words, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
        }
        let _ = net::shutdown(&self.descriptor, Shutdown::Write);
    }
}

/// What accepting gave.
#[derive(Debug)]
pub enum Accepted {
    /// A connection, to be named and added.
    Connection(Arrival),
    /// A connection for which there is no descriptor to spare.
    TooMany(Arrival),
    /// None is left for now.
    Nothing,
    /// No descriptor is left for one more.
    NoDescriptor,
}

/// One connection's.
#[derive(Debug)]
pub struct Socket {
    pub descriptor: OwnedFd,
    generation: u32,
    pub is_readable: bool,
    pub is_writable: bool,
    /// The peer has ended its side: after the last bytes there is an end to be read.
    pub has_hung_up: bool,
    /// There is a TLS session for it.
    has_tls: bool,
}

/// The sockets of a shard that stands still, and stays their owner.
#[derive(Debug)]
pub struct HeldSockets {
    table: Vec<Option<Socket>>,
    tls: TlsTable,
}

impl HeldSockets {
    /// The descriptor of a connection.
    pub fn descriptor(&self, id: ConnectionId) -> Option<BorrowedFd<'_>> {
        let socket = self.table.get(id.index as usize)?.as_ref()?;
        (socket.generation == id.generation).then(|| socket.descriptor.as_fd())
    }

    /// Ends a connection with these words, as far as the kernel takes them at once.
    pub fn end(&mut self, id: ConnectionId, words: &[u8]) {
        let Some(socket) = find(&mut self.table, id) else { return };
        if socket.has_tls {
            // What is broken hears nothing more.
            let _ = self.tls.write(id, socket, words);
            self.tls.remove(id, socket);
        } else {
            let _ = net::send(&socket.descriptor, words, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
        }
        let _ = net::shutdown(&socket.descriptor, Shutdown::Write);
    }
}

/// All sockets of a shard.
pub struct Sockets {
    epoll: OwnedFd,
    /// Usually one; several where systemd passed several, or none after a drain began.
    listeners: Vec<Listener>,
    /// Where accepting begins, so that a storm at one listener does not starve another.
    first_listener: usize,
    is_listening: bool,
    table: Vec<Option<Socket>>,
    tls: TlsTable,
    /// Connections have descriptors below this. The kernel gives the lowest that is free, so that
    /// the number says how many the whole process has open.
    descriptors_max: u64,
    events: Vec<Event>,
    /// The executor's wait for the set, while one is under way.
    wait: Option<TcpStream>,
    /// Given up for a moment when no other descriptor is left, so that a peer can be told so.
    reserve: Option<OwnedFd>,
}

impl Sockets {
    /// A set that holds the listeners of one of so many shards, and the descriptor by which other
    /// threads end a sleep.
    pub fn new(listeners: Vec<Listener>, bell: impl AsFd, shard_count: u16) -> io::Result<Sockets> {
        let files_max = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let files_left = PROCESS_FILES_LEFT + u64::from(shard_count) * SHARD_FILES_LEFT;
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, bell, EventData::new_u64(BELL), EventFlags::IN | EventFlags::ET)?;
        let mut sockets = Sockets {
            epoll,
            listeners,
            first_listener: 0,
            is_listening: false,
            table: Vec::new(),
            tls: TlsTable::new(),
            descriptors_max: files_max.saturating_sub(files_left),
            events: Vec::with_capacity(EVENTS_MAX),
            wait: None,
            reserve: open_reserve(),
        };
        sockets.listen()?;
        Ok(sockets)
    }

    /// Starts to report connections that wait, after a pause.
    pub fn listen(&mut self) -> io::Result<()> {
        if self.reserve.is_none() {
            self.reserve = open_reserve();
        }
        if self.is_listening {
            return Ok(());
        }
        for listener in &self.listeners {
            match epoll::add(&self.epoll, &listener.socket, EventData::new_u64(LISTENER), EventFlags::IN) {
                // One of several was added before another failed.
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.is_listening = true;
        Ok(())
    }

    /// Listens there from now on, with TLS or without, and no more where it did so. What waited to be
    /// accepted there is lost.
    pub fn listen_at(&mut self, listeners: Vec<Listener>, has_tls: bool) -> io::Result<()> {
        self.pause_listening();
        self.listeners.retain(|listener| listener.tls.is_some() != has_tls);
        self.listeners.extend(listeners);
        self.listen()
    }

    /// Stops reporting connections that wait: level-triggered, they would be reported for ever.
    pub fn pause_listening(&mut self) {
        for listener in &self.listeners {
            // What was added can be removed; what was not is none of the set's.
            let _ = epoll::delete(&self.epoll, &listener.socket);
        }
        self.is_listening = false;
    }

    /// Stops listening for good.
    pub fn close_listener(&mut self) {
        self.pause_listening();
        self.listeners.clear();
    }

    /// Ready when the set has something to report, or may have.
    pub fn poll_ready(&mut self, context: &mut Context<'_>) -> io::Result<Poll<()>> {
        let wait = match &mut self.wait {
            Some(wait) => wait,
            None => {
                let duplicate = match rustix::io::fcntl_dupfd_cloexec(&self.epoll, 0) {
                    // Others took the last one: a shard that cannot wait would have to end.
                    Err(Errno::MFILE | Errno::NFILE) if self.reserve.take().is_some() => {
                        rustix::io::fcntl_dupfd_cloexec(&self.epoll, 0)?
                    }
                    duplicate => duplicate?,
                };
                // SAFETY: the descriptor was just made, is owned by nobody else, and is given up
                // here. glommio polls it for input on its ring and then calls `recv`, which fails
                // with ENOTSOCK on an epoll descriptor: that is the sign we wait for.
                let wait = unsafe { TcpStream::from_raw_fd(duplicate.into_raw_fd()) };
                self.wait.insert(wait)
            }
        };
        let mut unused = [0; 1];
        if Pin::new(wait).poll_read(context, &mut unused).is_pending() {
            return Ok(Poll::Pending);
        }
        // The stream remembers nothing of the set once it has failed: the next wait takes a new one.
        self.wait = None;
        Ok(Poll::Ready(()))
    }

    /// Sleeps until the set has something to report, or the time is over. What there is waits for
    /// [`Sockets::take_ready`].
    pub fn sleep(&mut self, time_max: Option<Duration>) -> io::Result<()> {
        // A time beyond what the kernel counts is as good as none.
        let timeout = time_max.and_then(|time| Timespec::try_from(time).ok());
        self.collect(timeout.as_ref())
    }

    /// Whether the set has something to report, which then waits for [`Sockets::take_ready`].
    pub fn look(&mut self) -> io::Result<bool> {
        self.collect(Some(&NO_WAIT))?;
        Ok(!self.events.is_empty())
    }

    fn collect(&mut self, timeout: Option<&Timespec>) -> io::Result<()> {
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), timeout) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes what the kernel has to report, without waiting.
    pub fn take_ready(&mut self, ready: &mut Vec<Readiness>) -> io::Result<()> {
        self.tls.begin_turn();
        if self.events.is_empty() {
            self.collect(Some(&NO_WAIT))?;
        }
        for event in self.events.drain(..) {
            let data = event.data.u64();
            if data == BELL {
                continue;
            }
            if data == LISTENER {
                ready.push(Readiness::Accept);
                continue;
            }
            let id = unpack(data);
            let flags = event.flags;
            let Some(socket) = find(&mut self.table, id) else { continue };
            let ended = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
            socket.has_hung_up |= flags.intersects(ended);
            if flags.intersects(EventFlags::IN | ended) && !socket.is_readable {
                socket.is_readable = true;
                ready.push(Readiness::Read(id));
            }
            if flags.contains(EventFlags::OUT) && !socket.is_writable {
                socket.is_writable = true;
                ready.push(Readiness::Write(id));
            }
        }
        Ok(())
    }

    /// Takes one waiting connection.
    pub fn accept(&mut self) -> Accepted {
        for _ in 0..self.listeners.len() {
            self.first_listener = (self.first_listener + 1) % self.listeners.len();
            let accepted = accept_from(&self.listeners[self.first_listener], self.descriptors_max);
            if !matches!(accepted, Accepted::Nothing) {
                return accepted;
            }
        }
        Accepted::Nothing
    }

    /// Turns one waiting connection away with a word, by the descriptor kept for that.
    pub fn turn_away(&mut self, words: &[u8]) {
        self.reserve = None;
        if let Accepted::Connection(arrival) | Accepted::TooMany(arrival) = self.accept() {
            arrival.refuse(words);
        }
        self.reserve = open_reserve();
    }

    /// Adds an accepted connection.
    pub fn add(&mut self, id: ConnectionId, arrival: Arrival) -> io::Result<()> {
        let Arrival { descriptor, tls, .. } = arrival;
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.epoll, &descriptor, EventData::new_u64(pack(id)), flags)?;
        let index = id.index as usize;
        if self.table.len() <= index {
            self.table.resize_with(index + 1, || None);
        }
        let has_tls = tls.is_some();
        if let Some(session) = tls {
            self.tls.add(id, session);
        }
        self.table[index] = Some(Socket {
            descriptor,
            generation: id.generation,
            is_readable: false,
            // A fresh socket takes bytes: what it reports first need not be waited for.
            is_writable: true,
            has_hung_up: false,
            has_tls,
        });
        Ok(())
    }

    /// Reads once into `buffer`, which holds [`super::tls::RECORD_BYTES_MAX`].
    pub fn read(&mut self, id: ConnectionId, buffer: &mut [u8]) -> Input {
        let Some(socket) = find(&mut self.table, id) else { return Input::Nothing };
        if socket.has_tls {
            return self.tls.read(id, socket, buffer);
        }
        let buffer = &mut buffer[..READ_BYTES_MAX];
        let size = buffer.len();
        match net::recv(&socket.descriptor, buffer, RecvFlags::empty()) {
            Ok((_, 0)) => {
                socket.is_readable = false;
                Input::End
            }
            Ok((_, count)) => {
                // A short read emptied the socket (epoll(7)), unless an end waits behind it.
                socket.is_readable = count == size || socket.has_hung_up;
                Input::Bytes { count, is_more: socket.is_readable }
            }
            Err(Errno::AGAIN) => {
                socket.is_readable = false;
                Input::Nothing
            }
            Err(Errno::INTR) => Input::Bytes { count: 0, is_more: true },
            Err(_) => Input::Broken,
        }
    }

    /// Whether a socket was reported readable and has not been read empty.
    pub fn is_readable(&mut self, id: ConnectionId) -> bool {
        find(&mut self.table, id).is_some_and(|socket| socket.is_readable)
    }

    /// Whether the connection that was read last can be written from now on.
    pub fn take_opened(&mut self) -> bool {
        self.tls.take_opened()
    }

    /// Why the connection that was read last is broken, if TLS is why.
    pub fn take_tls_fault(&mut self) -> Option<TlsFault> {
        self.tls.take_fault()
    }

    /// How many connections have TLS, and what happened with it so far.
    pub fn tls_counts(&self) -> (usize, TlsCounters) {
        self.tls.counts()
    }

    /// Writes what the kernel takes.
    pub fn write(&mut self, id: ConnectionId, bytes: &[u8]) -> Written {
        let Some(socket) = find(&mut self.table, id) else { return Written::Broken };
        if socket.has_tls {
            return self.tls.write(id, socket, bytes);
        }
        let taken = |count| Written::Bytes { taken: count, held: 0 };
        if !socket.is_writable || bytes.is_empty() {
            return taken(0);
        }
        match net::send(&socket.descriptor, bytes, SendFlags::NOSIGNAL) {
            Ok(count) => {
                socket.is_writable = count == bytes.len();
                taken(count)
            }
            Err(Errno::AGAIN) => {
                socket.is_writable = false;
                taken(0)
            }
            Err(Errno::INTR) => taken(0),
            Err(_) => Written::Broken,
        }
    }

    /// Whether another process could go on with a connection. With one under TLS it could not: the keys
    /// are here, and stay.
    pub fn is_carriable(&self, id: ConnectionId) -> bool {
        let socket = self.table.get(id.index as usize).and_then(Option::as_ref);
        socket.is_some_and(|socket| socket.generation == id.generation && !socket.has_tls)
    }

    /// Gives all away, connections and listeners; they stay in the set. Until they are back, this is not
    /// to be asked anything.
    pub fn give_away(&mut self) -> (HeldSockets, Vec<Listener>) {
        let tls = std::mem::replace(&mut self.tls, TlsTable::new());
        (HeldSockets { table: std::mem::take(&mut self.table), tls }, std::mem::take(&mut self.listeners))
    }

    /// They are back. What became ready meanwhile is reported.
    pub fn take_back(&mut self, (held, listeners): (HeldSockets, Vec<Listener>)) {
        (self.table, self.tls, self.listeners) = (held.table, held.tls, listeners);
    }

    /// Takes a socket out of the set.
    pub fn remove(&mut self, id: ConnectionId) -> Option<OwnedFd> {
        find(&mut self.table, id)?;
        let socket = self.table[id.index as usize].take()?;
        if socket.has_tls {
            self.tls.remove(id, &socket);
        }
        let _ = epoll::delete(&self.epoll, &socket.descriptor);
        Some(socket.descriptor)
    }
}

/// Takes one connection that waits at a listener.
fn accept_from(listener: &Listener, descriptors_max: u64) -> Accepted {
    loop {
        match net::acceptfrom_with(&listener.socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            Ok((descriptor, address)) => {
                let address = address.and_then(|a| SocketAddr::try_from(a).ok()).map(|a| a.ip());
                let is_too_many = descriptor.as_raw_fd() as u64 >= descriptors_max;
                let tls = match &listener.tls {
                    None => None,
                    Some(acceptor) => match acceptor.accept() {
                        Ok(session) => Some(Box::new(session)),
                        // Without randomness nobody can be let in.
                        Err(_) => continue,
                    },
                };
                let arrival = Arrival { descriptor, address, tls };
                return if is_too_many { Accepted::TooMany(arrival) } else { Accepted::Connection(arrival) };
            }
            Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                return Accepted::NoDescriptor;
            }
            // A peer that gave up while it waited is no reason to stop accepting (accept(2)).
            Err(Errno::CONNABORTED | Errno::INTR | Errno::PROTO | Errno::PERM) => {}
            Err(_) => return Accepted::Nothing,
        }
    }
}

fn find(table: &mut [Option<Socket>], id: ConnectionId) -> Option<&mut Socket> {
    let socket = table.get_mut(id.index as usize)?.as_mut()?;
    (socket.generation == id.generation).then_some(socket)
}

fn open_reserve() -> Option<OwnedFd> {
    rustix::fs::open("/dev/null", rustix::fs::OFlags::CLOEXEC, rustix::fs::Mode::empty()).ok()
}

fn pack(id: ConnectionId) -> u64 {
    u64::from(id.generation) << 32 | u64::from(id.index)
}

fn unpack(data: u64) -> ConnectionId {
    // Both halves are exactly 32 bits wide.
    ConnectionId { index: data as u32, generation: (data >> 32) as u32 }
}

//! The sockets of a shard, on a ring of its own.
//!
//! Each connection has one receive with the kernel, which takes a buffer of the ring only when
//! bytes come. A receive ends by itself after [`RECEIVE_BYTES_MAX`], and is asked for again only
//! when all of that was read: a connection that is not read holds no more, and its peer is held
//! back by TCP.

mod ring;

use crate::types::ConnectionId;
use ring::NetRing;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{self, SendFlags, Shutdown, SocketFlags};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Duration;

/// Completions taken from the kernel at a time.
const COMPLETIONS_MAX: usize = 1024;
/// Sends handed to the kernel in one call.
const SENDS_MAX: usize = 128;
const POLL_IN: u32 = 1;
const POLL_OUT: u32 = 4;

/// What a completion belongs to: in the upper four bits of its data.
const KIND_MASK: u64 = 0xf << 60;
const RECEIVE: u64 = 1 << 60;
const WRITABLE: u64 = 2 << 60;
const LISTENER: u64 = 3 << 60;
const CANCEL: u64 = 4 << 60;
const SEND: u64 = 5 << 60;
const BELL: u64 = 6 << 60;
const GENERATION_MASK: u32 = (1 << 28) - 1;

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

/// What accepting gave.
#[derive(Debug)]
pub enum Accepted {
    /// A connection, to be named and added.
    Connection(OwnedFd, Option<IpAddr>),
    /// None is left for now.
    Nothing,
    /// No descriptor is left for one more.
    NoDescriptor,
}

/// A request that the kernel has finished, or for which it has something.
#[derive(Clone, Copy, Debug)]
struct Completion {
    data: u64,
    result: i32,
    buffer: Option<u16>,
    is_last: bool,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Open,
    Ended,
    Broken,
}

#[derive(Debug)]
struct Socket {
    descriptor: OwnedFd,
    generation: u32,
    /// The bytes that came first: of this buffer, so many.
    first: Option<(u16, u16)>,
    /// What came after them, and was copied so that no connection keeps many buffers.
    rest: Option<Box<Vec<u8>>>,
    /// What comes after all bytes.
    end: End,
    /// The kernel has a receive.
    is_armed: bool,
    is_reported: bool,
    is_writable: bool,
    /// The kernel will tell when it takes bytes again.
    is_polled: bool,
}

/// All sockets of a shard.
pub struct Sockets {
    ring: NetRing,
    bell: OwnedFd,
    is_bell_watched: bool,
    listener: Option<OwnedFd>,
    is_listening: bool,
    /// The kernel will tell when connections wait.
    is_listener_polled: bool,
    table: Vec<Option<Socket>>,
    completions: Vec<Completion>,
    /// Connections whose receive found no buffer.
    starved: Vec<ConnectionId>,
    /// Connections that may hold a buffer.
    holding: Vec<ConnectionId>,
    sent: Vec<i32>,
    sends_batched: usize,
    reserve: Option<OwnedFd>,
}

impl Sockets {
    /// A set that holds a listener.
    pub fn new(listener: OwnedFd, bell: impl AsFd) -> io::Result<Sockets> {
        let mut sockets = Sockets {
            bell: bell.as_fd().try_clone_to_owned()?,
            is_bell_watched: false,
            ring: NetRing::new()?,
            listener: Some(listener),
            is_listening: false,
            is_listener_polled: false,
            table: Vec::new(),
            completions: Vec::new(),
            starved: Vec::new(),
            holding: Vec::new(),
            sent: Vec::new(),
            sends_batched: std::env::var("MADANG_RING_SEND").ok().and_then(|v| v.parse().ok()).unwrap_or(2),
            reserve: open_reserve(),
        };
        sockets.watch_bell()?;
        sockets.listen()?;
        Ok(sockets)
    }

    /// Starts to report connections that wait, after a pause.
    pub fn listen(&mut self) -> io::Result<()> {
        if self.reserve.is_none() {
            self.reserve = open_reserve();
        }
        self.is_listening = self.listener.is_some();
        self.poll_listener()
    }

    fn poll_listener(&mut self) -> io::Result<()> {
        if let Some(listener) = &self.listener
            && self.is_listening
            && !self.is_listener_polled
        {
            self.ring.poll(listener.as_fd(), POLL_IN, LISTENER)?;
            self.is_listener_polled = true;
        }
        Ok(())
    }

    /// Stops reporting connections that wait.
    pub fn pause_listening(&mut self) {
        self.is_listening = false;
    }

    /// Stops listening for good.
    pub fn close_listener(&mut self) {
        self.is_listening = false;
        if self.is_listener_polled {
            // A request keeps its socket open: without this the port would stay taken.
            let _ = self.ring.cancel(LISTENER, CANCEL);
        }
        self.listener = None;
    }

    /// Ready when there is something to take, or may be.
    pub fn poll_ready(&mut self, context: &mut Context<'_>) -> io::Result<Poll<()>> {
        self.watch_bell()?;
        self.feed_starved()?;
        self.ring.poll_ready(context)
    }

    fn watch_bell(&mut self) -> io::Result<()> {
        if !self.is_bell_watched {
            self.ring.watch(self.bell.as_fd(), BELL)?;
            self.is_bell_watched = true;
        }
        Ok(())
    }

    /// Sleeps until there is something to report, or the time is over. What there is waits for
    /// [`Sockets::take_ready`].
    pub fn sleep(&mut self, time_max: Option<Duration>) -> io::Result<()> {
        self.watch_bell()?;
        self.feed_starved()?;
        self.ring.sleep(time_max)
    }

    /// Whether there is something to report, which then waits for [`Sockets::take_ready`].
    pub fn look(&mut self) -> io::Result<bool> {
        self.ring.look()
    }

    /// Takes what the kernel has to report, without waiting.
    pub fn take_ready(&mut self, ready: &mut Vec<Readiness>) -> io::Result<()> {
        self.feed_starved()?;
        let table = &mut self.table;
        self.holding.retain(|id| find(table, *id).is_some_and(|socket| socket.first.is_some()));
        let mut completions = std::mem::take(&mut self.completions);
        self.ring.collect(&mut completions, COMPLETIONS_MAX)?;
        for completion in completions.drain(..) {
            self.take(completion, ready);
        }
        self.completions = completions;
        Ok(())
    }

    fn take(&mut self, completion: Completion, ready: &mut Vec<Readiness>) {
        let kind = completion.data & KIND_MASK;
        match kind {
            LISTENER => {
                self.is_listener_polled = false;
                if self.is_listening {
                    ready.push(Readiness::Accept);
                }
            }
            BELL => self.is_bell_watched &= !completion.is_last,
            RECEIVE => self.take_received(completion, ready),
            WRITABLE => {
                if let Some((id, socket)) = find_by_data(&mut self.table, completion.data) {
                    socket.is_polled = false;
                    socket.is_writable = true;
                    ready.push(Readiness::Write(id));
                }
            }
            _ => {}
        }
    }

    fn take_received(&mut self, completion: Completion, ready: &mut Vec<Readiness>) {
        let Some((id, socket)) = find_by_data(&mut self.table, completion.data) else {
            if let Some(buffer) = completion.buffer {
                self.ring.release(buffer);
            }
            return;
        };
        socket.is_armed &= !completion.is_last;
        if completion.result <= 0
            && let Some(buffer) = completion.buffer
        {
            self.ring.release(buffer);
        }
        match usize::try_from(completion.result) {
            Ok(0) => socket.end = End::Ended,
            Ok(count) => {
                let Some(buffer) = completion.buffer else { return };
                if socket.first.is_none() && socket.rest.is_none() {
                    socket.first = Some((buffer, count as u16));
                    self.holding.push(id);
                } else {
                    let bytes = self.ring.received(buffer, count);
                    socket.rest.get_or_insert_default().extend_from_slice(bytes);
                    self.ring.release(buffer);
                }
            }
            Err(_) => match Errno::from_raw_os_error(-completion.result) {
                Errno::NOBUFS | Errno::INTR | Errno::AGAIN => return self.starved.push(id),
                Errno::CANCELED => return,
                _ => socket.end = End::Broken,
            },
        }
        if !socket.is_reported {
            socket.is_reported = true;
            ready.push(Readiness::Read(id));
        }
    }

    /// When buffers ran out: those that are held are copied, so that all are free again.
    fn feed_starved(&mut self) -> io::Result<()> {
        if self.starved.is_empty() {
            return Ok(());
        }
        for id in self.holding.drain(..) {
            if let Some(socket) = find(&mut self.table, id)
                && let Some((buffer, count)) = socket.first.take()
            {
                let mut bytes = self.ring.received(buffer, usize::from(count)).to_vec();
                if let Some(rest) = socket.rest.take() {
                    bytes.extend_from_slice(&rest);
                }
                socket.rest = Some(Box::new(bytes));
                self.ring.release(buffer);
            }
        }
        for id in self.starved.drain(..) {
            if let Some(socket) = find(&mut self.table, id) {
                arm(&mut self.ring, socket, id, false)?;
            }
        }
        Ok(())
    }

    /// Takes one waiting connection.
    pub fn accept(&mut self) -> Accepted {
        let Some(listener) = &self.listener else { return Accepted::Nothing };
        loop {
            // Blocking, as the kernel fails a request on a non-blocking socket instead of waiting.
            match net::acceptfrom_with(listener, SocketFlags::CLOEXEC) {
                Ok((descriptor, address)) => {
                    let address = address.and_then(|a| SocketAddr::try_from(a).ok()).map(|a| a.ip());
                    return Accepted::Connection(descriptor, address);
                }
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                    return Accepted::NoDescriptor;
                }
                // A peer that gave up while it waited is no reason to stop accepting (accept(2)).
                Err(Errno::CONNABORTED | Errno::INTR | Errno::PROTO | Errno::PERM) => {}
                Err(_) => {
                    // Fails only when the ring does, which the turn meets next.
                    let _ = self.poll_listener();
                    return Accepted::Nothing;
                }
            }
        }
    }

    /// Turns one waiting connection away with a word, by the descriptor kept for that.
    pub fn turn_away(&mut self, words: &[u8]) {
        self.reserve = None;
        if let Accepted::Connection(descriptor, _) = self.accept() {
            // Best effort: the peer learns why, or just that it is closed.
            let _ = net::send(&descriptor, words, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
            let _ = net::shutdown(&descriptor, Shutdown::Write);
        }
        self.reserve = open_reserve();
    }

    /// Adds an accepted connection.
    pub fn add(&mut self, id: ConnectionId, descriptor: OwnedFd) -> io::Result<()> {
        let index = id.index as usize;
        if self.table.len() <= index {
            self.table.resize_with(index + 1, || None);
        }
        let socket = self.table[index].insert(Socket {
            descriptor,
            generation: id.generation,
            first: None,
            rest: None,
            end: End::Open,
            is_armed: false,
            is_reported: false,
            is_writable: true,
            is_polled: false,
        });
        arm(&mut self.ring, socket, id, true)
    }

    /// Takes what came into `buffer`.
    pub fn read(&mut self, id: ConnectionId, buffer: &mut [u8]) -> Input {
        let Some(socket) = find(&mut self.table, id) else { return Input::Nothing };
        let mut count = 0;
        if let Some((held, length)) = socket.first.take() {
            count = usize::from(length);
            buffer[..count].copy_from_slice(self.ring.received(held, count));
            self.ring.release(held);
        }
        if let Some(mut rest) = socket.rest.take() {
            let taken = rest.len().min(buffer.len() - count);
            buffer[count..count + taken].copy_from_slice(&rest[..taken]);
            count += taken;
            if taken < rest.len() {
                rest.drain(..taken);
                socket.rest = Some(rest);
            }
        }
        let is_empty = socket.rest.is_none();
        if count == 0 {
            socket.is_reported = false;
            return match socket.end {
                End::Ended => Input::End,
                End::Broken => Input::Broken,
                End::Open => arm_or_break(&mut self.ring, socket, id),
            };
        }
        let has_ended = !matches!(socket.end, End::Open);
        if is_empty && !has_ended && matches!(arm_or_break(&mut self.ring, socket, id), Input::Broken) {
            socket.end = End::Broken;
        }
        let is_more = !is_empty || has_ended;
        socket.is_reported = is_more;
        Input::Bytes { count, is_more }
    }

    /// Whether a socket was reported readable and has not been read empty.
    pub fn is_readable(&mut self, id: ConnectionId) -> bool {
        find(&mut self.table, id).is_some_and(|socket| socket.is_reported)
    }

    /// Writes to each connection what the kernel takes; `written` gets the bytes, or `None` when
    /// the connection is broken.
    pub fn write_each<'a>(
        &mut self,
        ids: &[ConnectionId],
        outbox: impl Fn(ConnectionId) -> Option<&'a [u8]>,
        written: &mut Vec<(ConnectionId, Option<usize>)>,
    ) -> io::Result<()> {
        written.clear();
        if ids.len() < self.sends_batched {
            for id in ids {
                let Some(bytes) = outbox(*id) else { continue };
                written.push((*id, self.write(*id, bytes)));
            }
            return Ok(());
        }
        let mut unwritten = Vec::new();
        for ids in ids.chunks(SENDS_MAX) {
            let start = written.len();
            let mut sends: Vec<(BorrowedFd<'_>, &[u8])> = Vec::with_capacity(ids.len());
            for id in ids {
                let Some(bytes) = outbox(*id) else { continue };
                match find_ref(&self.table, *id) {
                    Some(socket) if socket.is_writable && !bytes.is_empty() => {
                        sends.push((socket.descriptor.as_fd(), bytes));
                        written.push((*id, Some(bytes.len())));
                    }
                    Some(_) => unwritten.push((*id, Some(0))),
                    None => unwritten.push((*id, None)),
                }
            }
            self.ring.send_each(&sends, SEND, &mut self.sent)?;
            for ((id, result), sent) in written[start..].iter_mut().zip(&self.sent) {
                *result = conclude(&mut self.ring, &mut self.table, *id, result.unwrap_or(0), *sent);
            }
        }
        written.append(&mut unwritten);
        Ok(())
    }

    fn write(&mut self, id: ConnectionId, bytes: &[u8]) -> Option<usize> {
        let socket = find(&mut self.table, id)?;
        if !socket.is_writable || bytes.is_empty() {
            return Some(0);
        }
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let sent = match net::send(&socket.descriptor, bytes, flags) {
            Ok(count) => count as i32,
            Err(error) => -error.raw_os_error(),
        };
        conclude(&mut self.ring, &mut self.table, id, bytes.len(), sent)
    }

    /// Takes a socket out of the set.
    pub fn remove(&mut self, id: ConnectionId) -> Option<OwnedFd> {
        find(&mut self.table, id)?;
        let socket = self.table[id.index as usize].take()?;
        if let Some((buffer, _)) = socket.first {
            self.ring.release(buffer);
        }
        // Requests keep their socket open: they are taken back. It fails only when the ring does.
        if socket.is_armed {
            let _ = self.ring.cancel(data_of(RECEIVE, id), CANCEL);
        }
        if socket.is_polled {
            let _ = self.ring.cancel(data_of(WRITABLE, id), CANCEL);
        }
        Some(socket.descriptor)
    }
}

fn arm(ring: &mut NetRing, socket: &mut Socket, id: ConnectionId, polls_first: bool) -> io::Result<()> {
    if !socket.is_armed {
        ring.receive(socket.descriptor.as_fd(), data_of(RECEIVE, id), polls_first)?;
        socket.is_armed = true;
    }
    Ok(())
}

fn arm_or_break(ring: &mut NetRing, socket: &mut Socket, id: ConnectionId) -> Input {
    if arm(ring, socket, id, true).is_ok() { Input::Nothing } else { Input::Broken }
}

/// What a send of `length` bytes means for its connection.
fn conclude(
    ring: &mut NetRing,
    table: &mut [Option<Socket>],
    id: ConnectionId,
    length: usize,
    sent: i32,
) -> Option<usize> {
    let socket = find(table, id)?;
    let count = match usize::try_from(sent) {
        Ok(count) => count,
        Err(_) => match Errno::from_raw_os_error(-sent) {
            Errno::AGAIN => 0,
            Errno::INTR => 0,
            _ => return None,
        },
    };
    socket.is_writable = count == length;
    if !socket.is_writable && !socket.is_polled {
        ring.poll(socket.descriptor.as_fd(), POLL_OUT, data_of(WRITABLE, id)).ok()?;
        socket.is_polled = true;
    }
    Some(count)
}

fn find(table: &mut [Option<Socket>], id: ConnectionId) -> Option<&mut Socket> {
    let socket = table.get_mut(id.index as usize)?.as_mut()?;
    (socket.generation == id.generation).then_some(socket)
}

fn find_ref(table: &[Option<Socket>], id: ConnectionId) -> Option<&Socket> {
    table.get(id.index as usize)?.as_ref().filter(|socket| socket.generation == id.generation)
}

fn find_by_data(table: &mut [Option<Socket>], data: u64) -> Option<(ConnectionId, &mut Socket)> {
    let index = data as u32;
    let socket = table.get_mut(index as usize)?.as_mut()?;
    let generation = (data >> 32) as u32 & GENERATION_MASK;
    (socket.generation & GENERATION_MASK == generation)
        .then(|| (ConnectionId { index, generation: socket.generation }, socket))
}

fn open_reserve() -> Option<OwnedFd> {
    rustix::fs::open("/dev/null", rustix::fs::OFlags::CLOEXEC, rustix::fs::Mode::empty()).ok()
}

fn data_of(kind: u64, id: ConnectionId) -> u64 {
    kind | u64::from(id.generation & GENERATION_MASK) << 32 | u64::from(id.index)
}

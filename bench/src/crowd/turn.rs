//! The turn: wait, read what is ready line by line, then write each connection once.

use super::connection::{Connection, Flushed};
use super::readiness::{Readiness, Ready};
use crate::error::BenchError;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// Bytes read at once. A longer line is not Madang's.
const SCRATCH_BYTES: usize = 256 * 1024;
/// Connections from one loopback address: there are 28,232 ephemeral ports for each.
const CONNECTIONS_PER_SOURCE: usize = 25_000;

/// A line that came, without its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    /// The connection it came on.
    pub(crate) connection: usize,
    /// Its bytes.
    pub(crate) text: &'a [u8],
    /// When it was read, in nanoseconds of the crowd's clock.
    pub(crate) read_at_ns: u64,
}

/// All connections of one measurement.
pub(crate) struct Crowd {
    target: SocketAddr,
    readiness: Readiness,
    connections: Vec<Connection>,
    /// Connections with something new to send, each once.
    to_flush: Vec<usize>,
    ready: Vec<Ready>,
    scratch: Box<[u8]>,
    started: Instant,
    /// What the load is doing, for errors.
    during: &'static str,
}

impl Crowd {
    /// A crowd of nobody.
    pub(crate) fn new(target: SocketAddr) -> Result<Crowd, BenchError> {
        let readiness = Readiness::new().map_err(BenchError::system("create a readiness set"))?;
        Ok(Crowd {
            target,
            readiness,
            connections: Vec::new(),
            to_flush: Vec::new(),
            ready: Vec::new(),
            scratch: vec![0; SCRATCH_BYTES].into_boxed_slice(),
            started: Instant::now(),
            during: "on arrival",
        })
    }

    /// The server's address.
    pub(crate) fn target(&self) -> SocketAddr {
        self.target
    }

    /// How many connections were opened.
    pub(crate) fn len(&self) -> usize {
        self.connections.len()
    }

    /// Nanoseconds since the crowd was made: the clock of every time stamp.
    pub(crate) fn now_ns(&self) -> u64 {
        // 2^64 ns are 584 years.
        self.started.elapsed().as_nanos() as u64
    }

    /// Names what follows, for errors.
    pub(crate) fn begin(&mut self, during: &'static str) {
        self.during = during;
    }

    /// The server has not answered for that long.
    pub(crate) fn silent(&self, waited: Duration) -> BenchError {
        BenchError::Silent { target: self.target, during: self.during, waited_s: waited.as_secs() }
    }

    /// There is still talk after that long.
    pub(crate) fn restless(&self, waited: Duration) -> BenchError {
        BenchError::Restless { target: self.target, during: self.during, waited_s: waited.as_secs() }
    }

    /// Opens one more connection. Its number is the count of those before it.
    pub(crate) fn open(&mut self) -> Result<usize, BenchError> {
        let number = self.connections.len();
        let target = self.target;
        let connection = Connection::open(target, source_of(number, target))
            .map_err(|source| BenchError::Unreachable { target, source })?;
        self.readiness
            .add(&connection.socket, number, connection.awaits_room)
            .map_err(BenchError::system("watch a connection"))?;
        self.connections.push(connection);
        Ok(number)
    }

    /// The bytes of a line that has not ended, such as the prompt.
    pub(crate) fn partial(&self, connection: usize) -> &[u8] {
        &self.connections[connection].partial
    }

    /// Where to put what a connection shall send at the end of the turn.
    pub(crate) fn outbox(&mut self, connection: usize) -> &mut Vec<u8> {
        let known = &mut self.connections[connection];
        if !known.is_listed {
            known.is_listed = true;
            self.to_flush.push(connection);
        }
        &mut known.unsent
    }

    /// Sends what waits, waits for at most `wait`, and hands over every line that has come, with
    /// the outbox of its connection.
    pub(crate) fn turn<F>(&mut self, wait: Duration, mut on_line: F) -> Result<(), BenchError>
    where
        F: FnMut(Line<'_>, &mut Vec<u8>) -> Result<(), BenchError>,
    {
        self.flush_listed()?;
        let mut ready = std::mem::take(&mut self.ready);
        self.readiness.wait(wait, &mut ready).map_err(BenchError::system("wait for connections"))?;
        for &Ready { number, can_receive, can_send } in &ready {
            if can_send {
                self.continue_sending(number)?;
            }
            if can_receive {
                self.read(number, &mut on_line)?;
            }
        }
        self.ready = ready;
        self.flush_listed()
    }

    fn read<F>(&mut self, number: usize, on_line: &mut F) -> Result<(), BenchError>
    where
        F: FnMut(Line<'_>, &mut Vec<u8>) -> Result<(), BenchError>,
    {
        let connection = &mut self.connections[number];
        if connection.is_connecting {
            return Ok(()); // an error shows as room to send, too, and is taken there
        }
        let received = connection.receive(&mut self.scratch);
        let read_at_ns = self.started.elapsed().as_nanos() as u64;
        let (filled, is_closed) = match received {
            Ok(received) => received,
            Err(source) => return Err(self.lost(number, &source)),
        };
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', &self.scratch[..filled]) {
            let text = self.scratch[start..end].strip_suffix(b"\r").unwrap_or(&self.scratch[start..end]);
            if matches!(text.first(), Some(b'!' | b'*')) {
                connection.last_words = Some(String::from_utf8_lossy(text).into());
            }
            on_line(Line { connection: number, text, read_at_ns }, &mut connection.unsent)?;
            start = end + 1;
        }
        if filled - start == SCRATCH_BYTES {
            let saw = format!("it sent {SCRATCH_BYTES} bytes without the end of a line");
            return Err(BenchError::NotTheProtocol { target: self.target, saw });
        }
        connection.keep_partial(&self.scratch[start..filled]);
        if !connection.unsent.is_empty() && !connection.is_listed {
            connection.is_listed = true;
            self.to_flush.push(number);
        }
        if is_closed {
            return Err(self.closed(number));
        }
        Ok(())
    }

    fn continue_sending(&mut self, number: usize) -> Result<(), BenchError> {
        let connection = &mut self.connections[number];
        if connection.is_connecting {
            let target = self.target;
            connection.connected().map_err(|source| BenchError::Unreachable { target, source })?;
        }
        self.flush(number)
    }

    fn flush_listed(&mut self) -> Result<(), BenchError> {
        let mut listed = std::mem::take(&mut self.to_flush);
        for number in listed.drain(..) {
            let connection = &mut self.connections[number];
            connection.is_listed = false;
            // One that waits for room is written when there is some.
            if !connection.awaits_room {
                self.flush(number)?;
            }
        }
        self.to_flush = listed;
        Ok(())
    }

    fn flush(&mut self, number: usize) -> Result<(), BenchError> {
        let connection = &mut self.connections[number];
        let flushed = match connection.flush() {
            Ok(flushed) => flushed,
            Err(source) => return Err(self.lost(number, &source)),
        };
        let awaits_room = flushed == Flushed::Partly;
        if awaits_room != connection.awaits_room {
            connection.awaits_room = awaits_room;
            self.readiness
                .change(&connection.socket, number, awaits_room)
                .map_err(BenchError::system("watch a connection"))?;
        }
        Ok(())
    }

    fn closed(&self, number: usize) -> BenchError {
        let connection = &self.connections[number];
        let last_words = match &connection.last_words {
            Some(words) => format!("it said '{words}'"),
            None if !connection.partial.is_empty() => {
                format!("in the middle of '{}'", String::from_utf8_lossy(&connection.partial))
            }
            None => "without a word".to_owned(),
        };
        BenchError::Closed { target: self.target, during: self.during, last_words }
    }

    /// A connection that broke, in the words of its last notice if there was one.
    fn lost(&self, number: usize, source: &io::Error) -> BenchError {
        match &self.connections[number].last_words {
            Some(_) => self.closed(number),
            None => BenchError::Closed {
                target: self.target,
                during: self.during,
                last_words: source.to_string(),
            },
        }
    }
}

/// The loopback address a connection comes from; the system's choice for the first and elsewhere.
fn source_of(number: usize, target: SocketAddr) -> Option<IpAddr> {
    let block = number / CONNECTIONS_PER_SOURCE;
    let is_spread = block > 0 && target.is_ipv4() && target.ip().is_loopback();
    // 127.0.0.2 on; a block beyond the last octet would be 6 million connections.
    is_spread.then(|| IpAddr::V4(Ipv4Addr::new(127, 0, 0, u8::try_from(1 + block).unwrap_or(u8::MAX))))
}

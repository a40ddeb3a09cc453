//! The turn: wait, read what is ready frame by frame, then write each connection once.

use super::connection::{Connection, Flushed};
use super::source::Sources;
use crate::error::BenchError;
use crate::protocol::{Frame, Protocol};
use crate::runtime::{Readiness, Ready};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Bytes read at once. No frame is longer.
const SCRATCH_BYTES: usize = 256 * 1024;

/// A frame that came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived<'a> {
    /// The connection it came on.
    pub(crate) connection: usize,
    /// What it says.
    pub(crate) frame: Frame<'a>,
    /// When it was read, in nanoseconds of the crowd's clock.
    pub(crate) read_at_ns: u64,
}

/// All connections of one measurement.
pub(crate) struct Crowd {
    target: SocketAddr,
    protocol: Protocol,
    readiness: Readiness,
    connections: Vec<Connection>,
    sources: Sources,
    /// Connections opened, those that were opened again counted again.
    opened: usize,
    /// Connections opened from now on hold as little unread as the kernel allows.
    has_small_buffers: bool,
    /// Connections with something new to send, each once.
    to_flush: Vec<usize>,
    /// Connections that ended and were allowed to.
    ended: Vec<usize>,
    ready: Vec<Ready>,
    scratch: Box<[u8]>,
    started: Instant,
    /// What the load is doing, for errors.
    during: &'static str,
}

impl Crowd {
    /// A crowd of nobody, which spins for the last `spin` of each wait.
    pub(crate) fn new(target: SocketAddr, protocol: Protocol, spin: Duration) -> Result<Crowd, BenchError> {
        let readiness = Readiness::new(spin).map_err(BenchError::system("create a readiness set"))?;
        Ok(Crowd {
            target,
            protocol,
            readiness,
            connections: Vec::new(),
            sources: Sources::read(),
            opened: 0,
            has_small_buffers: false,
            to_flush: Vec::new(),
            ended: Vec::new(),
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

    /// What it speaks.
    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// How many connections there are or were.
    pub(crate) fn len(&self) -> usize {
        self.connections.len()
    }

    /// Nanoseconds since the crowd was made: the clock of every time stamp.
    pub(crate) fn now_ns(&self) -> u64 {
        // 2^64 ns are 584 years.
        self.started.elapsed().as_nanos() as u64
    }

    /// Processor time that the load has spun away with nothing to do, in nanoseconds.
    pub(crate) fn spun_ns(&self) -> u64 {
        self.readiness.spun_ns()
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
        let connection = self.connect(number)?;
        self.connections.push(connection);
        Ok(number)
    }

    /// Opens a connection that was cut or has ended once more, under its number.
    pub(crate) fn open_again(&mut self, number: usize) -> Result<(), BenchError> {
        let is_listed = self.connections[number].is_listed;
        self.connections[number] = self.connect(number)?;
        self.connections[number].is_listed = is_listed;
        Ok(())
    }

    fn connect(&mut self, number: usize) -> Result<Connection, BenchError> {
        let target = self.target;
        let source = self.sources.source_of(self.opened, target);
        let mut connection = Connection::open(target, source, self.has_small_buffers)
            .map_err(|source| BenchError::Unreachable { target, source })?;
        self.opened += 1;
        if self.protocol == Protocol::Irc {
            connection.acknowledge_at_once();
        }
        self.readiness
            .add(&connection.socket, number, connection.awaits_room)
            .map_err(BenchError::system("watch a connection"))?;
        Ok(connection)
    }

    /// Cuts a connection without a word, as a network that fails does.
    pub(crate) fn cut(&mut self, number: usize) -> Result<(), BenchError> {
        let connection = &mut self.connections[number];
        connection.has_ended = true;
        connection.unsent.clear();
        // In this order: once reset, it would be reported.
        self.readiness.remove(&connection.socket).map_err(BenchError::system("cut a connection"))?;
        connection.reset().map_err(BenchError::system("cut a connection"))
    }

    /// Lets a connection end: it is reported by [`Crowd::take_ended`] and is no error.
    pub(crate) fn allow_end(&mut self, number: usize) {
        self.connections[number].may_end = true;
    }

    /// Connections that ended since this was asked last and were allowed to.
    pub(crate) fn take_ended(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.ended)
    }

    /// Gives connections that are opened from now on as small a receive buffer as the kernel allows.
    pub(crate) fn use_small_buffers(&mut self) {
        self.has_small_buffers = true;
    }

    /// Stops reading a connection: its peer's bytes pile up.
    pub(crate) fn stop_reading(&mut self, number: usize) -> Result<(), BenchError> {
        self.readiness
            .remove(&self.connections[number].socket)
            .map_err(BenchError::system("stop reading a connection"))
    }

    /// Reads it again.
    pub(crate) fn read_again(&mut self, number: usize) -> Result<(), BenchError> {
        self.readiness
            .add(&self.connections[number].socket, number, false)
            .map_err(BenchError::system("read a connection again"))
    }

    /// Bytes of a frame that has not all come.
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

    /// Sends what waits, waits until something has come or until `until_ns`, and hands over every
    /// frame that has come, with the outbox of its connection.
    pub(crate) async fn turn<F>(&mut self, until_ns: u64, mut on_frame: F) -> Result<(), BenchError>
    where
        F: FnMut(Arrived<'_>, &mut Vec<u8>) -> Result<(), BenchError>,
    {
        self.flush_listed()?;
        let mut ready = std::mem::take(&mut self.ready);
        ready.clear();
        let until = self.started + Duration::from_nanos(until_ns);
        self.readiness.wait(until, &mut ready).await.map_err(BenchError::system("wait for connections"))?;
        for &Ready { number, can_receive, can_send } in &ready {
            if can_send {
                self.continue_sending(number)?;
            }
            if can_receive {
                self.read(number, &mut on_frame)?;
            }
        }
        self.ready = ready;
        self.flush_listed()
    }

    fn read<F>(&mut self, number: usize, on_frame: &mut F) -> Result<(), BenchError>
    where
        F: FnMut(Arrived<'_>, &mut Vec<u8>) -> Result<(), BenchError>,
    {
        let connection = &mut self.connections[number];
        if connection.is_connecting || connection.has_ended {
            return Ok(()); // an error shows as room to send, too, and is taken there
        }
        let received = connection.receive(&mut self.scratch);
        let read_at_ns = self.started.elapsed().as_nanos() as u64;
        let (filled, is_closed) = match received {
            Ok(received) => received,
            Err(source) => return self.ended(number, Some(&source)),
        };
        let mut start = 0;
        while let Some((taken, frame)) = self.protocol.next_frame(&self.scratch[start..filled]) {
            start += taken;
            match frame {
                Frame::Refusal(words) => connection.remember(words),
                Frame::Answer(words) if words.starts_with(b"*") => connection.remember(words),
                Frame::Ping(words) => self.protocol.pong(words, &mut connection.unsent),
                Frame::Foreign => {
                    let saw = shown(&self.scratch[start - taken..filled]);
                    return Err(not_the_protocol(self.target, self.protocol, format!("it sent {saw}")));
                }
                _ => {}
            }
            on_frame(Arrived { connection: number, frame, read_at_ns }, &mut connection.unsent)?;
        }
        if filled - start == SCRATCH_BYTES {
            let saw = format!("it sent {SCRATCH_BYTES} bytes without an end");
            return Err(not_the_protocol(self.target, self.protocol, saw));
        }
        connection.keep_partial(&self.scratch[start..filled]);
        if !connection.unsent.is_empty() && !connection.is_listed {
            connection.is_listed = true;
            self.to_flush.push(number);
        }
        if is_closed {
            return self.ended(number, None);
        }
        Ok(())
    }

    fn continue_sending(&mut self, number: usize) -> Result<(), BenchError> {
        let connection = &mut self.connections[number];
        if connection.has_ended {
            return Ok(());
        }
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
            if !connection.awaits_room && !connection.has_ended {
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
            // What it said before it broke is worth more than that it broke: it is read first.
            Err(source) if connection.is_last_read => return self.ended(number, Some(&source)),
            Err(_) => {
                connection.is_last_read = true;
                connection.unsent.clear();
                return Ok(());
            }
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

    /// A connection ended or broke.
    fn ended(&mut self, number: usize, source: Option<&io::Error>) -> Result<(), BenchError> {
        let connection = &mut self.connections[number];
        if connection.may_end {
            connection.has_ended = true;
            // A socket that is gone already is watched no longer.
            let _ = self.readiness.remove(&connection.socket);
            self.ended.push(number);
            return Ok(());
        }
        let last_words = match (&connection.last_words, source) {
            (Some(words), _) => format!("it sent '{words}'"),
            (None, Some(source)) => source.to_string(),
            (None, None) if !connection.partial.is_empty() => {
                format!("in the middle of '{}'", String::from_utf8_lossy(&connection.partial))
            }
            (None, None) => "without a message".to_owned(),
        };
        let (target, during, remedy) = (self.target, self.during, self.protocol.remedy());
        Err(BenchError::Closed { target, during, last_words, remedy })
    }
}

/// What came instead of the protocol.
pub(super) fn not_the_protocol(target: SocketAddr, protocol: Protocol, saw: String) -> BenchError {
    let protocol = match protocol {
        Protocol::Line => "Madang's line protocol",
        Protocol::Irc => "IRC",
        Protocol::Redis => "Redis's RESP3",
        Protocol::Nats => "NATS",
    };
    BenchError::NotTheProtocol { target, protocol, saw }
}

/// The first line, or its beginning, is enough to recognise a peer by.
pub(super) fn shown(bytes: &[u8]) -> String {
    const SHOWN_BYTES: usize = 120;
    let line = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    if line.is_empty() {
        return "nothing".to_owned();
    }
    let line = &line[..line.len().min(SHOWN_BYTES)];
    format!("'{}'", String::from_utf8_lossy(line).escape_debug())
}

//! The new process: it asks, is given everything, and goes on with it.

use super::frame::{self, Frame, Kind, Receiver};
use super::{SILENCE_MAX, VERSION};
use crate::control::{Command, socket_path};
use crate::serve::Passed;
use madang_shards::connection::{CodingError, Decoder};
use madang_shards::runtime::Adoption;
use madang_shards::shard::{ConnectionImage, read_carried};
use madang_shards::types::{ConnectionId, SessionId, ShardId};
use rustix::fd::OwnedFd;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the old process may take until it has frozen.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// How long the old process may take to let go, and to end.
const GO_TIME_MAX: Duration = Duration::from_secs(30);

/// Why nothing could be taken over. The old process carries on.
#[derive(thiserror::Error, Debug)]
pub enum TakeError {
    /// Nobody is there.
    #[error(
        "no server runs on '{}' that could be taken over; start without --takeover, or name its directory \
         with --data",
        .0.display()
    )]
    NotRunning(PathBuf),
    /// The path of the socket.
    #[error("{0}")]
    Path(String),
    /// It says no.
    #[error("the running server hands nothing over: {0}")]
    Refused(String),
    /// The way to it is broken.
    #[error("the running server cannot be taken over from: {0}")]
    Broken(#[from] io::Error),
    /// What it says makes no sense.
    #[error("the running server cannot be taken over from: {0}")]
    Coding(#[from] CodingError),
}

/// Everything that the old process had.
#[derive(Debug)]
pub struct Taken {
    /// The lock of the data directory.
    pub lock: OwnedFd,
    /// Where it listened.
    pub listeners: Passed,
    /// Whether systemd had opened them, and any for TLS.
    pub has_passed: (bool, bool),
    /// Connections, names, members.
    pub adoption: Adoption,
    /// The old process, which waits.
    pub link: Successor,
}

/// The new process towards the old one.
#[derive(Debug)]
pub struct Successor {
    stream: UnixStream,
    /// The old process.
    pub process: u64,
    /// Its version.
    pub version: String,
    /// Since when people wait.
    pub paused_since: Instant,
}

/// Asks the server that runs on `data` for everything. `grace` is how long names outlive connections.
///
/// # Errors
/// [`TakeError`]; the other process carries on.
pub fn take(data: &Path, grace: Duration) -> Result<Taken, TakeError> {
    let path = socket_path(data).map_err(TakeError::Path)?;
    let mut stream = UnixStream::connect(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::NotADirectory => {
            TakeError::NotRunning(data.to_owned())
        }
        _ => TakeError::Broken(error),
    })?;
    let mut line = serde_json::to_vec(&Command::Takeover { version: VERSION }).map_err(io::Error::from)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let (lock, listeners, has_passed, adoption, beginning) = receive(&stream, grace)?;
    let Beginning { process, version, paused } = beginning;
    let paused_since = Instant::now().checked_sub(paused).unwrap_or_else(Instant::now);
    let link = Successor { stream, process, version, paused_since };
    Ok(Taken { lock, listeners, has_passed, adoption, link })
}

struct Beginning {
    process: u64,
    version: String,
    paused: Duration,
}

type Received = (OwnedFd, Passed, (bool, bool), Adoption, Beginning);

fn receive(stream: &UnixStream, grace: Duration) -> Result<Received, TakeError> {
    let mut receiver = Receiver::new(stream);
    let deadline = Instant::now() + ANSWER_TIME_MAX;
    let start = receiver.peek(frame::MAGIC.len(), deadline)?;
    if !start.starts_with(frame::MAGIC) {
        return Err(TakeError::Refused("it is of a version that cannot; restart instead".to_owned()));
    }
    receiver.skip(frame::MAGIC.len());
    let begin = expect(receiver.next(deadline)?, Kind::Begin)?;
    let mut from = Decoder(&begin.payload);
    let (process, version) = (from.number()?, from.text()?.to_owned());
    let shards_before = from.small()?;
    let has_passed = (from.flag()?, from.flag()?);
    let have_tls = from.list(Decoder::flag)?;
    let paused = Duration::from_micros(from.number()?);
    let mut descriptors = begin.descriptors.into_iter();
    let lock = descriptors.next().ok_or(CodingError("the lock is missing"))?;
    let mut listeners = Passed::default();
    for (listener, has_tls) in descriptors.zip(have_tls) {
        let sockets = if has_tls { &mut listeners.tls } else { &mut listeners.plain };
        sockets.push(listener);
    }
    let mut adoption = Adoption {
        shards_before,
        connections: Vec::new(),
        carried: Vec::new(),
        lingering: Vec::new(),
        grace,
    };
    loop {
        let frame = receiver.next(Instant::now() + SILENCE_MAX)?;
        match frame.kind {
            Kind::Connections => connections(frame, &mut adoption)?,
            Kind::Homes => {
                let mut from = Decoder(&frame.payload);
                while !from.0.is_empty() {
                    adoption.carried.push(read_carried(&mut from)?);
                }
            }
            Kind::Lingering => adoption.lingering.extend(frame.descriptors.into_iter().zip(frame.payload)),
            _ => {
                let end = expect(frame, Kind::End)?;
                if Decoder(&end.payload).number()? != adoption.connections.len() as u64 {
                    return Err(CodingError("connections are missing").into());
                }
                let beginning = Beginning { process, version, paused };
                return Ok((lock, listeners, has_passed, adoption, beginning));
            }
        }
    }
}

fn expect(frame: Frame, kind: Kind) -> Result<Frame, TakeError> {
    match frame.kind {
        found if found == kind => Ok(frame),
        Kind::Refused => Err(TakeError::Refused(String::from_utf8_lossy(&frame.payload).into_owned())),
        _ => Err(CodingError("it says something else than is its turn").into()),
    }
}

fn connections(frame: Frame, adoption: &mut Adoption) -> Result<(), TakeError> {
    let mut from = Decoder(&frame.payload);
    let shard = ShardId(from.small()?);
    for descriptor in frame.descriptors {
        let connection = ConnectionId { index: from.small()?, generation: from.small()? };
        let image = ConnectionImage::read(&mut from)?;
        adoption.connections.push((SessionId { shard, connection }, image, descriptor));
    }
    Ok(from.end()?)
}

impl Successor {
    /// Says that this process can go on, and waits until it is to: from then on it is the owner.
    ///
    /// # Errors
    /// When the old process takes everything back: this one must end.
    pub fn ready(&self) -> Result<(), TakeError> {
        if frame::send(&self.stream, Kind::Ready, &[], &[]).is_err() {
            // The old process is dead: whoever goes on kills this one first.
            return Ok(());
        }
        match Receiver::new(&self.stream).next(Instant::now() + GO_TIME_MAX) {
            Ok(frame) => expect(frame, Kind::Go).map(drop),
            // It ended without a word: nobody else has the lock and the connections.
            Err(error) if is_end(&error) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until the old process has ended, for what only one process can have.
    pub fn await_end(&self) {
        while Receiver::new(&self.stream).next(Instant::now() + GO_TIME_MAX).is_ok() {}
    }
}

fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    )
}

//! The client of the control socket.

use super::protocol::{Answer, ControlCommand, Status, UNKNOWN_COMMAND};
use super::socket_path;
use crate::server::holder_serves;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a server may take to answer.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// How long a running server may not listen (during a takeover).
const LISTEN_MAX: Duration = Duration::from_secs(2);
/// The pause between attempts meanwhile.
const LISTEN_LOOK: Duration = Duration::from_millis(20);
/// The longest answer, in bytes.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

/// Why a command failed.
#[derive(thiserror::Error, Debug)]
pub enum ClientError {
    /// No server runs.
    #[error(
        "no server runs on '{}': start it with `madang serve --data {}`, or name its directory with --data",
        .0.display(), .0.display()
    )]
    NotRunning(PathBuf),
    /// A server runs, but does not listen.
    #[error("the server on '{}' has no control socket; its journal says why", .0.display())]
    NoSocket(PathBuf),
    /// This user may not use it.
    #[error("not permitted to control the server on '{}': run this as the user that runs it, or as root", .0.display())]
    NotPermitted(PathBuf),
    /// The path is too long.
    #[error("{0}")]
    Path(String),
    /// It has not answered in time.
    #[error(
        "the server on '{}' does not answer within {} s: it is stopped (continue it with `kill -CONT`) or overloaded; \
         see its journal",
        data.display(), waited.as_secs()
    )]
    Late {
        /// Its directory.
        data: PathBuf,
        /// How long the client waited.
        waited: Duration,
    },
    /// The connection failed.
    #[error("the server on '{}' does not answer: {source}; see its journal", data.display())]
    NoAnswer {
        /// Its directory.
        data: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The answer cannot be parsed.
    #[error("the server on '{}' sent an answer that this version does not know: {source}", data.display())]
    UnknownAnswer {
        /// Its directory.
        data: PathBuf,
        /// The error of the parser.
        source: serde_json::Error,
    },
    /// The answer does not belong to the command.
    #[error("the server sent an unexpected answer ({0}): is it another version?")]
    Unexpected(String),
    /// The server does not know the command.
    #[error(
        "the running server is of an older release, which does not know this command: upgrade it first (`madang upgrade`)"
    )]
    OlderServer,
    /// The server refused the command.
    #[error("{0}")]
    Refused(String),
}

/// Connects to the control socket of a data directory. A server that has taken over listens only after the old one
/// has ended: while a server runs, this retries for 2 s.
///
/// # Errors
/// The error of the system; see [`is_not_listening`].
pub fn connect(data: &Path, path: &Path) -> io::Result<UnixStream> {
    let deadline = Instant::now() + LISTEN_MAX;
    loop {
        match UnixStream::connect(path) {
            Err(error) if is_not_listening(&error) && holder_serves(data) && Instant::now() < deadline => {
                std::thread::sleep(LISTEN_LOOK);
            }
            done => return done,
        }
    }
}

/// Whether a connect error means that nobody listens.
pub fn is_not_listening(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | ConnectionRefused | NotADirectory)
}

/// Whether an error means that the process at the other end has ended.
pub fn is_disconnect(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset | BrokenPipe)
}

/// Asks the server of a data directory for its status, with at most `count` entries in each list.
///
/// # Errors
/// [`ClientError`].
pub fn status(data: &Path, count: usize) -> Result<Box<Status>, ClientError> {
    match ask_current_server(data, &ControlCommand::Status { count })? {
        (Answer::Status(status), _) => Ok(status),
        (other, _) => Err(ClientError::Unexpected(format!("{other:?}"))),
    }
}

/// Sends a command that may be sent twice, and returns the answer and the connection. If the server ends before it
/// answers, the command is sent to the new one.
///
/// # Errors
/// [`ClientError`].
pub fn ask_current_server(
    data: &Path,
    command: &ControlCommand,
) -> Result<(Answer, Connection), ClientError> {
    let deadline = Instant::now() + LISTEN_MAX;
    loop {
        let mut server = Connection::open(data)?;
        match server.ask(command) {
            Ok(answer) => return Ok((answer, server)),
            Err(ClientError::NoAnswer { source, .. })
                if is_disconnect(&source) && Instant::now() < deadline =>
            {
                std::thread::sleep(LISTEN_LOOK);
            }
            Err(error) => return Err(error),
        }
    }
}

/// A connection to the server of a data directory.
#[derive(Debug)]
pub struct Connection {
    data: PathBuf,
    stream: BufReader<UnixStream>,
}

impl Connection {
    /// Connects. Waits for a running server that does not listen yet.
    ///
    /// # Errors
    /// [`ClientError`], if nobody listens, or this user may not connect.
    pub fn open(data: &Path) -> Result<Connection, ClientError> {
        let path = socket_path(data).map_err(ClientError::Path)?;
        let reached = connect(data, &path);
        let data = data.to_owned();
        let stream = match reached {
            Ok(stream) => stream,
            Err(error) if is_not_listening(&error) && holder_serves(&data) => {
                return Err(ClientError::NoSocket(data));
            }
            Err(error) if is_not_listening(&error) => return Err(ClientError::NotRunning(data)),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(ClientError::NotPermitted(data));
            }
            Err(source) => return Err(ClientError::NoAnswer { data, source }),
        };
        let bounded = stream.set_read_timeout(Some(SILENCE_MAX));
        match bounded.and_then(|()| stream.set_write_timeout(Some(SILENCE_MAX))) {
            Ok(()) => Ok(Connection { data, stream: BufReader::new(stream) }),
            Err(source) => Err(ClientError::NoAnswer { data, source }),
        }
    }

    /// Sends a command, and waits for the answer.
    ///
    /// # Errors
    /// [`ClientError`], also if the server refuses.
    pub fn ask(&mut self, command: &ControlCommand) -> Result<Answer, ClientError> {
        let mut line = serde_json::to_vec(command).map_err(|source| self.unknown_answer(source))?;
        line.push(b'\n');
        // A server that refuses this user closes before it reads: the answer says so.
        let written = self.stream.get_mut().write_all(&line);
        match (written, self.read_answer()) {
            (Err(source), Ok(None)) | (_, Err(source)) => Err(self.no_answer(source)),
            (Ok(()), Ok(None)) => Err(self.no_answer(io::ErrorKind::UnexpectedEof.into())),
            (_, Ok(Some(line))) => self.parsed(&line),
        }
    }

    /// The same for a command that may take up to `time_max`.
    ///
    /// # Errors
    /// As [`Connection::ask`].
    pub fn ask_within(
        &mut self,
        command: &ControlCommand,
        time_max: Duration,
    ) -> Result<Answer, ClientError> {
        self.stream.get_mut().set_read_timeout(Some(time_max)).map_err(|source| self.no_answer(source))?;
        self.ask(command)
    }

    /// Waits for one more answer. `None` if the server has ended.
    ///
    /// # Errors
    /// [`ClientError`], also if the server reports a failure.
    pub fn await_answer(&mut self, time_max: Duration) -> Result<Option<Answer>, ClientError> {
        self.stream.get_mut().set_read_timeout(Some(time_max)).map_err(|source| self.no_answer(source))?;
        match self.read_answer() {
            Ok(None) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
            Err(source) => Err(self.no_answer(source)),
            Ok(Some(line)) => self.parsed(&line).map(Some),
        }
    }

    /// The next line, or `None` at the end of the stream.
    fn read_answer(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let bytes = self.stream.by_ref().take(ANSWER_BYTES_MAX).read_until(b'\n', &mut line)?;
        Ok((bytes > 0).then_some(line))
    }

    fn parsed(&self, line: &[u8]) -> Result<Answer, ClientError> {
        match serde_json::from_slice(line).map_err(|source| self.unknown_answer(source))? {
            Answer::Error(words) if words.starts_with(UNKNOWN_COMMAND) => Err(ClientError::OlderServer),
            Answer::Error(words) => Err(ClientError::Refused(words)),
            answer => Ok(answer),
        }
    }

    fn no_answer(&self, source: io::Error) -> ClientError {
        let data = self.data.clone();
        if matches!(source.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) {
            let waited = self.stream.get_ref().read_timeout().ok().flatten().unwrap_or(SILENCE_MAX);
            return ClientError::Late { data, waited };
        }
        ClientError::NoAnswer { data, source }
    }

    fn unknown_answer(&self, source: serde_json::Error) -> ClientError {
        ClientError::UnknownAnswer { data: self.data.clone(), source }
    }

    /// Waits until the server has ended. Returns whether it ended in time.
    pub fn await_end(&self, time_max: Duration) -> bool {
        let mut stream = self.stream.get_ref();
        let bounded = stream.set_read_timeout(Some(time_max));
        bounded.is_ok() && matches!(stream.read(&mut [0]), Ok(0))
    }
}

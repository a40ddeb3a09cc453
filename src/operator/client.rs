//! The operator's end of the control socket.

use super::protocol::{Answer, Command, Status};
use super::socket_path;
use crate::server::holder_serves;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A server that says nothing for so long does not work.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// How long a server may run without listening.
const LISTEN_MAX: Duration = Duration::from_secs(2);
/// How often it is tried meanwhile.
const LISTEN_LOOK: Duration = Duration::from_millis(20);
/// The longest answer, in bytes.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

/// Why the server cannot be asked.
#[derive(thiserror::Error, Debug)]
pub enum ClientError {
    /// Nobody listens.
    #[error(
        "no server runs on '{}': start it with `madang serve --data {}`, or name its directory with --data",
        .0.display(), .0.display()
    )]
    NotRunning(PathBuf),
    /// A server runs, and nobody listens.
    #[error("the server on '{}' has no control socket; its journal says why", .0.display())]
    Deaf(PathBuf),
    /// Not for this user.
    #[error("not permitted to control the server on '{}': run this as the user that runs it, or as root", .0.display())]
    NotPermitted(PathBuf),
    /// The path.
    #[error("{0}")]
    Path(String),
    /// It listens and has not answered in time.
    #[error(
        "the server on '{}' does not answer within {} s: it is stopped (continue it with `kill -CONT`) or overloaded; \
         see its journal",
        data.display(), waited.as_secs()
    )]
    Late {
        /// Its directory.
        data: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
    /// It listens and does not answer.
    #[error("the server on '{}' does not answer: {source}; see its journal", data.display())]
    Silent {
        /// Its directory.
        data: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It answered something else.
    #[error("the server on '{}' sent an answer that this version does not know: {source}", data.display())]
    Foreign {
        /// Its directory.
        data: PathBuf,
        /// What is wrong with the answer.
        source: serde_json::Error,
    },
    /// It answered another question.
    #[error("the server sent an unexpected answer ({0}): is it another version?")]
    Unexpected(String),
    /// It refused.
    #[error("{0}")]
    Refused(String),
}

/// Connects to the control socket of a data directory. A server that has taken over listens only when the one
/// before has ended: while one runs, it is tried for 2 s.
///
/// # Errors
/// What the system says; [`is_nobody`] says whether nobody listens.
pub fn reach(data: &Path, path: &Path) -> io::Result<UnixStream> {
    let deadline = Instant::now() + LISTEN_MAX;
    loop {
        match UnixStream::connect(path) {
            Err(error) if is_nobody(&error) && holder_serves(data) && Instant::now() < deadline => {
                std::thread::sleep(LISTEN_LOOK);
            }
            done => return done,
        }
    }
}

/// Whether an error to connect means that nobody listens.
pub fn is_nobody(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | ConnectionRefused | NotADirectory)
}

/// Whether an error says that the process at the other end has ended.
pub fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset | BrokenPipe)
}

/// Asks the server of a data directory how it is, with so many entries of each list.
///
/// # Errors
/// [`ClientError`].
pub fn status(data: &Path, count: usize) -> Result<Box<Status>, ClientError> {
    match ask_whoever_serves(data, &Command::Status { count })? {
        (Answer::Status(status), _) => Ok(status),
        (other, _) => Err(ClientError::Unexpected(format!("{other:?}"))),
    }
}

/// Asks what may be asked twice, and returns the connection with the answer. Where the server ends before it answers,
/// whoever has taken over from it is asked.
///
/// # Errors
/// [`ClientError`].
pub fn ask_whoever_serves(data: &Path, command: &Command) -> Result<(Answer, Connection), ClientError> {
    let deadline = Instant::now() + LISTEN_MAX;
    loop {
        let mut server = Connection::open(data)?;
        match server.ask(command) {
            Ok(answer) => return Ok((answer, server)),
            Err(ClientError::Silent { source, .. }) if is_end(&source) && Instant::now() < deadline => {
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
    /// Connects. A server that runs and does not listen yet is waited for.
    ///
    /// # Errors
    /// [`ClientError`] when nobody listens, or not for this user.
    pub fn open(data: &Path) -> Result<Connection, ClientError> {
        let path = socket_path(data).map_err(ClientError::Path)?;
        let reached = reach(data, &path);
        let data = data.to_owned();
        let stream = match reached {
            Ok(stream) => stream,
            Err(error) if is_nobody(&error) && holder_serves(&data) => return Err(ClientError::Deaf(data)),
            Err(error) if is_nobody(&error) => return Err(ClientError::NotRunning(data)),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(ClientError::NotPermitted(data));
            }
            Err(source) => return Err(ClientError::Silent { data, source }),
        };
        let bounded = stream.set_read_timeout(Some(SILENCE_MAX));
        match bounded.and_then(|()| stream.set_write_timeout(Some(SILENCE_MAX))) {
            Ok(()) => Ok(Connection { data, stream: BufReader::new(stream) }),
            Err(source) => Err(ClientError::Silent { data, source }),
        }
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// [`ClientError`], also when the answer is that it cannot be done.
    pub fn ask(&mut self, command: &Command) -> Result<Answer, ClientError> {
        let mut line = serde_json::to_vec(command).map_err(|source| self.foreign(source))?;
        line.push(b'\n');
        // A server that refuses this user closes before it reads: its answer says so.
        let written = self.stream.get_mut().write_all(&line);
        match (written, self.read_answer()) {
            (Err(source), Ok(None)) | (_, Err(source)) => Err(self.silent(source)),
            (Ok(()), Ok(None)) => Err(self.silent(io::ErrorKind::UnexpectedEof.into())),
            (_, Ok(Some(line))) => self.parsed(&line),
        }
    }

    /// The same, of what may take so long.
    ///
    /// # Errors
    /// As [`Connection::ask`].
    pub fn ask_within(&mut self, command: &Command, time_max: Duration) -> Result<Answer, ClientError> {
        self.stream.get_mut().set_read_timeout(Some(time_max)).map_err(|source| self.silent(source))?;
        self.ask(command)
    }

    /// Waits for one more answer. `None` when the server has ended.
    ///
    /// # Errors
    /// [`ClientError`], also when the answer is that something could not be done.
    pub fn await_answer(&mut self, time_max: Duration) -> Result<Option<Answer>, ClientError> {
        self.stream.get_mut().set_read_timeout(Some(time_max)).map_err(|source| self.silent(source))?;
        match self.read_answer() {
            Ok(None) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
            Err(source) => Err(self.silent(source)),
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
        match serde_json::from_slice(line).map_err(|source| self.foreign(source))? {
            Answer::Error(words) => Err(ClientError::Refused(words)),
            answer => Ok(answer),
        }
    }

    fn silent(&self, source: io::Error) -> ClientError {
        let data = self.data.clone();
        if matches!(source.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) {
            let waited = self.stream.get_ref().read_timeout().ok().flatten().unwrap_or(SILENCE_MAX);
            return ClientError::Late { data, waited };
        }
        ClientError::Silent { data, source }
    }

    fn foreign(&self, source: serde_json::Error) -> ClientError {
        ClientError::Foreign { data: self.data.clone(), source }
    }

    /// Waits until the server has ended. Returns whether it has in time.
    pub fn await_end(&self, time_max: Duration) -> bool {
        let mut stream = self.stream.get_ref();
        let bounded = stream.set_read_timeout(Some(time_max));
        bounded.is_ok() && matches!(stream.read(&mut [0]), Ok(0))
    }
}

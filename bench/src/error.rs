//! What can stop a measurement: nothing here is a fault of the server under test.

use crate::protocol::Protocol;
use std::io;
use std::net::SocketAddr;

/// Why there are no figures. Each says what happened, to which value, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// Nobody accepts connections there.
    #[error(
        "cannot connect to {target}: {source}; start a server there (madang serve --listen {target}, or \
         bench/peers/start) or name another address"
    )]
    Unreachable {
        /// The address asked for.
        target: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody accepts connections, and speaks something else.
    #[error("{target} does not speak {protocol}: {saw}; name the address of a server that does")]
    NotTheProtocol {
        /// The address asked for.
        target: SocketAddr,
        /// What it should speak.
        protocol: &'static str,
        /// What came instead.
        saw: String,
    },
    /// A name was not accepted.
    #[error("{target} refused the name '{name}': {answer}; {remedy}")]
    NameRefused {
        /// The server.
        target: SocketAddr,
        /// The name.
        name: String,
        /// What the server said.
        answer: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A request was not accepted.
    #[error("{target} refused: {answer}; {remedy}")]
    Refused {
        /// The server.
        target: SocketAddr,
        /// What the server said.
        answer: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The server ended a connection that the load still needed.
    #[error("{target} closed a connection {during}: {last_words}; {remedy}")]
    Closed {
        /// The server.
        target: SocketAddr,
        /// What the load was doing.
        during: &'static str,
        /// The last notice or error on that connection.
        last_words: String,
        /// What to do.
        remedy: &'static str,
    },
    /// More connections than this process may have files.
    #[error(
        "{connections} connections do not fit: this process may open {limit} files, of which {fits} fit for \
         connections; raise the hard limit (ulimit -Hn, LimitNOFILE) or use fewer connections"
    )]
    TooManyFiles {
        /// Asked for.
        connections: usize,
        /// The hard limit.
        limit: u64,
        /// What is left for connections.
        fits: u64,
    },
    /// Somebody stopped it before there was anything to report.
    #[error("stopped before anything was measured")]
    Stopped,
    /// The server is there and does not answer.
    #[error("{target} did not answer for {waited_s} s {during}; see the server's log")]
    Silent {
        /// The server.
        target: SocketAddr,
        /// What the load was doing.
        during: &'static str,
        /// How long the load waited, in seconds.
        waited_s: u64,
    },
    /// There is more to read than the measurement can stand.
    #[error("{target} was not quiet for {waited_s} s {during}; measure a server that nobody else uses")]
    Restless {
        /// The server.
        target: SocketAddr,
        /// What the load was doing.
        during: &'static str,
        /// How long the load waited, in seconds.
        waited_s: u64,
    },
    /// An option has a value that cannot be measured.
    #[error("--{option} {value} cannot be measured: {allowed}")]
    BadOption {
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// The workload cannot be asked of such a server.
    #[error(
        "{workload} cannot be measured over {protocol}: echo, fanout and idle can, whisper over irc too; \
         leave it out of the comparison"
    )]
    Unsupported {
        /// The workload's name.
        workload: &'static str,
        /// The protocol's.
        protocol: &'static str,
    },
    /// The load's own server did not start or stop as it should.
    #[error("the server started for the measurement {what}; its last output: {last_words}")]
    OwnServer {
        /// What it did.
        what: String,
        /// The end of what it wrote.
        last_words: String,
    },
    /// The system refused something the load needs.
    #[error("cannot {action}: {source}")]
    System {
        /// What was tried, and what to do when it fails.
        action: String,
        /// What the system said.
        source: io::Error,
    },
}

impl BenchError {
    /// The server refused something, in its own words.
    pub(crate) fn refused(target: SocketAddr, protocol: Protocol, answer: &[u8]) -> BenchError {
        let answer = String::from_utf8_lossy(answer).into_owned();
        BenchError::Refused { target, answer, remedy: protocol.remedy() }
    }

    /// A [`BenchError::System`], for `map_err`.
    pub(crate) fn system<E: Into<io::Error>>(action: impl Into<String>) -> impl FnOnce(E) -> BenchError {
        move |source| BenchError::System { action: action.into(), source: source.into() }
    }
}

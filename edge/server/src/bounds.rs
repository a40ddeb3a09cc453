//! Every bound of the edge, and what happens at each. What operators set is in [`crate::EdgeLimits`].

use std::time::Duration;

/// Connections at one time. Beyond them nobody is accepted until one ends: clients wait in the backlog.
pub const CONNECTIONS_MAX: usize = 8_192;
/// Files that are not connections: the runtime, listeners, the link, the directory, and connections whose last answer is
/// still read.
pub const OTHER_FILES: usize = 128 + LINGERING_MAX;
/// How long to wait before a connection is accepted again after the system has refused.
pub const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Bytes of a request's line and headers, and of the trailers of a body. Beyond them: 431, and closed.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Headers of a request. Beyond them: 431, and closed.
pub const HEADERS_MAX: usize = 64;
/// Bytes of a connection's read buffer in HTTP/1: a head, and what came with it.
pub const READ_BUFFER_BYTES: usize = 32 * 1024;
/// Bytes of a request's body. Beyond them: 413.
pub const BODY_BYTES_MAX: u64 = 1024 * 1024;

/// Until a connection's first request is known to be HTTP/1 or HTTP/2, and until a head that has begun is complete.
/// Then the connection is closed.
pub const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// For a TLS handshake. Then the connection is closed.
pub const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
/// Between two pieces of a body. Then the request fails: 408 where nothing was answered.
pub const BODY_IDLE_TIME_MAX: Duration = Duration::from_secs(10);
/// For a whole body. Then the same.
pub const BODY_TIME_MAX: Duration = Duration::from_secs(60);
/// Between a connection's requests: longer than proxies keep connections to a server by default (nginx: 60 s).
pub const KEEP_ALIVE_TIME_MAX: Duration = Duration::from_secs(75);
/// For a peer to take anything of what is written to it. Then the connection is closed.
pub const WRITE_TIME_MAX: Duration = Duration::from_secs(30);
/// How long the peer of a connection that is closed may take to read its last answer.
pub const LINGER_TIME_MAX: Duration = Duration::from_secs(2);
/// Bytes that are read of it meanwhile. Beyond them the connection is reset.
pub const LINGER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Connections that are read so at one time. Beyond them one is closed at once.
pub const LINGERING_MAX: usize = 256;
/// For requests under way when the edge ends. Then they are cut off.
pub const GRACE: Duration = Duration::from_secs(2);

/// Requests that wait for the head of their answer, of all connections. Beyond them: 503 with `Retry-After`.
pub const REQUESTS_MAX: usize = 1_024;

/// The same of one address: whoever sends bodies slowly must not keep others from being answered. Loopback is exempt.
pub const REQUESTS_PER_ADDRESS_MAX: u32 = 128;

/// Streams of an HTTP/2 connection at one time. Beyond them a stream is refused (RFC 9113, section 5.1.2).
pub const STREAMS_MAX: u32 = 100;
/// Bytes of a stream that the peer may send ahead (RFC 9113, section 6.9.2).
pub const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// The same of a connection.
pub const CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;
/// Bytes that wait to be written to one stream.
pub const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// Bytes of an answer that a connection is given at once, whatever pieces it has. In HTTP/2 one piece waits whole in each
/// stream whose window lets a single byte through.
pub const ANSWER_PIECE_BYTES: usize = 16 * 1024;
/// Streams that the peer has reset before they were looked at. Beyond them the connection is ended with
/// `ENHANCE_YOUR_CALM`.
pub const PENDING_RESETS_MAX: usize = 20;
/// Streams that were reset for a fault of the peer, at one time. Beyond them the connection is ended so.
pub const ERROR_RESETS_MAX: usize = 64;
/// Requests that the peer has given up, of one connection, where they are more than half of all. Beyond them the
/// connection is closed.
pub const GIVEN_UP_MAX: u64 = 200;
/// Bytes that a connection may send without beginning a request or adding to a body: frames of settings, pings,
/// priorities and windows. More than both windows and a head. Beyond them the connection is closed.
pub const IDLE_BYTES_MAX: u64 = 1024 * 1024;

/// Calls of handlers that wait for the task of the link. Beyond them: busy.
pub const CALLS_MAX: usize = 1_024;
/// Questions of one session that wait while one is asked. Beyond them: busy.
pub const QUESTIONS_MAX: usize = 32;
/// Sessions that ask what needs no session of its own. Beyond them questions wait for one another, as those of one
/// session.
pub const OWN_SESSIONS_MAX: usize = 64;
/// Events that wait for whoever listens to a session. Beyond them it is closed as too slow.
pub const EVENTS_MAX: usize = 256;
/// For the core to answer a question. Then its session is closed: a late answer would be taken for the next one's.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(15);
/// The first and the longest wait before the core is connected to again.
pub const RECONNECT_MIN: Duration = Duration::from_millis(5);
/// See [`RECONNECT_MIN`].
pub const RECONNECT_MAX: Duration = Duration::from_millis(500);
/// How long new connections wait in the backlog while there is no link. Then they are accepted, and answered 503.
pub const LINK_TIME_MAX: Duration = Duration::from_secs(2);

// What a peer may send within its rights is never a flood.
const _: () = assert!(IDLE_BYTES_MAX > CONNECTION_WINDOW_BYTES as u64 + 4 * HEAD_BYTES_MAX as u64);
const _: () = assert!(READ_BUFFER_BYTES > HEAD_BYTES_MAX);

//! The server's side of one TLS connection.

use rustls::ServerConfig;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError, WriteTraffic,
};
use std::fmt;
use std::sync::Arc;

/// The longest record on the wire: header, 2^14 bytes, and what encryption may add (RFC 5246,
/// section 6.2.3; RFC 8446 allows less).
pub const RECORD_BYTES_MAX: usize = 5 + (1 << 14) + 2048;
/// Of the connection's bytes in one record.
const RECORD_PLAIN_BYTES_MAX: usize = 1 << 14;
/// The handshake's bytes that may wait for a peer who does not read them; a chain of certificates is
/// far below.
const HANDSHAKE_BYTES_MAX: usize = 64 * 1024;

/// Alerts (RFC 8446, section 6.2).
const UNEXPECTED_MESSAGE: u8 = 10;
const HANDSHAKE_FAILURE: u8 = 40;
const DECODE_ERROR: u8 = 50;

type Traffic<'a> = WriteTraffic<'a, ServerConnectionData>;

/// Why a TLS connection cannot continue.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// The peer broke the protocol, or wants what we do not offer.
    #[error("{0}")]
    Protocol(#[from] rustls::Error),
    /// A record or a message of the handshake has no end.
    #[error("a record that is too long")]
    Endless,
    /// The peer makes us answer and does not read.
    #[error("the peer does not read the handshake")]
    Unread,
    /// The keys are used up, and new ones cannot be agreed on.
    #[error("the keys are used up")]
    Exhausted,
}

/// The server's side of one connection.
pub struct TlsSession {
    connection: UnbufferedServerConnection,
    /// The start of what is not whole yet. Less than [`RECORD_BYTES_MAX`]; without capacity when empty.
    partial: Vec<u8>,
    /// Encrypted, and not taken by the kernel yet. Without capacity when empty.
    outgoing: Vec<u8>,
    /// The handshake is done.
    is_open: bool,
    /// The handshake has begun on our side, too: from then on there may be keys.
    has_answered: bool,
    /// The peer has said that it sends no more.
    has_ended: bool,
}

impl fmt::Debug for TlsSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The keys are secret.
        f.debug_struct("TlsSession").field("is_open", &self.is_open).finish_non_exhaustive()
    }
}

impl TlsSession {
    /// Before the first byte.
    pub fn new(config: Arc<ServerConfig>) -> Result<TlsSession, rustls::Error> {
        Ok(TlsSession {
            connection: UnbufferedServerConnection::new(config)?,
            partial: Vec::new(),
            outgoing: Vec::new(),
            is_open: false,
            has_answered: false,
            has_ended: false,
        })
    }

    /// Whether the handshake is done.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether the peer has said that it sends no more.
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// What it holds besides its keys.
    #[cfg(test)]
    pub fn buffer_bytes(&self) -> usize {
        self.partial.capacity() + self.outgoing.capacity()
    }

    /// Puts the start of what is not whole yet at the front of `wire`, behind which what is read next
    /// belongs. Returns its length.
    pub fn begin(&self, wire: &mut [u8]) -> usize {
        wire[..self.partial.len()].copy_from_slice(&self.partial);
        self.partial.len()
    }

    /// Takes what [`TlsSession::begin`] and a read have put into `wire`, all of it. Returns how many of
    /// the connection's bytes are in `plain`, which holds [`RECORD_BYTES_MAX`].
    ///
    /// # Errors
    /// [`TlsFault`]: the connection is over, when its last words ([`TlsSession::outgoing`]) are sent.
    pub fn receive(&mut self, wire: &mut [u8], plain: &mut [u8]) -> Result<usize, TlsFault> {
        let received = self.take(wire, plain);
        if received.is_err() {
            // Nothing more is asked of the connection.
            (self.is_open, self.partial) = (false, Vec::new());
        }
        received
    }

    fn take(&mut self, wire: &mut [u8], plain: &mut [u8]) -> Result<usize, TlsFault> {
        assert!(wire.len() <= RECORD_BYTES_MAX, "what comes out fits where it is put");
        let (mut at, mut count) = (0, 0);
        loop {
            let status = self.connection.process_tls_records(&mut wire[at..]);
            let mut discard = status.discard;
            match status.state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        plain[count..count + record.payload.len()].copy_from_slice(record.payload);
                        count += record.payload.len();
                        discard += record.discard;
                    }
                }
                Ok(ConnectionState::EncodeTlsData(message)) => {
                    self.has_answered = true;
                    queue(message, &mut self.outgoing);
                }
                // It goes out in order, by `outgoing`.
                Ok(ConnectionState::TransmitTlsData(transmitted)) => transmitted.done(),
                Ok(ConnectionState::PeerClosed) => self.has_ended = true,
                Ok(ConnectionState::WriteTraffic(_)) => {
                    self.is_open = true;
                    break at += discard;
                }
                // Early data is not offered.
                Ok(_) => break at += discard,
                Err(error) => {
                    self.queue_alert(&error);
                    return Err(error.into());
                }
            }
            at += discard;
            if self.outgoing.len() > HANDSHAKE_BYTES_MAX {
                return Err(TlsFault::Unread);
            }
        }
        // Nothing of the connection may follow its end.
        let rest = if self.has_ended { &[] } else { &wire[at..] };
        if rest.len() >= RECORD_BYTES_MAX {
            return Err(TlsFault::Endless);
        }
        if !(rest.is_empty() && self.partial.is_empty()) {
            self.partial = rest.to_vec();
        }
        Ok(count)
    }

    /// Notifies the peer of its mistake, as long as nothing was encrypted. rustls is not asked for its own alert:
    /// after a fault it may look for messages in bytes that are gone, and panic.
    fn queue_alert(&mut self, error: &rustls::Error) {
        let description = match error {
            rustls::Error::InvalidMessage(_) => DECODE_ERROR,
            rustls::Error::PeerIncompatible(_) => HANDSHAKE_FAILURE,
            _ => UNEXPECTED_MESSAGE,
        };
        if !self.has_answered {
            self.outgoing.extend([21, 3, 3, 0, 2, 2, description]);
        }
    }

    /// What waits to be sent: the handshake's, or one record that the kernel did not take whole.
    pub fn outgoing(&self) -> &[u8] {
        &self.outgoing
    }

    /// This much of it was sent.
    pub fn sent(&mut self, bytes: usize) {
        if bytes == self.outgoing.len() {
            self.outgoing = Vec::new();
        } else {
            self.outgoing.drain(..bytes);
        }
    }

    /// The kernel did not take this, the rest of what was encrypted last.
    pub fn hold(&mut self, rest: &[u8]) {
        assert!(self.outgoing.is_empty(), "one record at a time");
        self.outgoing = rest.to_vec();
    }

    /// Encrypts the front of `plain` into `wire`, which holds [`RECORD_BYTES_MAX`]. Returns how much of
    /// `plain` that is, and of `wire`. Only once open, and with nothing outgoing.
    ///
    /// # Errors
    /// [`TlsFault::Exhausted`] when no record more can be encrypted.
    pub fn encrypt(&mut self, plain: &[u8], wire: &mut [u8]) -> Result<(usize, usize), TlsFault> {
        assert!(self.is_open && self.outgoing.is_empty(), "records go out in their order");
        let plain = &plain[..plain.len().min(RECORD_PLAIN_BYTES_MAX)];
        self.write(wire, |traffic, wire| traffic.encrypt(plain, wire)).map(|written| (plain.len(), written))
    }

    /// Writes into `wire` that nothing more comes. Returns how many bytes that takes; 0 where it cannot be sent any
    /// more.
    pub fn say_end(&mut self, wire: &mut [u8]) -> usize {
        if !self.is_open || !self.outgoing.is_empty() {
            return 0;
        }
        self.write(wire, |traffic, wire| traffic.queue_close_notify(wire)).unwrap_or(0)
    }

    fn write(
        &mut self,
        wire: &mut [u8],
        act: impl FnOnce(&mut Traffic<'_>, &mut [u8]) -> Result<usize, EncryptError>,
    ) -> Result<usize, TlsFault> {
        let mut at = 0;
        loop {
            // What is not whole yet is shown again, and stays: only its place is known to the connection.
            match self.connection.process_tls_records(&mut self.partial).state? {
                ConnectionState::EncodeTlsData(mut message) => {
                    at += message.encode(&mut wire[at..]).map_err(|_| TlsFault::Exhausted)?;
                }
                ConnectionState::TransmitTlsData(transmitted) => transmitted.done(),
                ConnectionState::WriteTraffic(mut traffic) => {
                    let written = act(&mut traffic, &mut wire[at..]).map_err(|_| TlsFault::Exhausted)?;
                    return Ok(at + written);
                }
                _ => return Err(TlsFault::Exhausted),
            }
        }
    }
}

/// Puts a message of the protocol behind what goes out.
fn queue(mut message: EncodeTlsData<'_, ServerConnectionData>, outgoing: &mut Vec<u8>) {
    let Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) = message.encode(&mut [])
    else {
        return;
    };
    let end = outgoing.len();
    outgoing.resize(end + required_size, 0);
    let written = message.encode(&mut outgoing[end..]);
    assert_eq!(written.ok(), Some(required_size), "it fits where it was given the room it asked for");
}

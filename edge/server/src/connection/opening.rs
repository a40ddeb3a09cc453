//! The first bytes of a connection: the header of a proxy, and which HTTP it speaks.

use super::peer::Peer;
use super::socket::Socket;
use super::stream::ReadAhead;
use crate::bounds::HEAD_TIME_MAX;
use crate::counters::Refused;
use madang_model::connection::{
    HeaderRead, PROXY_HEADER_BYTES_MAX, PROXY_HEADER_TIME_MAX, ProxyHeader, read_header,
};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

/// What HTTP/2 begins with (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Which HTTP a connection speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spoken {
    /// HTTP/1.1 or 1.0, or nothing that is known here.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Reads the header of a proxy, which must be there. Returns the rest of the connection.
///
/// # Errors
/// It is missing, wrong or late.
pub async fn read_proxy(mut socket: Socket, mut peer: Peer) -> Result<(ReadAhead<Socket>, Peer), Refused> {
    let read = timeout(PROXY_HEADER_TIME_MAX, header(&mut socket)).await;
    let (bytes, ProxyHeader { source, bytes: length }) =
        read.ok().and_then(Result::ok).flatten().ok_or(Refused::Proxy)?;
    if let Some(address) = source {
        peer = Peer { address, is_proxied: true, ..peer };
    }
    Ok((ReadAhead::new(socket, bytes[length..].to_vec()), peer))
}

async fn header(socket: &mut Socket) -> io::Result<Option<(Vec<u8>, ProxyHeader)>> {
    let mut bytes = Vec::with_capacity(PROXY_HEADER_BYTES_MAX);
    loop {
        match read_header(&bytes) {
            HeaderRead::Complete(header) => return Ok(Some((bytes, header))),
            HeaderRead::Absent | HeaderRead::Malformed(_) => return Ok(None),
            HeaderRead::Incomplete => {}
        }
        let space = PROXY_HEADER_BYTES_MAX - bytes.len();
        if socket.take(space as u64).read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
}

/// Reads until it is known which HTTP it is. `None` where the peer has gone without a byte.
///
/// # Errors
/// It is not known in time.
pub async fn spoken<S: AsyncRead + Unpin>(mut stream: S) -> Result<Option<(ReadAhead<S>, Spoken)>, Refused> {
    let mut bytes = Vec::with_capacity(PREFACE.len());
    let reading = async {
        while bytes.len() < PREFACE.len() && PREFACE.starts_with(&bytes) {
            let space = (PREFACE.len() - bytes.len()) as u64;
            match (&mut stream).take(space).read_buf(&mut bytes).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
    };
    timeout(HEAD_TIME_MAX, reading).await.map_err(|_| Refused::HeadTime)?;
    let spoken = if bytes == PREFACE { Spoken::Http2 } else { Spoken::Http1 };
    Ok((!bytes.is_empty()).then(|| (ReadAhead::new(stream, bytes), spoken)))
}

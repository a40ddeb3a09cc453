//! A socket that is closed so that its peer can read the last answer: a socket with unread bytes would be reset, and the
//! answer be lost (RFC 9112, section 9.6).

use crate::bounds::{LINGER_BYTES_MAX, LINGER_TIME_MAX, LINGERING_MAX};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

const READ_BYTES: usize = 16 * 1024;

static LINGERING: AtomicUsize = AtomicUsize::new(0);

/// The socket of a connection.
#[derive(Debug)]
pub struct Socket {
    /// `None` once it is closed.
    stream: Option<TcpStream>,
    has_input_ended: bool,
}

impl Socket {
    /// A socket that was accepted.
    pub fn new(stream: TcpStream) -> Socket {
        Socket { stream: Some(stream), has_input_ended: false }
    }

    fn stream(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let Some(stream) = self.stream.take().filter(|_| !self.has_input_ended) else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if LINGERING.fetch_add(1, Ordering::AcqRel) >= LINGERING_MAX {
            LINGERING.fetch_sub(1, Ordering::AcqRel);
            return;
        }
        runtime.spawn(async move {
            // It is closed either way.
            let _ = timeout(LINGER_TIME_MAX, linger(stream)).await;
            LINGERING.fetch_sub(1, Ordering::AcqRel);
        });
    }
}

async fn linger(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let (mut buffer, mut bytes) = (vec![0; READ_BYTES], 0);
    while bytes < LINGER_BYTES_MAX {
        match stream.read(&mut buffer).await? {
            0 => break,
            count => bytes += count,
        }
    }
    Ok(())
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (before, has_space) = (into.filled().len(), into.remaining() > 0);
        let read = self.stream()?.poll_read(cx, into);
        if has_space && matches!(read, Poll::Ready(Ok(()))) && into.filled().len() == before {
            self.has_input_ended = true;
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(cx)
    }
}

//! HTTP/1 by hyper, on a blocking socket: one request a connection, bounded in bytes and time.

use futures_lite::future::block_on;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use std::convert::Infallible;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// How long a connection is served at most, however slowly it sends or reads.
const TIME_MAX: Duration = Duration::from_secs(2);
/// The largest head of a request, in bytes; no request has a body that is read.
const REQUEST_BYTES_MAX: usize = 8192;
/// The size of one read, in bytes.
const CHUNK_BYTES: usize = 4096;

/// An answer.
pub enum HttpAnswer {
    /// Metrics, in the text format.
    Metrics(String),
    /// 200, with a text.
    Well(String),
    /// 503, with the reason.
    Unwell(String),
}

/// Answers one request. Errors concern only its peer.
pub fn serve_connection(stream: TcpStream, answer: impl Fn(&str) -> Option<HttpAnswer>) {
    let Ok(closing) = stream.try_clone() else { return };
    let io = Blocking { stream, deadline: Instant::now() + TIME_MAX };
    let service = service_fn(|request: Request<Incoming>| {
        let response = respond(&request, &answer);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        // One request, and no read of the socket while it is answered: a read would block.
        .keep_alive(false)
        .half_close(true)
        .max_buf_size(REQUEST_BYTES_MAX)
        .serve_connection(io, service);
    let _ = block_on(connection);
    let _ = closing.shutdown(Shutdown::Both);
}

fn respond(
    request: &Request<Incoming>,
    answer: &impl Fn(&str) -> Option<HttpAnswer>,
) -> Response<Full<Bytes>> {
    const TEXT: &str = "text/plain; charset=utf-8";
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return response(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET is answered here\n".into());
    }
    match answer(request.uri().path()) {
        Some(HttpAnswer::Metrics(text)) => {
            let version = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            response(StatusCode::OK, version, text)
        }
        Some(HttpAnswer::Well(words)) => response(StatusCode::OK, TEXT, words),
        Some(HttpAnswer::Unwell(words)) => response(StatusCode::SERVICE_UNAVAILABLE, TEXT, words),
        None => {
            let words = "there are /metrics, /healthz and /readyz here\n";
            response(StatusCode::NOT_FOUND, TEXT, words.into())
        }
    }
}

fn response(status: StatusCode, content_type: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}

/// A socket that blocks its thread until the deadline, and so is always ready for hyper.
struct Blocking {
    stream: TcpStream,
    deadline: Instant,
}

impl Blocking {
    fn time_left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }

    fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.time_left()?))?;
        io::Read::read(&mut self.stream, chunk)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.time_left()?))?;
        io::Write::write(&mut self.stream, bytes)
    }
}

impl Read for Blocking {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut chunk = [0; CHUNK_BYTES];
        let size = into.remaining().min(CHUNK_BYTES);
        Poll::Ready(self.get_mut().read(&mut chunk[..size]).map(|count| into.put_slice(&chunk[..count])))
    }
}

impl Write for Blocking {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.get_mut().write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.shutdown(Shutdown::Write))
    }
}

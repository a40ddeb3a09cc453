//! One connection, from its first byte to its end: PROXY, TLS, HTTP/1.1 or HTTP/2.
//!
//! **Invariant:** a peer can wait, be slow or send anything, and costs a bounded amount for a bounded time. hyper's
//! builder that finds out the version itself is not used: it leaves a silent peer open for ever (hyper#3756).

mod activity;
mod body;
mod forwarded;
mod opening;
mod peer;
mod service;
mod socket;
mod stream;

pub use peer::Peer;

use crate::bounds::{
    CONNECTION_WINDOW_BYTES, ERROR_RESETS_MAX, GRACE, HANDSHAKE_TIME_MAX, HEAD_BYTES_MAX, HEADERS_MAX,
    KEEP_ALIVE_TIME_MAX, PENDING_RESETS_MAX, READ_BUFFER_BYTES, REQUESTS_MAX, SEND_BUFFER_BYTES,
    STREAM_WINDOW_BYTES, STREAMS_MAX,
};
use crate::counters::{Counters, Refused};
use crate::limits::{AddressCounts, CurrentLimits, EdgeLimits};
use activity::{Activity, Heads};
use axum::Router;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use opening::{Spoken, read_proxy, spoken};
use service::RequestService;
use socket::Socket;
use std::error::Error;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use stream::{ReadAhead, Watched};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

/// What all connections share.
pub struct Shared {
    router: TowerToHyperService<Router>,
    requests: Arc<Semaphore>,
    requests_by_address: Arc<AddressCounts>,
    /// What has happened.
    pub counters: Arc<Counters>,
    /// What operators have decided.
    pub limits: CurrentLimits,
    addresses: Arc<AddressCounts>,
}

impl Shared {
    /// Connections are served by this router.
    pub fn new(router: Router, limits: CurrentLimits) -> Arc<Shared> {
        Arc::new(Shared {
            router: TowerToHyperService::new(router),
            requests: Arc::new(Semaphore::new(REQUESTS_MAX)),
            requests_by_address: Arc::default(),
            counters: Arc::default(),
            limits,
            addresses: Arc::default(),
        })
    }

    /// Serves a connection until it ends; requests under way are finished when the edge stops.
    pub async fn serve(self: Arc<Shared>, stream: TcpStream, from: SocketAddr, has_tls: bool, stop: Stop) {
        if let Err(why) = self.try_serve(stream, from, has_tls, stop).await {
            self.counters.refuse(why);
        }
    }

    async fn try_serve(
        self: &Arc<Shared>,
        stream: TcpStream,
        from: SocketAddr,
        has_tls: bool,
        mut stop: Stop,
    ) -> Result<(), Refused> {
        let limits = self.limits.now();
        let peer = Peer { address: from, is_proxied: false, has_tls, is_https: has_tls };
        let socket = Socket::new(stream);
        let (stream, peer) = match limits.proxy_from.contains(from.ip()) {
            true => match unless_stopped(&mut stop, read_proxy(socket, peer)).await {
                Some(read) => read?,
                None => return Ok(()),
            },
            false => (ReadAhead::new(socket, Vec::new()), peer),
        };
        let Ok(_slot) = self.addresses.admit(peer.address.ip(), &limits, &self.counters) else {
            return Ok(());
        };
        if !has_tls {
            return match unless_stopped(&mut stop, spoken(stream)).await.transpose()?.flatten() {
                Some((stream, spoken)) => self.speak(stream, spoken, (peer, limits), stop).await,
                None => Ok(()),
            };
        }
        // Without a certificate there is no listener for TLS.
        let config = limits.tls.clone().ok_or(Refused::Handshake)?;
        let accepting = TlsAcceptor::from(config).accept(stream);
        let accepting = timeout(HANDSHAKE_TIME_MAX, accepting);
        let Some(stream) = unless_stopped(&mut stop, accepting).await else { return Ok(()) };
        let stream = stream.ok().and_then(Result::ok).ok_or(Refused::Handshake)?;
        let spoken = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Spoken::Http2,
            _ => Spoken::Http1,
        };
        self.speak(stream, spoken, (peer, limits), stop).await
    }

    async fn speak<S>(
        &self,
        stream: S,
        spoken: Spoken,
        (peer, limits): (Peer, Arc<EdgeLimits>),
        stop: Stop,
    ) -> Result<(), Refused>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let heads = if spoken == Spoken::Http1 { Heads::BeginWithBytes } else { Heads::AreFrames };
        let activity = Activity::new(Arc::clone(&self.counters), heads);
        let stream = TokioIo::new(Watched::new(stream, Arc::clone(&activity)));
        let service = RequestService {
            router: self.router.clone(),
            requests: Arc::clone(&self.requests),
            requests_by_address: Arc::clone(&self.requests_by_address),
            activity: Arc::clone(&activity),
            peer,
            limits,
        };
        match spoken {
            Spoken::Http1 => {
                let connection = pin!(http1_builder().serve_connection(stream, service));
                drive(connection, &activity, stop, |connection| connection.graceful_shutdown()).await
            }
            Spoken::Http2 => {
                let connection = pin!(http2_builder().serve_connection(stream, service));
                drive(connection, &activity, stop, |connection| connection.graceful_shutdown()).await
            }
        }
    }
}

/// How a connection begins, unless the edge stops: whoever has asked nothing yet asks the next edge.
async fn unless_stopped<T>(stop: &mut Stop, opening: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        opened = opening => Some(opened),
        _ = stop.wait_for(|stops| *stops) => None,
    }
}

/// Whether the edge is to stop.
pub type Stop = watch::Receiver<bool>;

fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // The deadlines of `Activity` are shorter where they apply.
        .header_read_timeout(KEEP_ALIVE_TIME_MAX)
        .max_header_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .max_buf_size(READ_BUFFER_BYTES)
        .half_close(true);
    builder
}

fn http2_builder() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .max_local_error_reset_streams(ERROR_RESETS_MAX);
    builder
}

/// Moves a connection until it ends by itself, misses a deadline, or the edge stops.
async fn drive<C>(
    mut connection: Pin<&mut C>,
    activity: &Activity,
    mut stop: Stop,
    shut_down: impl Fn(Pin<&mut C>),
) -> Result<(), Refused>
where
    C: Future<Output = hyper::Result<()>>,
{
    // Once it is to end: when it is cut off.
    let mut ends_at = None;
    loop {
        let deadline = deadline_of(activity, ends_at.is_some());
        let wakes_at = deadline.map(|(at, _)| at).into_iter().chain(ends_at).min();
        let waiting = async {
            match wakes_at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = connection.as_mut() => return ended.map_or_else(|error| after(&error), Ok),
            () = waiting => {}
            () = activity.changed() => {}
            // Whoever could stop it is gone.
            _ = stop.wait_for(|stops| *stops), if ends_at.is_none() => {
                shut_down(connection.as_mut());
                ends_at = Some(Instant::now() + GRACE);
            }
        }
        if activity.is_flooded_by_resets() {
            return Err(Refused::ResetFlood);
        }
        let now = Instant::now();
        if ends_at.is_some_and(|at| at <= now) {
            return Ok(());
        }
        match deadline_of(activity, ends_at.is_some()).filter(|(at, _)| *at <= now) {
            Some((_, Refused::HeadTime)) if activity.has_served() => {
                // It idles, which is no fault: an HTTP/2 peer is told.
                shut_down(connection.as_mut());
                ends_at = Some(now + GRACE);
            }
            Some((_, why)) => return Err(why),
            None => {}
        }
    }
}

/// The next deadline of a connection. One that is to end has a time of its own for a request that crosses with that.
fn deadline_of(activity: &Activity, is_to_end: bool) -> Option<(Instant, Refused)> {
    activity.deadline().filter(|(_, why)| !is_to_end || *why != Refused::HeadTime)
}

/// What the end of a connection by a fault counts as.
fn after(error: &hyper::Error) -> Result<(), Refused> {
    let http2 = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
    if let Some(fault) = http2 {
        let is_flood = fault.is_library() && fault.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM);
        return if is_flood { Err(Refused::ResetFlood) } else { Ok(()) };
    }
    match error {
        error if error.is_parse_too_large() => Err(Refused::HeadSize),
        error if error.is_parse() => Err(Refused::NotHttp),
        error if error.is_timeout() => Err(Refused::HeadTime),
        // It is gone, or a limit was reached that has counted itself.
        _ => Ok(()),
    }
}

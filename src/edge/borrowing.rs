//! The thread that borrows the listening sockets from the server, again whenever it has ended.

use crate::edge_desk::{LENT_BYTES_MAX, Offer, SOCKET};
use crate::server::EdgeFigures;
use madang_config::HttpKey;
use madang_edge::{EdgeListener, EdgeServer, Figures, Refused};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use signal_hook::iterator::Handle;
use std::io::{self, ErrorKind, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How often figures are reported.
const REPORT: Duration = Duration::from_secs(1);
/// How long the server may take to lend its sockets.
const OFFER_TIME_MAX: Duration = Duration::from_secs(5);
/// The first and the longest wait before the server is asked again.
const RETRY_MIN: Duration = Duration::from_millis(5);
const RETRY_MAX: Duration = Duration::from_millis(500);
/// Sockets that are taken.
const SOCKETS_MAX: usize = 8;

/// Why the edge is to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Left {
    /// It was asked to.
    Asked,
    /// The server is of another version than before.
    ForAnother,
}

/// What the thread has.
pub struct Borrowing {
    server: Arc<EdgeServer>,
    socket: PathBuf,
    left: flume::Sender<Left>,
    /// Ends the wait for signals, and so the edge.
    signals: Handle,
    /// The version of the server that lent the sockets first.
    version: Option<String>,
}

impl Borrowing {
    /// For the server of a data directory.
    pub fn new(
        server: Arc<EdgeServer>,
        data: &Path,
        left: flume::Sender<Left>,
        signals: Handle,
    ) -> Borrowing {
        let socket = data.join(format!("{SOCKET}.sock"));
        Borrowing { server, socket, left, signals, version: None }
    }

    /// Starts the thread, which ends with the process.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(mut self) -> io::Result<()> {
        let work = move || {
            let mut wait = RETRY_MIN;
            let mut reported = String::new();
            loop {
                match self.borrow() {
                    Ok(Some(left)) => {
                        // It is read once.
                        let _ = self.left.try_send(left);
                        return self.signals.close();
                    }
                    Ok(None) => {
                        wait = RETRY_MIN;
                        reported.clear();
                    }
                    Err(error) => {
                        let words = error.to_string();
                        if reported != words {
                            let path = self.socket.display();
                            let remedy = remedy(&error);
                            tracing::warn!(%error, "cannot borrow sockets of HTTP at '{path}', which is tried again; {remedy}");
                            reported = words;
                        }
                        wait = (2 * wait).min(RETRY_MAX);
                    }
                }
                std::thread::sleep(wait);
            }
        };
        std::thread::Builder::new().name("madang-borrow".into()).spawn(work).map(drop)
    }

    /// Borrows the sockets, and listens at them until the server takes them back. Returns why the edge is to end, if
    /// it is.
    fn borrow(&mut self) -> io::Result<Option<Left>> {
        let stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(OFFER_TIME_MAX))?;
        let (offer, sockets) = receive(&stream)?;
        if self.version.get_or_insert_with(|| offer.server.clone()) != &offer.server {
            tracing::info!(server = offer.server, "the server is of another version: the edge ends");
            return Ok(Some(Left::ForAnother));
        }
        let mut listeners = Vec::new();
        for (name, socket) in offer.sockets.iter().zip(sockets) {
            match HttpKey::named(name) {
                Some(key) => {
                    listeners.push(EdgeListener { socket: TcpListener::from(socket), has_tls: key.has_tls });
                }
                None => tracing::warn!(name, "a socket is not served: this program does not know its kind"),
            }
        }
        self.server.listen(listeners)?;
        let names = offer.sockets.join(", ");
        tracing::info!(server = offer.server, sockets = names, "the edge serves");
        let ended = self.report_until_end(&stream);
        self.server.listen(Vec::new())?;
        tracing::warn!("the server has taken its sockets back; this edge waits for the next server");
        ended.map(|()| None)
    }

    fn report_until_end(&self, mut stream: &UnixStream) -> io::Result<()> {
        stream.set_read_timeout(Some(REPORT))?;
        stream.set_write_timeout(Some(OFFER_TIME_MAX))?;
        loop {
            let mut line = serde_json::to_vec(&figures(self.server.figures()))?;
            line.push(b'\n');
            if stream.write_all(&line).is_err() {
                return Ok(());
            }
            match stream.read(&mut [0; 64]) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if is_timeout(&error) => {}
                Err(_) => return Ok(()),
            }
        }
    }
}

/// What the operator can do.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            "the server does not run, or has no HTTP: start it, with listen.http or listen.https"
        }
        ErrorKind::PermissionDenied => "run the edge as the user that runs the server",
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => "the server has ended, or is about to",
        ErrorKind::InvalidData => {
            "the edge and the server are of releases that do not fit: install one of them again"
        }
        _ => "see the journal of the server, and the limits of open files of both",
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// Receives the line of the server and its sockets.
fn receive(stream: &UnixStream) -> io::Result<(Offer, Vec<OwnedFd>)> {
    let (mut line, mut sockets) = (Vec::new(), Vec::new());
    while line.last() != Some(&b'\n') {
        let mut buffer = [0; 4096];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut slices = [IoSliceMut::new(&mut buffer)];
        let received = match recvmsg(stream.as_fd(), &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => continue,
            received => received?,
        };
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                sockets.extend(descriptors);
            }
        }
        if received.bytes == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        line.extend_from_slice(&buffer[..received.bytes]);
        if line.len() > LENT_BYTES_MAX {
            return Err(ErrorKind::InvalidData.into());
        }
    }
    let offer: Offer = serde_json::from_slice(&line)?;
    if offer.sockets.len() != sockets.len() {
        return Err(io::Error::other("sockets are missing: too many files are open"));
    }
    Ok((offer, sockets))
}

fn figures(figures: Figures) -> EdgeFigures {
    let Figures { connections, accepted, accept_errors, waits_when_full, requests, given_up, refused } =
        figures;
    let refused =
        Refused::ALL.iter().zip(refused).map(|(why, count)| (why.name().to_owned(), count)).collect();
    EdgeFigures { connections, accepted, accept_errors, waits_when_full, requests, given_up, refused }
}

//! The core's part of one connection of an edge: the agreement on a version, and requests that wait to be taken.

use super::settings::CoreSettings;
use crate::body::control::{ArchivedHelloBody, GoingDownBody, RejectedBody, WelcomeBody, last_words};
use crate::body::{ArchivedRequestBody, EventBody, open};
use crate::bounds::{
    ENVELOPE_BYTES_MAX, EVENTS_WAITING_BYTES_MAX, REQUEST_WINDOW_BYTES, ROOMS_PER_SESSION_MAX, SESSIONS_MAX,
};
use crate::convert::{Incoming, began_body, read_request};
use crate::format::{Kind, WireFault};
use crate::stream::{Agreement, NotQueued, Stream};
use crate::versions::Versions;
use crate::words::{GoingDown, LinkEnd};
use madang_model::{LogEpoch, Moment};
use std::collections::VecDeque;

/// One connection of an edge.
#[derive(Debug)]
pub struct CoreConnection {
    pub stream: Stream,
    /// Requests, each with what it gives back of the window. Bounded by the window.
    incoming: VecDeque<(usize, Incoming)>,
    going_down: Option<GoingDown>,
    /// Why it has ended.
    pub end: Option<LinkEnd>,
}

/// What an edge sends.
enum FromEdge {
    Hello(WelcomeBody),
    /// It speaks no version that this end does.
    Strange(Versions),
    Request(usize, Incoming),
    Goodbye(Box<str>),
}

impl CoreConnection {
    /// An edge has connected.
    pub fn new(now: Moment) -> CoreConnection {
        let stream = Stream::new(REQUEST_WINDOW_BYTES, now);
        CoreConnection { stream, incoming: VecDeque::new(), going_down: None, end: None }
    }

    /// Bytes came.
    ///
    /// # Errors
    /// [`LinkEnd`] when they end the link.
    pub fn receive(&mut self, bytes: &[u8], now: Moment, settings: &CoreSettings) -> Result<(), LinkEnd> {
        if self.end.is_some() {
            return Ok(());
        }
        let mut said = Vec::new();
        let mut is_greeted = self.stream.version() > 0;
        let text_bytes_max = (settings.text_bytes_max)() as usize;
        let received = self.stream.receive(bytes, now, |envelope| {
            let (kind, body) = (envelope.kind, envelope.body);
            let mut agreement = None;
            said.push(match kind {
                Kind::Hello if !is_greeted => {
                    is_greeted = true;
                    let (theirs, window_bytes) = hello_of(body)?;
                    let version = settings.versions.agree(theirs);
                    agreement = version.map(|version| Agreement { version, window_bytes });
                    version.map_or(FromEdge::Strange(theirs), |version| {
                        FromEdge::Hello(welcome(version, settings))
                    })
                }
                Kind::Request => {
                    let request = open::<ArchivedRequestBody<'static>>(kind, body)?;
                    FromEdge::Request(envelope.bytes, read_request(request, text_bytes_max))
                }
                Kind::Goodbye => FromEdge::Goodbye(last_words(body)?),
                _ => return Err(WireFault::Unexpected { kind }),
            });
            Ok(agreement)
        });
        for said in said {
            match said {
                FromEdge::Hello(welcome) => self.greet(&welcome, (settings.epoch)()),
                FromEdge::Strange(theirs) => {
                    let Versions { oldest, newest } = settings.versions;
                    self.stream.say(Kind::Rejected, &RejectedBody { oldest, newest });
                    return Err(LinkEnd::VersionsApart { ours: settings.versions, theirs });
                }
                FromEdge::Request(bytes, incoming) => self.incoming.push_back((bytes, incoming)),
                FromEdge::Goodbye(words) => return Err(LinkEnd::Goodbye(words)),
            }
        }
        Ok(received?)
    }

    /// Both have a version in common.
    fn greet(&mut self, welcome: &WelcomeBody, epoch: LogEpoch) {
        self.stream.say(Kind::Welcome, welcome);
        // It is the first, and fits.
        let _ = self.queue_event(&began_body(epoch));
        if let Some(going_down) = self.going_down {
            self.say_going_down(going_down);
        }
    }

    /// Whether both ends speak a version, and the link lasts.
    pub fn is_up(&self) -> bool {
        self.stream.version() > 0 && self.end.is_none()
    }

    /// Sends an event, after those that wait.
    ///
    /// # Errors
    /// [`NotQueued`] when it is too long, or too much waits.
    pub fn queue_event(&mut self, body: &EventBody<'_>) -> Result<(), NotQueued> {
        self.stream.queue(Kind::Event, body, EVENTS_WAITING_BYTES_MAX)
    }

    /// The next request of the edge, which may then send as much more.
    pub fn next_incoming(&mut self) -> Option<Incoming> {
        if self.end.is_some() || self.going_down.is_some() {
            return None;
        }
        let (bytes, incoming) = self.incoming.pop_front()?;
        self.stream.take(bytes);
        Some(incoming)
    }

    /// Requests that wait to be taken.
    pub fn waiting_requests(&self) -> usize {
        self.incoming.len()
    }

    /// The core is about to end.
    pub fn go_down(&mut self, going_down: GoingDown) {
        if self.going_down.replace(going_down).is_none() && self.is_up() {
            self.say_going_down(going_down);
        }
    }

    fn say_going_down(&mut self, going_down: GoingDown) {
        let is_upgrade = going_down == GoingDown::Upgrade;
        self.stream.say(Kind::GoingDown, &GoingDownBody { is_upgrade });
    }

    /// Nothing more is taken or sent, except the reason.
    pub fn end(&mut self, end: LinkEnd) {
        self.incoming = VecDeque::new();
        self.stream.end(end.says_goodbye().then(|| end.to_string()).as_deref());
        self.end = Some(end);
    }
}

/// What an edge greets with: the versions it speaks, and how much it takes ahead.
///
/// # Errors
/// [`WireFault`] when it is none, or it takes too little.
fn hello_of(body: &[u8]) -> Result<(Versions, u32), WireFault> {
    let kind = Kind::Hello;
    let hello = open::<ArchivedHelloBody>(kind, body)?;
    let window_bytes = hello.window_bytes.to_native();
    if (window_bytes as usize) < ENVELOPE_BYTES_MAX {
        return Err(WireFault::value(kind, "a window", &window_bytes.to_string()));
    }
    let (oldest, newest) = (hello.oldest.to_native(), hello.newest.to_native());
    Ok((Versions { oldest, newest }, window_bytes))
}

fn welcome(version: u16, settings: &CoreSettings) -> WelcomeBody {
    WelcomeBody {
        version,
        shard_count: settings.shard_count,
        window_bytes: REQUEST_WINDOW_BYTES,
        sessions_max: SESSIONS_MAX,
        rooms_max: ROOMS_PER_SESSION_MAX as u32,
        text_bytes_max: (settings.text_bytes_max)(),
    }
}

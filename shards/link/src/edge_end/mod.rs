//! The edge's end: its sessions' requests become envelopes, envelopes become events.
//!
//! One for each connection: when a link has ended, the edge begins anew with another, and its sessions with it.

mod error;
mod said;
mod sessions;

pub use error::AskError;
#[cfg(test)]
pub use said::{FromCore, read};
pub use sessions::Limits;

use crate::body::RequestBody;
use crate::body::control::HelloBody;
use crate::bounds::{ENVELOPE_BYTES_MAX, EVENT_WINDOW_BYTES, PATTERN_BYTES_MAX, REQUESTS_WAITING_BYTES_MAX};
use crate::convert::{close_body, open_body, request_body};
use crate::format::{Kind, WireFault};
use crate::stream::{NotQueued, Stream};
use crate::versions::{VERSIONS, Versions};
use crate::words::{EdgeEvent, EdgeRequest, LinkEnd, SessionNumber};
use madang_model::{AmendRequest, LogEpoch, Moment};
#[cfg(not(test))]
use said::{FromCore, read};
use sessions::OpenSessions;
use std::collections::VecDeque;
use std::net::IpAddr;

/// The edge's end of the link.
#[derive(Debug)]
pub struct EdgeEnd {
    stream: Stream,
    versions: Versions,
    /// What the core allows, once it has answered.
    limits: Option<Limits>,
    epoch: Option<LogEpoch>,
    sessions: OpenSessions,
    /// Events, each with what it gives back of the window. Bounded by the window.
    events: VecDeque<(usize, EdgeEvent)>,
    is_going_down: bool,
    end: Option<LinkEnd>,
}

impl EdgeEnd {
    /// The end of an edge that has just connected.
    pub fn new(now: Moment) -> EdgeEnd {
        EdgeEnd::speaking(VERSIONS, now)
    }

    /// The end of an edge of another release.
    pub fn speaking(versions: Versions, now: Moment) -> EdgeEnd {
        let mut stream = Stream::new(EVENT_WINDOW_BYTES, now);
        let Versions { oldest, newest } = versions;
        stream.say(Kind::Hello, &HelloBody { oldest, newest, window_bytes: EVENT_WINDOW_BYTES });
        EdgeEnd {
            stream,
            versions,
            limits: None,
            epoch: None,
            sessions: OpenSessions::default(),
            events: VecDeque::new(),
            is_going_down: false,
            end: None,
        }
    }

    /// What the core allows; `None` until it has answered.
    pub fn limits(&self) -> Option<&Limits> {
        self.limits.as_ref()
    }

    /// The epoch of the log, which lasts as long as the link: where a client knows numbers with another epoch, they are
    /// those of another log. `None` until the core has answered, and with a core of a release before there was an edge.
    pub fn epoch(&self) -> Option<LogEpoch> {
        self.epoch
    }

    /// A session begins; with an address it counts against that one.
    ///
    /// # Errors
    /// [`AskError`], and there is no session.
    pub fn open(&mut self, address: Option<IpAddr>) -> Result<SessionNumber, AskError> {
        let sessions_max = self.ready()?.sessions_max;
        let session = self.sessions.next(sessions_max)?;
        self.queue(&open_body(session, address), REQUESTS_WAITING_BYTES_MAX)?;
        self.sessions.opened(session);
        Ok(session)
    }

    /// A session ends, cleanly when its user left on purpose. It has ended with [`EdgeEvent::Closed`]. This is
    /// never refused for what waits, as each session closes once. It does not wait for the answers to what the
    /// session asked before: they may not come any more.
    ///
    /// # Errors
    /// [`AskError`] when there is nothing to close.
    pub fn close(&mut self, session: SessionNumber, is_clean: bool) -> Result<(), AskError> {
        self.ready()?;
        self.sessions.check(session)?;
        self.queue(&close_body(session, is_clean), usize::MAX)?;
        self.sessions.closing(session);
        Ok(())
    }

    /// A session asks something.
    ///
    /// # Errors
    /// [`AskError`], and nothing is asked.
    pub fn ask(&mut self, session: SessionNumber, request: &EdgeRequest) -> Result<(), AskError> {
        let text_bytes_max = self.ready()?.text_bytes_max as usize;
        self.sessions.check(session)?;
        let (bytes, bytes_max) = match request {
            EdgeRequest::Publish { text, .. }
            | EdgeRequest::PublishAs { text, .. }
            | EdgeRequest::Whisper { text, .. } => (text.len(), text_bytes_max),
            EdgeRequest::Amend { change: AmendRequest::Edit { text }, .. } => (text.len(), text_bytes_max),
            EdgeRequest::Amend { change: AmendRequest::Topic { topic: Some(topic) }, .. } => {
                (topic.len(), text_bytes_max)
            }
            EdgeRequest::SetAway { away: Some(away) } => {
                (away.text.as_ref().map_or(0, |text| text.len()), text_bytes_max)
            }
            EdgeRequest::Rooms { pattern } | EdgeRequest::RoomsInOrder { pattern, .. } => {
                (pattern.len(), PATTERN_BYTES_MAX)
            }
            _ => (0, 0),
        };
        if bytes > bytes_max {
            return Err(AskError::TooLong { bytes, bytes_max });
        }
        self.queue(&request_body(session, request), REQUESTS_WAITING_BYTES_MAX)
    }

    fn ready(&self) -> Result<&Limits, AskError> {
        if self.end.is_some() {
            return Err(AskError::Ended);
        }
        if self.is_going_down {
            return Err(AskError::GoingDown);
        }
        self.limits.as_ref().ok_or(AskError::NotReady)
    }

    fn queue(&mut self, body: &RequestBody<'_>, waiting_bytes_max: usize) -> Result<(), AskError> {
        let queued = self.stream.queue(Kind::Request, body, waiting_bytes_max);
        queued.map_err(|error| match error {
            NotQueued::Full { .. } => AskError::Busy,
            NotQueued::TooLong { bytes } => AskError::TooLong { bytes, bytes_max: ENVELOPE_BYTES_MAX },
        })
    }

    /// Bytes came from the core. All are taken: what the core may send ahead is bounded by its credit.
    pub fn receive(&mut self, bytes: &[u8], now: Moment) {
        if self.end.is_some() {
            return;
        }
        let mut said = Vec::new();
        let versions = self.versions;
        let mut is_greeted = self.limits.is_some();
        let received = self.stream.receive(bytes, now, |envelope| {
            let next = read(envelope)?;
            let agreement = match &next {
                FromCore::Welcome { agreement, .. } if is_greeted || !versions.contain(agreement.version) => {
                    return Err(WireFault::Unexpected { kind: Kind::Welcome });
                }
                FromCore::Welcome { agreement, .. } => Some(*agreement),
                _ => None,
            };
            is_greeted |= agreement.is_some();
            said.push(next);
            Ok(agreement)
        });
        for said in said {
            if let Err(end) = self.handle(said) {
                return self.end(end);
            }
        }
        if let Err(fault) = received {
            self.end(LinkEnd::Fault(fault));
        }
    }

    fn handle(&mut self, said: FromCore) -> Result<(), LinkEnd> {
        match said {
            FromCore::Welcome { limits, .. } => self.limits = Some(limits),
            FromCore::Rejected(theirs) => return Err(LinkEnd::VersionsApart { ours: self.versions, theirs }),
            FromCore::Began(bytes, epoch) => {
                self.stream.take(bytes);
                self.epoch = Some(epoch);
            }
            FromCore::Event(bytes, event) => self.events.push_back((bytes, event)),
            FromCore::GoingDown(going_down) => {
                if !std::mem::replace(&mut self.is_going_down, true) {
                    self.events.push_back((0, EdgeEvent::GoingDown(going_down)));
                }
            }
            FromCore::Goodbye(words) => return Err(LinkEnd::Goodbye(words)),
        }
        Ok(())
    }

    /// The next event, if any. What is not taken here uses up the core's credit: in the end the core disconnects
    /// an edge that takes none. What came before the link has ended can still be taken.
    pub fn next_event(&mut self) -> Option<EdgeEvent> {
        let (bytes, event) = self.events.pop_front()?;
        self.stream.take(bytes);
        if let EdgeEvent::Closed { session, .. } = &event {
            self.sessions.closed(*session);
        }
        Some(event)
    }

    /// Time has passed. To be called about once a second.
    pub fn tick(&mut self, now: Moment) {
        if self.end.is_none()
            && let Some(silent_ms) = self.stream.tick(now)
        {
            self.end(LinkEnd::Silent { silent_ms });
        }
    }

    /// What is to be written to the core now.
    pub fn output(&mut self) -> &[u8] {
        self.stream.output()
    }

    /// This much of it was written.
    pub fn sent(&mut self, bytes: usize) {
        self.stream.sent(bytes);
    }

    /// Ends the link. The core may still be written the last words.
    pub fn end(&mut self, end: LinkEnd) {
        if self.end.is_none() {
            self.stream.end(end.says_goodbye().then(|| end.to_string()).as_deref());
            self.end = Some(end);
        }
    }

    /// The socket is closed.
    pub fn disconnected(&mut self) {
        self.end(LinkEnd::Lost);
    }

    /// Why the link has ended; `None` while it lasts.
    pub fn ended(&self) -> Option<&LinkEnd> {
        self.end.as_ref()
    }

    /// Whether the core has announced that it is about to end.
    pub fn is_going_down(&self) -> bool {
        self.is_going_down
    }

    /// How many sessions are open, or closing.
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// Bytes of requests that wait for the core.
    pub fn waiting_request_bytes(&self) -> usize {
        self.stream.waiting_bytes()
    }

    /// Events that wait to be taken.
    pub fn waiting_events(&self) -> usize {
        self.events.len()
    }
}

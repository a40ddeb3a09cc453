//! Bodies: that of a request is limited in length and time, that of an answer says when it is complete.

use super::activity::Activity;
use crate::bounds::{ANSWER_PIECE_BYTES, BODY_BYTES_MAX, BODY_IDLE_TIME_MAX, BODY_TIME_MAX};
use crate::counters::Refused;
use axum::body::Body as AnyBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use tokio::time::{Instant, Sleep, sleep_until};

/// Why the body of a request cannot be read to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BodyFault {
    /// It is too long.
    #[error("the body is longer than {BODY_BYTES_MAX} bytes")]
    TooLong,
    /// It does not come in time.
    #[error("the body did not come in time")]
    TooLate,
}

/// What became of the body of a request, known to whoever answers it.
#[derive(Clone, Debug, Default)]
pub struct BodyReport(Arc<AtomicU8>);

impl BodyReport {
    fn set(&self, fault: BodyFault) {
        self.0.store(fault as u8 + 1, Ordering::Release);
    }

    /// What went wrong.
    pub fn fault(&self) -> Option<BodyFault> {
        match self.0.load(Ordering::Acquire) {
            0 => None,
            1 => Some(BodyFault::TooLong),
            _ => Some(BodyFault::TooLate),
        }
    }
}

/// The body of a request.
pub struct RequestBody {
    body: Incoming,
    activity: Arc<Activity>,
    report: BodyReport,
    bytes: u64,
    /// When the whole must be there.
    ends_at: Instant,
    /// When the next piece must be there, while it is waited for.
    waits: Option<Pin<Box<Sleep>>>,
}

impl RequestBody {
    /// A body that begins now.
    pub fn new(body: Incoming, activity: Arc<Activity>, report: BodyReport) -> RequestBody {
        let ends_at = Instant::now() + BODY_TIME_MAX;
        RequestBody { body, activity, report, bytes: 0, ends_at, waits: None }
    }

    fn fail(&self, fault: BodyFault) -> axum::Error {
        self.report.set(fault);
        self.activity.counters().refuse(match fault {
            BodyFault::TooLong => Refused::BodySize,
            BodyFault::TooLate => Refused::BodyTime,
        });
        axum::Error::new(fault)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if this.report.fault().is_some() {
            return Poll::Ready(None);
        }
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
            let waits = this.waits.get_or_insert_with(|| {
                let ends_at = this.ends_at.min(Instant::now() + BODY_IDLE_TIME_MAX);
                Box::pin(sleep_until(ends_at))
            });
            ready!(waits.as_mut().poll(cx));
            return Poll::Ready(Some(Err(this.fail(BodyFault::TooLate))));
        };
        this.waits = None;
        let Some(frame) = frame.transpose().map_err(axum::Error::new)? else { return Poll::Ready(None) };
        // Empty pieces are no progress: a peer could send them for ever.
        if let Some(data) = frame.data_ref().filter(|data| !data.is_empty()) {
            this.bytes += data.len() as u64;
            this.activity.has_body();
        }
        if this.bytes > BODY_BYTES_MAX {
            return Poll::Ready(Some(Err(this.fail(BodyFault::TooLong))));
        }
        if this.ends_at <= Instant::now() && !this.body.is_end_stream() {
            return Poll::Ready(Some(Err(this.fail(BodyFault::TooLate))));
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A request under way: it ends when this is dropped.
pub struct OpenRequest {
    activity: Arc<Activity>,
    is_answered: bool,
}

impl OpenRequest {
    /// A request begins.
    pub fn new(activity: Arc<Activity>) -> OpenRequest {
        activity.begin();
        OpenRequest { activity, is_answered: false }
    }

    /// Where the head is all of the answer, its body is not waited for.
    pub fn answered_by_head(&mut self, is_all: bool) {
        self.is_answered |= is_all;
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.activity.end(!self.is_answered);
    }
}

/// The body of an answer.
pub struct AnswerBody {
    body: AnyBody,
    request: OpenRequest,
    /// Whether the connection has something of it that it has not passed on, because a socket is full or, in HTTP/2, a
    /// window is used up.
    is_held: bool,
    /// What is left of the last piece.
    rest: Bytes,
}

impl AnswerBody {
    /// The answer to a request.
    pub fn new(body: AnyBody, mut request: OpenRequest) -> AnswerBody {
        request.is_answered |= body.is_end_stream();
        AnswerBody { body, request, is_held: false, rest: Bytes::new() }
    }

    /// Whether all of it was given away.
    fn is_complete(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    /// The beginning of a piece, as much as is given away at once.
    fn piece(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        match frame.into_data() {
            Ok(mut data) if data.len() > ANSWER_PIECE_BYTES => {
                self.rest = data.split_off(ANSWER_PIECE_BYTES);
                Frame::data(data)
            }
            Ok(data) => Frame::data(data),
            Err(frame) => frame,
        }
    }

    fn set_held(&mut self, is_held: bool) {
        match (std::mem::replace(&mut self.is_held, is_held), is_held) {
            (false, true) => self.request.activity.hold(),
            (true, false) => self.request.activity.release(),
            (true, true) => self.request.activity.passed_on(),
            (false, false) => {}
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let frame = match this.rest.is_empty() {
            true => Pin::new(&mut this.body).poll_frame(cx),
            false => Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut this.rest))))),
        };
        let frame = frame.map(|frame| frame.map(|frame| frame.map(|frame| this.piece(frame))));
        this.set_held(matches!(frame, Poll::Ready(Some(Ok(_)))));
        let is_over = matches!(frame, Poll::Ready(None)) || this.is_complete();
        this.request.is_answered |= is_over && !matches!(frame, Poll::Ready(Some(Err(_))));
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.is_complete()
    }

    fn size_hint(&self) -> SizeHint {
        let (hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut whole = SizeHint::new();
        // In this order: neither bound may pass the other.
        if let Some(upper) = hint.upper() {
            whole.set_upper(upper.saturating_add(rest));
        }
        whole.set_lower(hint.lower().saturating_add(rest));
        whole
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.set_held(false);
    }
}

#[cfg(test)]
mod tests {
    use super::super::activity::Heads;
    use super::*;
    use std::task::Waker;

    #[test]
    fn an_answer_is_given_away_in_pieces_whatever_it_is_made_of() {
        let activity = Activity::new(Arc::default(), Heads::AreFrames);
        let whole: Vec<u8> = (0..100_000_u32).map(|number| (number % 251) as u8).collect();
        let mut body = AnswerBody::new(AnyBody::from(whole.clone()), OpenRequest::new(activity));
        let (mut given, mut cx) = (Vec::new(), Context::from_waker(Waker::noop()));
        while let Poll::Ready(Some(frame)) = Pin::new(&mut body).poll_frame(&mut cx) {
            let data = frame.expect("no fault").into_data().expect("data");
            assert!((1..=ANSWER_PIECE_BYTES).contains(&data.len()), "{}", data.len());
            given.extend_from_slice(&data);
            let rest = (whole.len() - given.len()) as u64;
            assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(rest), rest == 0));
        }
        assert_eq!(given, whole);
    }
}

//! A session of the edge at the core, as handlers have it.

use super::error::CoreError;
use super::question::{Answer, Question};
use crate::bounds::ANSWER_TIME_MAX;
use madang_link::{EdgeEvent, EdgeRequest, SessionEnd, SessionNumber};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

/// A session, in the life of one link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionKey {
    /// The link: numbers of sessions are used again by the next one.
    pub life: u64,
    pub number: SessionNumber,
}

/// What handlers ask of the task of the link.
#[derive(Debug)]
pub enum Call {
    Open {
        address: Option<IpAddr>,
        listener: Option<Listener>,
        opened: Opened,
    },
    /// Without a session, one of the edge's own asks.
    Ask {
        session: Option<SessionKey>,
        question: Question,
    },
}

/// Who waits for a session to be opened.
pub type Opened = oneshot::Sender<Result<SessionKeeper, CoreError>>;

/// The task's end of the events of a session.
#[derive(Debug)]
pub struct Listener {
    pub events: mpsc::Sender<Arc<EdgeEvent>>,
    pub end: Arc<OnceLock<ListeningEnd>>,
}

/// Why no more events of a session come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListeningEnd {
    /// The session has ended.
    Session(SessionEnd),
    /// Events were not taken in time.
    TooSlow,
    /// The link to the core has ended: a new session is to be opened.
    Link,
}

/// Sessions that nobody has any more. Each is in it once.
#[derive(Debug, Default)]
pub struct Closings {
    sessions: Mutex<Vec<(SessionKey, bool)>>,
    pub wake: Notify,
}

impl Closings {
    fn add(&self, session: SessionKey, is_clean: bool) {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).push((session, is_clean));
        self.wake.notify_one();
    }

    /// Takes all.
    pub fn take(&self) -> Vec<(SessionKey, bool)> {
        std::mem::take(&mut self.sessions.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Closes a session when it is dropped, wherever it is by then.
#[derive(Debug)]
pub struct SessionKeeper {
    pub key: SessionKey,
    pub closings: Arc<Closings>,
    /// Whether its user left on purpose.
    pub is_clean: bool,
}

impl Drop for SessionKeeper {
    fn drop(&mut self) {
        self.closings.add(self.key, self.is_clean);
    }
}

/// A session at the core. It is closed when this is dropped, as that of a connection that is lost: its user keeps
/// name and rooms for the grace time.
#[derive(Debug)]
pub struct CoreSession {
    keeper: SessionKeeper,
    calls: mpsc::Sender<Call>,
}

impl CoreSession {
    pub(super) fn new(keeper: SessionKeeper, calls: mpsc::Sender<Call>) -> CoreSession {
        CoreSession { keeper, calls }
    }

    /// Asks something, and waits for the answer: at most [`ANSWER_TIME_MAX`]. Questions of one session are asked one
    /// after another; whoever asks much at once opens more sessions.
    ///
    /// A refusal of the core is an [`Answer`]. If this is dropped before it returns, the question may be asked all the
    /// same.
    ///
    /// # Errors
    /// [`CoreError`].
    pub async fn ask(&self, request: EdgeRequest) -> Result<Answer, CoreError> {
        ask_through(&self.calls, Some(self.keeper.key), request).await
    }

    /// Ends the session on purpose: its user leaves at once.
    pub fn close(mut self) {
        self.keeper.is_clean = true;
    }
}

/// Asks, and waits for the answer.
pub async fn ask_through(
    calls: &mpsc::Sender<Call>,
    session: Option<SessionKey>,
    request: EdgeRequest,
) -> Result<Answer, CoreError> {
    let (waiting, answer) = oneshot::channel();
    let question = Question { request, waiting, deadline: Instant::now() + ANSWER_TIME_MAX };
    calls.try_send(Call::Ask { session, question }).map_err(|_| CoreError::Busy)?;
    // The task ends with the edge.
    answer.await.unwrap_or(Err(CoreError::Away))
}

/// What a session hears: events of its rooms, and replies that are no answers, such as whispers.
#[derive(Debug)]
pub struct SessionEvents {
    pub(super) events: mpsc::Receiver<Arc<EdgeEvent>>,
    pub(super) end: Arc<OnceLock<ListeningEnd>>,
}

impl SessionEvents {
    /// The next event. An event may be of a room that the session has just left.
    ///
    /// # Errors
    /// Why no more come.
    pub async fn next(&mut self) -> Result<Arc<EdgeEvent>, ListeningEnd> {
        match self.events.recv().await {
            Some(event) => Ok(event),
            None => Err(self.end.get().copied().unwrap_or(ListeningEnd::Link)),
        }
    }
}

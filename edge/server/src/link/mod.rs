//! The edge's end of the link, for handlers: sessions, questions with answers, events.
//!
//! One task owns the state machine (`madang_link::EdgeEnd`) and the socket. Handlers have a [`Core`].
//! **Invariant:** nobody waits for ever, and nothing grows: every queue has a bound ([`crate::bounds`]), every question
//! a deadline, and whoever waits is told when the link ends.

mod error;
mod hub;
mod question;
mod session;
mod state;
mod task;

pub use error::CoreError;
pub use question::Answer;
pub use session::{CoreSession, ListeningEnd, SessionEvents};
pub use state::LinkState;

use crate::bounds::{CALLS_MAX, EVENTS_MAX};
use madang_link::EdgeRequest;
use session::{Call, Listener, ask_through};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use task::LinkTask;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};

/// The core, for everyone who asks it.
#[derive(Clone, Debug)]
pub struct Core {
    calls: mpsc::Sender<Call>,
    state: watch::Receiver<LinkState>,
}

impl Core {
    /// Connects to the core's socket, now and whenever the link has ended, as long as there is a [`Core`]. To be
    /// called within a runtime.
    pub fn connect(socket: PathBuf) -> Core {
        let (calls, waiting_calls) = mpsc::channel(CALLS_MAX);
        let (state, watched) =
            watch::channel(LinkState { down_since: Some(Instant::now()), ..LinkState::default() });
        let task = LinkTask {
            path: socket,
            calls: waiting_calls,
            closings: Arc::default(),
            state,
            started: Instant::now(),
        };
        tokio::spawn(task.run());
        Core { calls, state: watched }
    }

    /// The link as it is now.
    pub fn link(&self) -> LinkState {
        *self.state.borrow()
    }

    /// Whether there is a link.
    pub fn is_up(&self) -> bool {
        self.link().limits.is_some()
    }

    /// Waits until there is a link, or none, whichever is asked for. Returns whether that came in time.
    pub async fn until(&self, is_up: bool, time_max: Duration) -> bool {
        let mut state = self.state.clone();
        let changed = state.wait_for(|state| state.limits.is_some() == is_up);
        matches!(timeout(time_max, changed).await, Ok(Ok(_)))
    }

    /// Returns when there is no link any more that there is now, or will be.
    pub async fn lost(&self) {
        let mut state = self.state.clone();
        for is_up in [true, false] {
            // The task ends with the edge.
            let _ = state.wait_for(|state| state.limits.is_some() == is_up).await;
        }
    }

    /// For how long there has been no link.
    pub fn down_for(&self) -> Duration {
        self.link().down_since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Asks something that needs no name and no room, such as `PublishAs`, `HistoryOf`, `RoomsInOrder` or
    /// `ChangeFacts`: by one of the edge's own sessions, of which there are as many as ask at the same time, at most
    /// [`crate::bounds::OWN_SESSIONS_MAX`]. Questions that are asked at once may be answered in any order. Otherwise as
    /// [`CoreSession::ask`].
    ///
    /// # Errors
    /// [`CoreError`].
    pub async fn ask(&self, request: EdgeRequest) -> Result<Answer, CoreError> {
        ask_through(&self.calls, None, request).await
    }

    /// Opens a session that hears nothing but answers. With an address it counts against that one.
    ///
    /// # Errors
    /// [`CoreError`], and there is no session.
    pub async fn open(&self, address: Option<IpAddr>) -> Result<CoreSession, CoreError> {
        self.open_with(address, None).await
    }

    /// Opens a session that hears what happens in its rooms.
    ///
    /// # Errors
    /// [`CoreError`], and there is no session.
    pub async fn open_listening(
        &self,
        address: Option<IpAddr>,
    ) -> Result<(CoreSession, SessionEvents), CoreError> {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let end = Arc::new(OnceLock::new());
        let listener = Listener { events: sender, end: Arc::clone(&end) };
        let session = self.open_with(address, Some(listener)).await?;
        Ok((session, SessionEvents { events, end }))
    }

    async fn open_with(
        &self,
        address: Option<IpAddr>,
        listener: Option<Listener>,
    ) -> Result<CoreSession, CoreError> {
        let (opened, keeper) = oneshot::channel();
        self.calls.try_send(Call::Open { address, listener, opened }).map_err(|_| CoreError::Busy)?;
        let keeper = keeper.await.unwrap_or(Err(CoreError::Away))?;
        Ok(CoreSession::new(keeper, self.calls.clone()))
    }
}

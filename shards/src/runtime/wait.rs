//! What a shard waits for when it has nothing to do, and how it breathes when it has.

use super::bell::Bell;
use super::reader::Reading;
use super::sockets::Sockets;
use crate::log::{QueryFault, QueryOutcome};
use crate::shard::LookupId;
use glommio::timer::Timer;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Long enough to make the executor look at its rings and at other threads' wakes; a plain yield
/// does not (DESIGN section 9).
const BREATH: Duration = Duration::from_nanos(500);
/// Work goes on so long before the executor is let in.
const BREATH_INTERVAL: Duration = Duration::from_micros(200);

/// What a shard waits for besides sockets and its bell. Each is taken out when it is done.
pub struct Awaited<C> {
    /// The commit under way.
    pub commit: Option<C>,
    /// Runs until what is written must be synced, under `interval` durability.
    pub sync_timer: Option<Timer>,
    /// The queries under way.
    pub queries: Vec<Reading>,
}

impl<C> Awaited<C> {
    /// Nothing yet.
    pub fn new() -> Awaited<C> {
        Awaited { commit: None, sync_timer: None, queries: Vec::new() }
    }
}

/// What came while a shard rested.
pub struct Woken<T> {
    /// The commit that is done.
    pub committed: Option<T>,
    /// The timer of the next sync has run out.
    pub is_sync_due: bool,
    /// The queries that are done.
    pub found: Vec<(LookupId, Result<QueryOutcome, QueryFault>)>,
}

impl<T> Woken<T> {
    fn is_anything(&self) -> bool {
        self.committed.is_some() || self.is_sync_due || !self.found.is_empty()
    }
}

/// When the executor was last let in.
#[derive(Debug)]
pub struct Breath {
    last: Instant,
}

impl Breath {
    /// As if it had just been.
    pub fn new() -> Breath {
        Breath { last: Instant::now() }
    }

    /// With more work at hand: looks after the commit, and lets the executor in when it is time.
    pub async fn between_turns<F: Future + Unpin>(&mut self, awaited: &mut Awaited<F>) -> Woken<F::Output> {
        if self.last.elapsed() > BREATH_INTERVAL {
            glommio::timer::sleep(BREATH).await;
            self.last = Instant::now();
        }
        std::future::poll_fn(|context| Poll::Ready(look(awaited, context))).await
    }

    /// With nothing to do: waits until a socket is ready, the bell rings, the commit is done or
    /// the sync is due.
    ///
    /// # Errors
    /// When the readiness set can no longer be waited for.
    pub async fn until_woken<F: Future + Unpin>(
        &mut self,
        sockets: &mut Sockets,
        bell: &Bell,
        awaited: &mut Awaited<F>,
    ) -> io::Result<Woken<F::Output>> {
        let woken = std::future::poll_fn(|context| {
            let has_rung = bell.poll_rung(context).is_ready();
            let woken = look(awaited, context);
            let is_readable = match sockets.poll_ready(context) {
                Ok(polled) => polled.is_ready(),
                Err(error) => return Poll::Ready(Err(error)),
            };
            if has_rung || is_readable || woken.is_anything() {
                Poll::Ready(Ok(woken))
            } else {
                Poll::Pending
            }
        })
        .await;
        self.last = Instant::now();
        woken
    }
}

fn look<F: Future + Unpin>(awaited: &mut Awaited<F>, context: &mut Context<'_>) -> Woken<F::Output> {
    let mut found = Vec::new();
    awaited.queries.retain_mut(|query| match query.as_mut().poll(context) {
        Poll::Pending => true,
        Poll::Ready(answer) => {
            found.push(answer);
            false
        }
    });
    Woken {
        committed: poll_and_take(&mut awaited.commit, context),
        is_sync_due: poll_and_take(&mut awaited.sync_timer, context).is_some(),
        found,
    }
}

/// Polls a future that may be there, and takes it out when it is done.
fn poll_and_take<F: Future + Unpin>(future: &mut Option<F>, context: &mut Context<'_>) -> Option<F::Output> {
    match Pin::new(future.as_mut()?).poll(context) {
        Poll::Pending => None,
        Poll::Ready(output) => {
            *future = None;
            Some(output)
        }
    }
}

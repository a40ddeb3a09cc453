//! The task that owns the link: it connects, again and again, and moves bytes.

use super::error::CoreError;
use super::hub::Hub;
use super::session::{Call, Closings};
use super::state::LinkState;
use crate::bounds::{CALLS_MAX, RECONNECT_MAX, RECONNECT_MIN};
use madang_link::LinkEnd;
use madang_model::Moment;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

/// How often time passes for a link.
const TICK: Duration = Duration::from_secs(1);
/// Bytes read at a time.
const READ_BYTES: usize = 64 * 1024;
/// A link that has lasted so long was a good one: the next is connected to at once.
const GOOD_LINK: Duration = Duration::from_secs(5);

/// All that the task has.
pub struct LinkTask {
    pub path: PathBuf,
    pub calls: mpsc::Receiver<Call>,
    pub closings: Arc<Closings>,
    pub state: watch::Sender<LinkState>,
    pub started: Instant,
}

impl LinkTask {
    /// Runs as long as anybody may ask.
    pub async fn run(mut self) {
        let (mut life, mut pause) = (0, RECONNECT_MIN);
        loop {
            let connected_at = Instant::now();
            match UnixStream::connect(&self.path).await {
                Ok(stream) => {
                    life += 1;
                    let Some(end) = self.link(&stream, life).await else { return };
                    let was_up = self.is_up();
                    self.state.send_modify(LinkState::end);
                    match end {
                        LinkEnd::VersionsApart { .. } | LinkEnd::Fault(_) => {
                            tracing::error!(%end, "the link to the core has ended")
                        }
                        end if was_up => tracing::warn!(%end, "the link to the core has ended"),
                        end => tracing::debug!(%end, "there is no link to the core yet"),
                    }
                    if connected_at.elapsed() > GOOD_LINK {
                        pause = RECONNECT_MIN;
                    }
                }
                Err(error) => tracing::debug!(%error, "the core cannot be connected to"),
            }
            if !self.wait(Instant::now() + pause).await {
                return;
            }
            pause = (2 * pause).min(RECONNECT_MAX);
        }
    }

    fn is_up(&self) -> bool {
        self.state.borrow().limits.is_some()
    }

    fn moment(&self) -> Moment {
        Moment(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Without a link: whoever asks is told so. Returns whether anybody may still ask.
    async fn wait(&mut self, until: Instant) -> bool {
        loop {
            tokio::select! {
                call = self.calls.recv() => match call {
                    Some(call) => refuse(call),
                    None => return false,
                },
                () = self.closings.wake.notified() => drop(self.closings.take()),
                () = sleep_until(until) => return true,
            }
        }
    }

    /// One link, from its greeting to its end; `None` once nobody may ask any more.
    async fn link(&mut self, stream: &UnixStream, life: u64) -> Option<LinkEnd> {
        let mut hub = Hub::new(life, Arc::clone(&self.closings), self.moment());
        let ended = self.exchange(stream, &mut hub).await;
        hub.end_all();
        ended
    }

    async fn exchange(&mut self, stream: &UnixStream, hub: &mut Hub) -> Option<LinkEnd> {
        let mut buffer = vec![0; READ_BYTES];
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut calls = Vec::new();
        loop {
            hub.take_events();
            self.report(hub);
            write(stream, hub);
            if let Some(end) = hub.end.ended() {
                return Some(end.clone());
            }
            let interest = match hub.end.output() {
                [] => Interest::READABLE,
                _ => Interest::READABLE | Interest::WRITABLE,
            };
            tokio::select! {
                ready = stream.ready(interest) => match ready {
                    Ok(ready) if ready.is_readable() || ready.is_read_closed() => {
                        self.read(stream, hub, &mut buffer);
                    }
                    Ok(_) => {}
                    Err(_) => hub.end.disconnected(),
                },
                () = self.closings.wake.notified() => {
                    self.closings.take().into_iter().for_each(|(session, is_clean)| hub.close(session, is_clean));
                }
                count = self.calls.recv_many(&mut calls, CALLS_MAX) => {
                    if count == 0 {
                        return None;
                    }
                    for call in calls.drain(..) {
                        match call {
                            Call::Open { address, listener, opened } => hub.open(address, listener, opened),
                            Call::Ask { session: Some(session), question } => hub.ask(session, question),
                            Call::Ask { session: None, question } => hub.ask_by_any(question),
                        }
                    }
                }
                now = ticks.tick() => hub.tick(self.moment(), now),
            }
        }
    }

    fn read(&self, stream: &UnixStream, hub: &mut Hub, buffer: &mut [u8]) {
        match stream.try_read(buffer) {
            Ok(0) => hub.end.disconnected(),
            Ok(count) => hub.end.receive(&buffer[..count], self.moment()),
            Err(error) if is_soon(&error) => {}
            Err(_) => hub.end.disconnected(),
        }
    }

    /// Whoever waits for the link learns of it.
    fn report(&self, hub: &Hub) {
        let limits =
            hub.end.limits().copied().filter(|_| !hub.end.is_going_down() && hub.end.ended().is_none());
        let sessions = limits.map_or(0, |_| hub.session_count() as u64);
        let epoch = hub.end.epoch().filter(|_| limits.is_some());
        self.state.send_if_modified(|state| {
            let has_changed = (state.limits, state.epoch) != (limits, epoch);
            if limits.is_some() && state.limits.is_none() {
                tracing::info!("the link to the core is up");
            }
            match limits {
                Some(_) => (state.limits, state.epoch, state.down_since) = (limits, epoch, None),
                None => state.end(),
            }
            state.sessions = sessions;
            has_changed
        });
    }
}

/// Writes what is to be written, as far as that goes. If the core is gone, its last words are still to be read.
fn write(stream: &UnixStream, hub: &mut Hub) {
    loop {
        let output = hub.end.output();
        if output.is_empty() {
            return;
        }
        match stream.try_write(output) {
            Ok(count) => hub.end.sent(count),
            Err(error) if is_soon(&error) => return,
            Err(_) => {
                let count = output.len();
                hub.end.sent(count);
            }
        }
    }
}

fn is_soon(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

fn refuse(call: Call) {
    match call {
        Call::Open { opened, .. } => drop(opened.send(Err(CoreError::Away))),
        Call::Ask { question, .. } => drop(question.waiting.send(Err(CoreError::Away))),
    }
}

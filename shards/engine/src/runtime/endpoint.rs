//! The endpoint of the mesh, for the one thread that has sessions and is no shard.
//!
//! It follows the lifecycle of the server: the supervisor asks it to end its sessions before a handover and in a
//! drain, and waits until it is idle, as for a shard; but it ends no process, and is not watched.

use super::bell::Bell;
use super::clock::Clock;
use super::endpoint_status::Closing;
use super::lifecycle::Lifecycle;
use crate::mesh::{MeshEndpoint, Received};
use crate::turn::Phase;
use madang_model::{MeshEntry, Moment, ShardId};
use rustix::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What the supervisor asks of the endpoint's owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndpointStage {
    /// Sessions may begin.
    Open,
    /// No session may begin, and none exists: the shards are paused.
    Paused,
    /// All sessions are to end.
    Closing(Closing),
}

/// The endpoint. Its owner ends all sessions before it drops this; shards then drop what they have for it.
///
/// To wait, a thread asks [`Endpoint::may_sleep`], polls the descriptor for reading, and calls
/// [`Endpoint::awake`] before it looks at anything.
pub struct Endpoint {
    mesh: MeshEndpoint,
    bell: Arc<Bell>,
    lifecycle: Arc<Lifecycle>,
    clock: Clock,
}

impl Endpoint {
    pub(super) fn new(
        mesh: MeshEndpoint,
        bell: Arc<Bell>,
        lifecycle: Arc<Lifecycle>,
        clock: Clock,
    ) -> Endpoint {
        Endpoint { mesh, bell, lifecycle, clock }
    }

    /// How many shards there are.
    pub fn shard_count(&self) -> u16 {
        self.mesh.shard_count()
    }

    /// The current time, by the clock of the shards.
    pub fn now(&self) -> Moment {
        self.clock.now().monotonic
    }

    /// What the supervisor asks of the owner.
    pub fn stage(&self) -> EndpointStage {
        match self.lifecycle.endpoint.asked() {
            Some(closing) => EndpointStage::Closing(closing),
            None if self.lifecycle.phase() == Phase::Running => EndpointStage::Open,
            None => EndpointStage::Paused,
        }
    }

    /// Before the first session: from now on the supervisor waits for their end. Returns whether they may begin.
    pub fn open(&mut self) -> bool {
        self.set_idle(false);
        let is_open = self.stage() == EndpointStage::Open;
        // Checked after that: either this sees that the end is asked for, or the supervisor waits.
        self.set_idle(!is_open);
        is_open
    }

    /// Whether all sessions have ended and everything that they gave back was sent.
    pub fn set_idle(&mut self, is_idle: bool) {
        self.lifecycle.endpoint.is_idle.store(is_idle, Ordering::SeqCst);
    }

    /// Sends a batch to a shard, or returns it while the shard has not taken the earlier ones.
    ///
    /// # Errors
    /// The batch.
    pub fn try_send(&mut self, to: ShardId, batch: Vec<MeshEntry>) -> Result<(), Vec<MeshEntry>> {
        let entries = batch.len() as u64;
        self.mesh.try_send(to, batch)?;
        self.lifecycle.endpoint.entries_sent.fetch_add(entries, Ordering::AcqRel);
        Ok(())
    }

    /// Wakes every shard that was sent something since the last call.
    pub fn ring(&mut self) {
        self.mesh.ring();
    }

    /// What shards sent next. The endpoint is not idle before it reports that again.
    pub fn receive(&mut self) -> Option<Received> {
        let received = self.mesh.receive()?;
        self.set_idle(false);
        if let Received::Batch(batch) = &received {
            self.lifecycle.endpoint.entries_received.fetch_add(batch.len() as u64, Ordering::AcqRel);
        }
        Some(received)
    }

    /// Entries that wait to be received.
    pub fn waiting_entries(&self) -> usize {
        self.mesh.waiting_entries()
    }

    /// Entries that shards dropped since the beginning, as they were not received in time.
    pub fn dropped_entries(&self) -> u64 {
        self.mesh.dropped_entries()
    }

    /// Whether nothing has arrived since the thread was awake: then the descriptor is readable when something does.
    pub fn may_sleep(&self) -> bool {
        self.bell.may_sleep()
    }

    /// The thread is about to look at everything it could be woken for.
    pub fn awake(&self) {
        self.bell.answer_and_clear();
    }
}

impl AsFd for Endpoint {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        // The supervisor must not wait for entries that are never received.
        while self.receive().is_some() {}
        self.set_idle(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::{ENDPOINT, MeshPort, Outbound, connect, connect_endpoint};
    use madang_model::{ConnectionId, Event};

    fn entry() -> MeshEntry {
        MeshEntry::Event(Event::GivenBack { to: ConnectionId { index: 1, generation: 1 } })
    }

    /// An endpoint beside one shard that is idle, with the shard's port.
    fn beside_one_shard() -> (Endpoint, MeshPort, Arc<Lifecycle>) {
        let bell = Arc::new(Bell::new().expect("a descriptor"));
        let shard_bell = Arc::new(Bell::new().expect("a descriptor"));
        let lifecycle = Arc::new(Lifecycle::new(1, Some(Arc::clone(&bell))));
        let bells = [shard_bell.for_mesh()];
        let mut ports = connect(&bells);
        let endpoint = connect_endpoint(&mut ports, &bells, &bell.for_mesh());
        let endpoint = Endpoint::new(endpoint, bell, Arc::clone(&lifecycle), Clock::start());
        lifecycle.shard(0).is_idle.store(true, Ordering::Release);
        (endpoint, ports.remove(0), lifecycle)
    }

    #[test]
    fn the_server_is_quiet_only_when_the_endpoint_is_idle_and_has_everything() {
        let (mut endpoint, mut port, lifecycle) = beside_one_shard();
        assert_eq!(lifecycle.quiet_sum(), Some(0), "nobody has begun a session");
        assert!(endpoint.open());
        assert_eq!(lifecycle.quiet_sum(), None);
        endpoint.set_idle(true);
        let mut outbound = Outbound::new(1);
        outbound.push(ENDPOINT, entry());
        let sent = outbound.flush(&mut port).entries as u64;
        lifecycle.shard(0).entries_sent.fetch_add(sent, Ordering::AcqRel);
        assert_eq!(lifecycle.quiet_sum(), None, "an event is on its way");
        assert!(matches!(endpoint.receive(), Some(Received::Batch(batch)) if batch.len() == 1));
        assert_eq!(lifecycle.quiet_sum(), None, "what follows from it is not sent");
        endpoint.try_send(ShardId(0), vec![entry()]).expect("there is room");
        endpoint.set_idle(true);
        assert_eq!(lifecycle.quiet_sum(), None, "what follows from it is on its way");
        lifecycle.shard(0).entries_received.fetch_add(1, Ordering::AcqRel);
        assert_eq!(lifecycle.quiet_sum(), Some(2));
    }

    #[test]
    fn an_endpoint_that_is_gone_is_not_waited_for() {
        let (mut endpoint, mut port, lifecycle) = beside_one_shard();
        assert!(endpoint.open());
        let mut outbound = Outbound::new(1);
        outbound.push(ENDPOINT, entry());
        let sent = outbound.flush(&mut port).entries as u64;
        lifecycle.shard(0).entries_sent.fetch_add(sent, Ordering::AcqRel);
        drop(endpoint);
        assert_eq!(lifecycle.quiet_sum(), Some(1));
    }

    #[test]
    fn no_session_begins_once_the_end_is_asked_for_until_the_server_resumes() {
        let (mut endpoint, _port, lifecycle) = beside_one_shard();
        endpoint.awake();
        assert!(endpoint.may_sleep());
        lifecycle.endpoint.ask(Some(Closing::Upgrade));
        assert!(!endpoint.may_sleep(), "it is woken");
        assert_eq!(endpoint.stage(), EndpointStage::Closing(Closing::Upgrade));
        assert!(!endpoint.open());
        assert_eq!(lifecycle.quiet_sum(), Some(0));
        lifecycle.enter(Phase::Paused);
        lifecycle.endpoint.ask(None);
        assert_eq!(endpoint.stage(), EndpointStage::Paused);
        lifecycle.enter(Phase::Running);
        assert!(endpoint.open());
    }
}

//! The channels of all shards.

use super::channel::{Receiver, Sender, WakeShard, channel};
use super::endpoint::{ENDPOINT, MeshEndpoint, PortToEndpoint};
use super::outbound::Transport;
use madang_model::{MeshEntry, ShardId};

/// Batches that one channel holds before the sender's overflow takes over.
const CHANNEL_BATCHES_MAX: usize = 64;

/// One shard's end of the mesh.
pub struct MeshPort {
    senders: Vec<Sender>,
    receivers: Vec<Receiver>,
    endpoint: Option<PortToEndpoint>,
}

/// Connects every shard with every other; `bells[n]` wakes shard n.
pub fn connect(bells: &[WakeShard]) -> Vec<MeshPort> {
    let port = |_| MeshPort { senders: Vec::new(), receivers: Vec::new(), endpoint: None };
    let mut ports: Vec<MeshPort> = bells.iter().map(port).collect();
    for (from, from_bell) in bells.iter().enumerate() {
        for (to, to_bell) in bells.iter().enumerate() {
            let (sender, receiver) = channel(CHANNEL_BATCHES_MAX, from_bell, to_bell);
            ports[from].senders.push(sender);
            ports[to].receivers.push(receiver);
        }
    }
    ports
}

/// Adds an endpoint to connected ports; `bells[n]` wakes shard n, `bell` the endpoint's owner.
///
/// # Panics
/// When the ports have one.
pub fn connect_endpoint(ports: &mut [MeshPort], bells: &[WakeShard], bell: &WakeShard) -> MeshEndpoint {
    assert!(ports.len() <= ENDPOINT.index(), "shards have the numbers below");
    let (endpoint, sides) = MeshEndpoint::new(bells, bell);
    for (port, side) in ports.iter_mut().zip(sides) {
        assert!(port.endpoint.replace(side).is_none(), "a mesh has one endpoint");
    }
    endpoint
}

impl MeshPort {
    /// How many shards it connects.
    pub fn shard_count(&self) -> u16 {
        u16::try_from(self.receivers.len()).expect("shards are counted in 16 bits")
    }

    /// Takes the next batch that another shard or the [`ENDPOINT`] sent, if any; all get their turn.
    pub fn receive(&mut self, from: ShardId) -> Option<Vec<MeshEntry>> {
        match self.receivers.get_mut(from.index()) {
            Some(receiver) => receiver.receive(),
            None => self.endpoint_at(from)?.receiver.receive(),
        }
    }

    /// Whether threads that are no shards have an endpoint.
    pub fn has_endpoint(&self) -> bool {
        self.endpoint.is_some()
    }

    fn endpoint_at(&mut self, id: ShardId) -> Option<&mut PortToEndpoint> {
        assert_eq!(id, ENDPOINT, "what is no shard is the endpoint");
        self.endpoint.as_mut()
    }

    /// Whether a batch waits to be received.
    pub fn has_mail(&self) -> bool {
        self.all_receivers().any(|receiver| receiver.waiting_batches() > 0)
    }

    /// Batches that wait to be received, from all shards and the endpoint.
    pub fn waiting_batches(&self) -> usize {
        self.all_receivers().map(Receiver::waiting_batches).sum()
    }

    fn all_receivers(&self) -> impl Iterator<Item = &Receiver> {
        self.receivers.iter().chain(self.endpoint.as_ref().map(|endpoint| &endpoint.receiver))
    }

    /// Wakes every receiver that was sent something since the last call, once.
    pub fn ring(&mut self) {
        self.senders.iter_mut().for_each(|sender| sender.pending_ring.ring());
        if let Some(endpoint) = &mut self.endpoint {
            endpoint.pending_ring.ring();
        }
    }
}

impl Transport for MeshPort {
    fn try_send(&mut self, to: ShardId, batch: Vec<MeshEntry>) -> Result<(), Vec<MeshEntry>> {
        match self.senders.get_mut(to.index()) {
            Some(sender) => sender.try_send(batch),
            None => match self.endpoint_at(to) {
                Some(endpoint) => endpoint.try_send(batch),
                None => Err(batch),
            },
        }
    }
}

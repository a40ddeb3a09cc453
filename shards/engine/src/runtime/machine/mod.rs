//! What a shard runs on in production: the sockets, the disk and the clocks of this machine, and the rest of the
//! process.

mod disk;
mod network;

pub use disk::LogDisk;
pub use network::Network;

use super::clock::Clock;
use super::handover::{Held, Part};
use super::lifecycle::{Lifecycle, ShardStatus};
use super::memory;
use super::operate::Monitor;
use crate::mesh::MeshPort;
use crate::shard::{Shard, ShardImage};
use crate::turn::{Awaited, Mesh, Phase, READING_TIME_MAX, READS_PER_LOOK, Server, Shell};
use madang_model::connection::Surface;
use madang_model::{MeshEntry, Now, ShardId};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How often a shard that takes no turns reports that it is alive.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// How often it looks whether the phase has changed.
const PHASE_LOOK: Duration = Duration::from_millis(10);

/// All that is around a shard.
pub struct Machine {
    pub network: Network,
    pub port: MeshPort,
    pub disk: LogDisk,
    pub reports: Reports,
    pub clock: Clock,
    /// When the reading of this turn began.
    reading_since: Instant,
    /// The part that faces the operator.
    monitor: Monitor,
    /// What was given away and has come back.
    returned: Option<Held>,
}

impl Machine {
    pub fn new(
        network: Network,
        port: MeshPort,
        disk: LogDisk,
        reports: Reports,
        clock: Clock,
        monitor: Monitor,
    ) -> Machine {
        let reading_since = Instant::now();
        Machine { network, port, disk, reports, clock, reading_since, monitor, returned: None }
    }

    /// Waits for `awaited`, but no longer than until the next heartbeat.
    pub fn wait_for(&mut self, awaited: Awaited) {
        match awaited {
            Awaited::Writer => self.disk.wait_for_writer(HEARTBEAT),
            Awaited::Indexes => self.disk.wait_for_indexes(HEARTBEAT),
            Awaited::Return => {
                let Reports { lifecycle, shard } = &self.reports;
                self.returned = lifecycle.returned_to(*shard).1.recv_timeout(HEARTBEAT).ok();
            }
            Awaited::Phase => std::thread::sleep(PHASE_LOOK),
        }
    }
}

impl Shell for Machine {
    type Sockets = Network;
    type Mesh = MeshPort;
    type Disk = LogDisk;
    type Server = Reports;

    #[inline]
    fn sockets(&mut self) -> &mut Network {
        &mut self.network
    }

    #[inline]
    fn mesh(&mut self) -> &mut MeshPort {
        &mut self.port
    }

    #[inline]
    fn disk(&mut self) -> &mut LogDisk {
        &mut self.disk
    }

    #[inline]
    fn server(&mut self) -> &mut Reports {
        &mut self.reports
    }

    #[inline]
    fn now(&self) -> Now {
        self.clock.now()
    }

    #[inline]
    fn begin_reading(&mut self) {
        self.reading_since = Instant::now();
    }

    #[inline]
    fn is_reading_over(&mut self, reads: usize) -> bool {
        reads.is_multiple_of(READS_PER_LOOK) && self.reading_since.elapsed() > READING_TIME_MAX
    }

    #[inline]
    fn answer<S: Surface>(&mut self, shard: &mut Shard<S>, phase: Phase) {
        self.monitor.answer(shard, &mut self.network.sockets, phase);
    }

    fn show<S: Surface>(&mut self, shard: &mut Shard<S>) {
        let lingering = self.network.lingering_count();
        self.monitor.tick(shard, &self.port, &self.network.sockets, self.reports.status(), lingering);
    }

    fn commit_begins(&mut self, bytes: usize, messages: u64) {
        self.monitor.commit_begins(bytes, messages);
    }

    fn commit_ended(&mut self, is_done: bool) {
        self.monitor.commit_ended(is_done);
    }

    fn give_back_memory(&mut self) {
        memory::give_back();
    }

    fn hand_over(&mut self, image: Result<ShardImage, String>) {
        let part = image.map(|image| Part { image, held: self.network.take_held() });
        // The supervisor lives as long as the process.
        let _ = self.reports.lifecycle.parts.0.send(part);
    }

    fn take_back(&mut self) -> io::Result<bool> {
        let Some(held) = self.returned.take() else { return Ok(false) };
        self.network.take_back(held)?;
        Ok(true)
    }
}

impl Mesh for MeshPort {
    #[inline]
    fn shard_count(&self) -> u16 {
        MeshPort::shard_count(self)
    }

    #[inline]
    fn has_endpoint(&self) -> bool {
        MeshPort::has_endpoint(self)
    }

    #[inline]
    fn receive(&mut self, from: ShardId) -> Option<Vec<MeshEntry>> {
        MeshPort::receive(self, from)
    }

    #[inline]
    fn has_mail(&self) -> bool {
        MeshPort::has_mail(self)
    }

    #[inline]
    fn ring(&mut self) {
        MeshPort::ring(self);
    }
}

/// What one shard reports to the supervisor, and receives from it.
pub struct Reports {
    lifecycle: Arc<Lifecycle>,
    shard: usize,
}

impl Reports {
    pub fn new(shard: ShardId, lifecycle: Arc<Lifecycle>) -> Reports {
        Reports { lifecycle, shard: shard.index() }
    }

    #[inline]
    fn status(&self) -> &ShardStatus {
        self.lifecycle.shard(self.shard)
    }
}

impl Server for Reports {
    #[inline]
    fn phase(&self) -> Phase {
        self.lifecycle.phase()
    }

    #[inline]
    fn count_turn(&mut self) {
        self.status().turns.fetch_add(1, Ordering::AcqRel);
    }

    #[inline]
    fn take_tick(&mut self) -> bool {
        self.status().has_ticked.swap(false, Ordering::AcqRel)
    }

    #[inline]
    fn set_idle(&mut self, is_idle: bool) {
        self.status().is_idle.store(is_idle, Ordering::Release);
    }

    #[inline]
    fn sent(&mut self, entries: u64) {
        self.status().entries_sent.fetch_add(entries, Ordering::AcqRel);
    }

    #[inline]
    fn received(&mut self, entries: u64) {
        self.status().entries_received.fetch_add(entries, Ordering::AcqRel);
    }
}

//! From options to running shards.

use super::bell::Bell;
use super::clock::Clock;
use super::endpoint::Endpoint;
use super::handover::{Adopting, Adoption, Beginning, Given};
use super::indexer::Indexer;
use super::lifecycle::{Lifecycle, Stop};
use super::listener::{Listener, Listeners};
use super::log_thread::LogThread;
use super::machine::{LogDisk, Machine, Network, Reports};
use super::operate::{Housekeeping, Mailbox, Monitor, Remote, Wire};
use super::preparer::Preparer;
use super::reader::LogReader;
use super::sockets::RingSockets;
use super::supervisor::{Notices, Supervisor};
use super::tls::RECORD_BYTES_MAX;
use super::turning::Turning;
use super::wait::Rest;
use super::writer::LogWriter;
use crate::mesh::{self, MeshPort};
use crate::shard::{Archive, Settings, Shard, StartFindings};
use crate::store::{SegmentWriter, WriterOptions};
use crate::turn::{LogOptions, Phase, Turn, TurnError};
use glommio::{ExecutorJoinHandle, GlommioError, LocalExecutorBuilder, Placement};
use madang_log::{Appender, Durability, Erasures, OpenedLog, Retention, SegmentNumber};
use madang_model::ShardId;
use madang_model::connection::Surface;
use rustix::thread::{CpuSet, sched_setaffinity};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Submissions a ring holds. A shard has a handful under way, as sockets have a ring of their own;
/// each doubling costs as much locked memory again.
pub const RING_DEPTH: usize = 512;
/// Bytes registered for direct I/O, which the shards do not use; locked three times over.
pub const IO_MEMORY_BYTES: usize = 65_536;
/// The first segment after a start is small, so that the start need not wait for zeros.
const FIRST_SEGMENT_BYTES: u64 = 4 << 20;

/// What the shards are started with.
#[derive(Clone, Debug)]
pub struct StartOptions {
    /// The data directory, locked by this process.
    pub data: PathBuf,
    /// What the operator decided.
    pub settings: Settings,
    /// The processors to pin shards to; with fewer than shards they are shared, and with none the kernel decides.
    pub processors: Vec<usize>,
    /// When a message counts as stored.
    pub durability: Durability,
    /// The size of a full segment.
    pub segment_bytes: u64,
    /// How much of the log is kept.
    pub retention: Retention,
    /// What is to be erased and may still be on disk.
    pub erasures: Arc<Erasures>,
    /// How long a shard spins before it sleeps.
    pub spin: Option<Duration>,
    /// Whether a thread that is no shard is to have an endpoint of the mesh.
    pub has_endpoint: bool,
}

/// Why the shards could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A thread could not be made.
    #[error("cannot start a thread: {0}; raise the limit of tasks (ulimit -u, TasksMax)")]
    Thread(io::Error),
    /// A descriptor to wake a shard with could not be made.
    #[error("cannot make an event descriptor: {0}; raise the limit of open files (ulimit -n, LimitNOFILE)")]
    Descriptor(io::Error),
    /// An executor could not be made.
    #[error(
        "cannot start the io_uring executor of shard {shard}: {reason}; \
         check that io_uring is allowed and the locked-memory limit (ulimit -l, LimitMEMLOCK)"
    )]
    Executor {
        /// Of which shard.
        shard: ShardId,
        /// The error of glommio.
        reason: String,
    },
}

/// A shard's thread, and how it ended.
type Executor = ExecutorJoinHandle<Result<(), TurnError>>;

/// Shards that run.
pub struct Running {
    /// All shards, from any thread.
    pub remote: Remote,
    /// Set when this process takes over from an old one.
    pub adopting: Option<Adopting>,
    /// The endpoint of the mesh, where it was asked for.
    pub endpoint: Option<Endpoint>,
    executors: Vec<Executor>,
}

/// Starts one executor per shard, and the supervisor, which reports to `notices`. `surface` makes each shard's
/// protocol. What the old process has given away is adopted first: then the shards are paused until [`Adopting::go`].
///
/// # Errors
/// [`StartError`] when threads or rings cannot be had.
pub fn start<S: Surface>(
    options: &StartOptions,
    listeners: Listeners,
    opened: OpenedLog,
    stops: flume::Receiver<Stop>,
    notices: Notices,
    adoption: Option<Adoption>,
    surface: impl Fn() -> S + Clone + Send + 'static,
) -> Result<Running, StartError> {
    let shard_count = options.settings.shard_count;
    assert_eq!(listeners.sockets.len(), usize::from(shard_count), "one listener a shard");
    let bells: io::Result<Vec<Arc<Bell>>> = (0..shard_count).map(|_| Bell::new().map(Arc::new)).collect();
    let bells = bells.map_err(StartError::Descriptor)?;
    let mesh_bells: Vec<mesh::WakeShard> = bells.iter().map(Bell::for_mesh).collect();
    let endpoint_bell = options.has_endpoint.then(|| Bell::new().map(Arc::new)).transpose();
    let endpoint_bell = endpoint_bell.map_err(StartError::Descriptor)?;
    let lifecycle = Arc::new(Lifecycle::new(shard_count, endpoint_bell.clone()));
    if adoption.is_some() {
        lifecycle.enter(Phase::Paused);
    }
    let preparer = Preparer::start(options.data.clone(), adoption.is_some()).map_err(StartError::Thread)?;
    let (beginning, adopting) = adoption
        .as_ref()
        .map(|adoption| Beginning::new(adoption.connections.len(), preparer.clone()))
        .unzip();
    let mut given = adoption.map(|adoption| adoption.share_out(shard_count));
    let housekeeping = Arc::new(Housekeeping::default());
    let indexer =
        Indexer::start(options.data.clone(), shard_count, &housekeeping).map_err(StartError::Thread)?;
    let mut wires = Vec::new();
    let clock = Clock::start();
    let stored = StartFindings {
        snapshots: opened.snapshots,
        sources: opened.sources,
        lost_heads: opened.lost_heads,
        erasures: Arc::clone(&options.erasures),
    };
    let mut ports = mesh::connect(&mesh_bells);
    let endpoint = endpoint_bell.map(|bell| {
        let endpoint = mesh::connect_endpoint(&mut ports, &mesh_bells, &bell.for_mesh());
        Endpoint::new(endpoint, bell, Arc::clone(&lifecycle), clock)
    });
    let mut seeds = Vec::new();
    for (index, (listeners, port)) in listeners.sockets.into_iter().zip(ports).enumerate() {
        let id = ShardId(u16::try_from(index).expect("shards are counted in 16 bits"));
        let bell = Arc::clone(&bells[index]);
        let (mailbox, common, inquiries) = Mailbox::new();
        wires.push(Wire { common, inquiries, bell: Arc::clone(&bell) });
        let seed = Seed {
            id,
            log_thread: LogThread::start(id, Arc::clone(&bell)).map_err(StartError::Thread)?,
            options: options.clone(),
            first_segment: opened.next_segments.get(index).copied().unwrap_or(SegmentNumber::FIRST),
            listeners,
            port,
            mailbox,
            bell,
            lifecycle: Arc::clone(&lifecycle),
            preparer: preparer.clone(),
            indexer: indexer.clone(),
            stored: stored.clone(),
            clock,
            given: given.as_mut().and_then(|given| given.pop_front()),
        };
        seeds.push(seed);
    }
    let executors = spawn_all(seeds, &surface)?;
    let remote = Remote { wires: wires.into(), lifecycle: Arc::clone(&lifecycle), housekeeping };
    remote.retain(options.retention);
    let mut supervisor = Supervisor { bells, lifecycle, stops, notices, beginning };
    std::thread::Builder::new()
        .name("madang-supervisor".into())
        .spawn(move || supervisor.run())
        .map_err(StartError::Thread)?;
    Ok(Running { remote, adopting, endpoint, executors })
}

/// What one shard's thread begins with.
struct Seed {
    id: ShardId,
    options: StartOptions,
    first_segment: SegmentNumber,
    listeners: Vec<Listener>,
    port: MeshPort,
    mailbox: Mailbox,
    bell: Arc<Bell>,
    log_thread: LogThread,
    lifecycle: Arc<Lifecycle>,
    preparer: Preparer,
    indexer: Indexer,
    stored: StartFindings,
    clock: Clock,
    given: Option<Given>,
}

/// Starts all at once: when a server takes over, people wait for it.
fn spawn_all<S: Surface>(
    seeds: Vec<Seed>,
    surface: &(impl Fn() -> S + Clone + Send + 'static),
) -> Result<Vec<Executor>, StartError> {
    std::thread::scope(|scope| {
        let start = |seed| {
            let surface = surface.clone();
            std::thread::Builder::new().spawn_scoped(scope, move || spawn(seed, surface))
        };
        let starting: Result<Vec<_>, _> = seeds.into_iter().map(start).collect();
        let started = starting.map_err(StartError::Thread)?.into_iter();
        started.map(|one| one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

fn spawn<S: Surface>(seed: Seed, surface: impl Fn() -> S + Send + 'static) -> Result<Executor, StartError> {
    let processors = &seed.options.processors;
    let processor = seed.id.index().checked_rem(processors.len()).map(|turn| processors[turn]);
    let shard = seed.id;
    // The executor would look into /sys for the processor, which a container may not show, and spin before it
    // parks, which a shard does itself: so the shard's thread is pinned here.
    let builder = LocalExecutorBuilder::new(Placement::Unbound)
        .name(&format!("madang-{shard}"))
        .ring_depth(RING_DEPTH)
        .io_memory(IO_MEMORY_BYTES);
    builder
        .spawn(move || {
            processor.into_iter().for_each(|processor| pin(shard, processor));
            turn(seed, surface())
        })
        .map_err(|error: GlommioError<()>| StartError::Executor { shard, reason: error.to_string() })
}

/// Keeps the calling thread, that of a shard, on one processor. It serves as well without, only slower.
fn pin(shard: ShardId, processor: usize) {
    let mut set = CpuSet::new();
    if processor < CpuSet::MAX_CPU {
        set.set(processor);
    }
    if let Err(error) = sched_setaffinity(None, &set) {
        tracing::warn!(shard = shard.0, processor, %error, "the shard cannot be pinned to its processor, and runs on any of them");
    }
}

async fn turn<S: Surface>(seed: Seed, surface: S) -> Result<(), TurnError> {
    let Seed { id, options, first_segment, listeners, port, bell, lifecycle, .. } = seed;
    let shard_count = options.settings.shard_count;
    let first_bytes = FIRST_SEGMENT_BYTES.min(options.segment_bytes);
    let log = Appender::new(id, first_segment, first_bytes, options.segment_bytes, options.durability);
    let page_bytes_max = options.settings.page_bytes_max();
    let archive = Archive::new(id, first_segment, seed.stored, page_bytes_max);
    let proxies = options.settings.proxy_from.clone();
    let shard = Shard::new(id, Arc::new(options.settings), surface, log, archive);
    let writer_options = WriterOptions {
        shard: id,
        shard_count,
        segment_bytes: options.segment_bytes,
        durability: options.durability,
    };
    let writer = SegmentWriter::new(writer_options, first_segment, first_bytes);
    let writer = LogWriter::new(options.data.clone(), writer, seed.preparer, Arc::clone(&bell));
    let mut sockets = RingSockets::new(listeners, &*bell, shard_count).map_err(TurnError::Sockets)?;
    sockets.set_proxies(proxies);
    let disk = LogDisk::new(
        id,
        (writer, seed.log_thread),
        LogReader::new(options.data),
        seed.indexer,
        Arc::clone(&bell),
        Rest::new(options.spin),
    );
    let machine = Machine::new(
        Network::new(id, sockets),
        port,
        disk,
        Reports::new(id, lifecycle),
        seed.clock,
        Monitor::new(seed.mailbox),
    );
    let log = LogOptions { durability: options.durability, first_segment_bytes: first_bytes };
    let mut turning = Turning { turn: Turn::new(shard, log, RECORD_BYTES_MAX), machine, bell };
    if let Some(given) = seed.given {
        turning.adopt(given);
    }
    let ended = turning.run().await;
    if let Err(error) = &ended {
        // Half a server is worse than none: the others must not continue without this shard.
        tracing::error!(shard = id.0, %error, "the process ends");
        std::process::exit(1);
    }
    ended
}

impl Running {
    /// Waits until all shards have drained.
    ///
    /// # Errors
    /// The error of the first shard to fail.
    pub fn join(self) -> Result<(), String> {
        for executor in self.executors {
            match executor.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(error.to_string()),
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }
}

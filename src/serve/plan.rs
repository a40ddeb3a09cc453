//! The plan of a start: the checks; those that are cheap and have no visible effect come first.

use super::checks::{
    Approved, ConfigurationFaults, FileSizeError, IoUringError, ListenError, LockedMemoryError,
    OpenFilesError, configuration, file_size, io_uring, locked_memory, open_files, port, processors,
};
use super::patience::{ADDRESS_TIME_MAX, patiently};
use super::settings::GRACE;
use crate::edge::{self, EdgeError};
use crate::handover::{self, TakeError, TakenOver, Takeover, VERSION};
use crate::privacy;
use crate::server::{
    DataDirectory, DataDirectoryError, InheritedListeners, SERVE, SocketActivation, was_served,
};
use crate::systemd::{self, ActivationError, StoredDescriptors};
use crate::telemetry::metrics::{self, MetricsError};
use madang_config::{Config, Loaded, ShardCount};
use madang_engine::runtime::TlsIdentity;
use std::path::Path;
use std::time::Duration;

/// systemd closes descriptors that it is asked to remove with a delay; the lock of the data directory and listeners
/// may be among them.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(1);
/// A start that has passed all checks.
#[derive(Debug)]
pub struct Plan {
    /// The configuration.
    pub config: Config,
    /// The data directory, locked as long as this lives.
    pub data: DataDirectory,
    /// The number of shards.
    pub shards: u16,
    /// The processors to pin them to, in turn; empty if the kernel decides.
    pub processors: Vec<usize>,
    /// Listening sockets that systemd has opened; they replace the addresses of `listen`.
    pub activated: InheritedListeners,
    /// The server's TLS certificate and key, if there is a TLS listener.
    pub identity: Option<TlsIdentity>,
    /// What the old process has handed over.
    pub taken_over: Option<TakenOver>,
    /// What the old process has left in systemd's store; it stays there until it is taken out.
    pub stored: Option<StoredDescriptors>,
    /// The number of connections that the open-file limit allows.
    pub connections_max: u64,
    /// A server on this directory has ended: whom it served is not to wait for HTTP, whose addresses its edge or
    /// another program may have.
    pub follows_another: bool,
}

/// Why serving cannot start. Each error names its remedy.
#[derive(thiserror::Error, Debug)]
pub enum PlanError {
    /// io_uring cannot be used.
    #[error(transparent)]
    IoUring(#[from] IoUringError),
    /// Too little memory may be locked.
    #[error(transparent)]
    LockedMemory(#[from] LockedMemoryError),
    /// Too few files may be open.
    #[error(transparent)]
    OpenFiles(#[from] OpenFilesError),
    /// Files may not be large enough.
    #[error(transparent)]
    FileSize(#[from] FileSizeError),
    /// Sockets that systemd should have passed are missing.
    #[error(transparent)]
    Activation(#[from] ActivationError),
    /// The address cannot be listened at.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The configuration has conflicting or unusable values.
    #[error(transparent)]
    Configuration(#[from] ConfigurationFaults),
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDirectory(#[from] DataDirectoryError),
    /// The running server hands nothing over.
    #[error(transparent)]
    TakeOver(#[from] TakeError),
    /// The address of metrics cannot be listened at.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// An edge could not serve.
    #[error(transparent)]
    Edge(#[from] EdgeError),
}

impl PlanError {
    /// Whether an address is in use by another process, which may end soon.
    fn is_address_in_use(&self) -> bool {
        match self {
            PlanError::Listen(error) => error.is_in_use(),
            PlanError::Metrics(error) => error.is_in_use(),
            _ => false,
        }
    }
}

/// Checks everything and locks the data directory; or takes it over, with the whole state of the running server.
/// That is the last step, because clients wait from then on.
///
/// # Errors
/// The first check that failed.
pub fn plan(loaded: &Loaded, data: &Path, takeover: Takeover) -> Result<Plan, PlanError> {
    let (activated, stored) = systemd::inherited()?;
    let Approved { identity, warnings } = configuration::approve(loaded, &activated.activation())?;
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    let config = loaded.config.clone();
    let Machine { processors, shards, connections_max, memory } = check_machine(&config)?;
    if stored.is_in_place() {
        memory.await_given_back(shards);
    }
    let is_left = !stored.is_empty();
    let follows_another = was_served(data);
    let (data, taken_over, stored) = if let Some((data, stored)) = take_stored(data, stored) {
        make_private(data.path());
        (data, None, Some(stored))
    } else if takeover != Takeover::No {
        // Clients wait as soon as the running server hands over.
        make_private(data);
        let taken_over = handover::take(data, GRACE, takeover == Takeover::Trial)?;
        let lock = taken_over.lock.try_clone().map_err(TakeError::Broken)?;
        (DataDirectory::taken_over(data, lock), Some(taken_over), None)
    } else {
        let free = || {
            if activated.clients.is_empty() {
                for (key, entrance) in config.entrances() {
                    port::probe(key.name, entrance.address)?;
                }
            }
            if !follows_another {
                for (key, address) in config.http_listeners() {
                    port::probe(key.name, address)?;
                }
            }
            config.telemetry.metrics.0.map_or(Ok(()), |address| metrics::bind(address).map(drop))?;
            Ok(DataDirectory::take(data, SERVE)?)
        };
        let directory = patiently(|error| wait_time_max(error, data, is_left), free)?;
        make_private(data);
        (directory, None, None)
    };
    Ok(Plan {
        config,
        data,
        shards,
        processors,
        activated,
        identity,
        taken_over,
        stored,
        connections_max,
        follows_another,
    })
}

/// Checks whether a start with this configuration would find everything it needs, and could resume what a server
/// with this version of the handover leaves. Takes nothing: another server is running.
///
/// # Errors
/// The first check that failed.
pub fn rehearse(loaded: &Loaded, data: &Path, version: u32) -> Result<(), PlanError> {
    if version != VERSION {
        let reason = format!("this program supports version {VERSION} of the handover, not {version}");
        return Err(TakeError::Refused(reason).into());
    }
    configuration::approve(loaded, &SocketActivation::default())?;
    check_machine(&loaded.config)?;
    if !loaded.config.http_listeners().is_empty() {
        edge::check_configuration(loaded, data)?;
    }
    Ok(())
}

/// Checks whether a server could use this configuration, and returns warnings, one sentence each. Addresses that a
/// running server uses are no error.
///
/// # Errors
/// The faults of the configuration.
pub fn check(loaded: &Loaded) -> Result<Vec<String>, PlanError> {
    let Approved { mut warnings, .. } = configuration::approve(loaded, &SocketActivation::default())?;
    for (key, address) in loaded.config.listeners() {
        port::probe_interface(key, address)?;
    }
    // The limits of this shell may differ from those of the service.
    if let Err(error) = check_machine(&loaded.config) {
        warnings.push(format!("serve would fail here, as this user and with these limits: {error}"));
    }
    Ok(warnings)
}

/// The resources of the machine that the server may use.
struct Machine {
    processors: Vec<usize>,
    shards: u16,
    connections_max: u64,
    memory: locked_memory::LockedMemory,
}

fn check_machine(config: &Config) -> Result<Machine, PlanError> {
    let memory = locked_memory::raise();
    let files = open_files::raise();
    file_size::permit(config.log.segment_bytes.number())?;
    io_uring::probe()?;
    let processors = processors::available();
    let shards = match config.shards.count {
        ShardCount::Exactly(count) => count.get(),
        ShardCount::Auto => automatic_shards(processors.usable, &memory),
    };
    memory.permit(shards)?;
    Ok(Machine { processors: processors.list, shards, connections_max: files.connections(shards)?, memory })
}

/// Makes the data directory private, and logs a warning if it was open.
fn make_private(data: &Path) {
    if let Some(words) = privacy::make_private(data) {
        tracing::warn!("{words}");
    }
}

/// How long the cause of an error may last: descriptors that systemd is closing, if something `is_left`; or
/// addresses of a killed process of this data directory.
fn wait_time_max(error: &PlanError, data: &Path, is_left: bool) -> Duration {
    let in_use = matches!(error, PlanError::DataDirectory(DataDirectoryError::InUse { .. }));
    match error {
        // Only an earlier server on this directory explains it.
        _ if error.is_address_in_use() && was_served(data) => ADDRESS_TIME_MAX,
        _ if is_left && (in_use || error.is_address_in_use()) => CLOSE_TIME_MAX,
        _ => Duration::ZERO,
    }
}

/// The data directory with what the old process has left in the store, if anything.
fn take_stored(data: &Path, mut stored: StoredDescriptors) -> Option<(DataDirectory, StoredDescriptors)> {
    if stored.is_empty() {
        return None;
    }
    match stored.take_lock().and_then(|lock| DataDirectory::from_stored_lock(data, lock)) {
        Some(data) => Some((data, stored)),
        None => {
            tracing::warn!(
                "what systemd has stored belongs to another data directory than '{}': its connections are closed",
                data.display()
            );
            stored.discard();
            None
        }
    }
}

/// A new installation on a machine with many cores starts with fewer shards if the distribution's locked-memory
/// limit (usually 8 MiB) does not allow one on each.
fn automatic_shards(processors: u16, memory: &locked_memory::LockedMemory) -> u16 {
    let wanted = processors.max(1);
    let shards = wanted.min(memory.shards_max()).max(1);
    if memory.shards_max() > 0 && shards < wanted {
        tracing::warn!(
            "shards: {shards} for {wanted} processors, because the locked-memory limit allows no more; {}",
            memory.remedy(wanted)
        );
    }
    shards
}

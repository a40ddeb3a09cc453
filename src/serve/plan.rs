//! What will be started: the checks, in an order in which the cheapest and least visible come first.

use super::checks::{
    Approved, ConfigurationFaults, FileSizeError, IoUringError, ListenError, LockedMemoryError,
    OpenFilesError, configuration, file_size, io_uring, locked_memory, open_files, port, processors,
};
use super::patience::{ADDRESS_TIME_MAX, patiently};
use super::settings::GRACE;
use crate::handover::{self, TakeError, TakenOver, Takeover, VERSION};
use crate::privacy;
use crate::server::{DataDirectory, DataDirectoryError, InheritedListeners, SocketActivation, was_served};
use crate::systemd::{self, ActivationError, StoredDescriptors};
use crate::telemetry::metrics::{self, MetricsError};
use madang_config::{Config, Loaded, ShardCount};
use madang_engine::runtime::TlsIdentity;
use std::path::Path;
use std::time::Duration;

/// What systemd is told to let go of, it closes in its own time; the lock of the data directory and
/// listeners may be among it.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(1);
/// A start that nothing known stands against.
#[derive(Debug)]
pub struct Plan {
    /// What the operator decided.
    pub config: Config,
    /// The data directory, ours as long as this lives.
    pub data: DataDirectory,
    /// How many shards there are.
    pub shards: u16,
    /// The processors to put them on, in turn; none where the kernel decides.
    pub processors: Vec<usize>,
    /// Listening sockets that systemd has opened; they stand in for the addresses of `listen`.
    pub activated: InheritedListeners,
    /// Who we are to those who speak TLS, where anyone can.
    pub identity: Option<TlsIdentity>,
    /// What the server before this one has handed over.
    pub taken_over: Option<TakenOver>,
    /// What the one before has left in systemd's store; it waits there until it is taken out.
    pub stored: Option<StoredDescriptors>,
    /// How many connections the open-file limit allows.
    pub connections_max: u64,
}

/// Why serving cannot start. Each names its remedy.
#[derive(thiserror::Error, Debug)]
pub enum PlanError {
    /// No ring.
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
    /// Sockets that systemd is said to have opened are not there.
    #[error(transparent)]
    Activation(#[from] ActivationError),
    /// The address cannot be listened at.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Nobody could serve with this configuration.
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
}

impl PlanError {
    /// Whether an address is in use by another process, which may end.
    fn is_address_in_use(&self) -> bool {
        match self {
            PlanError::Listen(error) => error.is_in_use(),
            PlanError::Metrics(error) => error.is_in_use(),
            _ => false,
        }
    }
}

/// Checks everything and takes the data directory; or takes it over, with all that the server which has it
/// now has besides. That comes last: people wait from then on.
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
    let Machine { processors, shards, connections_max, memory } = look_at_machine(&config)?;
    if stored.is_in_place() {
        memory.await_given_back(shards);
    }
    let is_left = !stored.is_empty();
    let (data, taken_over, stored) = if let Some((data, stored)) = left_behind(data, stored) {
        close(data.path());
        (data, None, Some(stored))
    } else if takeover != Takeover::No {
        // People wait as soon as the running server lets go.
        close(data);
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
            config.telemetry.metrics.0.map_or(Ok(()), |address| metrics::bind(address).map(drop))?;
            Ok(DataDirectory::take(data)?)
        };
        let directory = patiently(|error| patience(error, data, is_left), free)?;
        close(data);
        (directory, None, None)
    };
    Ok(Plan { config, data, shards, processors, activated, identity, taken_over, stored, connections_max })
}

/// Looks whether a start with this configuration would find what it needs, and resume what a server of this version
/// of the handover leaves. Takes nothing: another server runs.
///
/// # Errors
/// The first check that failed.
pub fn rehearse(loaded: &Loaded, version: u32) -> Result<(), PlanError> {
    if version != VERSION {
        let reason = format!("this program supports version {VERSION} of the handover, not {version}");
        return Err(TakeError::Refused(reason).into());
    }
    configuration::approve(loaded, &SocketActivation::default())?;
    look_at_machine(&loaded.config)?;
    Ok(())
}

/// Looks whether anything would be served with this configuration, and returns what is suspicious in it, a
/// sentence each. Where a server runs already does not matter.
///
/// # Errors
/// What stands against it.
pub fn check(loaded: &Loaded) -> Result<Vec<String>, PlanError> {
    let Approved { mut warnings, .. } = configuration::approve(loaded, &SocketActivation::default())?;
    for (key, address) in loaded.config.listeners() {
        port::probe_interface(key, address)?;
    }
    // What this shell may is not what the service may.
    if let Err(error) = look_at_machine(&loaded.config) {
        warnings.push(format!("serve would fail here, as this user and with these limits: {error}"));
    }
    Ok(warnings)
}

/// What a server may use of the machine.
struct Machine {
    processors: Vec<usize>,
    shards: u16,
    connections_max: u64,
    memory: locked_memory::LockedMemory,
}

fn look_at_machine(config: &Config) -> Result<Machine, PlanError> {
    let memory = locked_memory::raise();
    let files = open_files::raise();
    file_size::permit(config.log.segment_bytes.number())?;
    io_uring::probe()?;
    let processors = processors::available();
    let shards = match config.shards.count {
        ShardCount::Exactly(count) => count.get(),
        ShardCount::Auto => automatic(processors.usable, &memory),
    };
    memory.permit(shards)?;
    Ok(Machine { processors: processors.list, shards, connections_max: files.connections(shards)?, memory })
}

/// Closes the data directory to other users, and says so where it was open.
fn close(data: &Path) {
    if let Some(words) = privacy::close(data) {
        tracing::warn!("{words}");
    }
}

/// How long what stands against a start may last: what systemd lets go of, where something `is_left`; and addresses
/// that a process of this data directory listened at which was killed.
fn patience(error: &PlanError, data: &Path, is_left: bool) -> Duration {
    let in_use = matches!(error, PlanError::DataDirectory(DataDirectoryError::InUse { .. }));
    match error {
        // Only a server before explains it.
        _ if error.is_address_in_use() && was_served(data) => ADDRESS_TIME_MAX,
        _ if is_left && (in_use || error.is_address_in_use()) => CLOSE_TIME_MAX,
        _ => Duration::ZERO,
    }
}

/// The data directory with what the server before has left for it, if it has.
fn left_behind(data: &Path, mut stored: StoredDescriptors) -> Option<(DataDirectory, StoredDescriptors)> {
    if stored.is_empty() {
        return None;
    }
    match stored.take_lock().and_then(|lock| DataDirectory::left(data, lock)) {
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

/// A fresh installation on a machine of many cores starts, with fewer shards, where the
/// distribution's locked-memory limit (usually 8 MiB) would not carry one on each.
fn automatic(processors: u16, memory: &locked_memory::LockedMemory) -> u16 {
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

//! What is measured: a server that runs already, or one of our own.

use crate::error::BenchError;
use crate::machine::{Placement, ProcessMemory, process_time_ns};
use crate::protocol::{Names, Protocol};
use crate::server::ChildServer;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is measured.
#[derive(Clone, Debug)]
pub enum Target {
    /// A server that somebody runs.
    Running {
        /// What it speaks.
        protocol: Protocol,
        /// Where to connect.
        address: SocketAddr,
        /// Its process, for processor time and memory. It must be on this machine.
        pid: Option<u32>,
        /// What reports call it.
        label: String,
    },
    /// One that is started for the measurement and stopped after it.
    Own(OwnServer),
}

impl Target {
    /// What it speaks.
    pub fn protocol(&self) -> Protocol {
        match self {
            Target::Running { protocol, .. } => *protocol,
            Target::Own(_) => Protocol::Line,
        }
    }

    /// What reports call it.
    pub fn label(&self) -> &str {
        match self {
            Target::Running { label, .. } => label,
            Target::Own(_) => Protocol::Line.name(),
        }
    }
}

/// How to start a server for a measurement.
#[derive(Clone, Debug)]
pub struct OwnServer {
    /// The program to run with `serve`.
    pub program: PathBuf,
    /// The value of `--durability`; the server's default when `None`.
    pub durability: Option<String>,
    /// `KEY=VALUE` settings, after those the workload needs.
    pub settings: Vec<String>,
}

/// A target that is ready to be measured.
#[derive(Debug)]
pub(crate) struct Site {
    /// What it speaks.
    pub(crate) protocol: Protocol,
    /// Where to connect.
    pub(crate) address: SocketAddr,
    /// The process of a server that somebody runs, when it is known.
    pid: Option<u32>,
    /// Names to use there.
    pub(crate) names: Names,
    /// A server of our own; another one after an upgrade.
    own: Option<RefCell<ChildServer>>,
    placement: Placement,
}

/// For how long the load spins before a moment it must not miss. It does so on a processor of its
/// own only: elsewhere it would take the server's.
const SPIN: Duration = Duration::from_micros(100);

impl Site {
    /// Prepares a target. `settings` are what a server of our own needs for this workload, and `fill`
    /// makes what it finds in its data directory, if that is anything.
    pub(crate) fn open(
        target: &Target,
        settings: &[String],
        fill: impl FnOnce(&Path) -> Result<(), BenchError>,
    ) -> Result<Site, BenchError> {
        let placement = Placement::choose()?;
        let protocol = target.protocol();
        let (address, pid, own) = match target {
            Target::Running { address, pid, .. } => (*address, *pid, None),
            Target::Own(own) => {
                placement.move_to_server()?;
                let (server, address) = ChildServer::start(own, settings, fill)?;
                (address, None, Some(RefCell::new(server)))
            }
        };
        let site = Site { protocol, address, pid, names: Names::fresh(), own, placement };
        site.server_time_ns()?; // a wrong process is known now, not after the run
        Ok(site)
    }

    /// What a report says about the measured server.
    pub(crate) fn described(&self) -> String {
        match &self.own {
            Some(_) => self.placement.described(),
            None => match self.placement.load_processor() {
                Some(load) => format!("the server that runs at {}, load on processor {load}", self.address),
                None => format!("the server that runs at {}", self.address),
            },
        }
    }

    /// The server's process, when it is known. After an upgrade it is another.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.own.as_ref().map(|own| own.borrow().pid()).or(self.pid)
    }

    /// The load's processor, when it has one of its own.
    pub(crate) fn load_processor(&self) -> Option<usize> {
        self.placement.load_processor()
    }

    /// For how long the load may spin.
    pub(crate) fn spin(&self) -> Duration {
        self.load_processor().map_or(Duration::ZERO, |_| SPIN)
    }

    /// Processor time the server has used until now; `None` when its process is not known.
    pub(crate) fn server_time_ns(&self) -> Result<Option<u64>, BenchError> {
        self.pid().map(process_time_ns).transpose()
    }

    /// Memory the server holds now; `None` when its process is not known.
    pub(crate) fn server_memory(&self) -> Result<Option<ProcessMemory>, BenchError> {
        self.pid().map(ProcessMemory::read).transpose()
    }

    /// Begins to replace a server of our own by another process, where the server runs.
    pub(crate) fn begin_upgrade(&self) -> Result<(), BenchError> {
        let Some(own) = &self.own else { return Ok(()) };
        let (placement, mut own) = (&self.placement, own.borrow_mut());
        let server: &mut ChildServer = &mut own;
        // On a thread of its own, as this one stays where the load runs.
        let begin = move || placement.move_to_server().and_then(|()| server.begin_upgrade());
        std::thread::scope(|scope| scope.spawn(begin).join().unwrap_or(Err(BenchError::Stopped)))
    }

    /// Whether that is done.
    pub(crate) fn is_upgraded(&self) -> Result<bool, BenchError> {
        self.own.as_ref().map_or(Ok(true), |own| own.borrow_mut().is_upgraded())
    }

    /// Stops a server of our own.
    pub(crate) fn close(self) -> Result<(), BenchError> {
        self.own.map_or(Ok(()), |own| own.into_inner().stop())
    }
}

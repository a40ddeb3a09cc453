//! What is measured: a server that runs already, or one of our own.

use crate::crowd::Names;
use crate::error::BenchError;
use crate::machine::{Placement, ProcessTime};
use crate::protocol::Protocol;
use crate::server::ChildServer;
use std::net::SocketAddr;
use std::path::PathBuf;

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
    /// Where to connect.
    pub(crate) address: SocketAddr,
    /// The server's process, when it is known.
    pub(crate) pid: Option<u32>,
    /// Names to use there.
    pub(crate) names: Names,
    own: Option<(ChildServer, Placement)>,
}

impl Site {
    /// Prepares a target. `settings` are what a server of our own needs for this workload.
    pub(crate) fn open(target: &Target, settings: &[String]) -> Result<Site, BenchError> {
        match target {
            Target::Running { address, pid, .. } => {
                if let Some(pid) = pid {
                    ProcessTime::read(*pid)?; // a wrong one is known now, not after the run
                }
                Ok(Site { address: *address, pid: *pid, names: Names::fresh(), own: None })
            }
            Target::Own(own) => {
                let placement = Placement::choose()?;
                placement.move_to_server()?;
                let (server, address) = ChildServer::start(own, settings)?;
                placement.move_to_load()?;
                let pid = Some(server.pid());
                Ok(Site { address, pid, names: Names::short(), own: Some((server, placement)) })
            }
        }
    }

    /// What a report says about the measured server.
    pub(crate) fn described(&self) -> String {
        match &self.own {
            Some((_, placement)) => placement.described(),
            None => format!("the server that runs at {}", self.address),
        }
    }

    /// Processor time the server has used until now; `None` when its process is not known.
    pub(crate) fn server_time(&self) -> Result<Option<ProcessTime>, BenchError> {
        self.pid.map(ProcessTime::read).transpose()
    }

    /// Stops a server of our own.
    pub(crate) fn close(self) -> Result<(), BenchError> {
        self.own.map_or(Ok(()), |(server, _)| server.stop())
    }
}

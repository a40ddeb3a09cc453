//! What a server inherits: from a running process, from a process that has ended, or sockets that systemd has opened.

use crate::handover::{OldProcess, TakenOver, Unpacked, collect};
use crate::serve::plan::Plan;
use crate::serve::settings::GRACE;
use crate::server::{InheritedListeners, SocketActivation};
use crate::systemd::StoredDescriptors;
use madang_config::{Config, ENTRANCES, is_at};
use madang_engine::runtime::Adoption;
use madang_model::connection::Entrance;
use std::net::SocketAddr;
use std::time::Instant;

/// Everything that a server inherits at its start.
#[derive(Debug, Default)]
pub struct Inherited {
    /// Inherited listeners; empty if the configuration decides.
    pub listeners: InheritedListeners,
    /// Which of them systemd has opened.
    pub activation: SocketActivation,
    /// Whether the old process has opened them, for its own configuration.
    is_at_old_addresses: bool,
    /// Connections, names, members.
    pub adoption: Option<Adoption>,
    /// The old process, if it waits until this one is ready.
    pub old_process: Option<OldProcess>,
    /// An old process that has ended has stored its state, whether or not it can be resumed.
    has_stored_state: bool,
    old_server: Option<OldServer>,
}

/// The old process.
#[derive(Debug)]
struct OldServer {
    pid: u64,
    version: String,
    paused_since: Instant,
    /// It was this process, with another program.
    is_in_place: bool,
}

impl Inherited {
    /// Takes the inherited state out of the plan. From here on only this process has it, unless an [old
    /// process](Inherited::old_process) waits.
    pub fn take(plan: &mut Plan) -> Inherited {
        let activated = std::mem::take(&mut plan.activated);
        if let Some(TakenOver { listeners, activation, adoption, old_process, .. }) = plan.taken_over.take() {
            return Inherited {
                listeners,
                activation,
                is_at_old_addresses: true,
                adoption: Some(adoption),
                old_server: Some(OldServer {
                    pid: old_process.pid,
                    version: old_process.version.clone(),
                    paused_since: old_process.paused_since,
                    is_in_place: false,
                }),
                old_process: Some(old_process),
                has_stored_state: false,
            };
        }
        let sockets = activated.clients.len();
        if sockets > 0 {
            tracing::info!(
                sockets,
                "listening on sockets that systemd opened, instead of the addresses of listen"
            );
        }
        let inherited =
            Inherited { activation: activated.activation(), listeners: activated, ..Inherited::default() };
        match plan.stored.take() {
            Some(stored) => inherited.with_stored(stored, plan),
            None => inherited,
        }
    }

    fn with_stored(mut self, stored: StoredDescriptors, plan: &mut Plan) -> Inherited {
        self.has_stored_state = true;
        let is_in_place = stored.is_in_place();
        let connections_max = usize::try_from(plan.connections_max).unwrap_or(usize::MAX);
        match collect(stored, GRACE, connections_max) {
            Ok(Unpacked { mut listeners, activation, adoption, pid, version, paused, closed, .. }) => {
                if closed > 0 {
                    tracing::warn!(
                        closed,
                        kept = adoption.connections.len(),
                        "connections are closed, because no more files may be open; raise LimitNOFILE="
                    );
                }
                plan.data.record_holder();
                self.listeners.operator = std::mem::take(&mut listeners.operator);
                if self.listeners.clients.is_empty() && !listeners.clients.is_empty() {
                    self.listeners.clients = listeners.clients;
                    self.is_at_old_addresses = true;
                }
                if is_in_place {
                    self.activation = activation;
                }
                let paused_since = Instant::now().checked_sub(paused).unwrap_or_else(Instant::now);
                self.adoption = Some(adoption);
                self.old_server = Some(OldServer { pid, version, paused_since, is_in_place });
            }
            Err(error) => {
                tracing::warn!(%error, "what the old process left cannot be resumed: its connections are closed");
            }
        }
        self
    }

    /// Whether there was an old process, whose clients and listeners this one has.
    pub fn has_old_server(&self) -> bool {
        self.old_process.is_some() || self.has_stored_state
    }

    /// Logs the result.
    pub fn announce(&self, connections: usize) {
        let Some(OldServer { pid, version, paused_since, is_in_place }) = &self.old_server else { return };
        let paused_ms = u64::try_from(paused_since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let words = match self.old_process {
            Some(_) => "took over from a running server",
            None if *is_in_place => "resumed in the same process",
            None => "resumed after a restart",
        };
        tracing::info!(from = pid, version, connections, paused_ms, "{words}");
    }

    /// The configuration with the actual addresses, if the listeners come from the old process. Port 0 is any port.
    pub fn with_actual_addresses(&self, mut config: Config, entrances: &[Entrance]) -> Config {
        if !self.is_at_old_addresses {
            return config;
        }
        for key in ENTRANCES {
            let found = entrances.iter().find(|entrance| entrance.kind == key.kind);
            let found = found.map(|entrance| entrance.address);
            let is_wanted = |wanted: SocketAddr| found.is_some_and(|there| is_at(there, wanted));
            if !key.address(&config).is_some_and(is_wanted) {
                key.set_address(&mut config, found);
            }
        }
        config
    }
}

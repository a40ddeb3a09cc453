//! Reading the configuration again (SIGHUP): what can change changes, or nothing does.

use super::checks::{Approved, configuration, listen_error, strangers};
use super::entrances::status_line;
use super::settings::{erase_time_max, retention, shard_settings, text_bytes_max};
use crate::edge_link::LinkLimits;
use crate::server::{Readiness, ServerState, SocketActivation};
use crate::systemd::notify;
use crate::telemetry::LevelControl;
use madang_config::{Config, ENTRANCES, EntranceKey, KEYS, Key, Sources, overlap};
use madang_engine::runtime::{Listeners, Remote, TlsAcceptor, TlsIdentity};
use madang_model::connection::{Entrance, EntranceKind};
use madang_surfaces::line::LineLimit;
use rustix::io::Errno;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long shards may take to go by what is new: they do within a turn.
const SHARD_TIME_MAX: Duration = Duration::from_secs(5);

/// What a reload works on.
pub struct Reloader {
    /// From where the configuration is read.
    pub sources: Sources,
    /// What holds.
    pub config: Config,
    /// Changes the level of events.
    pub level: LevelControl,
    /// The longest line.
    pub line_bytes_max: LineLimit,
    /// Which sockets systemd has opened: where it has any, the addresses in `listen` are not looked at.
    pub activation: SocketActivation,
    /// Accepts TLS connections, once there is a certificate.
    pub acceptor: Option<Arc<TlsAcceptor>>,
    /// The server.
    pub state: Arc<ServerState>,
    /// Its shards.
    pub remote: Remote,
    /// How many.
    pub shards: u16,
    /// What the link to the edge goes by.
    pub link_limits: LinkLimits,
}

impl Reloader {
    /// Reloads each time `asked` says so, on a thread of its own that ends with the process. It begins with a word
    /// to what is returned, when the server is the owner of all it has.
    ///
    /// # Errors
    /// When the thread cannot be had.
    pub fn start(mut self, asked: flume::Receiver<()>) -> std::io::Result<flume::Sender<()>> {
        let (begin, begun) = flume::bounded(1);
        let work = move || {
            if begun.recv().is_err() {
                return;
            }
            while asked.recv().is_ok() {
                self.reload();
            }
        };
        std::thread::Builder::new().name("madang-reload".into()).spawn(work)?;
        Ok(begin)
    }

    /// Reads everything again and reports how that went, to the journal and to systemd.
    fn reload(&mut self) {
        if self.state.readiness() != Readiness::Ready {
            return;
        }
        notify::reloading();
        let outcome = self.try_reload();
        self.state.reloaded(outcome.is_ok());
        let serving = status_line(&self.state.entrances());
        match outcome {
            Ok(()) => notify::ready(&serving),
            Err(mistakes) => {
                for mistake in &mistakes {
                    tracing::error!("reload: {mistake}");
                }
                tracing::error!("reload refused: nothing has changed");
                notify::ready(&format!("{serving}; the last reload was refused, see the journal"));
            }
        }
    }

    fn try_reload(&mut self) -> Result<(), Vec<String>> {
        let loaded = madang_config::load(&self.sources)
            .map_err(|errors| errors.0.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        // Before anything changes: a certificate or an address that cannot be had refuses the whole.
        let Approved { identity, warnings } = configuration::approve(&loaded, &self.activation)
            .map_err(|faults| faults.0.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        let mut new = loaded.config;
        let changed: Vec<&Key> =
            KEYS.iter().filter(|key| (key.show)(&self.config) != (key.show)(&new)).collect();
        let moves = self.moves(&new).map_err(|error| vec![error])?;
        for warning in loaded.warnings.iter().chain(&warnings) {
            tracing::warn!("{warning}");
        }
        let mut waiting = 0;
        for key in &changed {
            let (old, wanted) = ((key.show)(&self.config), (key.show)(&new));
            if self.needs_restart(key) {
                tracing::warn!(
                    "reload: {} = {wanted} needs a restart; until then {old} stays in force",
                    key.name
                );
                (key.copy)(&self.config, &mut new);
                waiting += 1;
            } else {
                tracing::info!("reload: {} = {wanted} (was {old})", key.name);
            }
        }
        let before = std::mem::replace(&mut self.config, new);
        self.apply();
        if let Some(identity) = identity {
            self.show(identity);
        }
        for (kind, listeners) in moves {
            if !self.listen(kind, listeners.with_tls(self.acceptor.as_ref())) {
                // The next reload tries it again.
                let entrance = EntranceKey::of(kind).name;
                let key = KEYS.iter().find(|key| key.name == entrance).expect("an entrance is a setting");
                (key.copy)(&before, &mut self.config);
            }
        }
        tracing::info!(changes = changed.len() - waiting, waiting, "reloaded");
        Ok(())
    }

    /// Whether the addresses of this configuration can be had: they are for a moment.
    ///
    /// # Errors
    /// Which cannot, and why.
    pub fn can_move(&self, new: &Config) -> Result<(), String> {
        self.moves(new).map(drop)
    }

    fn needs_restart(&self, key: &Key) -> bool {
        let is_address = ENTRANCES.iter().any(|entrance| entrance.name == key.name);
        key.needs_restart() || (is_address && self.activation.has_sockets())
    }

    /// The entrances that have changed: each kind with its new listeners, none where it is over. They are bound, and
    /// nobody is accepted there yet.
    fn moves(&self, new: &Config) -> Result<Vec<(EntranceKind, Listeners)>, String> {
        if self.activation.has_sockets() {
            return Ok(Vec::new());
        }
        let has_moved = |key: &&EntranceKey| key.address(&self.config) != key.address(new);
        let bind = |key: &'static EntranceKey| {
            let listeners = match key.address(new) {
                Some(address) => self.bind(key, address)?,
                None => Listeners::none(self.shards),
            };
            Ok((key.kind, listeners))
        };
        ENTRANCES.iter().filter(has_moved).map(bind).collect()
    }

    fn bind(&self, key: &'static EntranceKey, wanted: SocketAddr) -> Result<Listeners, String> {
        if let Some(occupant) = self.occupant(key, wanted) {
            return Err(format!("{} = \"{wanted}\": {occupant}", key.name));
        }
        let entrance = Entrance { kind: key.kind, address: wanted };
        let is_ours = |ours: &Entrance| overlap(ours.address, wanted);
        let bound = if self.state.entrances().iter().any(is_ours) {
            // Our own sockets hold the port: only beside them can it be had in another way. What the kernel
            // allows beside us is nobody else's then.
            if strangers::listens(wanted).unwrap_or(true) {
                return Err(listen_error(key.name, wanted, Errno::ADDRINUSE.into()).to_string());
            }
            Listeners::bind_beside(entrance, self.shards)
        } else {
            Listeners::bind(entrance, self.shards)
        };
        bound.map_err(|error| listen_error(key.name, error.address, error.source).to_string())
    }

    /// What of ours listens there now, but for what would move.
    fn occupant(&self, key: &EntranceKey, wanted: SocketAddr) -> Option<String> {
        if let Some(address) = self.config.telemetry.metrics.0.filter(|address| overlap(*address, wanted)) {
            return Some(format!(
                "telemetry.metrics listens at {address} until a restart; restart the server"
            ));
        }
        let mut others = self.state.entrances().into_iter().filter(|other| other.kind != key.kind);
        let other = others.find(|other| overlap(other.address, wanted))?;
        Some(format!(
            "{} listens at {} until a reload moves it; use this address in the reload after that",
            EntranceKey::of(other.kind).name,
            other.address
        ))
    }

    fn apply(&self) {
        (self.level)(self.config.telemetry.level);
        self.remote.retain(retention(&self.config.log));
        self.state.erasures().set_time_max(erase_time_max(&self.config.log));
        self.line_bytes_max.set(self.config.limits.line_bytes_max.usize());
        let settings = shard_settings(&self.config, self.shards);
        self.link_limits.set(settings.clone(), text_bytes_max(&self.config));
        if !self.remote.reconfigure(settings, SHARD_TIME_MAX) {
            tracing::error!("reload: a shard has not applied the new limits within 5 s; see `madang status`");
        }
    }

    /// Shows this certificate to new connections.
    fn show(&mut self, identity: TlsIdentity) {
        match &self.acceptor {
            Some(acceptor) => acceptor.replace(identity),
            None => self.acceptor = Some(Arc::new(TlsAcceptor::new(identity))),
        }
        tracing::info!("the certificate was reloaded, for new connections");
    }

    /// Listens there from now on, and at no other entrance of this kind. Whether every shard does.
    fn listen(&self, kind: EntranceKind, listeners: Listeners) -> bool {
        let new = listeners.entrances.clone();
        let is_taken = self.remote.listen(kind, listeners, SHARD_TIME_MAX);
        for entrance in &new {
            if is_taken {
                let (listener, tls) = (EntranceKey::of(kind).short_name(), kind.has_tls);
                tracing::info!(address = %entrance.address, listener, tls, "listening at a new address");
            } else {
                tracing::error!(
                    address = %entrance.address,
                    "not every shard listens there yet; reload again, or restart the server if that does not help"
                );
            }
        }
        let mut entrances = self.state.entrances();
        entrances.retain(|entrance| entrance.kind != kind);
        entrances.extend(new);
        entrances.sort_by_key(|entrance| EntranceKey::place(entrance.kind));
        self.state.listens(entrances);
        is_taken
    }
}

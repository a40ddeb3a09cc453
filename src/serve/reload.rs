//! Reading the configuration again (SIGHUP): what can change changes, or nothing does.

use super::checks::{Approved, configuration, listen_error, strangers};
use super::entrances::status_line;
use super::settings::{retention, shard_settings};
use crate::server::{Readiness, ServerState, SocketActivation};
use crate::systemd::notify;
use crate::telemetry::LevelControl;
use madang_config::{Config, KEYS, Key, Sources, overlap};
use madang_engine::runtime::{Entrance, Listeners, Remote, TlsAcceptor, TlsIdentity};
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
    /// Which sockets systemd has opened: where it has any, `listen` is not looked at.
    pub activation: SocketActivation,
    /// Accepts those who speak TLS, once anyone can.
    pub acceptor: Option<Arc<TlsAcceptor>>,
    /// The server.
    pub state: Arc<ServerState>,
    /// Its shards.
    pub remote: Remote,
    /// How many.
    pub shards: u16,
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

    /// Reads everything again and tells how that went, to the journal and to systemd.
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
        let Approved { identity, warnings } = configuration::approve(&loaded, self.activation)
            .map_err(|faults| faults.0.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        let mut new = loaded.config;
        let changed: Vec<&Key> =
            KEYS.iter().filter(|key| (key.show)(&self.config) != (key.show)(&new)).collect();
        let plain = self.new_listeners(Some(self.config.listen.line.0), Some(new.listen.line.0), false);
        let plain = plain.map_err(|error| vec![error])?;
        let tls = self.new_listeners(self.config.listen.line_tls.0, new.listen.line_tls.0, true);
        let tls = tls.map_err(|error| vec![error])?;
        for warning in loaded.warnings.iter().chain(&warnings) {
            tracing::warn!("{warning}");
        }
        let mut waiting = 0;
        for key in &changed {
            let (old, wanted) = ((key.show)(&self.config), (key.show)(&new));
            if self.needs_restart(key) {
                tracing::warn!("reload: {} = {wanted} needs a restart; until then {old} holds", key.name);
                (key.copy)(&self.config, &mut new);
                waiting += 1;
            } else {
                tracing::info!("reload: {} = {wanted} (was {old})", key.name);
            }
        }
        let is_tls_over = self.config.listen.line_tls.0.is_some() && new.listen.line_tls.0.is_none();
        self.config = new;
        self.apply();
        if let Some(identity) = identity {
            self.show(identity);
        }
        if let Some(listeners) = plain {
            self.listen(Some(listeners), false);
        }
        if let (Some(listeners), Some(acceptor)) = (tls, &self.acceptor) {
            self.listen(Some(listeners.with_tls(acceptor)), true);
        } else if is_tls_over {
            self.listen(None, true);
        }
        tracing::info!(changes = changed.len() - waiting, waiting, "reloaded");
        Ok(())
    }

    fn needs_restart(&self, key: &Key) -> bool {
        key.needs_restart() || (self.activation.has_sockets && key.section() == "listen")
    }

    /// Binds the new address, when there is one.
    fn new_listeners(
        &self,
        old: Option<SocketAddr>,
        wanted: Option<SocketAddr>,
        has_tls: bool,
    ) -> Result<Option<Listeners>, String> {
        let Some(wanted) = wanted.filter(|wanted| !self.activation.has_sockets && old != Some(*wanted))
        else {
            return Ok(None);
        };
        let key = if has_tls { "listen.line_tls" } else { "listen.line" };
        if let Some(occupant) = self.occupant(wanted, has_tls) {
            return Err(format!("{key} = \"{wanted}\": {occupant}"));
        }
        let is_ours = |entrance: &Entrance| overlap(entrance.address, wanted);
        let bound = if self.state.entrances().iter().any(is_ours) {
            // Our own sockets hold the port: only beside them can it be had in another way. What the kernel
            // allows beside us is nobody else's then.
            if strangers::listens(wanted).unwrap_or(true) {
                return Err(listen_error(wanted, Errno::ADDRINUSE.into()).of(key).to_string());
            }
            Listeners::bind_beside(wanted, self.shards)
        } else {
            Listeners::bind(wanted, self.shards)
        };
        bound.map(Some).map_err(|error| listen_error(error.address, error.source).of(key).to_string())
    }

    /// What of ours listens there now, but for what would move.
    fn occupant(&self, wanted: SocketAddr, has_tls: bool) -> Option<String> {
        if let Some(address) = self.config.telemetry.metrics.0.filter(|address| overlap(*address, wanted)) {
            return Some(format!(
                "telemetry.metrics listens at {address} until a restart; restart the server"
            ));
        }
        let mut others = self.state.entrances().into_iter().filter(|entrance| entrance.has_tls != has_tls);
        let other = others.find(|entrance| overlap(entrance.address, wanted))?;
        let key = if other.has_tls { "listen.line_tls" } else { "listen.line" };
        Some(format!(
            "{key} listens at {} until a reload has moved it; take its place with the reload after that",
            other.address
        ))
    }

    fn apply(&self) {
        (self.level)(self.config.telemetry.level);
        self.remote.retain(retention(&self.config.log));
        self.line_bytes_max.set(self.config.limits.line_bytes_max.usize());
        let settings = shard_settings(&self.config, self.shards);
        if !self.remote.reconfigure(settings, SHARD_TIME_MAX) {
            tracing::error!("reload: a shard has not taken the new limits within 5 s; see `madang status`");
        }
    }

    /// Shows this certificate to those who come from now on.
    fn show(&mut self, identity: TlsIdentity) {
        match &self.acceptor {
            Some(acceptor) => acceptor.replace(identity),
            None => self.acceptor = Some(Arc::new(TlsAcceptor::new(identity))),
        }
        tracing::info!("the certificate is read again, for those who connect from now on");
    }

    /// Listens there from now on, and no more where it did with TLS, or without.
    fn listen(&self, listeners: Option<Listeners>, has_tls: bool) {
        let new = listeners.as_ref().map(|listeners| listeners.entrances.clone()).unwrap_or_default();
        let is_taken = self.remote.listen(listeners, has_tls, SHARD_TIME_MAX);
        for entrance in &new {
            if is_taken {
                tracing::info!(address = %entrance.address, tls = has_tls, "listening there from now on");
            } else {
                tracing::error!(address = %entrance.address, "not every shard listens there; restart the server");
            }
        }
        let mut entrances = self.state.entrances();
        entrances.retain(|entrance| entrance.has_tls != has_tls);
        entrances.extend(new);
        entrances.sort_by_key(|entrance| entrance.has_tls);
        self.state.listens(entrances);
    }
}

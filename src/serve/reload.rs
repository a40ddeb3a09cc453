//! Reading the configuration again (SIGHUP): what can change changes, or nothing does.

use super::checks::listen_error;
use super::state::{Readiness, ServerState};
use super::{engine, notify};
use crate::config::{self, Config, KEYS, Key, Sources};
use crate::line::LineLimit;
use crate::telemetry::LevelControl;
use madang_shards::runtime::{Listeners, Remote};
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
    /// Whether systemd has passed the sockets, so that `listen.line` is not looked at.
    pub is_activated: bool,
    /// The server.
    pub state: Arc<ServerState>,
    /// Its shards.
    pub remote: Remote,
    /// How many.
    pub shards: u16,
}

impl Reloader {
    /// Reloads each time `asked` says so, on a thread of its own that ends with the process.
    ///
    /// # Errors
    /// When the thread cannot be had.
    pub fn start(mut self, asked: flume::Receiver<()>) -> std::io::Result<()> {
        let work = move || {
            while asked.recv().is_ok() {
                self.reload();
            }
        };
        std::thread::Builder::new().name("madang-reload".into()).spawn(work).map(drop)
    }

    /// Reads everything again and tells how that went, to the journal and to systemd.
    fn reload(&mut self) {
        if self.state.readiness() != Readiness::Ready {
            return;
        }
        notify::reloading();
        let outcome = self.try_reload();
        self.state.reloaded(outcome.is_ok());
        let serving = engine::status_line(&self.state.addresses());
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
        let loaded = config::load(&self.sources)
            .map_err(|errors| errors.0.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        let mut new = loaded.config;
        let changed: Vec<&Key> =
            KEYS.iter().filter(|key| (key.show)(&self.config) != (key.show)(&new)).collect();
        // Before anything changes: an address that cannot be had refuses the whole.
        let listeners = self.new_listeners(&new).map_err(|error| vec![error])?;
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        for key in &changed {
            let (old, wanted) = ((key.show)(&self.config), (key.show)(&new));
            if self.needs_restart(key) {
                tracing::warn!("reload: {} = {wanted} needs a restart; until then {old} holds", key.name);
                (key.copy)(&self.config, &mut new);
            } else {
                tracing::info!("reload: {} = {wanted} (was {old})", key.name);
            }
        }
        self.config = new;
        self.apply(listeners);
        tracing::info!(changes = changed.len(), "reloaded");
        Ok(())
    }

    fn needs_restart(&self, key: &Key) -> bool {
        key.needs_restart() || (self.is_activated && key.name == "listen.line")
    }

    /// Binds the new address, when there is one.
    fn new_listeners(&self, new: &Config) -> Result<Option<Listeners>, String> {
        let (old, wanted) = (self.config.listen.line.0, new.listen.line.0);
        if self.is_activated || old == wanted {
            return Ok(None);
        }
        // Our own sockets hold the port: only beside them can it be had on another interface.
        let is_own_port = self.state.addresses().iter().any(|address| address.port() == wanted.port());
        let bind = if is_own_port { Listeners::bind_beside } else { Listeners::bind };
        bind(wanted, self.shards)
            .map(Some)
            .map_err(|error| listen_error(error.address, error.source).to_string())
    }

    fn apply(&self, listeners: Option<Listeners>) {
        (self.level)(self.config.telemetry.level);
        self.remote.retain(engine::retention(&self.config.log));
        self.line_bytes_max.set(self.config.limits.line_bytes_max.usize());
        let settings = engine::settings(&self.config, self.shards);
        if !self.remote.reconfigure(settings, SHARD_TIME_MAX) {
            tracing::error!("reload: a shard has not taken the new limits within 5 s; see `madang status`");
        }
        if let Some(listeners) = listeners {
            let addresses: Vec<SocketAddr> = listeners.addresses.clone();
            if self.remote.listen(listeners, SHARD_TIME_MAX) {
                tracing::info!(address = %addresses[0], "listening there from now on");
            } else {
                tracing::error!(address = %addresses[0], "not every shard listens there; restart the server");
            }
            self.state.listens(addresses);
        }
    }
}

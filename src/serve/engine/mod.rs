//! From a plan to running shards, and to an exit code: the steps of a server's life, in order.

mod erasing;
mod error;
mod http_sockets;
mod inherited;
mod listen;
mod metrics_listener;
mod open_log;

pub use error::EngineError;

use super::entrances::{connect_command, status_line};
use super::plan::Plan;
use super::reload::Reloader;
use super::settings::{erase_time_max, line_settings, retention, shard_settings, spin, text_bytes_max};
use super::signals::Signals;
use crate::control::{self, ControlSocket};
use crate::edge_desk::{self, EdgeDesk, EdgeLaunch};
use crate::edge_link::{self, LinkLimits};
use crate::server::{ServerState, Stops, random_epoch, subprocess};
use crate::systemd::notify;
use crate::telemetry::{self, LevelControl};
use http_sockets::{HttpFailure, MissingHttp, http_sockets};
use inherited::Inherited;
use listen::listeners;
use madang_config::{Config, ENTRANCES, EntranceKey, Sources};
use madang_engine::runtime::{
    self, Adopting, Listeners, Notice, Notices, Running, StartError, StartOptions, Stop, TlsAcceptor,
};
use madang_log::{EPOCH_FILE, EpochOrigin, OpenedLog, SegmentFiles, StdFiles, begin_or_continue};
use madang_model::ShardId;
use madang_model::connection::Entrance;
use madang_surfaces::line::{LineLimit, LineSurface};
use metrics_listener::MetricsListener;
use open_log::open_log;
use std::sync::Arc;
use std::time::Instant;

/// Serves until the server is stopped.
///
/// # Errors
/// [`EngineError`].
pub fn run(
    plan: &mut Plan,
    sources: Sources,
    level: LevelControl,
    signals: Signals,
) -> Result<(), EngineError> {
    let (stops, stop_requests) = Stops::new();
    let (reload, reload_requests) = flume::bounded(1);
    let mut engine = Engine::new(plan, stops, reload);
    signals.act(engine.stops.clone(), engine.reload.clone(), &engine.state);
    engine.state.erasures().read()?;
    engine.open_operator_access()?;
    let log = engine.open_log()?;
    let mut inherited = engine.inherit();
    let listening = engine.listen(&mut inherited)?;
    if inherited.adoption.is_none() {
        engine.name_epoch();
    }
    let mut started = engine.start(log, listening, &mut inherited, stop_requests)?;
    let edge_launch = engine.edge_launch(&sources);
    let reloads = engine.prepare_reloads(&started, &inherited, sources, level, reload_requests)?;
    engine.open_link(&mut started)?;
    engine.finish_adoption(&mut started, &inherited)?;
    erasing::start(&engine.state, started.running.remote.clone()).map_err(StartError::Thread)?;
    let desk = engine.open_edge_desk(edge_launch)?;
    engine.serve(started, &reloads, desk)
}

/// State that more than one step needs.
struct Engine<'a> {
    plan: &'a mut Plan,
    state: Arc<ServerState>,
    stops: Stops,
    /// Requests a reload.
    reload: flume::Sender<()>,
    control: Option<ControlSocket>,
    link_limits: LinkLimits,
    /// Addresses of HTTP that could not be had.
    missing_http: Vec<MissingHttp>,
}

/// The listeners, before the server serves.
struct Listening {
    sockets: Listeners,
    acceptor: Option<Arc<TlsAcceptor>>,
    /// The metrics listener, unless it serves already.
    metrics: MetricsListener,
}

/// The shards run; they may wait until the inherited state is restored.
struct StartedShards {
    running: Running,
    entrances: Vec<Entrance>,
    acceptor: Option<Arc<TlsAcceptor>>,
    metrics: MetricsListener,
    line_bytes_max: LineLimit,
    /// The number of inherited connections.
    connections: usize,
}

/// The reload thread.
struct Reloads {
    /// Lets it start.
    begin: flume::Sender<()>,
    /// The configuration names other addresses than the inherited ones.
    is_due: bool,
}

impl Engine<'_> {
    fn new(plan: &mut Plan, stops: Stops, reload: flume::Sender<()>) -> Engine<'_> {
        let durability = plan.config.log.durability.to_string();
        let state = ServerState::new(&plan.data, durability, plan.connections_max);
        state.erasures().set_time_max(erase_time_max(&plan.config.log));
        if plan.stored.is_some() {
            state.set_adopting();
        }
        let link_limits =
            LinkLimits::new(shard_settings(&plan.config, plan.shards), text_bytes_max(&plan.config));
        Engine { plan, state, stops, reload, control: None, link_limits, missing_http: Vec::new() }
    }

    /// Opens metrics and the control socket before the log is opened, which may take long; unless the old process
    /// still has the addresses.
    fn open_operator_access(&mut self) -> Result<(), EngineError> {
        if self.plan.taken_over.is_some() {
            return Ok(());
        }
        if self.plan.stored.is_none() {
            metrics_listener::serve_at_start(&self.plan.config.telemetry, &self.state)?;
        }
        self.open_control();
        Ok(())
    }

    /// The server can run without a control socket: clients do not wait for the operator's access.
    fn open_control(&mut self) {
        let control = control::start(self.plan.data.path(), &self.state, &self.stops);
        if let Err(error) = &control {
            tracing::warn!(
                "{error}; `madang status`, `upgrade`, `drain`, `kick` and `broadcast` do not work"
            );
        }
        self.control = control.ok();
    }

    fn open_log(&mut self) -> Result<OpenedLog, EngineError> {
        let started = Instant::now();
        let recovering = notify::recovering();
        let can_expire = !retention(&self.plan.config.log).keeps_all();
        // An old process that is still there may have some of its own.
        if self.plan.taken_over.is_none()
            && let Err(error) = StdFiles::new(self.plan.data.path()).remove_unfinished()
        {
            tracing::warn!("{error}; what an earlier start left unfinished takes space until it is removed");
        }
        let opened = open_log(&self.plan.data, self.plan.shards, can_expire)?;
        if self.plan.data.is_copy() {
            self.plan.data.record_holder();
        }
        self.state.set_recovery_time(started.elapsed());
        drop(recovering);
        Ok(opened)
    }

    fn inherit(&mut self) -> Inherited {
        let inherited = Inherited::take(self.plan);
        self.state.set_activation(inherited.activation.clone());
        inherited
    }

    fn listen(&mut self, inherited: &mut Inherited) -> Result<Listening, EngineError> {
        let acceptor = self.plan.identity.take().map(|identity| Arc::new(TlsAcceptor::new(identity)));
        let follows_another = inherited.has_old_server() && inherited.old_process.is_none();
        let failure = match inherited.old_process {
            Some(_) => HttpFailure::EndsAfterWaiting,
            None if follows_another || self.plan.follows_another => HttpFailure::IsTriedAgain,
            None => HttpFailure::Ends,
        };
        let (http, missing) = http_sockets(&self.plan.config, &mut inherited.listeners.operator, failure)?;
        http.into_iter().for_each(|socket| self.state.add_http_socket(socket));
        self.missing_http = missing;
        let metrics = self.inherit_metrics(inherited)?;
        let passed = std::mem::take(&mut inherited.listeners);
        let sockets = listeners(self.plan, passed, acceptor.as_ref(), follows_another)?;
        Ok(Listening { sockets, acceptor, metrics })
    }

    /// If there was an old process, metrics are served once this one serves clients. If the address cannot be used,
    /// an upgrade fails, because the old process can continue; if the old process has ended, clients are served
    /// without metrics.
    fn inherit_metrics(&self, inherited: &mut Inherited) -> Result<MetricsListener, EngineError> {
        if !inherited.has_old_server() {
            return Ok(MetricsListener::Off);
        }
        let sockets = std::mem::take(&mut inherited.listeners.operator);
        match MetricsListener::inherited(self.plan.config.telemetry.metrics.0, sockets) {
            Err(error) if inherited.old_process.is_none() => {
                tracing::error!("{error}");
                Ok(MetricsListener::Off)
            }
            listener => Ok(listener?),
        }
    }

    fn start(
        &self,
        log: OpenedLog,
        Listening { sockets, acceptor, metrics }: Listening,
        inherited: &mut Inherited,
        stop_requests: flume::Receiver<Stop>,
    ) -> Result<StartedShards, EngineError> {
        let entrances = sockets.entrances.clone();
        let line_bytes_max = LineLimit::new(self.plan.config.limits.line_bytes_max.usize());
        let settings = line_settings(&self.plan.config, &line_bytes_max);
        let surface = move || LineSurface::new(settings.clone());
        let mut options = start_options(self.plan);
        // What is to be erased is hidden from the first reader on.
        options.erasures = self.state.erasures().read()?;
        let adoption = inherited.adoption.take();
        let connections = adoption.as_ref().map_or(0, |adoption| adoption.connections.len());
        let running = runtime::start(&options, sockets, log, stop_requests, notices(), adoption, surface)?;
        self.state.set_serving(running.remote.clone(), entrances.clone());
        Ok(StartedShards { running, entrances, acceptor, metrics, line_bytes_max, connections })
    }

    /// A reload waits until this process owns everything.
    fn prepare_reloads(
        &self,
        started: &StartedShards,
        inherited: &Inherited,
        sources: Sources,
        level: LevelControl,
        reload_requests: flume::Receiver<()>,
    ) -> Result<Reloads, EngineError> {
        let reloader = Reloader {
            sources,
            config: inherited.with_actual_addresses(self.plan.config.clone(), &started.entrances),
            level,
            line_bytes_max: started.line_bytes_max.clone(),
            activation: inherited.activation.clone(),
            acceptor: started.acceptor.clone(),
            state: Arc::clone(&self.state),
            remote: started.running.remote.clone(),
            shards: self.plan.shards,
            link_limits: self.link_limits.clone(),
        };
        let entrances = |config: &Config| ENTRANCES.iter().map(|key| key.address(config)).collect::<Vec<_>>();
        let is_due = entrances(&reloader.config) != entrances(&self.plan.config);
        if is_due && inherited.old_process.is_some() {
            // The old process can continue; once this one serves, it would only stay where the old one was.
            reloader.can_move(&self.plan.config).map_err(EngineError::Move)?;
        }
        let begin = reloader.start(reload_requests).map_err(StartError::Thread)?;
        Ok(Reloads { begin, is_due })
    }

    /// Waits until all inherited state is restored, and until the old process, if it runs, sends `Go`; then lets
    /// the shards resume.
    fn finish_adoption(
        &mut self,
        started: &mut StartedShards,
        inherited: &Inherited,
    ) -> Result<(), EngineError> {
        if let Some(adopting) = started.running.adopting.take() {
            let is_done = adopting.is_done();
            match &inherited.old_process {
                Some(_) if !is_done => {
                    return Err(EngineError::NotAdopted(Adopting::time_max(started.connections)));
                }
                Some(old_process) => old_process.ready()?,
                // No process could take it back.
                None if !is_done => {
                    tracing::warn!("restoring what the old process left takes long");
                }
                None => {}
            }
            self.name_epoch();
            adopting.go();
            // From here on this process ends only for reasons that would have ended the old one.
            inherited.announce(started.connections);
        }
        if inherited.old_process.is_some() {
            self.plan.data.record_holder();
            self.open_control();
        }
        Ok(())
    }

    /// Finds or begins the epoch of the log, before clients are served. Nothing is written before this process owns the
    /// directory for good, and clients that are connected already do not lose it for a file that cannot be written.
    fn name_epoch(&self) {
        let data = self.plan.data.path();
        // They are part of the epoch, so that none is exchanged without it.
        let log = StdFiles::new(data);
        let made = (0..self.plan.shards).try_for_each(|shard| log.make_directory(ShardId(shard)));
        let epoch = match made.and_then(|()| begin_or_continue(&log, self.plan.data.is_copy(), random_epoch))
        {
            Ok((epoch, EpochOrigin::Continued)) => epoch,
            Ok((epoch, origin)) => {
                match origin {
                    EpochOrigin::Copied => tracing::warn!(
                        %epoch,
                        "the data directory is a copy or was restored: its log begins a new epoch, and clients that \
                         resume are told that there may be a gap"
                    ),
                    EpochOrigin::Unreadable => tracing::warn!(
                        %epoch,
                        "'{}' names no epoch of the log: a new one begins",
                        data.join(EPOCH_FILE).display()
                    ),
                    EpochOrigin::First | EpochOrigin::Continued => {
                        tracing::info!(%epoch, "no file names the epoch of the log: a new one begins")
                    }
                }
                epoch
            }
            Err(error) => {
                tracing::warn!(
                    %error,
                    "cannot write '{}': the log has an epoch of its own until the next start; make room, or make the \
                     data directory writable",
                    data.join(EPOCH_FILE).display()
                );
                random_epoch()
            }
        };
        self.state.set_epoch(epoch);
    }

    /// Starts the thread to which an edge can connect once clients are served, if it is configured. As long as the old
    /// process can still take over again, a failure of it is one of the upgrade.
    fn open_link(&self, started: &mut StartedShards) -> Result<(), EngineError> {
        let Some(endpoint) = started.running.endpoint.take() else { return Ok(()) };
        edge_link::start(self.plan.data.path(), endpoint, self.link_limits.clone(), &self.state)
            .map_err(StartError::Thread)?;
        Ok(())
    }

    /// How the edge is started, where this server does.
    fn edge_launch(&self, sources: &Sources) -> Option<EdgeLaunch> {
        let launch = self.state.launch().filter(|_| self.plan.config.edge.start)?;
        Some(EdgeLaunch::new(launch, self.plan.data.path(), sources))
    }

    /// Lends the sockets of HTTP to the edge, and starts it, if there are any.
    fn open_edge_desk(&self, launch: Option<EdgeLaunch>) -> Result<Option<EdgeDesk>, EngineError> {
        if self.state.http_sockets().is_empty() && self.missing_http.is_empty() {
            // Of a program that had HTTP.
            edge_desk::end_left_edge();
            return Ok(None);
        }
        for socket in self.state.http_sockets() {
            let (address, listener) = (socket.address(), socket.key.short_name());
            tracing::info!(%address, listener, tls = socket.key.has_tls, "listening for the edge");
        }
        let desk =
            edge_desk::start(&self.state, launch, self.missing_http.clone()).map_err(StartError::Thread)?;
        Ok(Some(desk))
    }

    /// Announces that clients are served, and waits for the end.
    fn serve(
        self,
        started: StartedShards,
        reloads: &Reloads,
        desk: Option<EdgeDesk>,
    ) -> Result<(), EngineError> {
        // The thread lives as long as the process.
        let _ = reloads.begin.send(());
        // For people and scripts that started it by hand.
        for entrance in &started.entrances {
            telemetry::say(&format!("madang: talk to me with: {}", connect_command(entrance)));
            let (listener, tls) = (EntranceKey::of(entrance.kind).short_name(), entrance.kind.has_tls);
            tracing::info!(address = %entrance.address, listener, tls, "ready");
        }
        notify::ready(&status_line(&started.entrances));
        started.metrics.serve_or_retry(&self.state);
        if reloads.is_due {
            // As if the configured addresses had just changed.
            let _ = self.reload.try_send(());
        }
        started.running.join().map_err(EngineError::Shard)?;
        if let Some(desk) = desk {
            desk.end();
        }
        drop(self.control);
        subprocess::kill_started();
        tracing::info!("drained");
        Ok(())
    }
}

/// Forwards the supervisor's notices to systemd and to the journal.
fn notices() -> Notices {
    let mut notify_systemd = notify::notices();
    Box::new(move |notice: Notice| {
        telemetry::report_repeats();
        notify_systemd(notice);
    })
}

fn start_options(plan: &Plan) -> StartOptions {
    let config = &plan.config;
    StartOptions {
        data: plan.data.path().to_owned(),
        settings: shard_settings(config, plan.shards),
        processors: plan.processors.clone(),
        durability: config.log.durability,
        segment_bytes: config.log.segment_bytes.number(),
        retention: retention(&config.log),
        erasures: Arc::default(),
        spin: spin(&config.shards),
        has_endpoint: config.has_edge(),
    }
}

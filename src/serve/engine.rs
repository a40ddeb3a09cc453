//! From a plan to running shards, and back to an exit code.

use super::checks::listen_error;
use super::entrances::{connect_command, status_line};
use super::error::EngineError;
use super::inherited::Inherited;
use super::metrics_listener::{self, MetricsListener};
use super::plan::Plan;
use super::reload::Reloader;
use super::settings::{line_settings, retention, shard_settings, spin};
use super::signals::Signals;
use crate::config::{Config, Sources};
use crate::control::{self, ControlSocket};
use crate::handover::{self, OldProcess};
use crate::line::{LineLimit, LineSurface};
use crate::log_command::mend_copy;
use crate::server::{DataDirectory, InheritedListeners, ServerState, Stops};
use crate::systemd::notify;
use crate::telemetry::{self, LevelControl};
use madang_shards::log::{self, OpenLogError, OpenedLog, RecoveryError, StdFiles};
use madang_shards::runtime::{
    self, Adopting, Listeners, Notice, Notices, StartError, StartOptions, TlsAcceptor,
};
use rustix::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

/// Serves until a signal ends it.
///
/// # Errors
/// [`EngineError`] says what stood against it.
pub fn run(
    plan: &mut Plan,
    sources: Sources,
    level: LevelControl,
    signals: Signals,
) -> Result<(), EngineError> {
    let durability = plan.config.log.durability.to_string();
    let state = ServerState::new(&plan.data, durability, plan.connections_max);
    let (stop, stops) = Stops::new();
    let (reload, reloads) = flume::bounded(1);
    if plan.stored.is_some() {
        state.adopts();
    }
    signals.act(stop.clone(), reload.clone(), &state);
    // Before the log is opened: whoever looks meanwhile is told that it is.
    let mut control = None;
    if plan.taken_over.is_none() {
        if plan.stored.is_none() {
            metrics_listener::serve_at_start(&plan.config.telemetry, &state)?;
        }
        control = start_control(plan, &state, &stop);
    }
    let started = Instant::now();
    let recovering = notify::recovering();
    let can_expire = !retention(&plan.config.log).keeps_all();
    let opened = open_log(&plan.data, plan.shards, can_expire)?;
    if plan.data.is_copy() {
        plan.data.name_holder();
    }
    state.recovered(started.elapsed());
    drop(recovering);
    let mut inherited = Inherited::take(plan);
    state.set_activation(inherited.activation);
    let acceptor = plan.identity.take().map(|identity| Arc::new(TlsAcceptor::new(identity)));
    let mut passed = std::mem::take(&mut inherited.listeners);
    let metrics = inherit_metrics(plan, &inherited, std::mem::take(&mut passed.operator))?;
    let listeners = listeners(plan, passed, acceptor.as_ref())?;
    let entrances = listeners.entrances.clone();
    let line_bytes_max = LineLimit::new(plan.config.limits.line_bytes_max.usize());
    let settings = line_settings(&plan.config, &line_bytes_max);
    let surface = move || LineSurface::new(settings.clone());
    let options = start_options(plan);
    let adoption = inherited.adoption.take();
    let connections = adoption.as_ref().map_or(0, |adoption| adoption.connections.len());
    let mut running = runtime::start(&options, listeners, opened, stops, notices(), adoption, surface)?;
    state.serves(running.remote.clone(), entrances.clone());
    let reloader = Reloader {
        sources,
        config: inherited.reachable(plan.config.clone(), &entrances),
        level,
        line_bytes_max,
        activation: inherited.activation,
        acceptor,
        state: Arc::clone(&state),
        remote: running.remote.clone(),
        shards: plan.shards,
    };
    let listen = |config: &Config| (config.listen.line, config.listen.line_tls);
    let is_elsewhere = listen(&reloader.config) != listen(&plan.config);
    let begin_reloads = reloader.start(reloads).map_err(StartError::Thread)?;
    if let Some(adopting) = running.adopting.take() {
        settle(adopting, inherited.old_process.as_ref(), connections)?;
        // From here on nothing ends this process that would not have ended the one before.
        inherited.announce(connections);
    }
    if inherited.old_process.is_some() {
        plan.data.name_holder();
        control = start_control(plan, &state, &stop);
    }
    // The thread lives as long as the process.
    let _ = begin_reloads.send(());
    // For people and scripts that started it by hand; whoever reads no output needs no line.
    for entrance in &entrances {
        telemetry::say(&format!("madang: talk to me with: {}", connect_command(entrance)));
        tracing::info!(address = %entrance.address, tls = entrance.has_tls, "ready");
    }
    notify::ready(&status_line(&entrances));
    metrics.serve_or_retry(&state);
    if is_elsewhere {
        // The configuration names another address: as if it had been changed just now.
        let _ = reload.try_send(());
    }
    running.join().map_err(EngineError::Shard)?;
    drop(control);
    handover::end_new_process();
    tracing::info!("drained");
    Ok(())
}

/// Waits until everyone is in their place, and for the server before to let go, where it runs; then lets the
/// shards go on.
fn settle(
    adopting: Adopting,
    old_process: Option<&OldProcess>,
    connections: usize,
) -> Result<(), EngineError> {
    let is_done = adopting.is_done();
    match old_process {
        Some(_) if !is_done => return Err(EngineError::NotAdopted(Adopting::time_max(connections))),
        Some(old_process) => old_process.ready()?,
        // There is nobody who could take it back.
        None if !is_done => tracing::warn!("what the server before has left takes long to be in its place"),
        None => {}
    }
    adopting.go();
    Ok(())
}

/// The sockets that systemd passed, or our own.
fn listeners(
    plan: &Plan,
    passed: InheritedListeners,
    acceptor: Option<&Arc<TlsAcceptor>>,
) -> Result<Listeners, EngineError> {
    let (plain, tls) = if passed.count() > 0 {
        let adopt = |sockets: Vec<OwnedFd>| {
            (!sockets.is_empty()).then(|| Listeners::adopt(sockets, plan.shards)).transpose()
        };
        (adopt(passed.plain)?, adopt(passed.tls)?)
    } else {
        let bind = |address| {
            let bound = Listeners::bind(address, plan.shards);
            bound.map_err(|error| listen_error(error.address, error.source))
        };
        let listen = &plan.config.listen;
        (Some(bind(listen.line.0)?), listen.line_tls.0.map(bind).transpose()?)
    };
    let tls = tls.zip(acceptor).map(|(listeners, acceptor)| listeners.with_tls(acceptor));
    let all = plain.into_iter().chain(tls).reduce(Listeners::and);
    Ok(all.unwrap_or_else(|| unreachable!("there is an address to listen at, or a socket was passed")))
}

fn open_log(data: &DataDirectory, shards: u16, can_expire: bool) -> Result<OpenedLog, OpenLogError> {
    let started = Instant::now();
    let files = StdFiles::new(data.path());
    let opened = match log::open_log(&files, shards) {
        Err(OpenLogError::Recovery(RecoveryError::Faults(faults))) if data.is_copy() => {
            if !mend_copy(&files, data.path(), can_expire) {
                return Err(RecoveryError::Faults(faults).into());
            }
            log::open_log(&files, shards)?
        }
        opened => opened?,
    };
    for segment in &opened.rebuilt {
        tracing::info!(segment = %segment.display(), "had no index; it is made");
    }
    let summary = &opened.summary;
    if summary.torn_tails > 0 {
        tracing::warn!(
            tails = summary.torn_tails,
            bytes = summary.torn_bytes,
            "cut what a crash had left unfinished; nothing that was acknowledged is lost"
        );
    }
    tracing::info!(
        rooms = opened.rooms,
        segments = summary.segments,
        bytes = summary.bytes,
        milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        "log opened"
    );
    Ok(opened)
}

/// Where there was a server before, metrics are served once this one serves clients. An address that cannot be
/// had refuses an upgrade, as the old process serves on; where that has ended, clients are served without.
fn inherit_metrics(
    plan: &Plan,
    inherited: &Inherited,
    sockets: Vec<(String, OwnedFd)>,
) -> Result<MetricsListener, EngineError> {
    if !inherited.has_old_server() {
        return Ok(MetricsListener::Off);
    }
    match MetricsListener::inherited(plan.config.telemetry.metrics.0, sockets) {
        Err(error) if inherited.old_process.is_none() => {
            tracing::error!("{error}");
            Ok(MetricsListener::Off)
        }
        listener => Ok(listener?),
    }
}

/// The server can do without a control socket: clients cannot be kept waiting for who looks at them.
fn start_control(plan: &Plan, state: &Arc<ServerState>, stops: &Stops) -> Option<ControlSocket> {
    let control = control::start(plan.data.path(), state, stops);
    if let Err(error) = &control {
        tracing::warn!("{error}; `madang status`, `upgrade`, `drain`, `kick` and `broadcast` do not work");
    }
    control.ok()
}

/// Passes on what the supervisor sees, to systemd and to the journal.
fn notices() -> Notices {
    let mut tell_systemd = notify::notices();
    Box::new(move |notice: Notice| {
        telemetry::report_repeats();
        tell_systemd(notice);
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
        spin: spin(&config.shards),
    }
}

//! From a plan to running shards, and back to an exit code.

use super::checks::listen_error;
use super::entrances::invitation;
use super::inherited::Inheritance;
use super::metrics_listener::{self, Opening};
use super::plan::Plan;
use super::reload::Reloader;
use super::signals::Signals;
use crate::config::{Config, Sources};
use crate::handover::{self, Successor, TakeError};
use crate::line::{LineLimit, LineSettings, LineSurface};
use crate::log_command::mend_copy;
use crate::server::{DataDirectory, ServerState, Stops};
use crate::systemd::{Passed, notify};
use crate::telemetry::metrics::MetricsError;
use crate::telemetry::{self, LevelControl};
use madang_shards::connection::FloodLimit;
use madang_shards::log::{self, OpenLogError, OpenedLog, RecoveryError, Retention, StdFiles};
use madang_shards::room::RoomLimits;
use madang_shards::runtime::{
    self, AdoptError, Adopting, Entrance, Listeners, StartError, StartOptions, TlsAcceptor,
};
use madang_shards::shard::Settings;
use madang_shards::user::UserLimits;
use rustix::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a name and a membership outlive a lost connection.
pub(super) const GRACE: Duration = Duration::from_secs(30);

/// Why serving ended otherwise than asked.
#[derive(thiserror::Error, Debug)]
pub enum EngineError {
    /// The log cannot be gone on from.
    #[error(transparent)]
    Log(#[from] OpenLogError),
    /// The address was taken since it was looked at.
    #[error(transparent)]
    Listen(#[from] super::checks::ListenError),
    /// Metrics cannot be served.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// What systemd passed is no TCP listener.
    #[error(transparent)]
    Adopt(#[from] AdoptError),
    /// Threads or rings cannot be had.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The running server takes everything back.
    #[error(transparent)]
    TakeOver(#[from] TakeError),
    /// What was taken over is not in its place in time; the running server takes it back.
    #[error("what the running server handed over is not in its place within {} s", .0.as_secs())]
    NotAdopted(Duration),
    /// A shard ended by itself.
    #[error("{0}")]
    Shard(String),
}

impl EngineError {
    /// Whether another start would fail alike: somebody has to see to it first.
    pub fn is_lasting(&self) -> bool {
        match self {
            EngineError::Log(error) => error.is_lasting(),
            EngineError::Metrics(MetricsError::Listen { .. }) | EngineError::Adopt(_) => true,
            _ => false,
        }
    }
}

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
    if plan.taken.is_none() {
        if plan.stored.is_none() {
            metrics_listener::start_metrics(plan, &state)?;
        }
        control = metrics_listener::start_control(plan, &state, &stop);
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
    let mut inheritance = Inheritance::take(plan);
    state.set_passed(inheritance.has_passed);
    let acceptor = plan.identity.take().map(|identity| Arc::new(TlsAcceptor::new(identity)));
    let mut passed = std::mem::take(&mut inheritance.listeners);
    let has_predecessor = inheritance.has_predecessor();
    let metrics = if has_predecessor {
        inheritance
            .permit(Opening::of_metrics(plan.config.telemetry.metrics.0, std::mem::take(&mut passed.doors)))?
    } else {
        Opening::Closed
    };
    let listeners = listeners(plan, passed, acceptor.as_ref())?;
    let entrances = listeners.entrances.clone();
    let line_bytes_max = LineLimit::new(plan.config.limits.line_bytes_max.usize());
    let settings = line_settings(plan, &line_bytes_max);
    let surface = move || LineSurface::new(settings.clone());
    let options = start_options(plan);
    let adoption = inheritance.adoption.take();
    let connections = adoption.as_ref().map_or(0, |adoption| adoption.connections.len());
    let mut running =
        runtime::start(&options, listeners, opened, stops, notify::notices(), adoption, surface)?;
    state.serves(running.remote.clone(), entrances.clone());
    let reloader = Reloader {
        sources,
        config: inheritance.reachable(plan.config.clone(), &entrances),
        level,
        line_bytes_max,
        has_passed: inheritance.has_passed,
        acceptor,
        state: Arc::clone(&state),
        remote: running.remote.clone(),
        shards: plan.shards,
    };
    let listen = |config: &Config| (config.listen.line, config.listen.line_tls);
    let is_elsewhere = listen(&reloader.config) != listen(&plan.config);
    let begin_reloads = reloader.start(reloads).map_err(StartError::Thread)?;
    if let Some(adopting) = running.adopting.take() {
        settle(adopting, inheritance.link.as_ref(), connections)?;
        // From here on nothing ends this process that would not have ended the one before.
        inheritance.announce(connections);
    }
    if inheritance.link.is_some() {
        plan.data.name_holder();
        control = metrics_listener::start_control(plan, &state, &stop);
    }
    // The thread lives as long as the process.
    let _ = begin_reloads.send(());
    // For people and scripts that started it by hand; whoever reads no output needs no line.
    for entrance in &entrances {
        telemetry::say(&format!("madang: talk to me with: {}", invitation(entrance)));
        tracing::info!(address = %entrance.address, tls = entrance.has_tls, "ready");
    }
    notify::ready(&status_line(&entrances));
    metrics.open_or_retry(&state);
    if is_elsewhere {
        // The configuration names another address: as if it had been changed just now.
        let _ = reload.try_send(());
    }
    running.join().map_err(EngineError::Shard)?;
    drop(control);
    handover::end_successor();
    tracing::info!("drained");
    Ok(())
}

/// Waits until everyone is in their place, and for the server before to let go, where it runs; then lets the
/// shards go on.
fn settle(adopting: Adopting, link: Option<&Successor>, connections: usize) -> Result<(), EngineError> {
    let is_done = adopting.is_done();
    match link {
        Some(_) if !is_done => return Err(EngineError::NotAdopted(Adopting::time_max(connections))),
        Some(link) => link.ready()?,
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
    passed: Passed,
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

/// What systemd is told of a server that serves.
pub fn status_line(entrances: &[Entrance]) -> String {
    let entrances: Vec<_> = entrances.iter().map(ToString::to_string).collect();
    format!("Serving at {}", entrances.join(", "))
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

fn start_options(plan: &Plan) -> StartOptions {
    let config = &plan.config;
    StartOptions {
        data: plan.data.path().to_owned(),
        settings: settings(config, plan.shards),
        processors: plan.processors.clone(),
        durability: config.log.durability,
        segment_bytes: config.log.segment_bytes.number(),
        retention: retention(&config.log),
        spin: spin(&config.shards),
    }
}

/// How long a shard looks for work before it sleeps, if it does.
fn spin(shards: &crate::config::Shards) -> Option<Duration> {
    let spin_us = shards.spin_us.number();
    (spin_us > 0).then(|| Duration::from_micros(spin_us))
}

/// What the configuration asks of all shards.
pub fn settings(config: &Config, shards: u16) -> Settings {
    Settings {
        shard_count: shards,
        lobby: config.rooms.lobby.clone(),
        rooms: RoomLimits {
            members_max: config.rooms.members_max.u32(),
            announce_members_max: config.rooms.announce_members_max.u32(),
            history_on_join: config.rooms.history_on_join.usize(),
            grace: GRACE,
        },
        users: UserLimits { grace: GRACE },
        flood: FloodLimit {
            messages_per_second: config.limits.messages_per_second.u32(),
            burst: config.limits.burst.u32(),
        },
        connections_per_address: config.limits.connections_per_address.u32(),
        ipv6_prefix: u8::try_from(config.limits.ipv6_prefix.u32()).unwrap_or(128),
        outbox_bytes_max: config.limits.outbox_bytes_max.usize(),
        outbox_total_bytes_max: usize::try_from(config.limits.outbox_total_bytes_max.number())
            .unwrap_or(usize::MAX),
        login: Duration::from_secs(config.limits.login_seconds.number()),
    }
}

/// How much of the log is kept.
pub fn retention(log: &crate::config::Log) -> Retention {
    let (days, bytes) = (log.retain_days.number(), log.retain_bytes.number());
    Retention {
        age_max: (days > 0).then(|| Duration::from_secs(days * 86_400)),
        bytes_max: (bytes > 0).then_some(bytes),
    }
}

fn line_settings(plan: &Plan, line_bytes_max: &LineLimit) -> LineSettings {
    LineSettings {
        line_bytes_max: line_bytes_max.clone(),
        lobby: plan.config.rooms.lobby.clone(),
        greeting: LineSettings::GREETING_DEFAULT.into(),
    }
}

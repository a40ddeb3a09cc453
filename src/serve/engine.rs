//! From a plan to running shards, and back to an exit code.

use super::checks::listen_error;
use super::invitation::invitation;
use super::plan::Plan;
use super::signals;
use crate::line::{LineSettings, LineSurface};
use madang_shards::connection::FloodLimit;
use madang_shards::log::{self, OpenLogError, OpenedLog, RecoveryError, Retention, StdFiles};
use madang_shards::room::RoomLimits;
use madang_shards::runtime::{self, Listeners, StartError, StartOptions};
use madang_shards::shard::Settings;
use madang_shards::user::UserLimits;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a name and a membership outlive a lost connection.
const GRACE: Duration = Duration::from_secs(30);

/// Why serving ended otherwise than asked.
#[derive(thiserror::Error, Debug)]
pub enum EngineError {
    /// The log cannot be gone on from.
    #[error(transparent)]
    Log(#[from] OpenLogError),
    /// The address was taken since it was looked at.
    #[error(transparent)]
    Listen(#[from] super::checks::ListenError),
    /// Threads or rings cannot be had.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Signals cannot be heard.
    #[error("cannot install signal handlers: {0}")]
    Signals(std::io::Error),
    /// A shard ended by itself.
    #[error("{0}")]
    Shard(String),
}

impl EngineError {
    /// Whether another start would fail alike: somebody has to see to it first.
    pub fn is_lasting(&self) -> bool {
        matches!(self, EngineError::Log(OpenLogError::Recovery(RecoveryError::Faults(_))))
    }
}

/// Serves until a signal ends it.
///
/// # Errors
/// [`EngineError`] says what stood against it.
pub fn run(plan: &Plan) -> Result<(), EngineError> {
    let opened = open_log(plan.data.path(), plan.shards)?;
    let address = plan.config.listen.line.0;
    let listeners =
        Listeners::bind(address, plan.shards).map_err(|error| listen_error(error.address, error.source))?;
    let address = listeners.address;
    let stops = signals::listen().map_err(EngineError::Signals)?;
    let settings = line_settings(plan);
    let surface = move || LineSurface::new(settings.clone());
    let running = runtime::start(&start_options(plan), listeners, opened, stops, surface)?;
    // For people and scripts that started it by hand; whoever reads no output needs no line.
    let _ = writeln!(std::io::stdout(), "madang: talk to me with: {}", invitation(address));
    tracing::info!(%address, "ready");
    running.join().map_err(EngineError::Shard)?;
    tracing::info!("drained");
    Ok(())
}

fn open_log(data: &Path, shards: u16) -> Result<OpenedLog, OpenLogError> {
    let started = Instant::now();
    let opened = log::open_log(&StdFiles::new(data), shards)?;
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
        settings: Settings {
            shard_count: plan.shards,
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
            outbox_bytes_max: config.limits.outbox_bytes_max.usize(),
            outbox_total_bytes_max: usize::try_from(config.limits.outbox_total_bytes_max.number())
                .unwrap_or(usize::MAX),
            login: Duration::from_secs(config.limits.login_seconds.number()),
        },
        processors: plan.processors.clone(),
        durability: config.log.durability,
        segment_bytes: config.log.segment_bytes.number(),
        retention: retention(&config.log),
        spin: None,
    }
}

fn retention(log: &crate::config::Log) -> Retention {
    let (days, bytes) = (log.retain_days.number(), log.retain_bytes.number());
    Retention {
        age_max: (days > 0).then(|| Duration::from_secs(days * 86_400)),
        bytes_max: (bytes > 0).then_some(bytes),
    }
}

fn line_settings(plan: &Plan) -> LineSettings {
    LineSettings {
        line_bytes_max: plan.config.limits.line_bytes_max.usize(),
        lobby: plan.config.rooms.lobby.clone(),
        greeting: LineSettings::GREETING_DEFAULT.into(),
    }
}

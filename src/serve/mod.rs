//! Serving: check whether this machine can serve, then start the shards.

mod checks;
mod engine;
mod entrances;
mod patience;
mod plan;
mod reload;
mod settings;
pub mod signals;
mod terminate;

use crate::exit_code::EXIT_USAGE;
use crate::handover::Takeover;
use crate::server::pending_signals;
use crate::telemetry::LevelControl;
use crate::version::{COMMIT, VERSION};
use madang_config::Loaded;
use madang_log::Durability;
pub use plan::check;
use plan::{Plan, PlanError};
use signals::Signals;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Serves until the server is stopped. Everything that the operator must know is logged.
pub fn run(
    loaded: Loaded,
    data: PathBuf,
    level: LevelControl,
    takeover: Takeover,
    signals: Signals,
) -> ExitCode {
    match plan::plan(&loaded, &data, takeover) {
        Ok(mut plan) => {
            announce(&plan, &data);
            let old_process = plan.taken_over.as_ref().and_then(|taken| taken.old_process.notifier());
            match engine::run(&mut plan, loaded.sources, level, signals) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    old_process.iter().for_each(|old_process| old_process.report(&error));
                    tracing::error!("{error}");
                    if error.is_lasting() { ExitCode::from(EXIT_USAGE) } else { ExitCode::FAILURE }
                }
            }
        }
        Err(error) => refuse(&error),
    }
}

/// Checks whether [`run`] would resume what a running server leaves, and changes nothing. It also writes the reason
/// against it to standard output, for the process that asks.
pub fn rehearse(loaded: &Loaded, data: &Path, version: u32) -> ExitCode {
    match plan::rehearse(loaded, data, version) {
        Ok(()) => {
            println!("{}", pending_signals::WAITS);
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{error}");
            refuse(&error)
        }
    }
}

fn refuse(error: &PlanError) -> ExitCode {
    // Each line is one mistake, and one event.
    for line in error.to_string().lines() {
        tracing::error!("{line}");
    }
    ExitCode::from(EXIT_USAGE)
}

fn announce(plan: &Plan, data: &Path) {
    tracing::info!(
        version = VERSION,
        commit = COMMIT,
        data = %data.display(),
        shards = plan.shards,
        processors = ?plan.processors,
        connections_max = plan.connections_max,
        "madang starts"
    );
    match plan.config.log.durability {
        Durability::Commit => {}
        Durability::Interval(interval) => tracing::warn!(
            "log.durability is {}: messages are seen before they are synced, and a power cut loses up to \
             the last {} ms of them",
            plan.config.log.durability,
            interval.as_millis()
        ),
        Durability::None => tracing::warn!(
            "log.durability is none: messages are seen before they are synced, and a power cut loses what \
             the kernel had not written, often the last 30 s"
        ),
    }
}

//! Serving: look whether this machine can, then start the shards.

pub mod checks;
mod invitation;
mod plan;

use crate::cli::EXIT_USAGE;
use crate::config::{Config, Durability};
use plan::Plan;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Serves until told to stop. Everything the operator has to know is written as events.
pub fn run(config: Config, data: PathBuf) -> ExitCode {
    match plan::plan(config, &data) {
        Ok(plan) => {
            announce(&plan, &data);
            start_shards(plan)
        }
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::from(EXIT_USAGE)
        }
    }
}

fn announce(plan: &Plan, data: &Path) {
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        data = %data.display(),
        shards = plan.shards,
        processors = ?plan.processors,
        connections_max = plan.connections_max,
        "madang starts"
    );
    match plan.config.log.durability {
        Durability::Commit => {}
        Durability::Interval { millis } => tracing::warn!(
            "log.durability is interval:{millis}ms: messages are seen before they are synced, and a power \
             cut loses up to the last {millis} ms of them"
        ),
        Durability::None => tracing::warn!(
            "log.durability is none: messages are seen before they are synced, and a power cut loses what \
             the kernel had not written, often the last 30 s"
        ),
    }
}

/// The seam to the engine: replaced when `madang_shards::runtime` is joined.
fn start_shards(plan: Plan) -> ExitCode {
    let data = plan.data.path();
    tracing::error!(data = %data.display(), "this build has no engine yet: nothing is served");
    ExitCode::FAILURE
}

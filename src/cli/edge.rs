//! `madang edge`: runs an edge, or checks whether one could run.

use super::options::ConfigOptions;
use crate::data_option::DataOption;
use crate::edge::{self, Ended};
use crate::exit_code::EXIT_USAGE;
use crate::{serve, telemetry};
use clap::Args;
use std::process::ExitCode;

/// Its end is to be followed by another edge (`EX_TEMPFAIL`, sysexits.h).
const EXIT_AGAIN: u8 = 75;
/// It is not to be started again before HTTP is configured.
const EXIT_NOTHING_TO_SERVE: u8 = 3;

/// Run the process that serves HTTP for a running server
#[derive(Args, Debug)]
#[command(
    after_help = "\
Examples:
  madang edge --data /var/lib/madang --config /etc/madang/madang.toml
  madang edge --check

Exit codes: 0 it was stopped; 1 failed while running; 2 the configuration or the machine must be corrected first;
3 there is nothing to serve, without listen.http and listen.https; 75 the server was upgraded, and an edge of the
new version is to be started.",
    long_about = "\
Run the process that serves HTTP (listen.http, listen.https) for the server that runs on the same data.

`madang serve` starts it and starts it again when it ends, unless edge.start is false, as where systemd does \
(madang-edge.service). If it ends, everyone who is connected in another way stays connected. Of several edges of one \
data directory one serves; the others wait until it ends."
)]
pub struct EdgeOptions {
    #[command(flatten)]
    data: DataOption,
    #[command(flatten)]
    config: ConfigOptions,

    /// Only check whether an edge could serve with this configuration, then exit
    #[arg(long)]
    check: bool,

    /// The process that has started this one, with which it ends
    #[arg(long, hide = true, value_name = "PID")]
    parent: Option<u32>,
}

/// Runs `madang edge …`.
pub fn run(options: EdgeOptions) -> ExitCode {
    let data = options.data.to_running();
    let loaded = match options.config.load(Vec::new()) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    if options.check {
        let checked = serve::check(&loaded).map_err(|error| error.to_string());
        let checked = checked.and_then(|_| edge::check(&loaded, &data).map_err(|error| error.to_string()));
        return match checked {
            Ok(()) => {
                println!("an edge can serve");
                ExitCode::SUCCESS
            }
            Err(words) => {
                eprintln!("{words}");
                ExitCode::from(EXIT_USAGE)
            }
        };
    }
    if let Err(error) = telemetry::start(&loaded.config.telemetry) {
        eprintln!("cannot start a thread: {error}; raise TasksMax= or `ulimit -u`");
        return ExitCode::FAILURE;
    }
    match edge::run(&loaded, &data, options.parent) {
        Ok(Ended::Done) => ExitCode::SUCCESS,
        Ok(Ended::NothingToServe) => ExitCode::from(EXIT_NOTHING_TO_SERVE),
        Ok(Ended::Outdated) => ExitCode::from(EXIT_AGAIN),
        Err(error) => {
            tracing::error!("{error}");
            if error.is_lasting() { ExitCode::from(EXIT_USAGE) } else { ExitCode::FAILURE }
        }
    }
}

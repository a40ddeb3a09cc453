//! `madang serve`: its flags, most of which set a key of the configuration, and the data directory.

use super::options::ConfigOptions;
use crate::exit_code::EXIT_USAGE;
use crate::handover::Takeover;
use crate::serve::signals::Signals;
use crate::server::inherited_in_place;
use crate::{data_option, serve, telemetry};
use clap::{ArgAction, Args};
use madang_config::Flag;
use rustix::process::{Signal, set_parent_process_death_signal};
use std::path::PathBuf;
use std::process::ExitCode;

/// Run the server until it is stopped (SIGTERM, Ctrl-C)
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  madang serve --data /var/lib/madang --config /etc/madang/madang.toml
  madang serve --durability interval:50ms   faster, and a power cut may lose the last 50 ms
  MADANG_LISTEN_LINE='[::]:8080' madang serve

If a key is set in several places, --set overrides flags, flags override the environment, and the
environment overrides the file. `madang config default` lists every key of the configuration.")]
pub struct ServeOptions {
    #[command(flatten)]
    config: ConfigOptions,

    /// The data directory; created if missing [default: $MADANG_DATA, or ./madang-data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// The address for `nc` and `telnet` (listen.line)
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,

    /// The number of shards, or "auto" (shards.count)
    #[arg(long, value_name = "N")]
    shards: Option<String>,

    /// When a message may be seen: commit, interval:Nms or none (log.durability)
    #[arg(long, value_name = "MODE")]
    durability: Option<String>,

    /// Take over from the server that runs on the same data: its port, its connections, everything.
    /// Nobody is disconnected. If it fails, the running server continues
    #[arg(long)]
    takeover: bool,

    /// Only test whether this program can take over, then exit
    #[arg(long, hide = true, requires = "takeover")]
    trial: bool,

    /// Only test whether a start would resume what a server with this version of the handover leaves
    #[arg(long, hide = true, value_name = "VERSION")]
    rehearse: Option<u32>,

    /// Log more, first the configuration in force: -v is telemetry.level=debug, -vv is trace
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
}

/// Runs `madang serve …`.
pub fn run(options: ServeOptions) -> ExitCode {
    let level = match options.verbose {
        0 => None,
        1 => Some("debug".to_owned()),
        _ => Some("trace".to_owned()),
    };
    let flags = [
        ("--listen", "listen.line", options.listen),
        ("--shards", "shards.count", options.shards),
        ("--durability", "log.durability", options.durability),
        ("--verbose", "telemetry.level", level),
    ];
    let given =
        flags.into_iter().filter_map(|(flag, key, value)| value.map(|value| Flag { flag, key, value }));
    let loaded = match options.config.try_load(given.collect()) {
        Ok(loaded) => loaded,
        Err(errors) => {
            eprintln!("{errors}");
            if options.rehearse.is_some() {
                println!("{errors}");
            }
            return ExitCode::from(EXIT_USAGE);
        }
    };
    if options.trial {
        // So that the trial ends when the process that started it ends.
        let _ = set_parent_process_death_signal(Some(Signal::KILL));
    }
    let started = Signals::take(inherited_in_place().is_some())
        .and_then(|signals| Ok((signals, telemetry::start(&loaded.config.telemetry)?)));
    let (signals, level) = match started {
        Ok(started) => started,
        Err(error) => {
            eprintln!("cannot start a thread: {error}; raise TasksMax= or `ulimit -u`");
            return ExitCode::FAILURE;
        }
    };
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    // With more verbosity the log begins with the values in force.
    for line in madang_config::effective(&loaded).lines() {
        tracing::debug!("{line}");
    }
    let data = data_option::to_serve(options.data);
    if let Some(version) = options.rehearse {
        return serve::rehearse(&loaded, &data, version);
    }
    let takeover = match (options.takeover, options.trial) {
        (false, _) => Takeover::No,
        (true, false) => Takeover::Yes,
        (true, true) => Takeover::Trial,
    };
    serve::run(loaded, data, level, takeover, signals)
}

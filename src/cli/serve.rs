//! `madang serve`: its flags, each of which stands for a key of the configuration, and the data
//! directory.

use super::options::ConfigOptions;
use crate::exit_code::EXIT_USAGE;
use crate::handover::Takeover;
use crate::serve::signals::Signals;
use crate::server::left_here;
use crate::{data_option, serve, telemetry};
use clap::{ArgAction, Args};
use madang_config::Flag;
use rustix::process::{Signal, set_parent_process_death_signal};
use std::path::PathBuf;
use std::process::ExitCode;

/// Run the server until it is told to stop (SIGTERM, Ctrl-C)
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  madang serve --data /var/lib/madang --config /etc/madang/madang.toml
  madang serve --durability interval:50ms   faster, and a power cut may lose the last 50 ms
  MADANG_LISTEN_LINE='[::]:8080' madang serve

What is set in several places: --set wins over flags, flags over the environment, the
environment over the file. Every key of the configuration is listed by `madang config default`.")]
pub struct ServeOptions {
    #[command(flatten)]
    config: ConfigOptions,

    /// The directory of the data; created if missing [default: $MADANG_DATA, or ./madang-data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// Where `nc` and `telnet` come in (listen.line)
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,

    /// How many shards, or "auto" (shards.count)
    #[arg(long, value_name = "N")]
    shards: Option<String>,

    /// When a message may be seen: commit, interval:Nms or none (log.durability)
    #[arg(long, value_name = "MODE")]
    durability: Option<String>,

    /// Take over from the server that runs on the same data: its port, its connections, everything.
    /// Nobody is disconnected. If this one cannot, that one carries on
    #[arg(long)]
    takeover: bool,

    /// Only show that this program can take over: it ends when it could
    #[arg(long, hide = true, requires = "takeover")]
    trial: bool,

    /// Only look whether a start would go on with what a server leaves that speaks this version of the handover
    #[arg(long, hide = true, value_name = "VERSION")]
    rehearse: Option<u32>,

    /// Say more, what holds of the configuration first: -v is telemetry.level=debug, -vv is trace
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
}

/// Answers `madang serve …`.
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
        // Whatever becomes of who tries it.
        let _ = set_parent_process_death_signal(Some(Signal::KILL));
    }
    let started = Signals::take(left_here().is_some())
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
    // Whoever asks for more first wants to know what holds.
    for line in madang_config::effective(&loaded).lines() {
        tracing::debug!("{line}");
    }
    if let Some(version) = options.rehearse {
        return serve::rehearse(&loaded, version);
    }
    let takeover = match (options.takeover, options.trial) {
        (false, _) => Takeover::No,
        (true, false) => Takeover::Yes,
        (true, true) => Takeover::Trial,
    };
    serve::run(loaded, data_option::to_serve(options.data), level, takeover, signals)
}

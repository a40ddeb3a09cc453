//! What the operator is told: events on standard error, and the last words of a panic.

use crate::config::{Format, Level, Telemetry};
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal};
use std::panic::{self, PanicHookInfo};
use tracing_subscriber::filter::LevelFilter;

/// Starts writing events and reporting panics. Called once, before other threads start.
pub fn start(telemetry: &Telemetry) {
    let builder = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_max_level(filter(telemetry.level))
        .with_ansi(is_coloured());
    match telemetry.format {
        Format::Json => builder.json().flatten_event(true).init(),
        Format::Text if is_journal() => builder.without_time().with_target(false).init(),
        Format::Text => builder.with_target(false).init(),
    }
    panic::set_hook(Box::new(end_loudly));
}

fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
}

/// Escapes are for eyes, and only for those that want them (<https://no-color.org>).
fn is_coloured() -> bool {
    let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    io::stderr().is_terminal() && !is_unwanted && !is_dumb
}

/// Whether standard error is the journal, which stamps each line with its own time. The variable
/// is inherited by processes whose output goes elsewhere, so the file behind it decides
/// (systemd.exec(5), `$JOURNAL_STREAM`).
fn is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    rustix::fs::fstat(io::stderr()).is_ok_and(|stat| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// A half-alive server is worse than a restart, and what was acknowledged is on disk.
fn end_loudly(info: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let message = info.payload_as_str().unwrap_or("(no message)");
    let location = info.location().map_or_else(|| "(unknown place)".to_owned(), ToString::to_string);
    tracing::error!(
        thread = thread.name().unwrap_or("(unnamed)"),
        location,
        "panic: {message}; this is a fault of madang: the process ends, and systemd restarts it"
    );
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        eprintln!("{backtrace}");
    }
    std::process::abort();
}

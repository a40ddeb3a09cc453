//! Telemetry for the operator: events on standard error, panic messages, and metrics.

mod journal;
mod lines;
pub mod metrics;
mod repeats;

use crate::terminal::is_styled;
use journal::Leveled;
pub use lines::say;
use lines::{Handle, Lines};
use madang_config::{Format, Level, Telemetry};
use repeats::{Limited, Repeats};
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io;
use std::panic::{self, PanicHookInfo};
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, reload};

/// The repeated events that were left out; set when logging starts.
static REPEATS: OnceLock<Arc<Repeats>> = OnceLock::new();
/// The queue of lines; set when logging starts.
static LINES: OnceLock<Arc<Lines>> = OnceLock::new();

/// Changes the log level.
pub type LevelControl = Box<dyn Fn(Level) + Send>;

/// Starts writing events and reporting panics. Called once, before other threads start. Lines that are not written
/// when the process ends are written then, within a second.
///
/// # Errors
/// If the writing thread cannot be started.
pub fn start(telemetry: &Telemetry) -> io::Result<LevelControl> {
    let lines = Lines::start()?;
    let lines = Arc::clone(LINES.get_or_init(|| lines));
    // SAFETY: the handler is a function for the whole life of the process, and unwinds nowhere (atexit(3)).
    unsafe {
        libc::atexit(flush_at_exit);
    }
    panic::set_hook(Box::new(log_panic_and_abort));
    let (filter, handle) = reload::Layer::new(filter(telemetry.level));
    let layer = fmt::layer().with_writer(Handle(lines)).with_ansi(is_styled(&io::stderr()));
    // The journal adds its own time.
    let layer = match (telemetry.format, is_journal()) {
        (Format::Json, false) => layer.json().flatten_event(true).boxed(),
        (Format::Json, true) => {
            layer.json().event_format(Leveled(format().json().flatten_event(true).without_time())).boxed()
        }
        (Format::Text, false) => layer.with_target(false).boxed(),
        (Format::Text, true) => {
            layer.event_format(Leveled(format().without_time().with_target(false).with_ansi(false))).boxed()
        }
    };
    let repeats = Arc::clone(REPEATS.get_or_init(Arc::default));
    tracing_subscriber::registry().with(filter).with(layer.with_filter(Limited(repeats))).init();
    // Fails only if the subscriber is gone, which lives as long as the process.
    Ok(Box::new(move |level| drop(handle.reload(self::filter(level)))))
}

/// Lines that were dropped so far because nobody read or stored them.
pub fn lines_dropped() -> u64 {
    LINES.get().map_or(0, |lines| lines.dropped())
}

/// Writes a line of another process, with its line end, as it is.
pub fn pass_on(line: &[u8]) {
    if let Some(lines) = LINES.get() {
        lines.push(line);
    }
}

extern "C" fn flush_at_exit() {
    flush();
}

/// Waits a moment for unwritten lines. Also used before the process executes another program.
pub fn flush() {
    if let Some(lines) = LINES.get() {
        lines.flush();
    }
}

/// Reports the events that were left out since the last call. To be called about once a second.
pub fn report_repeats() {
    let left_out = REPEATS.get().map(|repeats| repeats.take(Instant::now()));
    for repeats::LeftOut { words, count } in left_out.into_iter().flatten() {
        tracing::warn!(count, "more events like this were left out: {words}");
    }
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

/// Whether standard error is the journal, which adds its own time to each line. The variable
/// is inherited by processes whose output goes elsewhere, so the file behind it decides
/// (systemd.exec(5), `$JOURNAL_STREAM`).
fn is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    rustix::fs::fstat(io::stderr()).is_ok_and(|stat| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// Logs the panic and ends the process: a partly working server is worse than a restart, and acknowledged messages
/// are on disk.
fn log_panic_and_abort(info: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let message = info.payload_as_str().unwrap_or("(no message)");
    let location = info.location().map_or_else(|| "(unknown place)".to_owned(), ToString::to_string);
    tracing::error!(
        thread = thread.name().unwrap_or("(unnamed)"),
        location,
        "panic: {message}; this is a bug in madang: the process ends, and systemd restarts it"
    );
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        let text = format!("{backtrace}\n");
        LINES.get().into_iter().for_each(|lines| lines.push(text.as_bytes()));
    }
    flush();
    std::process::abort();
}

//! The log by itself: how fast it is opened, appended to, read and exported, and what it takes.
//!
//! Only here the log's crate is used: its appender writes the millions of messages that a server would take
//! minutes for. All that is measured is measured on the real program.

mod append;
mod client;
mod cold;
mod export;
mod files;
mod options;
mod page;
mod server;
mod space;
mod start;
mod write;

pub(crate) use options::LogOptions;
use options::LogPart;
pub(crate) use write::{LogPlan, write};

use crate::error::BenchError;
use crate::results::{Better, Measurement, Metric};
use crate::watch::{Progress, Stop};
use server::LogServer;
use std::path::Path;

/// What every part is given.
struct Part<'a> {
    options: &'a LogOptions,
    /// The program to run.
    program: &'a Path,
    /// Where everything is written; removed at the end.
    directory: &'a Path,
    progress: &'a mut dyn Progress,
    stop: &'a Stop,
}

/// Measures one part of the log on a temporary directory, which is removed at the end, also when `stop`
/// is asked: then `found` holds what was measured until then.
///
/// # Errors
/// [`BenchError`] when the program cannot be run or the disk cannot be used; [`BenchError::Stopped`].
pub(crate) fn measure(
    options: &LogOptions,
    program: &Path,
    progress: &mut dyn Progress,
    stop: &Stop,
    found: &mut Measurement,
) -> Result<(), BenchError> {
    let mut make = tempfile::Builder::new();
    make.prefix("madang-bench-log-");
    let made = options.dir.as_ref().map_or_else(|| make.tempdir(), |within| make.tempdir_in(within));
    let directory =
        made.map_err(BenchError::system("make a temporary directory; name another with --dir"))?;
    let mut part = Part { options, program, directory: directory.path(), progress, stop };
    match options.part {
        LogPart::Starts => start::measure(&mut part, found),
        LogPart::Pages => page::measure(&mut part, found),
        LogPart::Saturated => append::measure_saturated(&mut part, found),
        LogPart::Rest => append::measure_at_rest(&mut part, found),
    }
}

impl Part<'_> {
    /// A server on `data`, with its own number of shards when `shards` is `None`.
    fn server(&self, data: &Path, shards: Option<u16>) -> Result<LogServer, BenchError> {
        LogServer::start(self.program, data, shards, self.options.segment_bytes())
    }

    /// Writes a log, which is the first half of the part.
    fn write(&mut self, plan: &write::LogPlan<'_>) -> Result<(), BenchError> {
        write::write(plan, &mut |share| {
            self.show("writing the log", 0.5 * share);
            self.go_on()
        })
    }

    fn show(&mut self, what: &str, share: f64) {
        self.progress.show(what, share);
    }

    /// Ends the part when somebody asked for it.
    fn go_on(&self) -> Result<(), BenchError> {
        if self.stop.is_asked() { Err(BenchError::Stopped) } else { Ok(()) }
    }
}

fn metric(key: &'static str, label: &str, value: f64, unit: &'static str, better: Better) -> Metric {
    let decimals = if value >= 1000.0 { 0 } else { 1 };
    Metric { key, label: label.to_owned(), value, unit, decimals, better }
}

//! The log by itself: how fast it is opened, appended to, read and exported, and what it takes.
//!
//! The only workload that uses the engine: its appender writes the ten million messages that a server
//! would take minutes for. All that is measured is measured on the real program.

mod append;
mod client;
mod export;
mod files;
mod options;
mod page;
mod server;
mod space;
mod start;
mod write;

pub use options::LogOptions;

use crate::error::BenchError;
use crate::results::{Better, Faults, Measurement, Metric, Parameter};
use crate::watch::{Progress, Stop};
use std::path::Path;

/// Measures one part; `None` when it was stopped before there was anything to tell.
type Measure = fn(&mut Part<'_>) -> Result<Option<Measurement>, BenchError>;

/// What every part is given.
struct Part<'a> {
    options: &'a LogOptions,
    /// Where everything is written; removed at the end.
    directory: &'a Path,
    progress: &'a mut dyn Progress,
    stop: &'a Stop,
}

/// Measures the log on a temporary directory, which is removed at the end, also when `stop` is asked:
/// then what was measured until then is returned, and says so.
///
/// # Errors
/// [`BenchError`] when the program cannot be run or the disk cannot be used.
pub fn run_log(
    options: &LogOptions,
    progress: &mut dyn Progress,
    stop: &Stop,
) -> Result<Vec<Measurement>, BenchError> {
    options.check()?;
    let mut make = tempfile::Builder::new();
    make.prefix("madang-bench-log-");
    let made = options.directory.as_ref().map_or_else(|| make.tempdir(), |within| make.tempdir_in(within));
    let directory =
        made.map_err(BenchError::system("make a temporary directory; name another with --dir"))?;
    let mut part = Part { options, directory: directory.path(), progress, stop };
    let parts: [Measure; 4] =
        [start::measure, page::measure, append::measure_saturated, append::measure_at_rest];
    let mut measurements = Vec::new();
    for measure in parts {
        match measure(&mut part)? {
            Some(measurement) => measurements.push(measurement),
            None => break,
        }
    }
    if stop.is_asked() {
        measurements.iter_mut().for_each(|measurement| measurement.is_cut_short = true);
    }
    Ok(measurements)
}

impl Part<'_> {
    fn show(&mut self, what: &str, share: f64) {
        self.progress.show(what, share);
    }

    /// A measurement without figures yet.
    fn measurement(&self, title: String) -> Measurement {
        let parameter = |name, value: u64| Parameter { name, value: value.to_string() };
        Measurement {
            workload: "log",
            title,
            server: "madang".to_owned(),
            parameters: vec![
                parameter("messages", self.options.messages),
                parameter("rooms", self.options.rooms),
            ],
            metrics: Vec::new(),
            latencies: Vec::new(),
            series: Vec::new(),
            faults: Faults::default(),
            load_limit: None,
            notes: Vec::new(),
            is_cut_short: false,
        }
    }
}

fn metric(key: &'static str, label: &str, value: f64, unit: &'static str, better: Better) -> Metric {
    let decimals = if value >= 1000.0 { 0 } else { 1 };
    Metric { key, label: label.to_owned(), value, unit, decimals, better }
}

//! The workloads that exist, behind the agreed interface.

use crate::echo;
use crate::error::BenchError;
use crate::fan_out::{self, FanOutReport};
use crate::idle;
use crate::results::{Better, Faults, Latency, Measurement, Metric};
use crate::target::Target;
use crate::watch::{Progress, Stop};
use crate::workload::Workload;
use std::time::Duration;

/// The generator's own floor: an echo peer in this process (bare sockets, no chat), measured with
/// the same code.
///
/// # Errors
/// [`BenchError`] when it cannot be measured.
pub fn measure_floor(
    _duration: Duration,
    _size_bytes: usize,
    _progress: &mut dyn Progress,
    _stop: &Stop,
) -> Result<Measurement, BenchError> {
    Err(BenchError::Unsupported { workload: "floor", protocol: "madang" })
}

pub(crate) fn measure(
    workload: &Workload,
    target: &Target,
    progress: &mut dyn Progress,
    _stop: &Stop,
) -> Result<Measurement, BenchError> {
    progress.show(&workload.title(), 0.0);
    let mut found = Measurement {
        workload: workload.name(),
        title: workload.title(),
        server: target.label().to_owned(),
        parameters: workload.parameters(),
        metrics: Vec::new(),
        latencies: Vec::new(),
        series: Vec::new(),
        faults: Faults::default(),
        load_limit: None,
        notes: Vec::new(),
        is_cut_short: false,
    };
    match workload {
        Workload::Echo(options) => {
            let (duration, size_bytes) = (options.duration, options.size_bytes);
            let report = echo::run_echo(&echo::EchoOptions { target: target.clone(), duration, size_bytes })?;
            add(&mut found, report.fan_out());
        }
        Workload::FanOut(options) => {
            let report = fan_out::run_fan_out(&fan_out::FanOutOptions {
                target: target.clone(),
                rooms: options.rooms,
                members: options.members,
                size_bytes: options.size_bytes,
                duration: options.duration,
                pace: options.pace,
            })?;
            add(&mut found, &report);
        }
        Workload::Idle(options) => {
            let connections = options.connections;
            let report = idle::run_idle(&idle::IdleOptions { target: target.clone(), connections })?;
            let mut metric = |key, label: &str, value, unit, better| {
                let label = label.to_owned();
                found.metrics.push(Metric { key, label, value, unit, decimals: 0, better });
            };
            let accepts = report.entries_per_second();
            metric("accepts_per_second", "accepted and named a second", accepts, "/s", Better::Higher);
            if let Some(bytes) = report.resident_bytes_per_connection() {
                let label = "server memory a connection";
                metric("resident_bytes_per_connection", label, bytes, "bytes", Better::Lower);
            }
        }
        other => {
            return Err(BenchError::Unsupported {
                workload: other.name(),
                protocol: target.protocol().name(),
            });
        }
    }
    progress.show(&workload.title(), 1.0);
    Ok(found)
}

fn add(found: &mut Measurement, report: &FanOutReport) {
    let faults = report.faults();
    found.faults = Faults {
        lost: faults.lost,
        repeated: faults.repeated,
        disordered: faults.disordered + faults.rooms_in_disagreement,
        damaged: faults.damaged,
        examples: Vec::new(),
    };
    let mut metric = |key, label: &str, value, unit, decimals, better| {
        found.metrics.push(Metric { key, label: label.to_owned(), value, unit, decimals, better });
    };
    metric("messages", "messages", report.messages() as f64, "", 0, Better::Neither);
    metric("deliveries", "deliveries", report.deliveries() as f64, "", 0, Better::Neither);
    let per_second = report.deliveries_per_second();
    metric("deliveries_per_second", "deliveries a second", per_second, "/s", 0, Better::Higher);
    if let Some(each_us) = report.server_time_us_per_delivery() {
        metric("server_cpu_us_per_delivery", "server CPU per delivery", each_us, "µs", 3, Better::Lower);
    }
    let histogram_ns = report.latency_ns().clone();
    found.latencies.push(Latency {
        key: "delivery",
        label: "latency".to_owned(),
        histogram_ns,
        is_compared: true,
    });
}

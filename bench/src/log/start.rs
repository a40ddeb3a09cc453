//! How long a start takes, and what the server then holds; then what tools make of the same log.

use super::server::LogServer;
use super::write::LogPlan;
use super::{Part, export, metric, space};
use crate::error::BenchError;
use crate::machine::ProcessMemory;
use crate::results::{Better, Measurement};
use std::path::Path;
use std::thread::available_parallelism;
use std::time::Instant;

/// A way in which the server's last run ended, and the keys of what is measured then.
struct Way {
    how: &'static str,
    /// How much of the whole is done before it.
    done: f64,
    time: &'static str,
    resident: &'static str,
    per_room: Option<&'static str>,
}

const FROM_INDEXES: Way = Way {
    how: "indexes only",
    done: 0.5,
    time: "start_indexes_ms",
    resident: "start_indexes_resident_mib",
    per_room: Some("start_indexes_bytes_per_room"),
};
const AFTER_KILL: Way = Way {
    how: "after kill -9, with a snapshot",
    done: 0.6,
    time: "start_crash_ms",
    resident: "start_crash_resident_mib",
    per_room: None,
};
const AFTER_STOP: Way = Way {
    how: "after a clean stop",
    done: 0.6,
    time: "start_clean_ms",
    resident: "start_clean_resident_mib",
    per_room: Some("start_clean_bytes_per_room"),
};

/// The large log: started from in every way, verified, exported and weighed.
pub(super) fn measure(part: &mut Part<'_>, measurement: &mut Measurement) -> Result<(), BenchError> {
    let data = part.directory.join("large");
    let shard_count = available_parallelism().map_or(1, |count| count.get() as u16);
    let (rooms, messages) = (part.options.rooms, part.options.messages);
    let plan = LogPlan { data: &data, shard_count, rooms, messages };
    let began = Instant::now();
    part.write(&plan)?;
    let took = began.elapsed();
    let rate = messages as f64 / took.as_secs_f64();
    measurement.metrics.push(metric(
        "write_messages_per_second",
        "written by the engine's appender, with indexes",
        rate,
        "/s",
        Better::Higher,
    ));
    let empty = part.directory.join("empty");
    let nothing = resident_after(part, &empty)?;

    start(part, measurement, &data, &FROM_INDEXES, nothing)?.kill()?;
    part.go_on()?;
    start(part, measurement, &data, &AFTER_KILL, nothing)?.stop()?;
    start(part, measurement, &data, &AFTER_STOP, nothing)?.stop()?;
    part.go_on()?;
    export::measure(part, &data, measurement)?;
    space::weigh(&data, space::LARGE, "large log", measurement)?;
    measurement.notes.push(format!(
        "{shard_count} shards; memory is VmRSS; per room: after subtracting that of a server without rooms ({:.1} MiB)",
        nothing as f64 / f64::from(1 << 20)
    ));
    Ok(())
}

/// What a server holds that has nothing in its log.
fn resident_after(part: &Part<'_>, data: &Path) -> Result<u64, BenchError> {
    let server = part.server(data, None)?;
    let memory = ProcessMemory::read(server.pid())?;
    server.stop()?;
    Ok(memory.resident_bytes)
}

/// Starts a server on the log, reports how long that took and what the server then holds.
fn start(
    part: &mut Part<'_>,
    measurement: &mut Measurement,
    data: &Path,
    way: &Way,
    nothing: u64,
) -> Result<LogServer, BenchError> {
    part.show(&format!("starting: {}", way.how), way.done);
    let server = part.server(data, None)?;
    let resident = ProcessMemory::read(server.pid())?.resident_bytes as f64;
    let milliseconds = server.ready_after.as_secs_f64() * 1e3;
    let how = way.how;
    let label = format!("process start to ready, {how}");
    measurement.metrics.push(metric(way.time, &label, milliseconds, "ms", Better::Lower));
    let label = format!("resident memory then, {how}");
    let mebibytes = resident / f64::from(1 << 20);
    measurement.metrics.push(metric(way.resident, &label, mebibytes, "MiB", Better::Lower));
    if let Some(key) = way.per_room {
        let label = format!("resident memory per idle room, {how}");
        let bytes = (resident - nothing as f64) / part.options.rooms as f64;
        measurement.metrics.push(metric(key, &label, bytes, "bytes", Better::Lower));
    }
    Ok(server)
}

//! How long a start takes, and what the server then holds; then what tools make of the same log.

use super::server::LogServer;
use super::write::Plan;
use super::{Part, export, metric, space};
use crate::error::BenchError;
use crate::machine::ProcessMemory;
use crate::results::{Better, Measurement};
use std::thread::available_parallelism;
use std::time::Instant;

/// The large log: started from in every way, verified, exported and weighed.
pub(super) fn measure(part: &mut Part<'_>, measurement: &mut Measurement) -> Result<(), BenchError> {
    let data = part.directory.join("large");
    let shard_count = available_parallelism().map_or(1, |count| count.get() as u16);
    let (rooms, messages) = (part.options.rooms, part.options.messages);
    let plan = Plan { data: &data, shard_count, rooms, messages };
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

    part.show("starting from indexes only", 0.5);
    let first = part.server(&data, None)?;
    let memory = ProcessMemory::read(first.pid())?;
    let per_room = (memory.resident_bytes as f64 - nothing as f64) / rooms as f64;
    start_metrics(
        measurement,
        ["start_indexes_ms", "start_indexes_resident_mib"],
        "indexes only",
        &first,
        memory,
    );
    measurement.metrics.push(metric(
        "start_indexes_bytes_per_room",
        "the same for each room at rest, indexes only",
        per_room,
        "bytes",
        Better::Lower,
    ));
    first.kill()?;
    part.go_on()?;
    part.show("starting after kill -9", 0.6);
    let crashed = part.server(&data, None)?;
    let memory = ProcessMemory::read(crashed.pid())?;
    start_metrics(
        measurement,
        ["start_crash_ms", "start_crash_resident_mib"],
        "after kill -9, with a snapshot",
        &crashed,
        memory,
    );
    crashed.stop()?;
    part.show("starting after a clean stop", 0.6);
    let clean = part.server(&data, None)?;
    let memory = ProcessMemory::read(clean.pid())?;
    let per_room = (memory.resident_bytes as f64 - nothing as f64) / rooms as f64;
    start_metrics(
        measurement,
        ["start_clean_ms", "start_clean_resident_mib"],
        "after a clean stop",
        &clean,
        memory,
    );
    measurement.metrics.push(metric(
        "start_clean_bytes_per_room",
        "the same for each room at rest, after a clean stop",
        per_room,
        "bytes",
        Better::Lower,
    ));
    clean.stop()?;
    part.go_on()?;
    export::measure(part, &data, measurement)?;
    space::weigh(&data, space::LARGE, "large log", measurement)?;
    measurement.notes.push(format!(
        "{shard_count} shards; memory is VmRSS; for each room: less that of a server without any ({:.1} MiB)",
        nothing as f64 / f64::from(1 << 20)
    ));
    Ok(())
}

/// What a server holds that has nothing in its log.
fn resident_after(part: &Part<'_>, data: &std::path::Path) -> Result<u64, BenchError> {
    let server = part.server(data, None)?;
    let memory = ProcessMemory::read(server.pid())?;
    server.stop()?;
    Ok(memory.resident_bytes)
}

fn start_metrics(
    measurement: &mut Measurement,
    [time, resident]: [&'static str; 2],
    how: &str,
    server: &LogServer,
    memory: ProcessMemory,
) {
    let milliseconds = server.ready_after.as_secs_f64() * 1e3;
    let mebibytes = memory.resident_bytes as f64 / f64::from(1 << 20);
    let label = format!("process start to ready, {how}");
    measurement.metrics.push(metric(time, &label, milliseconds, "ms", Better::Lower));
    let label = format!("resident then, {how}");
    measurement.metrics.push(metric(resident, &label, mebibytes, "MiB", Better::Lower));
}

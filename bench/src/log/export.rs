//! How fast the tools read a log, beside what the disk writes by itself.

use super::{Part, files, metric};
use crate::error::BenchError;
use crate::results::{Better, Measurement};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const CHUNK_BYTES: usize = 1 << 20;

pub(super) fn measure(
    part: &mut Part<'_>,
    data: &Path,
    measurement: &mut Measurement,
) -> Result<(), BenchError> {
    let segments = files::ending(data, "seg")?;
    let log_bytes = files::bytes(&segments);
    let output = part.directory.join("export.jsonl");
    part.show("exporting", 0.65);
    let mut command = Command::new(part.program);
    command.args(["log", "export", "--all", "--format", "jsonl", "--data"]).arg(data);
    let took = timed(&mut command, Some(&output))?;
    let exported_bytes = files::bytes(std::slice::from_ref(&output));
    part.show("writing as much with the disk alone", 0.8);
    let own = sequential_write(&part.directory.join("sequential"), exported_bytes)?;
    fs::remove_file(&output).map_err(BenchError::system(format!("remove '{}'", output.display())))?;
    part.show("verifying", 0.9);
    let mut command = Command::new(part.program);
    command.args(["log", "verify", "--data"]).arg(data);
    let verified = timed(&mut command, None)?;
    let rate = |bytes: u64, took: Duration| bytes as f64 / 1e6 / took.as_secs_f64();
    let rows = [
        (
            "export_segment_mb_per_second",
            "export as JSON Lines to a file, segments read",
            rate(log_bytes, took),
        ),
        ("export_output_mb_per_second", "the same, JSON Lines written", rate(exported_bytes, took)),
        (
            "disk_write_mb_per_second",
            "the disk alone: a sequential write of as much",
            rate(exported_bytes, own),
        ),
        ("verify_mb_per_second", "verify", rate(log_bytes, verified)),
    ];
    for (key, label, value) in rows {
        measurement.metrics.push(metric(key, label, value, "MB/s", Better::Higher));
    }
    measurement.notes.push(
        "export and the write of the disk alone both end with a sync; segments may be in the page cache"
            .to_owned(),
    );
    Ok(())
}

/// Runs a tool to its end, and syncs what it wrote.
fn timed(command: &mut Command, output: Option<&Path>) -> Result<Duration, BenchError> {
    let file = match output {
        Some(path) => {
            Some(File::create(path).map_err(BenchError::system(format!("write '{}'", path.display())))?)
        }
        None => None,
    };
    let sink = match &file {
        Some(file) => Stdio::from(file.try_clone().map_err(BenchError::system("share a file"))?),
        None => Stdio::null(),
    };
    let began = Instant::now();
    let child = command.stdin(Stdio::null()).stdout(sink).stderr(Stdio::piped());
    let done = child.output().map_err(BenchError::system("run `madang log`"))?;
    if let Some(file) = file {
        file.sync_data().map_err(BenchError::system("sync an export"))?;
    }
    let took = began.elapsed();
    if done.status.success() {
        return Ok(took);
    }
    let last_words = String::from_utf8_lossy(&done.stderr).into_owned();
    Err(BenchError::OwnServer { what: format!("(a tool) ended with {}", done.status), last_words })
}

fn sequential_write(path: &Path, bytes: u64) -> Result<Duration, BenchError> {
    let chunk = vec![b'x'; CHUNK_BYTES];
    let write = || -> std::io::Result<Duration> {
        let began = Instant::now();
        let mut file = File::create(path)?;
        let mut left = bytes;
        while left > 0 {
            let now = left.min(CHUNK_BYTES as u64);
            file.write_all(&chunk[..now as usize])?;
            left -= now;
        }
        file.sync_data()?;
        let took = began.elapsed();
        fs::remove_file(path)?;
        Ok(took)
    };
    write().map_err(BenchError::system(format!("write '{}'; name a larger disk with --dir", path.display())))
}

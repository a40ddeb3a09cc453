//! What a device takes for a small synced write: no idle server that syncs first can be faster.

use crate::error::BenchError;
use crate::watch::Stop;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// One block of most file systems.
const WRITE_BYTES: usize = 4_096;
/// Writes at most, each to a block of its own: a file filled with zeros before, as the log's is.
const WRITES_MAX: u64 = 1_000;

/// How long `write` and `fdatasync` took together.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SyncTime {
    /// How many were timed.
    pub samples: u64,
    /// Bytes of each write.
    pub write_bytes: u64,
    /// Half took no longer, in microseconds.
    pub p50_us: f64,
    /// All but one of a hundred took no longer, in microseconds.
    pub p99_us: f64,
    /// The longest, in microseconds.
    pub max_us: f64,
}

impl SyncTime {
    /// Writes to a file without a name in `directory`, for `duration` at most.
    ///
    /// # Errors
    /// [`BenchError::System`] when there can be no such file, or it cannot be synced.
    pub fn measure(
        directory: &Path,
        duration: Duration,
        stop: &Stop,
    ) -> Result<Option<SyncTime>, BenchError> {
        let failed = || format!("measure a synced write in '{}'", directory.display());
        let mut file = tempfile::tempfile_in(directory).map_err(BenchError::system(failed()))?;
        let zeros = vec![0; WRITE_BYTES * WRITES_MAX as usize];
        file.write_all(&zeros).and_then(|()| file.sync_all()).map_err(BenchError::system(failed()))?;
        let block = [0x5a; WRITE_BYTES];
        let mut times_ns = Histogram::<u64>::new(3).map_err(|error| {
            BenchError::system::<std::io::Error>(failed())(std::io::Error::other(error.to_string()))
        })?;
        let began = Instant::now();
        for number in 0..WRITES_MAX {
            if began.elapsed() >= duration || stop.is_asked() {
                break;
            }
            let started = Instant::now();
            file.write_all_at(&block, number * WRITE_BYTES as u64)
                .and_then(|()| file.sync_data())
                .map_err(BenchError::system(failed()))?;
            // A histogram that grows takes any time.
            let _ = times_ns.record(started.elapsed().as_nanos() as u64);
        }
        let at_us = |quantile| times_ns.value_at_quantile(quantile) as f64 / 1e3;
        Ok((!times_ns.is_empty()).then(|| SyncTime {
            samples: times_ns.len(),
            write_bytes: WRITE_BYTES as u64,
            p50_us: at_us(0.5),
            p99_us: at_us(0.99),
            max_us: times_ns.max() as f64 / 1e3,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(200);

    #[test]
    fn synced_writes_take_time_and_leave_nothing_behind() {
        let directory = tempfile::tempdir().expect("a directory");
        let stop = Stop::new();
        let measured =
            SyncTime::measure(directory.path(), SOON, &stop).expect("a device").expect("some time");
        assert!(measured.samples > 0 && measured.p50_us <= measured.p99_us && measured.p50_us > 0.1);
        assert_eq!(std::fs::read_dir(directory.path()).expect("a directory").count(), 0);
        stop.ask();
        assert_eq!(SyncTime::measure(directory.path(), SOON, &stop).expect("a device"), None);
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let refusal = SyncTime::measure(Path::new("/nowhere"), SOON, &Stop::new()).expect_err("no directory");
        assert!(refusal.to_string().contains("'/nowhere'"), "{refusal}");
    }
}

//! The percentile files of HdrHistogram, which its plotters read.
//!
//! As Java's `AbstractHistogram.outputPercentileDistribution` writes them, with five steps for each
//! halving of what is left, in milliseconds.

use super::{OutputDirectory, OutputError};
use crate::results::{Column, Latency, Run};
use hdrhistogram::Histogram;
use std::fmt::Write;

/// Steps for each halving of the distance to 100 %.
const TICKS_PER_HALF: u32 = 5;
const NS_PER_MS: f64 = 1e6;
/// The longest name of a file that is made of a server's name, in bytes.
const NAME_BYTES_MAX: usize = 80;

/// The percentiles of some times in nanoseconds.
pub fn percentile_text(times_ns: &Histogram<u64>) -> String {
    let mut text =
        format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let mut count = 0;
    for step in times_ns.iter_quantiles(TICKS_PER_HALF) {
        count += step.count_since_last_iteration();
        let (value_ms, quantile) = (step.value_iterated_to() as f64 / NS_PER_MS, step.quantile_iterated_to());
        // Writing to a string does not fail.
        let _ = if quantile < 1.0 {
            writeln!(text, "{value_ms:12.6} {quantile:2.12} {count:10} {:14.2}", 1.0 / (1.0 - quantile))
        } else {
            writeln!(text, "{value_ms:12.6} {quantile:2.12} {count:10}")
        };
    }
    let (mean_ms, deviation_ms) = (times_ns.mean() / NS_PER_MS, times_ns.stdev() / NS_PER_MS);
    let max_ms = times_ns.max() as f64 / NS_PER_MS;
    let _ = write!(
        text,
        "#[Mean    = {mean_ms:12.6}, StdDeviation   = {deviation_ms:12.6}]\n\
         #[Max     = {max_ms:12.6}, Total count    = {:12}]\n\
         #[Buckets = {:12}, SubBuckets     = {:12}]\n",
        times_ns.len(),
        times_ns.buckets(),
        sub_buckets(times_ns),
    );
    text
}

/// As many as the resolution takes: the next power of two above twice ten to the number of digits.
fn sub_buckets(times_ns: &Histogram<u64>) -> u64 {
    (2 * 10_u64.pow(u32::from(times_ns.sigfig()))).next_power_of_two()
}

/// Writes a file for each distribution of each workload and server, over all its rounds, and says
/// how many.
///
/// # Errors
/// [`OutputError`] names the file.
pub fn write(run: &Run, directory: &OutputDirectory) -> Result<usize, OutputError> {
    let mut count = 0;
    for (position, entry) in run.entries.iter().enumerate() {
        for column in &entry.columns {
            for latency in merged(column) {
                let name = file_name(position + 1, &entry.workload, latency.key, &column.server);
                directory.file(&name)?.write(percentile_text(&latency.histogram_ns).as_bytes())?;
                count += 1;
            }
        }
    }
    Ok(count)
}

/// Each distribution of a server over all rounds.
pub(crate) fn merged(column: &Column) -> Vec<Latency> {
    let mut merged: Vec<Latency> = Vec::new();
    for latency in column.rounds.iter().flat_map(|round| &round.latencies) {
        match merged.iter_mut().find(|known| known.key == latency.key) {
            // Only a histogram that may not grow refuses values, and these may.
            Some(known) => drop(known.histogram_ns.add(&latency.histogram_ns)),
            None => {
                let mut first = latency.clone();
                first.histogram_ns.auto(true);
                merged.push(first);
            }
        }
    }
    merged.retain(|latency| !latency.histogram_ns.is_empty());
    merged
}

/// A name for the file of one distribution that is safe in every shell: `2-fanout-delivery-madang.hgrm`.
pub(super) fn file_name(position: usize, workload: &str, latency: &str, server: &str) -> String {
    let server: String = server
        .chars()
        .map(|c| if c.is_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '-' })
        .collect();
    let server = &server[..server.floor_char_boundary(NAME_BYTES_MAX)];
    format!("{position}-{workload}-{latency}-{server}.hgrm")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With three digits, values from 2^19 ns on lie in buckets of 512 ns, from 2^20 on of 1,024 and from
    /// 2^21 on of 2,048. So 1 ms is known as 999,936 to 1,000,447 ns, 2 ms as 1,999,872 to 2,000,895 and
    /// 3 ms as 2,998,272 to 3,000,319; mean and deviation are taken from the middles.
    #[test]
    fn a_known_histogram_is_written_as_java_writes_it() {
        let mut times_ns = Histogram::<u64>::new(3).expect("three digits are possible");
        for ms in [1, 2, 3] {
            times_ns.record(ms * 1_000_000).expect("a histogram that grows");
        }
        let expected = "       Value     Percentile TotalCount 1/(1-Percentile)

    1.000447 0.000000000000          1           1.00
    1.000447 0.100000000000          1           1.11
    1.000447 0.200000000000          1           1.25
    1.000447 0.300000000000          1           1.43
    2.000895 0.400000000000          2           1.67
    2.000895 0.500000000000          2           2.00
    2.000895 0.550000000000          2           2.22
    2.000895 0.600000000000          2           2.50
    2.000895 0.650000000000          2           2.86
    3.000319 0.700000000000          3           3.33
    3.000319 1.000000000000          3
#[Mean    =     1.999957, StdDeviation   =     0.816131]
#[Max     =     3.000319, Total count    =            3]
#[Buckets =           12, SubBuckets     =         2048]
";
        assert_eq!(percentile_text(&times_ns), expected);
    }

    #[test]
    fn every_distribution_has_a_file_over_all_its_rounds() {
        let directory = tempfile::tempdir().expect("a directory");
        let place = OutputDirectory::prepare(&directory.path().join("new")).expect("a place");
        let run = crate::results::example::run(&[("madang", &[100, 200, 300]), ("redis", &[50])]);
        assert_eq!(write(&run, &place).expect("to be written"), 4);
        let text =
            std::fs::read_to_string(place.path().join("1-fanout-delivery-madang.hgrm")).expect("a file");
        assert!(text.contains("Total count    =           30]"), "{text}");
    }

    #[test]
    fn names_of_files_are_safe_whatever_the_server_is_called() {
        assert_eq!(
            file_name(2, "fanout", "delivery", "redis 127.0.0.1:6379"),
            "2-fanout-delivery-redis-127.0.0.1-6379.hgrm"
        );
        assert_eq!(file_name(1, "echo", "delivery", "../마당"), "1-echo-delivery-..-마당.hgrm");
        assert!(file_name(1, "echo", "delivery", &"마".repeat(200)).len() < 120);
    }
}

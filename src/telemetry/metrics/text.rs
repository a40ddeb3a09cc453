//! Metrics in the text format of Prometheus.

use super::disk::Disk;
use super::edge;
use super::family::{Labelled, ProcessMetric, counter, gauge, write, write_value};
use super::link;
use super::table::{COUNTERS, GAUGES};
use crate::server::{EdgeStatus, LinkFigures, Readiness, ServerState};
use crate::telemetry;
use madang_engine::runtime::{
    BATCH_BYTES, BATCH_MESSAGES, COMMIT_SECONDS, Histogram, ProxyRefusal, Sample, ShardHealth, StorageState,
};
use madang_engine::shard::{CloseKind, RefusalKind};
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::atomic::Ordering;
use std::time::UNIX_EPOCH;

/// All metrics, in the OpenMetrics text format.
pub fn encode(state: &ServerState, disk: &Disk) -> String {
    let mut text = String::new();
    let snapshot = Snapshot::take(state, disk);
    let mut registry = Registry::default();
    registry.register_collector(Box::new(snapshot));
    // Writing to a string does not fail.
    let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
    text
}

/// All values at one time.
#[derive(Debug)]
struct Snapshot {
    samples: Vec<Sample>,
    health: Vec<ShardHealth>,
    process: Vec<ProcessMetric>,
    segments: Vec<Labelled<[(&'static str, String); 1]>>,
    log_bytes: Vec<Labelled<[(&'static str, String); 1]>>,
    link: LinkFigures,
    edge: EdgeStatus,
    durability: String,
}

impl Snapshot {
    fn take(state: &ServerState, disk: &Disk) -> Snapshot {
        let usage = disk.usage();
        let remote = state.remote();
        let started = state.started_at().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (taken, refused) = state.reloads();
        let mut process = vec![
            gauge(
                "madang_start_time_seconds",
                "Unix time at which the process started.",
                started.as_secs_f64(),
            ),
            gauge(
                "madang_recovery_seconds",
                "Seconds that opening the log took at the start.",
                state.recovery().as_secs_f64(),
            ),
            gauge(
                "madang_ready",
                "Whether clients can connect: 1, or 0 while recovering or draining.",
                f64::from(state.readiness() == Readiness::Ready),
            ),
            gauge(
                "madang_connections_limit",
                "Connections that the open-file limit allows.",
                state.connections_max() as f64,
            ),
            gauge(
                "madang_disk_free_bytes",
                "Free bytes on the file system of the log.",
                usage.free_bytes as f64,
            ),
            gauge(
                "madang_disk_total_bytes",
                "Total bytes of the file system of the log.",
                usage.total_bytes as f64,
            ),
            counter(
                "madang_log_lines_dropped",
                "Log lines dropped because nobody read or stored them.",
                telemetry::lines_dropped() as f64,
            ),
            counter("madang_reloads", "Successful reloads.", taken as f64),
            counter(
                "madang_reload_failures",
                "Reloads refused because of a mistake in the configuration.",
                refused as f64,
            ),
        ];
        if let Some(work) = remote.map(|remote| remote.housekeeping()) {
            let read = |number: &std::sync::atomic::AtomicU64| number.load(Ordering::Relaxed) as f64;
            process.extend([
                counter(
                    "madang_retention_segments_removed",
                    "Expired segments that were removed.",
                    read(&work.segments_removed),
                ),
                counter(
                    "madang_retention_bytes_removed",
                    "Bytes of expired segments that were removed.",
                    read(&work.bytes_removed),
                ),
                counter(
                    "madang_indexes_rebuilt",
                    "Indexes that were missing or damaged and were rebuilt.",
                    read(&work.indexes_rebuilt),
                ),
                counter(
                    "madang_housekeeping_errors",
                    "Failed writes of indexes and snapshots, and failed removals (I/O errors).",
                    read(&work.errors),
                ),
            ]);
        }
        let erasures = state.erasures().figures();
        process.extend([
            gauge(
                "madang_erasures_pending",
                "Requests to erase that are not done yet.",
                erasures.pending as f64,
            ),
            gauge(
                "madang_erasures_oldest_seconds",
                "For how long the oldest of these waits.",
                erasures.oldest.as_secs_f64(),
            ),
            counter("madang_erasures_done", "Requests to erase that are done.", erasures.done as f64),
            counter("madang_erased_entries", "Messages and edits that were erased.", erasures.entries as f64),
            counter(
                "madang_erasure_failures",
                "Attempts to erase that failed or left something, and are repeated.",
                erasures.failures as f64,
            ),
        ]);
        let link = state.link().figures();
        process.extend(link::metrics(&link));
        let edge = state.edge().status().unwrap_or_default();
        process.extend(edge::metrics(&edge));
        let of = |number: u16, value: u64| ([("shard", number.to_string())], value as f64);
        Snapshot {
            samples: remote.map(|remote| remote.samples()).unwrap_or_default(),
            health: remote.map(|remote| remote.health()).unwrap_or_default(),
            process,
            segments: usage.directories.iter().map(|one| of(one.number, one.segments)).collect(),
            log_bytes: usage.directories.iter().map(|one| of(one.number, one.bytes)).collect(),
            link,
            edge,
            durability: state.durability().to_owned(),
        }
    }

    /// A value for each shard.
    fn per_shard<'a>(
        &'a self,
        value: impl Fn(&Sample) -> u64 + 'a,
    ) -> impl Iterator<Item = Labelled<[(&'static str, String); 1]>> + 'a {
        let samples = self.samples.iter().enumerate();
        samples.map(move |(shard, sample)| ([("shard", shard.to_string())], value(sample) as f64))
    }

    /// A value for each shard and kind.
    fn per_kind<'a>(
        &'a self,
        label: &'static str,
        names: &'static [&'static str],
        values: impl Fn(usize, &Sample) -> Vec<f64> + 'a,
    ) -> impl Iterator<Item = Labelled<[(&'static str, String); 2]>> + 'a {
        self.samples.iter().enumerate().flat_map(move |(shard, sample)| {
            let values = values(shard, sample);
            let labels =
                names.iter().map(move |name| [("shard", shard.to_string()), (label, (*name).into())]);
            labels.zip(values)
        })
    }

    fn encode_shards(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        for metric in COUNTERS {
            write(encoder, metric.name, metric.help, MetricType::Counter, self.per_shard(metric.value))?;
        }
        for metric in GAUGES {
            write(encoder, metric.name, metric.help, MetricType::Gauge, self.per_shard(metric.value))?;
        }
        let floats = |counts: &[u64]| counts.iter().map(|count| *count as f64).collect();
        let refused = self.per_kind("kind", RefusalKind::NAMES, move |_, s| floats(&s.refused));
        write(encoder, "madang_refusals", "Refused requests of connections.", MetricType::Counter, refused)?;
        let of_engine = self.per_kind("reason", CloseKind::NAMES, move |_, s| floats(&s.closed));
        let names = &madang_surfaces::REASON_NAMES;
        let of_protocols = self.per_kind("reason", names, move |_, s| floats(&s.closed_by_protocol));
        let closed = of_engine.chain(of_protocols);
        write(encoder, "madang_connections_closed", "Connections closed.", MetricType::Counter, closed)?;
        let of_proxies = self.per_kind("reason", ProxyRefusal::NAMES, move |_, s| floats(&s.proxy_refused));
        let help = "Connections of proxies that were closed without a PROXY header.";
        write(encoder, "madang_proxy_refused", help, MetricType::Counter, of_proxies)?;
        let states = self.per_kind("state", StorageState::NAMES, |_, sample| {
            StorageState::ALL.iter().map(|state| f64::from(*state == sample.storage())).collect()
        });
        let help = "Whether messages can be stored: 1 for the state that the shard's log is in.";
        write(encoder, "madang_log_state", help, MetricType::Gauge, states)?;
        let healthy =
            self.health.iter().enumerate().map(|(shard, health)| {
                ([("shard", shard.to_string())], f64::from(*health == ShardHealth::Well))
            });
        write(
            encoder,
            "madang_healthy",
            "Whether the shard is running and can store messages.",
            MetricType::Gauge,
            healthy,
        )
    }

    fn encode_histograms(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        self.histogram(
            encoder,
            "madang_commit_seconds",
            "Seconds from starting a batch's write to its commit.",
            &COMMIT_SECONDS,
            |sample| &sample.commit_seconds,
        )?;
        let help = "Bytes of a batch (one write to the log).";
        self.histogram(encoder, "madang_batch_bytes", help, &BATCH_BYTES, |sample| &sample.batch_bytes)?;
        let help = "Messages of a batch (they share one sync).";
        self.histogram(encoder, "madang_batch_messages", help, &BATCH_MESSAGES, |sample| {
            &sample.batch_messages
        })
    }

    fn histogram<const N: usize>(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        name: &'static str,
        help: &'static str,
        bounds: &[f64; N],
        of: impl Fn(&Sample) -> &Histogram<N>,
    ) -> fmt::Result {
        if self.samples.is_empty() {
            return Ok(());
        }
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (shard, sample) in self.samples.iter().enumerate() {
            let histogram = of(sample);
            let within: u64 = histogram.buckets.iter().sum();
            let mut buckets: Vec<(f64, u64)> =
                bounds.iter().copied().zip(histogram.buckets.iter().copied()).collect();
            buckets.push((f64::INFINITY, histogram.count.saturating_sub(within)));
            let labels = [("shard", shard.to_string())];
            let count: u64 = buckets.iter().map(|(_, count)| count).sum();
            family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
                histogram.sum(),
                count,
                &buckets,
                None,
            )?;
        }
        Ok(())
    }
}

impl prometheus_client::collector::Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        let info =
            [[("version", crate::version::VERSION.to_owned()), ("durability", self.durability.clone())]];
        let info = info.into_iter().map(|labels| (labels, 1.0));
        write(encoder, "madang_build_info", "The version and the durability mode.", MetricType::Gauge, info)?;
        for &ProcessMetric { name, help, kind, value } in &self.process {
            let family = encoder.encode_descriptor(name, help, None, kind)?;
            write_value(family, kind, value)?;
        }
        let segments = self.segments.iter().cloned();
        write(
            encoder,
            "madang_log_segments",
            "Segments in a directory of the log.",
            MetricType::Gauge,
            segments,
        )?;
        let bytes = self.log_bytes.iter().cloned();
        write(
            encoder,
            "madang_log_bytes",
            "Bytes of the files in a directory of the log.",
            MetricType::Gauge,
            bytes,
        )?;
        self.encode_shards(encoder)?;
        self.encode_histograms(encoder)?;
        link::encode_ends(&self.link, encoder)?;
        edge::encode_reasons(&self.edge, encoder)
    }
}

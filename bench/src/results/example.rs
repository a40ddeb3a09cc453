//! Measurements made by hand, for the tests of everything that shows them.

use super::{
    Better, Column, Entry, Faults, Latency, Measurement, Metric, Parameter, Run, Series, ServerFacts,
};
use crate::machine::{DataPlace, MachineFacts, Stalls, SyncTime};
use hdrhistogram::Histogram;

const LABEL: &str = "fan-out 2 × 5, 1,000 messages/s";

/// A round of fan-out in which deliveries took `scale_us` to ten times as much, in ten equal steps,
/// and everything else cost in proportion.
pub(crate) fn measurement(server: &str, scale_us: u64) -> Measurement {
    let scale = scale_us as f64;
    let metric = |key, label: &str, value, unit, decimals, better| Metric {
        key,
        label: label.to_owned(),
        value,
        unit,
        decimals,
        better,
    };
    Measurement {
        workload: "fanout",
        title: "fan-out: 2 rooms x 5 members, 64-byte messages, 1000 messages/s, 1 s".to_owned(),
        label: LABEL.to_owned(),
        server: server.to_owned(),
        parameters: parameters(1_000),
        metrics: vec![
            metric("deliveries_per_second", "deliveries a second", 1e6 / scale, "/s", 0, Better::Higher),
            metric(
                "server_cpu_us_per_delivery",
                "server CPU per delivery",
                scale / 10.0,
                "µs",
                3,
                Better::Lower,
            ),
            metric("load_cpu_share", "load CPU", 58.1, "% of one processor", 1, Better::Neither),
        ],
        latencies: vec![
            latency("delivery", "latency", true, (1..=10).map(|step| step * scale_us * 1_000)),
            latency("send_lag", "send lag", false, [2_000, 3_000].into_iter()),
        ],
        series: vec![Series {
            key: "deliveries_per_second",
            label: "deliveries a second".to_owned(),
            unit: "/s",
            step_ms: 100,
            values: vec![Some(9_000.0), None, Some(11_000.0)],
        }],
        faults: Faults::default(),
        load_limit: None,
        notes: vec!["server on processor 0, load on processor 1".to_owned()],
        is_cut_short: false,
    }
}

fn latency(
    key: &'static str,
    label: &str,
    is_compared: bool,
    values_ns: impl Iterator<Item = u64>,
) -> Latency {
    let mut histogram_ns = Histogram::new(3).expect("three digits are possible");
    for value_ns in values_ns {
        histogram_ns.record(value_ns).expect("a histogram that grows");
    }
    Latency { key, label: label.to_owned(), histogram_ns, is_compared }
}

/// Of [`measurement`], at another rate.
pub(crate) fn parameters(rate: u64) -> Vec<Parameter> {
    let named = [("rooms", 2), ("members", 5), ("rate", rate), ("size", 64), ("seconds", 1)];
    named
        .into_iter()
        .map(|(name, value)| Parameter { name: name.to_owned(), value: value.to_string() })
        .collect()
}

/// A run of one workload against each of `servers`, with the scale of each of its rounds.
pub(crate) fn run(servers: &[(&str, &[u64])]) -> Run {
    let columns: Vec<Column> = servers
        .iter()
        .map(|(name, scales)| Column {
            server: (*name).to_owned(),
            rounds: scales.iter().map(|scale_us| measurement(name, *scale_us)).collect(),
            failure: None,
            is_left_out: false,
        })
        .collect();
    let title = "fan-out: 2 rooms x 5 members, 64-byte messages, 1000 messages/s, 1 s".to_owned();
    Run {
        program_version: "0.1.0".to_owned(),
        started_at: "2026-11-21T15:00:00Z".to_owned(),
        command: ["madang", "bench", "fanout"].map(str::to_owned).to_vec(),
        rounds: servers.first().map_or(0, |(_, scales)| scales.len()),
        machine: machine(),
        servers: servers.iter().map(|(name, _)| server(name)).collect(),
        entries: vec![Entry {
            workload: "fanout".to_owned(),
            title,
            label: LABEL.to_owned(),
            parameters: parameters(1_000),
            columns,
        }],
        notes: Vec::new(),
        is_cut_short: false,
    }
}

fn server(name: &str) -> ServerFacts {
    let is_ours = name == "madang";
    ServerFacts {
        name: name.to_owned(),
        protocol: name.to_owned(),
        address: (!is_ours).then(|| "127.0.0.1:6379".to_owned()),
        pid: None,
        promise: "in memory, at most once".to_owned(),
        durability: is_ours.then(|| "commit".to_owned()),
        settings: Vec::new(),
    }
}

fn machine() -> MachineFacts {
    MachineFacts {
        kernel: "Linux 6.18.5 x86_64".to_owned(),
        processor: "Example 9000".to_owned(),
        processors: 2,
        processors_allowed: 2,
        governor: None,
        mitigations: vec![("spectre_v2".to_owned(), "Mitigation: Retpolines".to_owned())],
        memory_bytes: 24 << 30,
        data: Some(DataPlace {
            path: "/tmp".to_owned(),
            file_system: "ext4".to_owned(),
            device: "/dev/vda".to_owned(),
            write_cache: None,
        }),
        sync: Some(SyncTime {
            samples: 300,
            write_bytes: 4_096,
            p50_us: 150.0,
            p99_us: 400.0,
            max_us: 900.0,
        }),
        stalls: Some(Stalls { looked_us: 2e6, count: 20, share: 0.019, max_us: 7_800.0 }),
    }
}

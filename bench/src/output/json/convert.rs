//! From what was measured to what is written, and from there to figures.

use super::document::{
    Document, FaultCounts, LatencyRecord, MetricRecord, ProgramRecord, RoundRecord, SCHEMA_VERSION,
    SeriesRecord, ServerRecord, ServerRounds, WorkloadRecord,
};
use crate::results::{
    Better, Column, Entry, Figure, Latency, Measurement, QUANTILES, Run, ServerFacts, quantile_us,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};

const WAYS: [(Better, &str); 3] =
    [(Better::Lower, "lower"), (Better::Higher, "higher"), (Better::Neither, "neither")];

pub(super) fn document(run: &Run) -> Result<Document, String> {
    Ok(Document {
        schema_version: SCHEMA_VERSION,
        program: ProgramRecord { name: "madang".to_owned(), version: run.program_version.clone() },
        started_at: run.started_at.clone(),
        command: run.command.clone(),
        rounds: run.rounds,
        is_cut_short: run.is_cut_short,
        notes: run.notes.clone(),
        machine: run.machine.clone(),
        servers: run.servers.iter().map(server).collect(),
        workloads: run.entries.iter().map(workload).collect::<Result<_, _>>()?,
    })
}

fn server(facts: &ServerFacts) -> ServerRecord {
    ServerRecord {
        name: facts.name.clone(),
        protocol: facts.protocol.clone(),
        address: facts.address.clone(),
        promise: facts.promise.clone(),
        durability: facts.durability.clone(),
        settings: facts.settings.clone(),
    }
}

fn workload(entry: &Entry) -> Result<WorkloadRecord, String> {
    let parameters = entry.parameters.iter();
    Ok(WorkloadRecord {
        name: entry.workload.clone(),
        title: entry.title.clone(),
        label: entry.label.clone(),
        parameters: parameters.map(|of| (of.name.clone(), of.value.clone())).collect(),
        servers: entry.columns.iter().map(rounds).collect::<Result<_, _>>()?,
    })
}

fn rounds(column: &Column) -> Result<ServerRounds, String> {
    Ok(ServerRounds {
        name: column.server.clone(),
        failure: column.failure.clone(),
        rounds: column.rounds.iter().map(round).collect::<Result<_, _>>()?,
    })
}

fn round(measurement: &Measurement) -> Result<RoundRecord, String> {
    let metrics = measurement.metrics.iter().map(|metric| MetricRecord {
        key: metric.key.to_owned(),
        label: metric.label.clone(),
        value: finite(metric.value),
        unit: metric.unit.to_owned(),
        decimals: metric.decimals,
        better: word(metric.better).to_owned(),
    });
    let series = measurement.series.iter().map(|series| SeriesRecord {
        key: series.key.to_owned(),
        label: series.label.clone(),
        unit: series.unit.to_owned(),
        step_ms: series.step_ms,
        values: series.values.iter().map(|value| value.filter(|value| value.is_finite())).collect(),
    });
    let faults = &measurement.faults;
    Ok(RoundRecord {
        metrics: metrics.collect(),
        latencies: measurement.latencies.iter().map(latency).collect::<Result<_, _>>()?,
        series: series.collect(),
        faults: FaultCounts {
            lost: faults.lost,
            repeated: faults.repeated,
            disordered: faults.disordered,
            damaged: faults.damaged,
            examples: faults.examples.clone(),
        },
        load_limit: measurement.load_limit.clone(),
        notes: measurement.notes.clone(),
        is_cut_short: measurement.is_cut_short,
    })
}

fn latency(latency: &Latency) -> Result<LatencyRecord, String> {
    let times_ns = &latency.histogram_ns;
    let mut encoded = Vec::new();
    V2DeflateSerializer::new().serialize(times_ns, &mut encoded).map_err(|error| error.to_string())?;
    let named =
        QUANTILES.iter().map(|(name, quantile)| (name.replace('.', "_"), quantile_us(latency, *quantile)));
    Ok(LatencyRecord {
        key: latency.key.to_owned(),
        label: latency.label.clone(),
        is_compared: latency.is_compared,
        count: times_ns.len(),
        mean_us: finite(times_ns.mean() / 1e3),
        min_us: times_ns.min() as f64 / 1e3,
        percentiles_us: named.collect(),
        histogram_ns: STANDARD.encode(encoded),
    })
}

/// JSON has no word for what is not a number.
fn finite(value: f64) -> f64 {
    if value.is_finite() { value } else { 0.0 }
}

fn word(better: Better) -> &'static str {
    WAYS.iter().find(|(way, _)| *way == better).map_or("neither", |(_, word)| word)
}

fn better(word: &str) -> Better {
    WAYS.iter().find(|(_, known)| *known == word).map_or(Better::Neither, |(way, _)| *way)
}

/// The same figures, in the same order, as [`Column::figures`] has of what was written.
pub(super) fn figures(server: &ServerRounds) -> Vec<Figure> {
    let mut figures: Vec<Figure> = Vec::new();
    let mut add = |empty: Figure, value| {
        let known = figures.iter().position(|figure| figure.key == empty.key);
        let position = known.unwrap_or_else(|| {
            figures.push(empty);
            figures.len() - 1
        });
        figures[position].values.push(value);
    };
    let latencies = server.rounds.iter().flat_map(|round| &round.latencies);
    for latency in latencies.filter(|latency| latency.count > 0) {
        for (name, _) in QUANTILES {
            let name_in_key = name.replace('.', "_");
            if let Some(value) = latency.percentiles_us.get(&name_in_key) {
                let empty = Figure {
                    key: format!("{}_{name_in_key}_us", latency.key),
                    label: format!("{} {name}", latency.label),
                    unit: "µs".to_owned(),
                    decimals: 1,
                    better: if latency.is_compared { Better::Lower } else { Better::Neither },
                    values: Vec::new(),
                };
                add(empty, *value);
            }
        }
    }
    for metric in server.rounds.iter().flat_map(|round| &round.metrics) {
        let empty = Figure {
            key: metric.key.clone(),
            label: metric.label.clone(),
            unit: metric.unit.clone(),
            decimals: metric.decimals,
            better: better(&metric.better),
            values: Vec::new(),
        };
        add(empty, metric.value);
    }
    figures
}

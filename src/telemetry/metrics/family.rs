//! Metrics by their names, and how they are written.

use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use std::fmt;

/// One value, with its labels.
pub type Labelled<L> = (L, f64);

/// A metric of the process.
#[derive(Debug)]
pub struct ProcessMetric {
    pub name: &'static str,
    pub help: &'static str,
    pub kind: MetricType,
    pub value: f64,
}

/// A metric that only rises.
pub const fn counter(name: &'static str, help: &'static str, value: f64) -> ProcessMetric {
    ProcessMetric { name, help, kind: MetricType::Counter, value }
}

/// A metric that rises and falls.
pub const fn gauge(name: &'static str, help: &'static str, value: f64) -> ProcessMetric {
    ProcessMetric { name, help, kind: MetricType::Gauge, value }
}

/// Writes a metric with all its labels, unless there are none.
pub fn write<L: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    values: impl Iterator<Item = Labelled<L>>,
) -> fmt::Result {
    let mut values = values.peekable();
    if values.peek().is_none() {
        return Ok(());
    }
    let mut family = encoder.encode_descriptor(name, help, None, kind)?;
    for (labels, value) in values {
        write_value(family.encode_family(&labels)?, kind, value)?;
    }
    Ok(())
}

/// Writes one value.
pub fn write_value(mut metric: MetricEncoder<'_>, kind: MetricType, value: f64) -> fmt::Result {
    match kind {
        MetricType::Counter => metric.encode_counter::<NoLabelSet, f64, f64>(&value, None),
        _ => metric.encode_gauge(&value),
    }
}

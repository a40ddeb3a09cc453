//! Figures over rounds: what is shown and compared.

use super::{Better, Latency, Measurement};

/// The percentiles that are shown, by their names and as quantiles. The largest is `max`.
pub const QUANTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];

/// One figure of one server with its value in every round.
#[derive(Clone, PartialEq, Debug)]
pub struct Figure {
    /// Stable and machine-readable: a metric's key, or `delivery_p99_us` for a percentile.
    pub key: String,
    /// As people read it.
    pub label: String,
    /// Of the values.
    pub unit: String,
    /// Digits shown after the point.
    pub decimals: usize,
    /// Which way it should go.
    pub better: Better,
    /// One a round.
    pub values: Vec<f64>,
}

/// Where the middle and the ends of some values lie.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Spread {
    /// The middle one; of an even number, the mean of the two in the middle.
    pub median: f64,
    /// The smallest.
    pub least: f64,
    /// The largest.
    pub most: f64,
}

impl Spread {
    /// `None` of no values.
    pub fn of(values: &[f64]) -> Option<Spread> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        } else {
            sorted[middle]
        };
        Some(Spread { median, least, most })
    }
}

impl Figure {
    /// Middle and ends of its values; `None` without any.
    pub fn spread(&self) -> Option<Spread> {
        Spread::of(&self.values)
    }
}

/// The value of a distribution below which a share of `quantile` lies, in microseconds.
pub fn quantile_us(latency: &Latency, quantile: f64) -> f64 {
    // `value_at_quantile` gives the end of a bucket; the largest value is known better than that.
    let value_ns = if quantile >= 1.0 {
        latency.histogram_ns.max()
    } else {
        latency.histogram_ns.value_at_quantile(quantile).min(latency.histogram_ns.max())
    };
    value_ns as f64 / 1e3
}

/// All figures of some rounds of one workload against one server: percentiles first, then metrics.
pub(crate) fn figures(rounds: &[Measurement]) -> Vec<Figure> {
    let mut figures: Vec<Figure> = Vec::new();
    for measurement in rounds {
        for latency in &measurement.latencies {
            add_percentiles(&mut figures, latency);
        }
    }
    for metric in rounds.iter().flat_map(|measurement| &measurement.metrics) {
        let empty = Figure {
            key: metric.key.to_owned(),
            label: metric.label.clone(),
            unit: metric.unit.to_owned(),
            decimals: metric.decimals,
            better: metric.better,
            values: Vec::new(),
        };
        figure(&mut figures, empty).values.push(metric.value);
    }
    figures
}

fn add_percentiles(figures: &mut Vec<Figure>, latency: &Latency) {
    if latency.histogram_ns.is_empty() {
        return;
    }
    for (name, quantile) in QUANTILES {
        let empty = Figure {
            key: format!("{}_{}_us", latency.key, name.replace('.', "_")),
            label: format!("{} {name}", latency.label),
            unit: "µs".to_owned(),
            decimals: 1,
            better: if latency.is_compared { Better::Lower } else { Better::Neither },
            values: Vec::new(),
        };
        figure(figures, empty).values.push(quantile_us(latency, quantile));
    }
}

/// The figure with the key of `empty`, put at the end when it is new.
fn figure(figures: &mut Vec<Figure>, empty: Figure) -> &mut Figure {
    let position = figures.iter().position(|figure| figure.key == empty.key).unwrap_or_else(|| {
        figures.push(empty);
        figures.len() - 1
    });
    &mut figures[position]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::example;

    #[test]
    fn the_median_lies_in_the_middle_of_odd_and_even_numbers() {
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(Spread::of(&[3.0, 1.0, 2.0]), Some(Spread { median: 2.0, least: 1.0, most: 3.0 }));
        assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 9.0]).map(|spread| spread.median), Some(3.0));
    }

    #[test]
    fn each_figure_has_its_value_of_every_round() {
        let rounds = [example::measurement("madang", 100), example::measurement("madang", 200)];
        let figures = figures(&rounds);
        let median = figures.iter().find(|figure| figure.key == "delivery_p50_us").expect("a percentile");
        assert_eq!(median.values.len(), 2);
        assert!(median.values[1] > 1.9 * median.values[0], "{median:?}");
        let lag = figures.iter().find(|figure| figure.key == "send_lag_p99_us").expect("a lag");
        assert_eq!(lag.better, Better::Neither);
        let rate = figures.iter().find(|figure| figure.key == "deliveries_per_second").expect("a metric");
        assert_eq!(rate.values, [10_000.0, 5_000.0]);
    }
}

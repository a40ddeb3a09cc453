//! What happened step by step, for plots over time.

use crate::results::Series;
use hdrhistogram::Histogram;
use std::time::Duration;

/// Latencies of one step are kept from 1 µs to a minute, to two digits: 64 KB.
const STEP_LATENCY_NS: (u64, u64) = (1_000, 60_000_000_000);
/// Longer measurements are shown in steps of a second.
const SHORT_MAX: Duration = Duration::from_secs(15);
/// Steps kept. A measurement lasts an hour at most.
const STEPS_MAX: usize = 3_700;

/// Deliveries and their latencies in steps of equal length.
#[derive(Debug)]
pub(crate) struct Timeline {
    start_ns: u64,
    step_ns: u64,
    /// Finished steps: deliveries, p50 and p99.
    steps: Vec<Step>,
    current: Histogram<u64>,
    current_end_ns: u64,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    deliveries: u64,
    /// In nanoseconds; none where nothing came.
    percentiles_ns: Option<(u64, u64)>,
}

impl Timeline {
    /// Steps for a measurement of about this length.
    pub(crate) fn new(start_ns: u64, duration: Duration) -> Timeline {
        let step_ns = if duration <= SHORT_MAX { 250_000_000 } else { 1_000_000_000 };
        let (low, high) = STEP_LATENCY_NS;
        let current =
            Histogram::new_with_bounds(low, high, 2).expect("bounds and digits are constants that fit");
        Timeline { start_ns, step_ns, steps: Vec::new(), current, current_end_ns: start_ns + step_ns }
    }

    /// Notes one delivery. Times never go back.
    pub(crate) fn record(&mut self, read_at_ns: u64, latency_ns: u64) {
        while read_at_ns >= self.current_end_ns && self.steps.len() < STEPS_MAX {
            self.finish_step();
        }
        self.current.saturating_record(latency_ns);
    }

    fn finish_step(&mut self) {
        let deliveries = self.current.len();
        let at = |quantile| self.current.value_at_quantile(quantile);
        let percentiles_ns = (deliveries > 0).then(|| (at(0.5), at(0.99)));
        self.steps.push(Step { deliveries, percentiles_ns });
        self.current.reset();
        self.current_end_ns += self.step_ns;
    }

    /// Ends it at `end_ns`: a last step that is shorter than a tenth of the others is left out.
    pub(crate) fn into_series(mut self, end_ns: u64) -> Vec<Series> {
        while end_ns >= self.current_end_ns && self.steps.len() < STEPS_MAX {
            self.finish_step();
        }
        let last_ns = (end_ns + self.step_ns).saturating_sub(self.current_end_ns);
        let mut last_scale = None;
        if last_ns > self.step_ns / 10 && self.steps.len() < STEPS_MAX {
            self.finish_step();
            last_scale = Some(self.step_ns as f64 / last_ns as f64);
        }
        let per_second = 1e9 / self.step_ns as f64;
        let last = self.steps.len().saturating_sub(1);
        let rate = |(number, step): (usize, &Step)| {
            let scale = last_scale.filter(|_| number == last).unwrap_or(1.0);
            Some(step.deliveries as f64 * per_second * scale)
        };
        let series = |key, label: &str, unit, values| Series {
            key,
            label: label.to_owned(),
            unit,
            step_ms: self.step_ns / 1_000_000,
            values,
        };
        let micros = |take: fn((u64, u64)) -> u64| -> Vec<Option<f64>> {
            self.steps.iter().map(|step| step.percentiles_ns.map(|both| take(both) as f64 / 1e3)).collect()
        };
        vec![
            series(
                "deliveries_per_second",
                "deliveries a second",
                "/s",
                self.steps.iter().enumerate().map(rate).collect(),
            ),
            series("delivery_p50_us", "latency p50", "µs", micros(|both| both.0)),
            series("delivery_p99_us", "latency p99", "µs", micros(|both| both.1)),
        ]
    }

    /// When it began.
    pub(crate) fn start_ns(&self) -> u64 {
        self.start_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_count_what_came_in_them_and_silence_has_no_latency() {
        let mut timeline = Timeline::new(1_000, Duration::from_secs(1));
        for number in 0..10 {
            timeline.record(1_000 + number, 2_000_000);
        }
        timeline.record(1_000 + 600_000_000, 5_000_000);
        let series = timeline.into_series(1_000 + 750_000_000);
        assert_eq!(series[0].values, [Some(40.0), Some(0.0), Some(4.0)]);
        assert_eq!(series[0].step_ms, 250);
        assert!(series[1].values[0].is_some_and(|p50| (1_980.0..2_030.0).contains(&p50)), "{series:?}");
        assert_eq!(series[1].values[1], None);
    }

    #[test]
    fn a_last_step_that_is_cut_short_counts_for_its_length() {
        let mut timeline = Timeline::new(0, Duration::from_secs(1));
        timeline.record(260_000_000, 1_000_000);
        let series = timeline.into_series(375_000_000);
        assert_eq!(series[0].values, [Some(0.0), Some(8.0)]);
    }
}

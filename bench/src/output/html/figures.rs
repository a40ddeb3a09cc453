//! Which plots there are: latency by percentile, and what happened over time.

use super::escaped;
use super::plot::{Axis, LARGE, Line, SMALL, colour_class, draw, linear_ticks, log_ticks};
use crate::output::hgrm::merged;
use crate::output::number::{self, time_us};
use crate::results::{Better, Entry, Figure, Latency, QUANTILES, Series, quantile_us};

/// No percentile is drawn beyond 99.9999 %.
const PERCENTILE_X_MAX: f64 = 1e6;
/// Steps for each halving of what is left, so that a line is smooth.
const TICKS_PER_HALF: u32 = 20;

/// All plots of one workload.
pub(super) fn figures(entry: &Entry) -> Result<String, String> {
    let mut html = String::new();
    let mut keys: Vec<(&str, &str)> = Vec::new();
    for latency in entry.columns.iter().flat_map(|column| &column.rounds).flat_map(|round| &round.latencies) {
        if latency.is_compared && !keys.iter().any(|(key, _)| *key == latency.key) {
            keys.push((latency.key, latency.label.as_str()));
        }
    }
    for (key, label) in keys {
        html += &percentiles(entry, key, label)?;
    }
    let mut shown: Vec<&Series> = Vec::new();
    let mut row = String::new();
    for series in entry.columns.iter().flat_map(|column| &column.rounds).flat_map(|round| &round.series) {
        if !shown.iter().any(|known| known.key == series.key) {
            shown.push(series);
            row += &over_time(entry, series)?;
        }
    }
    if !row.is_empty() {
        html += &format!("<div class=\"row\">\n{row}</div>\n");
    }
    Ok(html)
}

fn percentiles(entry: &Entry, key: &str, label: &str) -> Result<String, String> {
    let mut lines = Vec::new();
    for (colour, column) in entry.columns.iter().enumerate() {
        let latency = merged(column).into_iter().find(|latency| latency.key == key);
        lines.extend(latency.map(|latency| percentile_line(colour, &latency)));
    }
    let points = || lines.iter().flat_map(|line| &line.points);
    let (least, most) =
        points().fold((f64::MAX, 0.0_f64), |(least, most), (_, y)| (least.min(*y), most.max(*y)));
    if lines.is_empty() || most <= 0.0 {
        return Ok(String::new());
    }
    let x_most =
        points().fold(10.0_f64, |most, (x, _)| most.max(*x)).log10().ceil().min(PERCENTILE_X_MAX.log10());
    let x = Axis {
        range: 1.0..10_f64.powf(x_most),
        ticks: (0..=x_most as i32).map(|power| 10_f64.powi(power)).collect(),
        is_log: true,
        name: &percentile_name,
    };
    let (range, ticks) = log_ticks(least, most);
    let y = Axis { range, ticks, is_log: true, name: &|us| short_time(us) };
    let caption = format!(
        "{label} by percentile: of all, this share took no longer (all rounds together, both scales logarithmic)"
    );
    Ok(figure(entry, &caption, &draw(LARGE, &caption, &x, &y, &lines)?))
}

fn percentile_line(colour: usize, latency: &Latency) -> Line {
    let steps = latency.histogram_ns.iter_quantiles(TICKS_PER_HALF);
    let point = |step: hdrhistogram::iterators::IterationValue<u64>| {
        let quantile = step.quantile_iterated_to();
        (quantile < 1.0).then(|| {
            ((1.0 / (1.0 - quantile)).min(PERCENTILE_X_MAX), quantile_us(latency, quantile).max(1e-3))
        })
    };
    let mut points: Vec<(f64, f64)> = steps.filter_map(point).collect();
    // The slowest of all stands where one of so many is.
    let last = (latency.histogram_ns.len() as f64).clamp(1.0, PERCENTILE_X_MAX);
    points.retain(|(x, _)| *x < last);
    points.push((last, quantile_us(latency, 1.0)));
    Line { colour, is_faint: false, points }
}

/// `1/(1-p)` as a percentile: 10 is 90 %, 1,000 is 99.9 %.
fn percentile_name(x: f64) -> String {
    match x.log10().round() as usize {
        0 => "0%".to_owned(),
        1 => "90%".to_owned(),
        2 => "99%".to_owned(),
        nines => format!("99.{}%", "9".repeat(nines - 2)),
    }
}

/// `200 µs`, `2 ms`: ticks are round, and say no more than they are.
fn short_time(us: f64) -> String {
    let trimmed = |value: f64| format!("{}", (value * 1e3).round() / 1e3);
    match us {
        us if us < 999.5 => format!("{} µs", trimmed(us)),
        us if us < 999_500.0 => format!("{} ms", trimmed(us / 1e3)),
        us => format!("{} s", trimmed(us / 1e6)),
    }
}

fn over_time(entry: &Entry, like: &Series) -> Result<String, String> {
    let mut lines = Vec::new();
    let mut seconds = 0.0_f64;
    for (colour, column) in entry.columns.iter().enumerate() {
        for round in &column.rounds {
            for series in round.series.iter().filter(|series| series.key == like.key) {
                let step_s = series.step_ms as f64 / 1e3;
                seconds = seconds.max(step_s * series.values.len() as f64);
                let is_faint = column.rounds.len() > 1;
                lines.extend(unbroken(&series.values, step_s).map(|points| Line {
                    colour,
                    is_faint,
                    points,
                }));
            }
        }
    }
    let most = lines.iter().flat_map(|line| &line.points).fold(0.0_f64, |most, (_, y)| most.max(*y));
    if lines.is_empty() || seconds <= 0.0 {
        return Ok(String::new());
    }
    let (range, ticks) = linear_ticks(most);
    let unit = Figure {
        key: String::new(),
        label: String::new(),
        unit: like.unit.to_owned(),
        decimals: 0,
        better: Better::Neither,
        values: Vec::new(),
    };
    let y_name = |value: f64| match like.unit {
        "µs" if value > 0.0 => short_time(value),
        "/s" => number::count(value),
        _ => number::value(&unit, value),
    };
    let y = Axis { range, ticks, is_log: false, name: &y_name };
    let x = Axis {
        range: 0.0..seconds,
        ticks: linear_ticks(seconds / 1.05).1,
        is_log: false,
        name: &|s| format!("{} s", (s * 1e3).round() / 1e3),
    };
    let caption = format!("{}, every {}", like.label, time_us(like.step_ms as f64 * 1e3, 0));
    Ok(figure(entry, &caption, &draw(SMALL, &caption, &x, &y, &lines)?))
}

/// The stretches in which every step has a value, each at the end of its step.
fn unbroken(values: &[Option<f64>], step_s: f64) -> impl Iterator<Item = Vec<(f64, f64)>> {
    let mut stretches = vec![Vec::new()];
    for (number, value) in values.iter().enumerate() {
        match (value, stretches.last_mut()) {
            (Some(value), Some(stretch)) => stretch.push(((number + 1) as f64 * step_s, *value)),
            _ => stretches.push(Vec::new()),
        }
    }
    stretches.into_iter().filter(|stretch: &Vec<_>| !stretch.is_empty())
}

fn figure(entry: &Entry, caption: &str, plots: &str) -> String {
    let legend: String = entry
        .columns
        .iter()
        .enumerate()
        .filter(|(_, column)| !column.rounds.is_empty())
        .map(|(number, column)| {
            format!("<li><i class=\"{}\"></i>{}</li>", colour_class(number), escaped(&column.server))
        })
        .collect();
    // One line needs no name.
    let legend = match legend.matches("<li>").count() {
        0 | 1 => String::new(),
        _ => format!("<ul class=\"legend\">{legend}</ul>"),
    };
    format!("<figure><figcaption>{}</figcaption>{legend}{plots}</figure>\n", escaped(caption))
}

/// The names of the percentiles that tables show.
pub(super) fn percentile_names() -> impl Iterator<Item = &'static str> {
    QUANTILES.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nines_are_named_as_people_say_them() {
        assert_eq!(
            [1.0, 10.0, 100.0, 1e3, 1e5].map(percentile_name),
            ["0%", "90%", "99%", "99.9%", "99.999%"]
        );
        assert_eq!([0.5, 200.0, 2_000.0, 5e6].map(short_time), ["0.5 µs", "200 µs", "2 ms", "5 s"]);
    }

    #[test]
    fn a_gap_is_not_bridged() {
        let stretches: Vec<_> = unbroken(&[Some(1.0), None, Some(2.0), Some(3.0)], 0.5).collect();
        assert_eq!(stretches, [vec![(0.5, 1.0)], vec![(1.5, 2.0), (2.0, 3.0)]]);
    }
}

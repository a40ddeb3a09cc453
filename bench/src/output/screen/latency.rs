//! The table of latencies: one row a distribution, and what it is measured against below it.

use super::grid::Grid;
use super::short;
use crate::machine::SyncTime;
use crate::output::number::time_us;
use crate::output::words::FLOOR;
use crate::results::{Column, Entry, Figure, Latency, QUANTILES, Run, quantile_us};

pub(super) fn table(run: &Run, is_bold: bool) -> String {
    let mut grid = Grid::default();
    let heading = ["LATENCY"].into_iter().chain(QUANTILES.iter().map(|(name, _)| *name));
    grid.heading(heading.map(str::to_owned).collect());
    let floor = run.entries.iter().find(|entry| entry.workload == FLOOR);
    let mut is_floor_shown = false;
    for entry in run.entries.iter().filter(|entry| entry.workload != FLOOR) {
        add(&mut grid, entry, "");
        if entry.workload == "echo" && !is_floor_shown {
            add_floor(&mut grid, floor, run.machine.sync.as_ref());
            is_floor_shown = true;
        }
    }
    if !is_floor_shown {
        add_floor(&mut grid, floor, run.machine.sync.as_ref());
    }
    if grid.is_empty() { String::new() } else { grid.text(is_bold) }
}

/// What every server is measured against: the load's own floor, and the device.
pub(super) fn floor_table(run: &Run, is_bold: bool) -> String {
    let mut grid = Grid::default();
    let heading = ["FLOOR"].into_iter().chain(QUANTILES.iter().map(|(name, _)| *name));
    grid.heading(heading.map(str::to_owned).collect());
    let floor = run.entries.iter().find(|entry| entry.workload == FLOOR);
    add_floor(&mut grid, floor, run.machine.sync.as_ref());
    if grid.is_empty() { String::new() } else { grid.text(is_bold) }
}

fn add_floor(grid: &mut Grid, floor: Option<&Entry>, sync: Option<&SyncTime>) {
    if let Some(floor) = floor {
        add(grid, floor, "  ");
    }
    if let Some(sync) = sync {
        let blank = String::new;
        let at = |us| time_us(us, 1);
        let label = "  device: 4 KB + fdatasync".to_owned();
        grid.row(vec![label, at(sync.p50_us), blank(), at(sync.p99_us), blank(), at(sync.max_us)]);
    }
}

fn add(grid: &mut Grid, entry: &Entry, indent: &str) {
    for column in &entry.columns {
        let Some(first) = column.rounds.first() else { continue };
        let compared: Vec<&Latency> = first.latencies.iter().filter(|latency| latency.is_compared).collect();
        let title = format!("{indent}{}", entry.label);
        match compared[..] {
            [] => {}
            [latency] => add_rows(grid, &title, column, latency.key),
            // Side by side with the title, what distinguishes them would not fit.
            _ => {
                grid.title(title, false);
                for latency in &compared {
                    add_rows(grid, &format!("{indent}  {}", latency.label), column, latency.key);
                }
            }
        }
    }
}

/// The medians over the rounds, and below them the least and the most.
fn add_rows(grid: &mut Grid, label: &str, column: &Column, key: &str) {
    let figures: Vec<Figure> =
        QUANTILES.iter().map(|(_, quantile)| percentile(column, key, *quantile)).collect();
    let shown = |of: fn(&Figure) -> String| figures.iter().map(of);
    grid.row([label.to_owned()].into_iter().chain(shown(short::median)).collect());
    if column.rounds.len() > 1 {
        let range_label = format!("    min–max of {}", column.rounds.len());
        grid.row([range_label].into_iter().chain(shown(short::range)).collect());
    }
}

fn percentile(column: &Column, key: &str, quantile: f64) -> Figure {
    let latencies = column.rounds.iter().flat_map(|round| &round.latencies);
    let of_key = latencies.filter(|latency| latency.key == key && !latency.histogram_ns.is_empty());
    Figure {
        key: String::new(),
        label: String::new(),
        unit: "µs".to_owned(),
        decimals: 1,
        better: crate::results::Better::Lower,
        values: of_key.map(|latency| quantile_us(latency, quantile)).collect(),
    }
}

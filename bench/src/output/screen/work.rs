//! The table of what was done and what it cost, and of all that has no column there.

use super::grid::Grid;
use super::short::{self, NOTHING};
use crate::output::words::{FLOOR, LOG};
use crate::results::{Better, Column, Entry, Figure, Run};

/// The beginning of the key of what one piece of work cost the server.
const COST_KEY: &str = "server_cpu_us_per_";
const SERVER_SHARE_KEY: &str = "server_cpu_share";
const LOAD_SHARE_KEY: &str = "load_cpu_share";
const MEMORY_KEY: &str = "resident_bytes";

/// The figures of one workload that have a column of their own.
struct Columns {
    rate: Option<Figure>,
    cost: Option<Figure>,
    server_share: Option<Figure>,
    load_share: Option<Figure>,
    memory: Option<Figure>,
    others: Vec<Figure>,
}

impl Columns {
    fn of(column: &Column) -> Columns {
        let mut others: Vec<Figure> =
            column.figures().into_iter().filter(|figure| !is_percentile(figure, column)).collect();
        let mut take = |is_it: &dyn Fn(&Figure) -> bool| {
            let position = others.iter().position(is_it)?;
            Some(others.remove(position))
        };
        Columns {
            rate: take(&|figure| figure.better == Better::Higher && figure.unit == "/s"),
            cost: take(&|figure| figure.key.starts_with(COST_KEY)),
            server_share: take(&|figure| figure.key == SERVER_SHARE_KEY),
            load_share: take(&|figure| figure.key == LOAD_SHARE_KEY),
            memory: take(&|figure| figure.key == MEMORY_KEY),
            others,
        }
    }
}

fn is_percentile(figure: &Figure, column: &Column) -> bool {
    let latencies = column.rounds.iter().flat_map(|round| &round.latencies);
    latencies.into_iter().any(|latency| {
        let rest = figure.key.strip_prefix(latency.key);
        rest.is_some_and(|rest| rest.starts_with("_p") || rest == "_max_us")
    })
}

pub(super) fn table(run: &Run, is_bold: bool) -> String {
    let mut grid = Grid::default();
    let heading = ["WORK", "a second", "CPU each", "server CPU", "load CPU", "memory"];
    grid.heading(heading.map(str::to_owned).to_vec());
    let mut also = Grid::default();
    also.heading(vec!["ALSO".to_owned()]);
    let is_everything_shown = run.entries.iter().filter(|entry| entry.workload != FLOOR).count() <= 1;
    for entry in run.entries.iter().filter(|entry| entry.workload != FLOOR && entry.workload != LOG) {
        for column in entry.columns.iter().filter(|column| !column.rounds.is_empty()) {
            let columns = Columns::of(column);
            add_row(&mut grid, &entry.label, &columns, column.rounds.len());
            let is_shown = |figure: &&Figure| is_everything_shown || figure.better != Better::Neither;
            let mut others = columns.others.iter().filter(is_shown).peekable();
            if others.peek().is_some() {
                also.title(entry.label.clone(), false);
            }
            for figure in others {
                let mut cells = vec![format!("  {}", figure.label), short::median(figure)];
                if column.rounds.len() > 1 {
                    cells.push(short::range(figure));
                }
                also.row(cells);
            }
        }
    }
    let mut text = if grid.is_empty() { String::new() } else { grid.text(is_bold) };
    if !also.is_empty() {
        text += "\n";
        text += &also.text(is_bold);
    }
    for entry in run.entries.iter().filter(|entry| entry.workload == LOG) {
        for column in entry.columns.iter().filter(|column| !column.rounds.is_empty()) {
            if !text.is_empty() {
                text += "\n";
            }
            text += &list(entry, column).text(is_bold);
        }
    }
    text
}

/// All figures one below the other: the log's have no work in common that could be a column.
fn list(entry: &Entry, column: &Column) -> Grid {
    let mut grid = Grid::default();
    grid.title(entry.label.clone(), true);
    for figure in column.figures().iter().filter(|figure| !is_percentile(figure, column)) {
        let mut cells = vec![format!("  {}", figure.label), short::median(figure)];
        if column.rounds.len() > 1 {
            cells.push(short::range(figure));
        }
        grid.row(cells);
    }
    grid
}

fn add_row(grid: &mut Grid, title: &str, columns: &Columns, rounds: usize) {
    let Columns { rate, cost, server_share, load_share, memory, .. } = columns;
    if rate.is_none() && cost.is_none() {
        return;
    }
    let shown = [rate, cost, server_share, load_share, memory];
    let what = rate.as_ref().map_or("", |rate| match rate.key.as_str() {
        "accepts_per_second" => "logins",
        _ => rate.label.trim_end_matches(" a second"),
    });
    let cells = |of: fn(&Figure) -> String, nothing: &str| {
        shown.map(|figure| figure.as_ref().map_or_else(|| nothing.to_owned(), of))
    };
    let row = |label: &str, what: &str, [rate, cost, server, load, memory]: [String; 5]| {
        let rate = format!("{} {what}", rate.replace(" /s", ""));
        vec![label.to_owned(), rate.trim_end().to_owned(), cost, server, load, memory]
    };
    grid.row(row(title, what, cells(short::median, NOTHING)));
    if rounds > 1 {
        grid.row(row(
            &format!("    min–max of {rounds}"),
            "",
            cells(short::range, "").map(|cell| cell.replace("/s", "")),
        ));
    }
}

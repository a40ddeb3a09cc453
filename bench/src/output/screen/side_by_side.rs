//! The same work against several servers, each beside the first.

use super::grid::Grid;
use super::short::{self, NOTHING};
use crate::output::words::{FLOOR, counted};
use crate::results::{Better, Column, Entry, Figure, Run};

/// With a label and the first server, this many others fit a screen.
const OTHERS_MAX: usize = 3;

pub(super) fn tables(run: &Run, is_bold: bool) -> String {
    let first = run.servers.first().map_or("the first", |server| server.name.as_str());
    let mut text = format!(
        "Medians of {}, min and max below them; ×N is a figure divided by that of {first}.\n",
        counted(run.rounds, "round")
    );
    for entry in run.entries.iter().filter(|entry| entry.workload != FLOOR) {
        let Some((base, others)) = entry.columns.split_first() else { continue };
        // Also with nobody beside it.
        let blocks = if others.is_empty() { vec![others] } else { others.chunks(OTHERS_MAX).collect() };
        for block in blocks {
            text += "\n";
            text += &table(entry, base, block, is_bold);
        }
        for column in &entry.columns {
            if let Some(failure) = &column.failure {
                text += &super::grid::wrapped("  ", &format!("{}: {failure}", column.server));
            }
        }
    }
    text
}

fn table(entry: &Entry, base: &Column, others: &[Column], is_bold: bool) -> String {
    let mut grid = Grid::default();
    grid.title(entry.label.clone(), true);
    let mut heading = vec![String::new(), base.server.clone()];
    heading.extend(others.iter().flat_map(|column| [column.server.clone(), String::new()]));
    grid.heading(heading);
    let figures_of_others: Vec<Vec<Figure>> = others.iter().map(Column::figures).collect();
    let base_figures = base.figures();
    // What only others have is shown too, when the first could not be measured.
    let keys = [&base_figures].into_iter().chain(&figures_of_others).flatten();
    let mut shown: Vec<&Figure> = Vec::new();
    for figure in keys.filter(|figure| figure.better != Better::Neither) {
        if !shown.iter().any(|known| known.key == figure.key) {
            shown.push(figure);
        }
    }
    for figure in shown {
        let of = |figures: &[Figure]| figures.iter().find(|other| other.key == figure.key).cloned();
        let base_figure = of(&base_figures);
        let others: Vec<Option<Figure>> = figures_of_others.iter().map(|figures| of(figures)).collect();
        add(&mut grid, label(figure), base_figure.as_ref(), &others);
    }
    grid.row(faults(base, others));
    grid.text(is_bold)
}

/// Beside three others there is room for few words.
fn label(figure: &Figure) -> &str {
    match figure.key.as_str() {
        "accepts_per_second" => "logins a second",
        "resident_bytes" => "resident memory",
        "resident_bytes_per_connection" => "memory each",
        "anonymous_bytes_per_connection" => "anonymous part",
        _ => figure.label.strip_prefix("server ").unwrap_or(&figure.label),
    }
}

fn add(grid: &mut Grid, label: &str, base: Option<&Figure>, others: &[Option<Figure>]) {
    let median = |figure: Option<&Figure>| figure.map_or_else(|| NOTHING.to_owned(), short::median);
    let range = |figure: Option<&Figure>| {
        figure.map_or_else(String::new, |figure| short::range(figure).replace("/s", ""))
    };
    let mut medians = vec![format!("  {label}"), median(base)];
    let mut ranges = vec![String::new(), range(base)];
    for other in others.iter().map(Option::as_ref) {
        let pair = other.and_then(Figure::spread).zip(base.and_then(Figure::spread));
        let ratio = pair.map_or_else(String::new, |(other, base)| short::ratio(other.median, base.median));
        medians.extend([median(other), ratio]);
        ranges.extend([range(other), String::new()]);
    }
    grid.row(medians);
    if [base]
        .into_iter()
        .chain(others.iter().map(Option::as_ref))
        .flatten()
        .any(|figure| figure.values.len() > 1)
    {
        grid.row(ranges);
    }
}

fn faults(base: &Column, others: &[Column]) -> Vec<String> {
    let count = |column: &Column| {
        let faults = column.rounds.iter().map(|round| &round.faults);
        let sum: u64 =
            faults.map(|faults| faults.lost + faults.repeated + faults.disordered + faults.damaged).sum();
        if column.rounds.is_empty() { NOTHING.to_owned() } else { sum.to_string() }
    };
    let mut cells = vec!["  faults".to_owned(), count(base)];
    cells.extend(others.iter().flat_map(|column| [count(column), String::new()]));
    cells
}

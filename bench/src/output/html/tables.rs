//! The figures of a workload as tables.

use super::escaped;
use super::figures::percentile_names;
use crate::output::number;
use crate::output::screen::short;
use crate::results::{Better, Column, Entry, Figure, Run};

/// Every workload and server in a line.
pub(super) fn overview(run: &Run) -> String {
    let mut html = String::from("<div class=\"scroll\"><table><thead><tr><th>work</th><th>server</th>");
    html += &percentile_names().map(|name| format!("<th>{name}</th>")).collect::<String>();
    html += "<th>a second</th><th>CPU each</th></tr></thead><tbody>\n";
    for entry in &run.entries {
        for column in entry.columns.iter().filter(|column| !column.rounds.is_empty()) {
            html += &overview_row(entry, column);
        }
    }
    if let Some(sync) = &run.machine.sync {
        let time = |us| number::time_us(us, 1);
        html += &format!(
            "<tr><td>the device: 4 KB write + fdatasync</td><td>–</td><td>{}</td><td></td><td>{}</td><td></td><td>{}</td><td></td><td></td></tr>\n",
            time(sync.p50_us),
            time(sync.p99_us),
            time(sync.max_us)
        );
    }
    html + "</tbody></table></div>\n"
}

fn overview_row(entry: &Entry, column: &Column) -> String {
    let figures = column.figures();
    let first = column.rounds.iter().flat_map(|round| &round.latencies).find(|latency| latency.is_compared);
    let percentile = |name: &str| {
        let key = first.map(|latency| format!("{}_{}_us", latency.key, name.replace('.', "_")))?;
        figures.iter().find(|figure| figure.key == key)
    };
    let rate = figures.iter().find(|figure| figure.better == Better::Higher && figure.unit == "/s");
    let cost = figures.iter().find(|figure| figure.key.starts_with("server_cpu_us_per_"));
    let cell =
        |figure: Option<&Figure>| format!("<td>{}</td>", figure.map_or_else(String::new, short::median));
    let mut html =
        format!("<tr><td>{}</td><td>{}</td>", escaped(&entry.label), escaped(&column.server));
    html += &percentile_names().map(|name| cell(percentile(name))).collect::<String>();
    html + &cell(rate) + &cell(cost) + "</tr>\n"
}

/// Every figure of one workload, a column a server.
pub(super) fn details(entry: &Entry) -> String {
    let columns: Vec<(&Column, Vec<Figure>)> = entry
        .columns
        .iter()
        .filter(|column| !column.rounds.is_empty())
        .map(|column| (column, column.figures()))
        .collect();
    let mut shown: Vec<&Figure> = Vec::new();
    for figure in columns.iter().flat_map(|(_, figures)| figures) {
        if !shown.iter().any(|known| known.key == figure.key) {
            shown.push(figure);
        }
    }
    let names: String =
        columns.iter().map(|(column, _)| format!("<th>{}</th>", escaped(&column.server))).collect();
    let mut html = format!("<div class=\"scroll\"><table><thead><tr><th></th>{names}</tr></thead><tbody>\n");
    for like in shown {
        html += &format!("<tr><td>{}</td>", escaped(&like.label));
        let base =
            columns.first().and_then(|(_, figures)| figures.iter().find(|figure| figure.key == like.key));
        for (number, (_, figures)) in columns.iter().enumerate() {
            let figure = figures.iter().find(|figure| figure.key == like.key);
            html += &figure
                .map_or_else(|| "<td>–</td>".to_owned(), |figure| cell(figure, base.filter(|_| number > 0)));
        }
        html += "</tr>\n";
    }
    html + &faults(&columns) + "</tbody></table></div>\n"
}

fn cell(figure: &Figure, base: Option<&Figure>) -> String {
    let ratio =
        base.and_then(Figure::spread).zip(figure.spread()).filter(|_| figure.better != Better::Neither);
    let ratio = ratio.map(|(base, this)| {
        format!("<span class=\"ratio\">{}</span>", short::ratio(this.median, base.median))
    });
    let range = figure.spread().filter(|_| figure.values.len() > 1);
    let range = range.map(|spread| format!("<small>{}</small>", number::range(figure, &spread)));
    format!("<td>{}{}{}</td>", short::median(figure), ratio.unwrap_or_default(), range.unwrap_or_default())
}

fn faults(columns: &[(&Column, Vec<Figure>)]) -> String {
    let cell = |(column, _): &(&Column, Vec<Figure>)| {
        let faults = column.rounds.iter().map(|round| &round.faults);
        let sum: u64 =
            faults.map(|faults| faults.lost + faults.repeated + faults.disordered + faults.damaged).sum();
        if sum == 0 { "<td>0</td>".to_owned() } else { format!("<td class=\"bad\">{sum}</td>") }
    };
    let cells: String = columns.iter().map(cell).collect();
    format!("<tr><td>lost, repeated, disordered or damaged</td>{cells}</tr>\n")
}

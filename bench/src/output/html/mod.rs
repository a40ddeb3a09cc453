//! One page with everything, which needs nothing else: no script, no font, no other file.

mod figures;
mod plot;
mod tables;

use super::screen::changes_text;
use super::screen::truth::limit_sentences;
use super::words;
use crate::baseline::Comparison;
use crate::machine::{MachineFacts, Stalls};
use crate::results::{Entry, Run};

const STYLE: &str = include_str!("style.css");

/// The page of a run, with what moved since an earlier one when there is one.
///
/// # Errors
/// In words, when a plot cannot be drawn.
pub fn page(run: &Run, comparison: Option<&Comparison>) -> Result<String, String> {
    let mut html = head(run);
    html += &promises(run);
    html += "<h2>At a glance</h2>\n";
    html += &tables::overview(run);
    html += &limits(run);
    if let Some(comparison) = comparison {
        html += &format!(
            "<h2>Since an earlier run</h2>\n<pre>{}</pre>\n",
            escaped(&changes_text(comparison, false))
        );
    }
    for entry in
        run.entries.iter().filter(|entry| entry.columns.iter().any(|column| !column.rounds.is_empty()))
    {
        html += &section(entry)?;
    }
    html += &machine(&run.machine);
    Ok(html + "</body>\n</html>\n")
}

/// Text that is text in a page, also between quotes.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

fn head(run: &Run) -> String {
    let (version, started_at) = (escaped(&run.program_version), escaped(&run.started_at));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>madang bench, {started_at}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <h1>madang bench</h1>\n<p class=\"soft\">{started_at} · version {version} · {}</p>\n\
         <p>{}</p>\n<p><code>{}</code></p>\n",
        words::counted(run.rounds, "round"),
        escaped(&words::machine(&run.machine)),
        escaped(&run.command.join(" ")),
    )
}

fn promises(run: &Run) -> String {
    let promise = |server: &crate::results::ServerFacts| {
        format!("<li><b>{}</b>: {}</li>\n", escaped(&server.name), escaped(&server.promise))
    };
    format!("<ul>\n{}</ul>\n", run.servers.iter().map(promise).collect::<String>())
}

fn limits(run: &Run) -> String {
    let verdict = if run.is_faultless() {
        "<p>Nothing was lost, repeated, out of order or damaged.</p>\n".to_owned()
    } else {
        let examples = run.measurements().flat_map(|found| &found.faults.examples).take(20);
        let examples: String = examples.map(|example| format!("<li>{}</li>", escaped(example))).collect();
        format!(
            "<p class=\"bad\">Deliveries were lost, repeated, out of order or damaged.</p>\n<ul>{examples}</ul>\n"
        )
    };
    let sentences: String =
        limit_sentences(run).iter().map(|sentence| format!("<li>{}</li>\n", escaped(sentence))).collect();
    format!("{verdict}<h3>What limits this</h3>\n<ul>\n{sentences}</ul>\n")
}

fn section(entry: &Entry) -> Result<String, String> {
    let mut html = format!(
        "<h2>{}</h2>\n<p class=\"soft\">{}</p>\n",
        escaped(&entry.label),
        escaped(&entry.title)
    );
    for column in &entry.columns {
        if let Some(failure) = &column.failure {
            html += &format!(
                "<p><b>{}</b> was not measured: {}</p>\n",
                escaped(&column.server),
                escaped(failure)
            );
        }
        if let Some(limit) = column.rounds.iter().find_map(|round| round.load_limit.as_ref()) {
            html += &format!(
                "<p><b>{}</b>: the load is the limit: {}</p>\n",
                escaped(&column.server),
                escaped(limit)
            );
        }
    }
    html += &figures::figures(entry)?;
    Ok(html + &tables::details(entry))
}

fn machine(facts: &MachineFacts) -> String {
    let data = facts.data.as_ref().map_or_else(
        || "unknown".to_owned(),
        |data| {
            let cache =
                data.write_cache.as_ref().map(|cache| format!(", cache: {cache}")).unwrap_or_default();
            format!("{}: {} on {}{cache}", data.path, data.file_system, data.device)
        },
    );
    let sync = facts.sync.as_ref().map_or_else(
        || "not measured".to_owned(),
        |sync| {
            format!(
                "p50 {:.0} µs, p99 {:.0} µs, max {:.0} µs ({} of {} bytes each)",
                sync.p50_us, sync.p99_us, sync.max_us, sync.samples, sync.write_bytes
            )
        },
    );
    let stalls = facts.stalls.as_ref().map_or_else(|| "not measured".to_owned(), Stalls::described);
    let rows = [
        ("kernel", facts.kernel.clone()),
        ("processor", facts.processor.clone()),
        ("processors", format!("{}, of which {} may be used", facts.processors, facts.processors_allowed)),
        ("governor", facts.governor.clone().unwrap_or_else(|| "none".to_owned())),
        ("memory", super::number::bytes(facts.memory_bytes as f64)),
        ("data", data),
        ("write + fdatasync", sync),
        ("processors away", stalls),
    ];
    let rows: String =
        rows.iter().map(|(name, value)| format!("<dt>{name}</dt><dd>{}</dd>\n", escaped(value))).collect();
    let mitigation =
        |(name, state): &(String, String)| format!("<dt>{}</dt><dd>{}</dd>\n", escaped(name), escaped(state));
    let mitigations: String = facts.mitigations.iter().map(mitigation).collect();
    format!(
        "<h2>The machine</h2>\n<dl>\n{rows}</dl>\n<details><summary>Processor faults and mitigations</summary>\n\
         <dl>\n{mitigations}</dl>\n</details>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::example;

    #[test]
    fn a_page_holds_everything_and_asks_for_nothing() {
        let mut run = example::run(&[("madang", &[100, 110]), ("<b>레디스</b>", &[50, 60])]);
        run.notes.push("\"quoted\" & <script>alert(1)</script>".to_owned());
        let html = page(&run, None).expect("a page");
        for expected in [
            "&lt;b&gt;레디스&lt;/b&gt;",
            "&lt;script&gt;",
            "90%",
            "<polyline",
            "×0.5",
            "Example 9000",
            "spectre_v2",
        ] {
            assert!(html.contains(expected), "{expected}");
        }
        for foreign in ["<script", "<link", "<img", "src=", "@import", "url(", "href="] {
            assert!(!html.contains(foreign), "{foreign}");
        }
        // The only address is the name of SVG's own language.
        let addresses = html.matches("http").count();
        assert_eq!(
            addresses,
            html.matches("http://www.w3.org/2000/svg").count() + html.matches("http-equiv").count()
        );
    }

    #[test]
    fn colours_of_plots_are_those_that_the_style_sheet_replaces() {
        let html = page(&example::run(&[("madang", &[100])]), None).expect("a page");
        let (_, body) = html.split_once("</style>").expect("a style");
        let used = body.match_indices("stroke=\"#").map(|(at, _)| &body[at + 8..at + 15]);
        for colour in used {
            assert!(STYLE.contains(&format!("[stroke=\"{colour}\"]")), "{colour}");
        }
    }
}

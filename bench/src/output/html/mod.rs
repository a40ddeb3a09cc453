//! One page with everything, which needs nothing else. The page is always the same: its script draws it from
//! the results, which stand in it as JSON.

use super::json::Document;
use super::screen::changes_text;
use super::screen::truth::limit_sentences;
use super::words;
use crate::baseline::Comparison;
use crate::machine::Stalls;
use crate::results::Run;
use serde::Serialize;

const HEAD: &str = concat!(
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
    "<meta http-equiv=\"Content-Security-Policy\" ",
    "content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n",
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
    "<title>madang bench</title>\n<style>\n",
    include_str!("style.css"),
    "</style>\n</head>\n<body>\n<main><noscript>A script in this file draws it: let it run.</noscript></main>\n",
);
const TAIL: &str = concat!(
    "<script>\n\"use strict\";\n",
    include_str!("numbers.js"),
    include_str!("histogram.js"),
    include_str!("plots.js"),
    include_str!("page.js"),
    "</script>\n</body>\n</html>\n",
);

/// What the program says of the results in words, as on the screen.
#[derive(Serialize)]
struct Words {
    machine: String,
    stalls: Option<String>,
    limits: Vec<String>,
    changes: Option<String>,
}

/// The page of a run, with what moved since an earlier one when there is one. `results` are those of the run.
///
/// # Errors
/// In words, when there is no JSON for it.
pub fn page(run: &Run, results: &Document, comparison: Option<&Comparison>) -> Result<String, String> {
    let words = Words {
        machine: words::machine(&run.machine),
        stalls: run.machine.stalls.as_ref().map(Stalls::described),
        limits: limit_sentences(run),
        changes: comparison.map(|comparison| changes_text(comparison, false)),
    };
    Ok([HEAD, &block("results", results)?, &block("words", &words)?, TAIL].concat())
}

/// JSON as a part of a page. `<` stands in its strings only, and is written so that none of them can end the
/// block or begin a comment.
fn block(name: &str, value: &impl Serialize) -> Result<String, String> {
    let json = serde_json::to_string(value).map_err(|error| error.to_string())?;
    let json = json.replace('<', "\\u003c");
    Ok(format!("<script type=\"application/json\" id=\"{name}\">\n{json}\n</script>\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::example;

    fn page_of(run: &Run) -> String {
        page(run, &Document::of(run).expect("a document"), None).expect("a page")
    }

    /// What stands in the block of this name.
    fn json<'a>(page: &'a str, name: &str) -> &'a str {
        let opening = format!("<script type=\"application/json\" id=\"{name}\">\n");
        let (_, rest) = page.split_once(opening.as_str()).expect("a block");
        rest.split_once("\n</script>").expect("its end").0
    }

    #[test]
    fn a_page_holds_the_results_and_asks_for_nothing() {
        let run = example::run(&[("madang", &[100, 110]), ("레디스", &[50, 60])]);
        let page = page_of(&run);
        let results: Document = serde_json::from_str(json(&page, "results")).expect("results");
        assert_eq!(results, Document::of(&run).expect("a document"));
        for foreign in ["<link", "<img", "src=", "@import", "url(", "href=", "fetch(", "import("] {
            assert!(!page.contains(foreign), "{foreign}");
        }
    }

    #[test]
    fn nothing_in_the_results_is_taken_for_a_part_of_the_page() {
        let hostile = "</script><script>alert(1)</script><!--";
        let mut run = example::run(&[(hostile, &[100])]);
        run.notes.push(hostile.to_owned());
        let (page, harmless) = (page_of(&run), page_of(&example::run(&[("madang", &[100])])));
        for mark in ["<script", "</script", "<!--"] {
            assert_eq!(page.matches(mark).count(), harmless.matches(mark).count(), "{mark}");
        }
        let words: serde_json::Value = serde_json::from_str(json(&page, "words")).expect("words");
        assert_eq!(words["limits"][0], hostile);
    }
}

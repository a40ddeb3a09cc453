//! Files of results: known to be writable before the run, written after it.

use super::streams::show;
use crate::baseline::{check, compare};
use crate::output::json::{self, Document};
use crate::output::{OutputDirectory, OutputError, OutputFile, changes_text, hgrm, html};
use crate::results::Run;
use clap::Args;
use std::path::PathBuf;

#[derive(Args, Clone, Debug)]
pub struct OutputOptions {
    /// Write everything that was measured, with all parameters and the machine, as JSON
    #[arg(long, value_name = "FILE", global = true)]
    json: Option<PathBuf>,
    /// Write a percentile file of HdrHistogram for each distribution
    #[arg(long, value_name = "DIR", global = true)]
    hgrm: Option<PathBuf>,
    /// Write one self-contained HTML page with plots
    #[arg(long, value_name = "FILE", global = true)]
    html: Option<PathBuf>,
    /// Compare with the --json file of an earlier run with the same options
    #[arg(long, value_name = "FILE", global = true)]
    baseline: Option<PathBuf>,
}

/// What will be written, and what this run will be held against.
#[derive(Debug)]
pub struct Outputs {
    json: Option<OutputFile>,
    hgrm: Option<OutputDirectory>,
    html: Option<OutputFile>,
    baseline: Option<Document>,
}

impl Outputs {
    /// Makes sure that all of it is possible. `planned` is the run without rounds.
    ///
    /// # Errors
    /// In words that name the file.
    pub fn prepare(options: &OutputOptions, planned: &Run) -> Result<Outputs, String> {
        let words = |error: OutputError| error.to_string();
        let baseline = match &options.baseline {
            None => None,
            Some(path) => {
                let before = json::read(path).map_err(words)?;
                check(path, &before, &Document::of(planned)?).map_err(|error| error.to_string())?;
                Some(before)
            }
        };
        let file =
            |path: &Option<PathBuf>| path.as_deref().map(OutputFile::prepare).transpose().map_err(words);
        Ok(Outputs {
            json: file(&options.json)?,
            html: file(&options.html)?,
            hgrm: options.hgrm.as_deref().map(OutputDirectory::prepare).transpose().map_err(words)?,
            baseline,
        })
    }

    /// Writes everything and shows what moved. What fails is said, and the rest is written still.
    pub fn write(self, run: &Run, is_bold: bool) -> Vec<String> {
        let document = match Document::of(run) {
            Ok(document) => document,
            Err(error) => return vec![error],
        };
        let comparison = self.baseline.map(|before| compare(&before, &document));
        if let Some(comparison) = &comparison {
            show(&format!("\n{}", changes_text(comparison, is_bold)));
        }
        let mut failures = Vec::new();
        let mut keep = |result: Result<String, String>| match result {
            Ok(written) => show(&format!("{written}\n")),
            Err(error) => failures.push(error),
        };
        show(if self.json.is_some() || self.html.is_some() || self.hgrm.is_some() { "\n" } else { "" });
        if let Some(file) = self.json {
            keep(document.text().and_then(|text| write_file(file, &text)));
        }
        if let Some(directory) = self.hgrm {
            let place = directory.path().display().to_string();
            let written = hgrm::write(run, &directory).map_err(|error| error.to_string());
            keep(written.map(|count| format!("written: {count} percentile files in {place}")));
        }
        if let Some(file) = self.html {
            let page = html::page(run, &document, comparison.as_ref());
            keep(page.and_then(|text| write_file(file, &text)));
        }
        failures
    }
}

fn write_file(file: OutputFile, text: &str) -> Result<String, String> {
    let place = file.path().display().to_string();
    file.write(text.as_bytes()).map_err(|error| error.to_string())?;
    Ok(format!("written: {place}"))
}

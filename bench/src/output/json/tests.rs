//! What is written is what was measured, and can be read again, here and elsewhere.

use super::document::SCHEMA_VERSION;
use super::{Document, read};
use crate::results::{Run, example};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use serde_json::Value;
use std::fs;

fn run() -> Run {
    example::run(&[("madang", &[100, 120]), ("레디스", &[200, 210])])
}

#[test]
fn what_was_written_is_read_back_whole() {
    let document = Document::of(&run()).expect("a document");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("results.json");
    fs::write(&path, document.text().expect("a text")).expect("a file");
    assert_eq!(read(&path).expect("results"), document);
}

#[test]
fn figures_of_a_file_are_those_of_the_run() {
    let run = run();
    let document = Document::of(&run).expect("a document");
    for (column, server) in run.entries[0].columns.iter().zip(&document.workloads[0].servers) {
        assert_eq!(column.figures(), server.figures());
    }
}

#[test]
fn the_schema_is_what_is_documented() {
    let document = Document::of(&run()).expect("a document");
    let value: Value = serde_json::from_str(&document.text().expect("a text")).expect("JSON");
    assert_eq!(value["schema_version"], SCHEMA_VERSION);
    assert_eq!(value["program"]["name"], "madang");
    assert_eq!(value["machine"]["data"]["file_system"], "ext4");
    assert_eq!(value["machine"]["sync"]["p50_us"], 150.0);
    assert_eq!(value["machine"]["stalls"]["count"], 20);
    assert_eq!(value["servers"][1]["name"], "레디스");
    let workload = &value["workloads"][0];
    assert_eq!((&workload["name"], &workload["parameters"]["rate"]), (&"fanout".into(), &"1000".into()));
    let round = &workload["servers"][0]["rounds"][1];
    assert_eq!(round["metrics"][1]["key"], "server_cpu_us_per_delivery");
    assert_eq!(round["metrics"][1]["better"], "lower");
    assert_eq!(round["series"][0]["values"][1], Value::Null);
    assert_eq!(round["faults"]["lost"], 0);
    let percentiles = round["latencies"][0]["percentiles_us"].as_object().expect("percentiles");
    assert_eq!(percentiles.keys().collect::<Vec<_>>(), ["max", "p50", "p90", "p99", "p99_9"]);
}

#[test]
fn histograms_are_readable_by_other_programs() {
    let run = run();
    let document = Document::of(&run).expect("a document");
    let text = &document.workloads[0].servers[0].rounds[0].latencies[0].histogram_ns;
    // The cookie of HdrHistogram's compressed V2 encoding, as it looks in base64.
    assert!(text.starts_with("HISTF"), "{text}");
    let bytes = STANDARD.decode(text).expect("base64");
    let histogram: Histogram<u64> =
        Deserializer::new().deserialize(&mut bytes.as_slice()).expect("a histogram");
    assert_eq!(histogram, run.entries[0].columns[0].rounds[0].latencies[0].histogram_ns);
}

#[test]
fn a_file_that_is_something_else_is_named_with_what_it_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("results.json");
    for (text, expected) in [
        ("", "holds no results"),
        ("{}", "missing field `schema_version`"),
        (
            "{\"schema_version\": 2, \"machine\": 7}",
            "has results in version 2 of their schema, and this program reads version 1",
        ),
        ("{\"schema_version\": 1}", "missing field `program`"),
    ] {
        fs::write(&path, text).expect("a file");
        let refusal = read(&path).expect_err("no results").to_string();
        assert!(refusal.contains(expected), "{refusal}");
        assert!(refusal.contains("results.json"), "{refusal}");
    }
    fs::remove_file(&path).expect("a file");
    assert!(read(&path).expect_err("no file").to_string().contains("cannot read"));
}

//! A shift that was planted is named, and noise is not.

use super::{Comparison, Verdict, check, compare};
use crate::output::json::Document;
use crate::results::{Run, example};
use std::path::Path;

fn document(run: &Run) -> Document {
    Document::of(run).expect("a document")
}

fn compared(before: &[u64], now: &[u64]) -> Comparison {
    compare(&document(&example::run(&[("madang", before)])), &document(&example::run(&[("madang", now)])))
}

fn verdict(comparison: &Comparison, key: &str) -> Verdict {
    comparison.changes.iter().find(|change| change.now.key == key).expect("the figure").verdict
}

#[test]
fn a_planted_shift_is_named_with_its_direction() {
    let slower = compared(&[100, 101, 103, 104, 102], &[121, 125, 119, 122, 124]);
    for key in ["delivery_p50_us", "delivery_p99_us", "server_cpu_us_per_delivery", "deliveries_per_second"] {
        assert!(matches!(verdict(&slower, key), Verdict::Worse { p } if p < 0.01), "{key}: {slower:?}");
    }
    let faster = compared(&[121, 125, 119, 122, 124], &[100, 101, 103, 104, 102]);
    assert!(matches!(verdict(&faster, "deliveries_per_second"), Verdict::Better { .. }));
    assert!(matches!(verdict(&faster, "delivery_p50_us"), Verdict::Better { .. }));
    let change = &faster.changes[0];
    assert!((change.effect - (102.0 / 122.0 - 1.0)).abs() < 0.01, "{change:?}");
}

#[test]
fn noise_a_sure_trifle_and_the_same_run_are_not_named() {
    let noise = compared(&[100, 140, 120, 90, 130], &[110, 135, 95, 125, 141]);
    // 3 % is sure with these values, and too little to matter.
    let trifle = compared(&[1000, 1001, 1002, 1003], &[1030, 1031, 1032, 1033]);
    let same = compared(&[100, 140, 120, 90], &[100, 140, 120, 90]);
    for comparison in [noise, trifle, same] {
        assert!(!comparison.changes.is_empty());
        assert!(comparison.changes.iter().all(|change| change.verdict == Verdict::Unmoved), "{comparison:?}");
    }
}

#[test]
fn from_few_rounds_nothing_is_concluded_and_cut_ones_do_not_count() {
    let few = compared(&[100, 100, 100], &[200, 200, 200, 200]);
    assert!(few.changes.iter().all(|change| change.verdict == Verdict::TooFewRounds), "{few:?}");
    let before = document(&example::run(&[("madang", &[100; 4])]));
    let mut now = document(&example::run(&[("madang", &[200; 4])]));
    now.workloads[0].servers[0].rounds[3].is_cut_short = true;
    assert_eq!(compare(&before, &now).changes[0].verdict, Verdict::TooFewRounds);
}

#[test]
fn what_has_no_better_and_the_largest_values_are_not_compared() {
    let comparison = compared(&[100; 4], &[200; 4]);
    for key in ["load_cpu_share", "send_lag_p50_us", "delivery_max_us"] {
        assert!(comparison.changes.iter().all(|change| change.now.key != key), "{key}");
    }
}

#[test]
fn other_work_is_rejected_with_all_that_differs() {
    let path = Path::new("old.json");
    let before = document(&example::run(&[("madang", &[100])]));
    assert_eq!(check(path, &before, &before), Ok(()));
    let mut other = before.clone();
    other.workloads[0].parameters.insert("rate".to_owned(), "500".to_owned());
    other.workloads[0].parameters.remove("size");
    other.servers[0].durability = Some("none".to_owned());
    other.servers[0].settings = vec!["shards.count=1".to_owned()];
    let refusal = check(path, &before, &other).expect_err("other work").to_string();
    for expected in [
        "--baseline 'old.json' cannot be compared",
        "fanout: --rate is 500 now and was 1000 then, --size is not given now and was 64 then",
        "--durability is none now and was commit then",
        "--set is shards.count=1 now and was nothing then",
        "run with the options it was measured with: madang bench fanout",
    ] {
        assert!(refusal.contains(expected), "{expected} in: {refusal}");
    }
    other.workloads[0].name = "whisper".to_owned();
    let refusal = check(path, &before, &other).expect_err("other work").to_string();
    assert!(refusal.contains("it has no whisper, only fanout"), "{refusal}");
}

#[test]
fn another_machine_is_said() {
    let before = document(&example::run(&[("madang", &[100; 4])]));
    let mut now = before.clone();
    now.machine.kernel = "Linux 7.0 x86_64".to_owned();
    let differences = compare(&before, &now).machine_differences;
    assert_eq!(differences, ["kernel: Linux 6.18.5 x86_64 then, Linux 7.0 x86_64 now"]);
}

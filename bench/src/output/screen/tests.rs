//! The screen as it is seen.

use super::screen;
use crate::results::{Latency, Metric, example};
use unicode_width::UnicodeWidthStr;

#[test]
fn one_server_has_its_latencies_its_work_and_the_device_beside_them() {
    let text = screen(&example::run(&[("madang", &[100])]), false);
    let expected = "\
madang bench 0.1.0 · 2026-11-21T15:00:00Z · 1 round
  Linux 6.18.5 x86_64 · Example 9000 · 2 processors · 24.0 GiB · data on ext4 (/dev/vda)

PROMISES
  madang: in memory, at most once

LATENCY                             p50     p90      p99    p99.9      max
fan-out 2 × 5, 1,000 messages/s  500 µs  900 µs  1.00 ms  1.00 ms  1.00 ms
  device: 4 KB + fdatasync       150 µs           400 µs            900 µs

WORK                                      a second  CPU each  server CPU  load CPU  memory
fan-out 2 × 5, 1,000 messages/s  10,000 deliveries   10.0 µs           –    58.1 %       –

FAULTS  lost 0 · repeated 0 · disordered 0 · damaged 0  (as promised)

WHAT LIMITS THIS
  - threads that only read the clock did not run for 1.9 % of the time in 20 stalls, at most 7.8 ms
    at once: the host gives this machine's processors to others, and the highest latencies show
    that, not a server
  - server on processor 0, load on processor 1
  - one round: the noise is not known; --rounds 5 gives medians with min and max
";
    assert_eq!(text, expected);
}

#[test]
fn rounds_are_shown_as_medians_with_least_and_most() {
    let text = screen(&example::run(&[("madang", &[100, 120, 90])]), false);
    assert!(text.contains("min–max of 3"), "{text}");
    assert!(text.contains("450–600µs"), "{text}");
    assert!(!text.contains("one round:"), "{text}");
}

#[test]
fn servers_stand_side_by_side_with_ratios() {
    let run = example::run(&[
        ("madang", &[100, 110]),
        ("redis", &[50, 55]),
        ("nats", &[200, 220]),
        ("마당", &[90, 90]),
        ("irc", &[400, 400]),
    ]);
    let text = screen(&run, false);
    for expected in [
        "×N is a figure divided by that of madang",
        "×0.50",
        "×2.00",
        "마당",
        "redis: in memory, at most once",
    ] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
    assert!(text.lines().all(|line| line.width() <= 100), "{text}");
    // Four others do not fit beside the first: it is shown twice.
    assert_eq!(text.matches("fan-out 2 × 5, 1,000 messages/s\n").count(), 2, "{text}");
}

#[test]
fn faults_and_limits_of_the_load_are_said() {
    let mut run = example::run(&[("madang", &[100])]);
    let round = &mut run.entries[0].columns[0].rounds[0];
    round.faults.lost = 2;
    round.faults.examples.push("room 1: message 7 of user 3 never came".to_owned());
    round.load_limit = Some("97 % busy".to_owned());
    let text = screen(&run, false);
    for expected in [
        "lost 2 · repeated 0 · disordered 0 · damaged 0  (MUST ALL BE 0)",
        "madang: room 1: message 7 of user 3 never came",
        "the load is the limit: 97 % busy",
    ] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
}

#[test]
fn no_label_is_cut_where_a_workload_has_several_latencies() {
    let mut run = example::run(&[("madang", &[100, 120, 90])]);
    let entry = &mut run.entries[0];
    entry.workload = "storm".to_owned();
    entry.label = "reconnect storm, 15,000 connections".to_owned();
    let labels = [
        ("delivery_before", "connections that stayed, before"),
        ("delivery", "connections that stayed, during"),
        ("delivery_after", "connections that stayed, after"),
        ("return", "cut off until caught up"),
    ];
    for round in &mut entry.columns[0].rounds {
        let taken = round.latencies.remove(0);
        round.latencies = labels
            .map(|(key, label)| Latency { key, label: label.to_owned(), ..taken.clone() })
            .into_iter()
            .collect();
        // What has no column of its own.
        round.metrics.push(Metric {
            key: "gaps",
            label: "gaps between history and live talk".to_owned(),
            ..round.metrics[2].clone()
        });
    }
    let text = screen(&run, false);
    for label in labels.map(|(_, label)| label).into_iter().chain(["gaps between history and live talk"]) {
        assert_eq!(
            text.lines().filter(|line| line.starts_with(&format!("  {label} "))).count(),
            1,
            "{label} in\n{text}"
        );
    }
    assert!(!text.contains('…') && text.lines().all(|line| line.width() <= 100), "{text}");
}

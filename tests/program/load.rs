//! Every workload of the load, a short time against the real binary: nothing is lost, and each tells
//! what it promises to tell.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use madang_bench::results::Measurement;
use madang_bench::{
    EchoOptions, FanOutOptions, HistoryOptions, IdleOptions, MixedOptions, NoProgress, OwnServer, Pace,
    SlowReadersOptions, Stop, StormOptions, Target, WhisperOptions, Workload, measure,
};
use std::time::Duration;

/// Short, so that all of them together take seconds.
const SHORT: Duration = Duration::from_millis(700);

#[track_caller]
fn measured(workload: &Workload, settings: &[&str]) -> Measurement {
    let target = Target::Own(OwnServer {
        program: env!("CARGO_BIN_EXE_madang").into(),
        durability: Some("none".to_owned()),
        settings: settings.iter().map(|setting| (*setting).to_owned()).collect(),
    });
    let found = measure(workload, &target, &mut NoProgress, &Stop::new()).unwrap();
    assert!(found.faults.is_none(), "{:?}", found.faults);
    assert!(!found.is_cut_short);
    assert_eq!(found.workload, workload.name());
    for latency in &found.latencies {
        assert!(!latency.histogram_ns.is_empty(), "{}", latency.key);
    }
    found
}

#[track_caller]
fn figure(found: &Measurement, key: &str) -> f64 {
    let metric = found.metrics.iter().find(|metric| metric.key == key);
    metric.unwrap_or_else(|| panic!("{key} in {:?}", found.metrics)).value
}

#[track_caller]
fn has_latencies(found: &Measurement, keys: &[&str]) {
    let found: Vec<&str> = found.latencies.iter().map(|latency| latency.key).collect();
    assert_eq!(found, keys);
}

#[test]
fn echo_tells_the_time_of_a_round_trip() {
    let found = measured(&Workload::Echo(EchoOptions { duration: SHORT, size_bytes: 64 }), &[]);
    assert!(figure(&found, "messages") > 10.0 && figure(&found, "server_cpu_us_per_delivery") > 0.0);
    has_latencies(&found, &["delivery"]);
}

#[test]
fn fan_out_delivers_each_message_to_each_member_in_both_paces() {
    for pace in [Pace::Rate { messages_per_second: 200 }, Pace::Saturated { in_flight: 4 }] {
        let options = FanOutOptions { rooms: 3, members: 5, pace, size_bytes: 64, duration: SHORT };
        let found = measured(&Workload::FanOut(options), &[]);
        assert_eq!(figure(&found, "deliveries"), figure(&found, "messages") * 5.0);
        assert!(figure(&found, "resident_bytes") > 100_000.0);
        assert_eq!(found.series[0].key, "deliveries_per_second");
        let is_open = matches!(pace, Pace::Rate { .. });
        has_latencies(&found, if is_open { &["delivery", "send_lag"] } else { &["delivery"] });
    }
}

#[test]
fn whispers_come_with_their_receipts() {
    let options = WhisperOptions { pairs: 5, whispers_per_second: 200, size_bytes: 64, duration: SHORT };
    let found = measured(&Workload::Whisper(options), &[]);
    assert_eq!(figure(&found, "deliveries"), figure(&found, "messages") * 2.0);
    has_latencies(&found, &["delivery", "receipt", "send_lag"]);
}

#[test]
fn idle_tells_memory_and_how_fast_connections_come_in() {
    let found = measured(&Workload::Idle(IdleOptions { connections: 300 }), &[]);
    assert!(figure(&found, "accepts_per_second") > 10.0);
    assert!(figure(&found, "resident_bytes_per_connection").is_finite());
}

#[test]
fn pages_of_history_are_whole_and_true() {
    let options =
        HistoryOptions { messages: 2_000, readers: 3, pages_per_second: 50, size_bytes: 64, duration: SHORT };
    let found = measured(&Workload::History(options), &[]);
    assert_eq!((figure(&found, "pages"), figure(&found, "pages_refused")), (35.0, 0.0));
    has_latencies(&found, &["page", "send_lag"]);
}

#[test]
fn talk_whispers_and_moves_go_together() {
    let options = MixedOptions {
        rooms: 3,
        members: 4,
        actions_per_second: 200,
        moves_percent: 20,
        whispers_percent: 20,
        size_bytes: 64,
        duration: SHORT,
    };
    let found = measured(&Workload::Mixed(options), &[]);
    for key in ["talk", "whispers", "moves"] {
        assert!(figure(&found, key) > 5.0, "{key}");
    }
    has_latencies(&found, &["delivery", "whisper", "receipt", "move", "send_lag"]);
}

#[test]
fn everyone_cut_off_by_a_storm_is_back_without_a_gap() {
    let options = StormOptions { connections: 60, members: 20, messages_per_second: 100, size_bytes: 64 };
    let found = measured(&Workload::Storm(options), &[]);
    assert_eq!(figure(&found, "gaps"), 0.0);
    assert!(figure(&found, "storm_seconds") > 0.0);
    // 4 rooms of a talker and 15 who were cut off: each message is owed to all 16.
    assert_eq!(figure(&found, "deliveries"), figure(&found, "messages") * 16.0);
    let returns = found.latencies.iter().find(|latency| latency.key == "return").unwrap();
    assert_eq!(returns.histogram_ns.len(), 60);
}

#[test]
fn slow_readers_are_cut_off_and_the_others_miss_nothing() {
    let options = SlowReadersOptions {
        rooms: 1,
        members: 3,
        slow: 2,
        // 1.5 s of it are 12 MB for each: more than outbox and kernel hold.
        messages_per_second: 2_000,
        size_bytes: 4_000,
        duration: Duration::from_secs(3),
    };
    let found = measured(&Workload::SlowReaders(options), &["limits.outbox_bytes_max=262144"]);
    assert_eq!(figure(&found, "slow_readers_cut_off"), 2.0);
    has_latencies(&found, &["delivery_before", "delivery", "send_lag"]);
}

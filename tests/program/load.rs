//! Every workload of the load, a short time against the real binary: nothing is lost, and each reports what it
//! promises.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use crate::bench::{bench, read_json, words};
use serde_json::Value;

/// What one round of `madang bench` has found.
struct Round(Value);

#[track_caller]
fn measured(typed: &str) -> Round {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let arguments: Vec<&str> =
        typed.split(' ').chain(["--durability", "none", "--json", "new.json"]).collect();
    let output = bench(directory.path(), &arguments);
    assert_eq!(output.status.code(), Some(0), "{}{}", words(&output.stdout), words(&output.stderr));
    let results = read_json(&directory.path().join("new.json"));
    let workload = &results["workloads"][0];
    assert_eq!(workload["name"], arguments[0]);
    let round = Round(workload["servers"][0]["rounds"][0].clone());
    for kind in ["lost", "repeated", "disordered", "damaged"] {
        assert_eq!(round.0["faults"][kind], 0, "{kind}");
    }
    assert_eq!(round.0["is_cut_short"], false);
    for latency in round.list("latencies") {
        assert!(latency["count"].as_u64().unwrap() > 0, "{latency}");
    }
    round
}

impl Round {
    fn list(&self, name: &str) -> &[Value] {
        self.0[name].as_array().unwrap()
    }

    #[track_caller]
    fn figure(&self, key: &str) -> f64 {
        let metric = self.list("metrics").iter().find(|metric| metric["key"] == key);
        metric.unwrap_or_else(|| panic!("{key} in {:?}", self.list("metrics")))["value"].as_f64().unwrap()
    }

    #[track_caller]
    fn has_latencies(&self, keys: &[&str]) {
        let found: Vec<&str> =
            self.list("latencies").iter().map(|latency| latency["key"].as_str().unwrap()).collect();
        assert_eq!(found, keys);
    }
}

#[test]
fn echo_tells_the_time_of_a_round_trip() {
    let found = measured("echo --seconds 0.7");
    assert!(found.figure("messages") > 10.0 && found.figure("server_cpu_us_per_delivery") > 0.0);
    found.has_latencies(&["delivery"]);
}

#[test]
fn fan_out_delivers_each_message_to_each_member_in_both_paces() {
    for (pace, latencies) in [("--rate 200", &["delivery", "send_lag"][..]), ("--in-flight 4", &["delivery"])]
    {
        let found = measured(&format!("fanout --rooms 3 --members 5 {pace} --seconds 0.7"));
        assert_eq!(found.figure("deliveries"), found.figure("messages") * 5.0);
        assert!(found.figure("resident_bytes") > 100_000.0);
        assert_eq!(found.list("series")[0]["key"], "deliveries_per_second");
        found.has_latencies(latencies);
    }
}

#[test]
fn whispers_come_with_their_receipts() {
    let found = measured("whisper --pairs 5 --rate 200 --seconds 0.7");
    assert_eq!(found.figure("deliveries"), found.figure("messages") * 2.0);
    found.has_latencies(&["delivery", "receipt", "send_lag"]);
}

#[test]
fn idle_tells_memory_and_how_fast_connections_come_in() {
    let found = measured("idle --connections 300");
    assert!(found.figure("accepts_per_second") > 10.0);
    assert!(found.figure("resident_bytes_per_connection").is_finite());
}

#[test]
fn pages_of_history_are_whole_and_true() {
    let found = measured("history --messages 2000 --readers 3 --rate 50 --seconds 0.7");
    assert_eq!((found.figure("pages"), found.figure("pages_refused")), (35.0, 0.0));
    found.has_latencies(&["page", "send_lag"]);
}

#[test]
fn talk_whispers_and_moves_go_together() {
    let found = measured("mixed --rooms 3 --members 4 --rate 200 --moves 20 --whispers 20 --seconds 0.7");
    for key in ["talk", "whispers", "moves"] {
        assert!(found.figure(key) > 5.0, "{key}");
    }
    found.has_latencies(&["delivery", "whisper", "receipt", "move", "send_lag"]);
}

#[test]
fn everyone_cut_off_by_a_storm_is_back_without_a_gap() {
    let found = measured("storm --connections 60 --members 20 --rate 100");
    assert_eq!(found.figure("gaps"), 0.0);
    assert!(found.figure("storm_seconds") > 0.0);
    // 4 rooms of a talker and 15 who were cut off: each message is owed to all 16.
    assert_eq!(found.figure("deliveries"), found.figure("messages") * 16.0);
    let returns = found.list("latencies").iter().find(|latency| latency["key"] == "return").unwrap();
    assert_eq!(returns["count"], 60);
}

#[test]
fn slow_readers_are_cut_off_and_the_others_miss_nothing() {
    // 1.5 s of it are 12 MB for each: more than outbox and kernel hold.
    let found = measured(
        "slow-readers --rooms 1 --members 3 --slow 2 --rate 2000 --size 4000 --seconds 3 \
         --set limits.outbox_bytes_max=262144",
    );
    assert_eq!(found.figure("slow_readers_cut_off"), 2.0);
    found.has_latencies(&["delivery_before", "delivery", "send_lag"]);
}

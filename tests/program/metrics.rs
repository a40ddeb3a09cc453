//! What Prometheus and load balancers see of the server.

use crate::harness;
use crate::harness::http::{exchange, expect_status, expect_sum, get, metrics_address, samples};
use crate::harness::{Client, Server, SmallDisk, deaf_and_alice};
use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::time::Instant;

const METRICS: &str = "telemetry.metrics=127.0.0.1:0";

#[test]
fn what_happens_is_counted() {
    let server = Server::start(2, &[METRICS]);
    let address = metrics_address(&server);
    let mut alice = server.login_to("alice", "r1");
    let mut bob = server.login_to("bob", "r1");
    let _nameless = Client::connect(server.address);
    for number in 0..20 {
        alice.send(&format!("{number}"));
        bob.expect(&format!("alice: {number}"));
    }
    alice.expect("alice: 19"); // on another shard than the refusal, which may come first
    alice.send("/msg nobody hi");
    alice.expect_error(&["nobody"]);

    expect_sum(address, "madang_connections{", |sum| sum == 3.0);
    expect_sum(address, "madang_sessions{", |sum| sum == 2.0);
    expect_sum(address, "madang_messages_total{", |sum| sum == 20.0);
    expect_sum(address, "madang_deliveries_total{", |sum| sum == 40.0);
    expect_sum(address, "madang_commits_total{", |sum| (1.0..=20.0).contains(&sum));
    expect_sum(address, "madang_batch_messages_sum{", |sum| sum == 20.0);
    expect_sum(address, "madang_refusals_total{shard=\"0\",kind=\"no_such_user\"", |_| true);
    expect_sum(address, "madang_connections_accepted_total{", |sum| sum == 3.0);
    expect_sum(address, "madang_log_bytes{shard=\"1\"", |bytes| bytes > 0.0);
    let now = samples(address);
    let refused = now.iter().filter(|(name, _)| name.contains("kind=\"no_such_user\""));
    assert_eq!(refused.map(|(_, value)| value).sum::<f64>(), 1.0);
    assert_eq!(
        now["madang_commit_seconds_bucket{le=\"+Inf\",shard=\"0\"}"],
        now["madang_commits_total{shard=\"0\"}"]
    );
    assert_eq!(now["madang_ready"], 1.0);
    assert!(now["madang_log_segments{shard=\"0\"}"] >= 1.0 && now["madang_log_bytes{shard=\"1\"}"] > 0.0);

    drop(bob);
    expect_sum(address, "madang_sessions{", |sum| sum == 1.0);
    let lost =
        |name: &str| samples(address).iter().filter(|(n, _)| n.contains(name)).map(|(_, v)| *v).sum::<f64>();
    let asked_at = Instant::now();
    while lost("madang_connections_closed_total") < 1.0 {
        assert!(asked_at.elapsed() < harness::PATIENCE, "the connection is not counted as closed");
    }
}

#[test]
fn every_metric_says_what_it_is_and_is_named_as_prometheus_asks() {
    let server = Server::start(1, &[METRICS]);
    let answer = get(metrics_address(&server), "/metrics");
    assert!(answer.head.contains("application/openmetrics-text"), "{}", answer.head);
    assert!(answer.body.ends_with("# EOF\n"));
    let field = |line: &str| line.split(' ').nth(2).expect("a name").to_owned();
    let with = |kind: &str| -> BTreeSet<String> {
        answer.body.lines().filter(|line| line.starts_with(kind)).map(field).collect()
    };
    let (helped, typed) = (with("# HELP "), with("# TYPE "));
    assert_eq!(helped, typed);
    assert!(helped.len() > 40, "{helped:?}");
    for line in answer.body.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().expect("a name");
        let family = ["_total", "_bucket", "_sum", "_count", ""]
            .iter()
            .find_map(|suffix| name.strip_suffix(suffix).filter(|family| typed.contains(*family)));
        assert!(family.is_some_and(|family| family.starts_with("madang_")), "{line}");
    }
}

#[test]
fn ready_means_that_people_can_come_in() {
    let mut server = Server::start(2, &[METRICS, "limits.outbox_bytes_max=33554432"]);
    let address = metrics_address(&server);
    assert_eq!(get(address, "/readyz").status, 200);
    assert_eq!(get(address, "/healthz").body, "ok\n");
    // A client that does not read holds the drain up for as long as it may last.
    let _people = deaf_and_alice(&server);
    expect_sum(address, "madang_slow_connections{", |sum| sum == 1.0);
    expect_sum(address, "madang_outbox_bytes{", |sum| sum > 100_000.0);
    server.signal(rustix::process::Signal::TERM);
    let answer = expect_status(address, "/readyz", 503);
    assert!(answer.body.starts_with("draining"), "{answer:?}");
    server.terminate();
}

#[test]
fn a_shard_that_cannot_store_is_unhealthy_with_its_reason() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let Some(_disk) = SmallDisk::mount(directory.path().join("data"), "7m") else {
        eprintln!("not tried: this user may not mount a file system");
        return;
    };
    let ballast = directory.path().join("data").join("ballast");
    std::fs::write(&ballast, vec![1; 3 << 20]).expect("a ballast");
    let server = Server::start_on(directory, 1, &[METRICS]);
    let address = metrics_address(&server);
    let mut alice = server.login("alice");
    let is_refused = (0..5_000).any(|number| {
        alice.send(&format!("{number} {}", "x".repeat(3_000)));
        alice.read_line().starts_with("! ")
    });
    assert!(is_refused, "the disk was not full");
    let answer = expect_status(address, "/healthz", 503);
    assert_eq!(answer.body, "shard 0: cannot store messages: the disk is full\n");
    assert_eq!(get(address, "/readyz").status, 200, "those inside can read, and others may come");
    expect_sum(address, "madang_log_state{shard=\"0\",state=\"failing\"}", |value| value == 1.0);
    std::fs::remove_file(&ballast).expect("space returns");
    assert_eq!(expect_status(address, "/healthz", 200).body, "ok\n");
}

#[test]
fn the_endpoint_is_bounded_and_answers_while_others_dawdle() {
    let server = Server::start(1, &[METRICS]);
    let address = metrics_address(&server);
    let mut slow: Vec<TcpStream> = (0..2).map(|_| TcpStream::connect(address).expect("connect")).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /metrics HT").expect("half a request");
    }
    let asked_at = Instant::now();
    assert_eq!(get(address, "/healthz").status, 200);
    assert!(asked_at.elapsed().as_secs() < 4, "slow peers are not waited for");
    assert_eq!(get(address, "/elsewhere").status, 404);
    assert_eq!(
        exchange(address, b"POST /metrics HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi").map(|a| a.status),
        Some(405)
    );
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(100_000));
    let status = exchange(address, long.as_bytes()).map(|answer| answer.status);
    assert!(matches!(status, None | Some(414 | 431)), "{status:?}");
    assert_eq!(exchange(address, b"\x00\xff\x00\xff\r\n\r\n").map(|answer| answer.status), Some(400));
    // More slow clients than are served at once: they are closed in time.
    for _ in 0..6 {
        slow.push(TcpStream::connect(address).expect("connect"));
    }
    assert_eq!(expect_status(address, "/healthz", 200).status, 200);
}

#[test]
fn a_taken_address_is_an_error_that_names_it_and_the_key() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("its address").to_string();
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let setting = format!("telemetry.metrics={address}");
    let output = harness::refused_start_with(&directory.path().join("data"), "127.0.0.1:0", &[&setting]);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{words}");
    assert!(words.contains(&address) && words.contains("telemetry.metrics"), "{words}");
}

/// The names of metrics in an expression or a dashboard.
fn named_in(text: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !is_word(c)).filter(|word| word.starts_with("madang_")).map(str::to_owned).collect()
}

#[test]
fn the_dashboard_and_the_alerts_name_only_metrics_that_there_are() {
    let server = Server::start(1, &[METRICS]);
    let address = metrics_address(&server);
    expect_sum(address, "madang_log_bytes{", |bytes| bytes > 0.0); // once there is a first segment
    let there: BTreeSet<String> =
        samples(address).keys().filter_map(|name| name.split('{').next().map(str::to_owned)).collect();
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    for file in ["dashboard.json", "alerts.yaml"] {
        let text = std::fs::read_to_string(docs.join(file)).expect(file);
        let named = named_in(&text);
        let missing: Vec<_> = named.difference(&there).collect();
        assert!(named.len() >= 8 && missing.is_empty(), "{file} names {missing:?}");
    }
    let dashboard = std::fs::read_to_string(docs.join("dashboard.json")).expect("the dashboard");
    serde_json::from_str::<serde_json::Value>(&dashboard).expect("JSON");
    // Each alert is explained.
    let alerts = std::fs::read_to_string(docs.join("alerts.yaml")).expect("the alerts");
    let operations = std::fs::read_to_string(docs.join("operations.md")).expect("the documentation");
    for name in alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(operations.contains(&format!("`{name}`")), "docs/operations.md explains {name}");
    }
}

/// The metrics of a running server as rows of the table in docs/metrics.md.
fn table(text: &str) -> String {
    let names = |line: &str| line.split(['{', ' ']).next().unwrap_or_default().to_owned();
    let kinds: Vec<(String, String)> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect();
    let row = |(name, kind): &(String, String)| {
        let prefix = format!("# HELP {name} ");
        let help = text.lines().find_map(|line| line.strip_prefix(prefix.as_str()));
        // prometheus-client ends each text with a stop of its own.
        let help = help.expect("a text").trim_end_matches('.').to_owned() + ".";
        let suffix = match kind.as_str() {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let shown = format!("{name}{suffix}");
        let is_of_it = |line: &&str| names(line) == shown || names(line) == format!("{name}_bucket");
        let labels: BTreeSet<String> = text
            .lines()
            .filter(is_of_it)
            .filter_map(|line| line.split_once('{')?.1.split_once('}'))
            .flat_map(|(labels, _)| labels.split(','))
            .filter_map(|label| label.split_once('='))
            .map(|(label, _)| format!("`{label}`"))
            .filter(|label| label != "`le`")
            .collect();
        let labels = labels.into_iter().collect::<Vec<_>>().join(", ");
        format!("| `{shown}` | {kind} | {labels} | {help} |\n")
    };
    let mut rows: Vec<String> = kinds.iter().map(row).collect();
    rows.sort();
    rows.concat()
}

#[test]
fn every_metric_is_in_the_table_of_the_documents() {
    let server = Server::start(1, &["telemetry.metrics=127.0.0.1:0"]);
    let address = metrics_address(&server);
    // From then on all of them are there.
    expect_status(address, "/readyz", 200);
    expect_sum(address, "madang_turns_total", |turns| turns > 0.0);
    expect_sum(address, "madang_log_segments", |segments| segments > 0.0);
    let expected = table(&get(address, "/metrics").body);
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let (_, found) = page.split_once("|---|---|---|---|\n").expect("a table");
    assert!(found == expected, "the table in docs/metrics.md should be:\n{expected}");
}

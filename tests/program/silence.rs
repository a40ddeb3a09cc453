//! A client that is there stays, however long it is silent; one that is gone is found.

use crate::harness::http::{expect_sum, metrics_address, samples};
use crate::harness::{Client, Identity, PATIENCE, Server, TlsClient, come_back, vanish};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What once ended everyone of whom nothing was heard, and a little more.
const OUT_OF_REACH: Duration = Duration::from_secs(35);
/// When everyone who is gone is found: the first to come is asked after 16 s, and then six times, every 5 s.
const FOUND_AT_MOST: Duration = Duration::from_secs(65);
const LINES: usize = 250;
/// 750 KB in all wait for each: less than the bound of an outbox, more than the buffers of a reader's kernel.
const LINE_BYTES: usize = 3000;

/// The same minute for all of them, as it is long. A connection adopted from another process is treated as our own.
#[test]
fn who_is_silent_or_does_not_read_stays_and_who_is_gone_is_found() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let identity = Identity::write(directory.path());
    let mut settings = vec!["telemetry.metrics=127.0.0.1:0".to_owned()];
    settings.extend(["limits.line_bytes_max=4096".to_owned(), "limits.outbox_bytes_max=1048576".to_owned()]);
    settings.extend(identity.settings());
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let mut server = Server::start(1, &settings);
    let gone_idle = Client::login_to(server.address, "gone-idle", "alone");
    let mut silent = Client::login_to(server.address, "silent", "quiet");
    let gone_reader = Client::login_to(server.address, "gone-reader", "talk");
    let mut reader = Client::connect_with_small_buffer(server.address);
    reader.expect("name: ");
    reader.name("reader");
    reader.enter("talk", "reader");
    server.take_over(1);
    let tls_address = server.tls_address();
    let mut tls_reader = TlsClient::login(tls_address, &identity.trust(), "tls-reader");
    tls_reader.enter("talk", "tls-reader");
    let mut talker = Client::login_to(server.address, "talker", "talk");

    let began = Instant::now();
    vanish(&gone_idle.writer());
    vanish(&gone_reader.writer());
    vanish(&silent.writer());
    let text = |number: usize| format!("{number:0LINE_BYTES$}");
    for number in 0..LINES {
        talker.send(&text(number));
        talker.expect(&format!("talker: {}", text(number)));
    }
    sleep(OUT_OF_REACH.saturating_sub(began.elapsed()));
    come_back(&silent.writer());

    reader.expect("talker has joined talk");
    tls_reader.expect("talker has joined talk");
    for number in 0..LINES {
        reader.expect_next(&format!("talker: {}", text(number)));
        tls_reader.expect(&format!("talker: {}", text(number)));
    }
    reader.send("/ping");
    reader.expect("pong");
    silent.ask("/who");
    talker.ask("/who");
    let metrics = metrics_address(&server);
    let lost = || {
        let samples = samples(metrics);
        let is_lost =
            |name: &str| name.starts_with("madang_connections_closed_total{") && name.contains("\"lost\"");
        samples.iter().filter(|(name, _)| is_lost(name)).map(|(_, count)| count).sum::<f64>()
    };
    while lost() < 2.0 {
        assert!(began.elapsed() < FOUND_AT_MOST, "who is gone is not found");
        sleep(Duration::from_millis(200));
    }
    let found = talker.ask("/who");
    assert!(found.iter().any(|line| line.contains("gone-reader (lost connection)")), "{found:?}");
    silent.send("still here");
    silent.expect("silent: still here");
    assert_eq!(lost(), 2.0, "nobody else is");
    expect_sum(metrics, "madang_slow_readers_total", |count| count == 0.0);
    assert!(began.elapsed() < FOUND_AT_MOST + PATIENCE);
}

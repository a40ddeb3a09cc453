//! A long mixed run: memory and descriptors stay flat, order holds, and the last minutes are as
//! quick as the first. Twenty minutes unless `MADANG_SOAK_SECONDS` says otherwise.

use crate::harness::{Client, Dice, PATIENCE, Server, Usage};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const TALKERS: usize = 24;
const ROOMS: usize = 6;
const VISITORS: usize = 4;
/// Between two messages of one talker.
const PACE: Duration = Duration::from_millis(100);
/// What the memory may drift over the measured time, beside a tenth of itself.
const DRIFT_BYTES_MAX: f64 = 2.0 * 1024.0 * 1024.0;
/// Open segments and their readers, beside what was open before anyone came.
const FILES_LEFT_MAX: usize = 8;
/// What else runs on this machine moves a percentile by as much.
const P99_SLACK: Duration = Duration::from_millis(20);

#[test]
#[ignore = "a long run: just long"]
fn a_long_mixed_run_stays_flat_in_order_and_quick() {
    let seconds = std::env::var("MADANG_SOAK_SECONDS").ok().and_then(|given| given.parse().ok());
    soak(Duration::from_secs(seconds.unwrap_or(1_200)));
}

fn soak(length: Duration) {
    let mut server = Server::start(2, &["limits.outbox_bytes_max=65536"]);
    let at_rest = server.usage_with_segments().open_files;
    let (address, stop, started) = (server.address, AtomicBool::new(false), Instant::now());
    let mut samples: Vec<(f64, Usage)> = Vec::new();
    let latencies: Vec<Vec<(Duration, Duration)>> = thread::scope(|scope| {
        let stop = &stop;
        let talkers: Vec<_> =
            (0..TALKERS).map(|one| scope.spawn(move || talk(address, one, started, stop))).collect();
        let visitors: Vec<_> =
            (0..VISITORS).map(|one| scope.spawn(move || visit(address, one, stop))).collect();
        while started.elapsed() < length {
            thread::sleep(Duration::from_secs(1));
            samples.push((started.elapsed().as_secs_f64(), server.usage()));
        }
        stop.store(true, Ordering::Relaxed);
        visitors.into_iter().for_each(|one| one.join().expect("a visitor"));
        talkers.into_iter().map(|one| one.join().expect("a talker")).collect()
    });
    // The first quarter fills tables, pools and the page cache of the allocator.
    let settled = &samples[samples.len() / 4..];
    check_memory(settled);
    tell_descriptors(&samples);
    server.expect_open_files_at_most(at_rest + FILES_LEFT_MAX);
    check_latency(latencies.into_iter().flatten().collect(), length);
    assert!(server.terminate().0.success());
    for room in 0..ROOMS {
        let stored = server.export(&format!("soak{room}"));
        assert!(stored.iter().enumerate().all(|(place, said)| said.seq == place as u64 + 1), "room {room}");
        println!("room soak{room}: {} messages, numbered without a gap", stored.len());
    }
    server.verify();
}

/// Talks at its pace and checks that each author's messages come one after another. Gives when
/// each was due, and how long after that it came back.
fn talk(
    address: SocketAddr,
    talker: usize,
    started: Instant,
    stop: &AtomicBool,
) -> Vec<(Duration, Duration)> {
    let name = format!("talker{talker}");
    let mut client = Client::login_to(address, &name, &format!("soak{}", talker % ROOMS));
    let mut last: HashMap<String, u64> = HashMap::new();
    let mut latencies = Vec::new();
    let mut due = Instant::now() + PACE * (talker as u32) / TALKERS as u32;
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        number += 1;
        client.send(&format!("number {number} {}", "x".repeat(40)));
        let own = format!("{name}: number {number} ");
        loop {
            let line = client.read_line();
            if let Some((author, rest)) = line.split_once(": number ") {
                let found: u64 = rest.split(' ').next().and_then(|n| n.parse().ok()).expect("a number");
                let expected = last.get(author).map_or(found, |last| last + 1);
                assert_eq!(found, expected, "{name} reads {author} out of order");
                last.insert(author.to_owned(), found);
            }
            if line.starts_with(&own) {
                break;
            }
        }
        latencies.push((due - started, due.elapsed()));
        due += PACE;
    }
    client.send("/quit");
    latencies
}

/// Comes, does one of several things, and goes in one of several ways.
fn visit(address: SocketAddr, visitor: usize, stop: &AtomicBool) {
    let mut dice = Dice(visitor as u64);
    let name = format!("visitor{visitor}");
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(20 + dice.roll(60)));
        let (mut client, here) = Client::return_when_free(address, &name);
        let room = format!("soak{}", dice.roll(ROOMS as u64));
        if here != room {
            client.enter(&room, &name);
        }
        match dice.roll(5) {
            0 => drop(client.ask("/history 100 after 3")),
            1 => drop(client.ask(&format!("/msg talker{} psst", dice.roll(TALKERS as u64)))),
            2 => drop(client.ask("/rooms")),
            3 => drop(client.ask("/nick 마당")),
            _ => {
                // Answers that it never reads.
                use std::io::Write;
                let _ = client.writer().write_all("/history 500\n".repeat(20).as_bytes());
            }
        }
        if dice.roll(2) == 0 {
            client.reset();
        } else {
            client.send_bytes(b"/quit\n/quit\n");
            client.finish_sending();
            while client.next_line(PATIENCE).is_some() {}
        }
    }
}

fn check_memory(samples: &[(f64, Usage)]) {
    let memory = |usage: &Usage| usage.memory_bytes as f64;
    let slope = slope(samples.iter().map(|(at, usage)| (*at, memory(usage))));
    let mean = samples.iter().map(|(_, usage)| memory(usage)).sum::<f64>() / samples.len() as f64;
    let (first, last) = (samples[0].0, samples[samples.len() - 1].0);
    let drift = slope * (last - first);
    println!(
        "memory: {mean:.0} bytes on average, {slope:.1} bytes a second, {drift:.0} in {:.0} s",
        last - first
    );
    assert!(drift <= mean / 10.0 + DRIFT_BYTES_MAX, "memory grows by {slope:.0} bytes a second");
}

/// The slope of the line through these points that least squares give.
fn slope(points: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let count = points.clone().count() as f64;
    let (sum_x, sum_y) = points.clone().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let covariance: f64 = points.clone().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    covariance / points.map(|(x, _)| (x - mean_x).powi(2)).sum::<f64>()
}

/// How many are open depends on how many visitors the machine serves: it is reported, and that all are given back is
/// checked at the end.
fn tell_descriptors(samples: &[(f64, Usage)]) {
    let quarter = samples.len() / 4;
    let usual = |part: &[(f64, Usage)]| {
        let mut found: Vec<usize> = part.iter().map(|(_, usage)| usage.open_files).collect();
        found.sort_unstable();
        (found[found.len() / 2], found[found.len() - 1])
    };
    let (first, last) = (usual(&samples[..quarter]), usual(&samples[samples.len() - quarter..]));
    println!("descriptors: {first:?} in the first quarter, {last:?} in the last (median, most)");
}

/// Compares the typical ten seconds of the beginning and of the end: what else runs on the machine
/// makes some of them slow, and would make a percentile of all of them mean little.
fn check_latency(latencies: Vec<(Duration, Duration)>, length: Duration) {
    let window = (length / 20).min(Duration::from_secs(10));
    let mut windows: Vec<Vec<Duration>> = Vec::new();
    for (due, latency) in latencies {
        let at = (due.as_nanos() / window.as_nanos()) as usize;
        if windows.len() <= at {
            windows.resize_with(at + 1, Vec::new);
        }
        windows[at].push(latency);
    }
    windows.iter_mut().for_each(|window| window.sort_unstable());
    // Logins come at the very beginning, and the last window may be of a few messages.
    let windows = &windows[1..windows.len() - 1];
    let part = windows.len().div_ceil(4);
    let (first, last) = (&windows[..part], &windows[windows.len() - part..]);
    for (name, part) in [("beginning", first), ("end", last)] {
        let messages: usize = part.iter().map(Vec::len).sum();
        let (half, most) = (typical(part, 50), typical(part, 99));
        println!("{name}: {messages} messages, a typical {window:?} has p50 {half:?}, p99 {most:?}");
    }
    let (at_first, at_last) = (typical(first, 99), typical(last, 99));
    assert!(at_last <= 2 * at_first + P99_SLACK, "p99 rises from {at_first:?} to {at_last:?}");
}

/// The median over these windows of a percentile of each.
fn typical(windows: &[Vec<Duration>], percentile: usize) -> Duration {
    let of = |window: &Vec<Duration>| window[(window.len() - 1) * percentile / 100];
    let mut found: Vec<Duration> = windows.iter().filter(|window| !window.is_empty()).map(of).collect();
    found.sort_unstable();
    found[found.len() / 2]
}

#[test]
fn the_slope_of_a_line_is_found() {
    let line = |x: u32| (f64::from(x), 3.0 * f64::from(x) + 7.0);
    assert!((slope((0..100).map(line)) - 3.0).abs() < 1e-9);
}

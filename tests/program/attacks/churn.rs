//! Connections that come and go as fast as they can.

use crate::harness::{Client, Dice, PATIENCE, Server};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const THREADS: u64 = 4;
/// Names are few, as a shard remembers 65,536 users who were here: that is a bound, and no leak.
const NAMES: u64 = 64;
/// What the memory may grow after a first round has filled tables and pools: what the allocator
/// keeps, and names within their grace time.
const GROWTH_BYTES_MAX: u64 = 4 << 20;
/// A connection's deadline for its name is kept until it falls due, a minute after it came.
const DEADLINE_BYTES_MAX: u64 = 128;

#[test]
fn churn_at_full_speed_leaks_neither_memory_nor_descriptors() {
    churn(Duration::from_secs(5));
}

#[test]
#[ignore = "a long run: just long"]
fn twenty_seconds_of_churn_leak_neither_memory_nor_descriptors() {
    churn(Duration::from_secs(20));
}

fn churn(duration: Duration) {
    let server = Server::start(2, &[]);
    let (mut alice, mut bob) = crate::harness::alice_and_bob(&server);
    let quiet = server.usage_with_segments();
    come_and_go(server.address, Duration::from_secs(2));
    server.expect_open_files_at_most(quiet.open_files + 2);
    let before = server.usage();
    let count = come_and_go(server.address, duration);
    server.expect_open_files_at_most(quiet.open_files + 2);
    let after = server.usage();
    println!("{count} connections in {duration:?}: {before:?}, then {after:?}");
    let growth = after.memory_bytes.saturating_sub(before.memory_bytes);
    // Two connections a visit.
    assert!(
        growth <= GROWTH_BYTES_MAX + 2 * count * DEADLINE_BYTES_MAX,
        "{growth} bytes more after {count} connections"
    );
    assert!(count > 100 * duration.as_secs(), "only {count} connections: this run shows nothing");
    alice.send("still here");
    alice.expect("alice: still here");
    bob.expect("alice: still here");
}

/// Every client behaves in one of five ways and leaves in one of three. Returns how many connected.
fn come_and_go(address: SocketAddr, duration: Duration) -> u64 {
    let until = Instant::now() + duration;
    let count = AtomicU64::new(0);
    thread::scope(|scope| {
        for seed in 0..THREADS {
            let count = &count;
            scope.spawn(move || {
                let mut dice = Dice(seed);
                while Instant::now() < until {
                    count.fetch_add(u64::from(visit(address, seed, &mut dice)), Ordering::Relaxed);
                }
            });
        }
    });
    count.into_inner()
}

fn visit(address: SocketAddr, thread: u64, dice: &mut Dice) -> bool {
    let Ok(stream) = TcpStream::connect(address) else {
        // This machine's ports are used up for a moment.
        thread::sleep(Duration::from_millis(5));
        return false;
    };
    drop(stream);
    let mut client = Client::connect(address);
    let mut mouth = client.writer();
    let name = format!("guest{thread}-{}", dice.roll(NAMES / THREADS));
    // The server may have let it go: what is written then is lost.
    let _ = match dice.roll(5) {
        0 => Ok(()),
        1 => mouth.write_all(b"half a na"),
        2 => mouth.write_all(format!("{name}\nhello\n/quit\n").as_bytes()),
        3 => mouth.write_all(format!("{name}\n/channel r1\nhalf a line").as_bytes()),
        _ => mouth.write_all(b"GET / HTTP/1.1\r\n\r\n"),
    };
    match dice.roll(3) {
        0 => client.reset(),
        1 => {
            client.finish_sending();
            while client.next_line(PATIENCE).is_some() {}
        }
        _ => drop(client),
    }
    true
}

//! Readers that never read: one among many, and many together.

use crate::harness::{Client, Server};
use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

const TEXT_BYTES: usize = 4_000;
const BATCH: usize = 16;
/// A client that is cut off and reads its last words within this time learns why. On a busy machine the sleepers here
/// wake later.
const LAST_WORDS_KEPT: Duration = Duration::from_secs(5);

/// A connection in the room that takes bytes as fast as it can, and one that never does.
fn reader(server: &Server, name: &str) -> TcpStream {
    let mut client = server.login_to(name, "r1");
    client.ask("/rooms nothing-like-this");
    client.writer()
}

fn sleeper(server: &Server, name: &str) -> Client {
    let mut client = Client::connect_with_small_buffer(server.address);
    client.expect("name: ");
    client.name(name);
    client.enter("r1", name);
    client
}

/// What everyone reads of one batch.
fn batch_of(first: usize) -> (String, Vec<u8>) {
    let text = |number: usize| format!("{number:06} {}", "x".repeat(TEXT_BYTES));
    let lines: Vec<String> = (first..first + BATCH).map(text).collect();
    (
        lines.join("\n") + "\n",
        lines.iter().flat_map(|line| format!("talker: {line}\n").into_bytes()).collect(),
    )
}

#[track_caller]
fn expect_bytes(stream: &mut TcpStream, expected: &[u8]) {
    stream.set_read_timeout(Some(crate::harness::PATIENCE)).expect("set a time-out");
    let mut found = vec![0; expected.len()];
    stream.read_exact(&mut found).expect("a reader who reads is not cut off");
    assert!(found == expected, "expected {:.60}, found {:.60}", lossy(expected), lossy(&found));
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn of_a_hundred_members_the_one_that_never_reads_goes_and_the_others_miss_nothing() {
    const BATCHES: usize = 100;
    let server = Server::start(2, &["limits.outbox_bytes_max=65536", "rooms.announce_members_max=0"]);
    let mut asleep = sleeper(&server, "asleep");
    let mut talker = server.login_to("talker", "r1");
    let mut readers: Vec<TcpStream> =
        (0..98).map(|number| reader(&server, &format!("reader{number}"))).collect();
    let started = Instant::now();
    for batch in 0..BATCHES {
        let (typed, shown) = batch_of(batch * BATCH);
        talker.send_bytes(typed.as_bytes());
        let mut own = talker.writer();
        expect_bytes(&mut own, &shown);
        readers.iter_mut().for_each(|reader| expect_bytes(reader, &shown));
    }
    let words = asleep.expect_closed();
    let last = words.last().expect("its last words");
    let is_told = last.contains("slow reader: more than 65536 bytes");
    assert!(is_told || started.elapsed() > LAST_WORDS_KEPT, "{last:.200}");
    assert!(words.len() < BATCHES * BATCH, "it was not cut off");
}

/// Each may have 64 MiB of its own, all together 1 MiB.
#[test]
fn sleepers_who_are_too_many_together_are_cut_off_before_memory_is_short() {
    const SLEEPERS: usize = 40;
    const TOTAL: u64 = 1 << 20;
    const BATCHES_MAX: usize = 200;
    let settings = ["limits.outbox_bytes_max=67108864", "limits.outbox_total_bytes_max=1048576"];
    let server = Server::start(1, &settings);
    let sleepers: Vec<Client> =
        (0..SLEEPERS).map(|number| sleeper(&server, &format!("asleep{number}"))).collect();
    let mut talker = server.login_to("talker", "r1");
    talker.ask("/rooms nothing-like-this");
    let before = server.usage().memory_bytes;
    let mut peak = before;
    let mut batches = 0;
    let started = Instant::now();
    while batches < BATCHES_MAX {
        let (typed, shown) = batch_of(batches * BATCH);
        talker.send_bytes(typed.as_bytes());
        let mut own = talker.writer();
        expect_bytes(&mut own, &shown);
        batches += 1;
        peak = peak.max(server.usage().memory_bytes);
    }
    let growth = peak - before;
    println!(
        "{SLEEPERS} sleepers, {} MiB said: {growth} bytes more at most",
        (batches * BATCH * TEXT_BYTES) >> 20
    );
    // What waits, twice as vectors double; the log's batches and recent messages; the allocator's slack.
    assert!(growth <= 2 * TOTAL + (16 << 20), "{growth} bytes more");
    let who = talker.ask("/who").concat();
    let lost = who.matches("(lost connection)").count();
    assert!(lost > 0, "the fullest were cut off: {who}");
    let mut told = 0;
    for mut sleeper in sleepers.into_iter().take(5) {
        let words = sleeper.expect_closed();
        told += usize::from(words.last().is_some_and(|line| line.contains("! closed: slow reader")));
    }
    assert!(told > 0 || started.elapsed() > LAST_WORDS_KEPT, "they are told why");
}

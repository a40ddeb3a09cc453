//! The real binary, started on a directory of its own, and people who talk to it over sockets.

mod client;
mod direct_rooms;
mod disk;
pub mod edge;
pub mod edge_process;
mod files;
pub mod http;
mod load;
mod lobby;
pub mod long_talk;
mod manager;
mod process;
mod program;
mod sandbox;
mod server;
mod stuck;
mod telnet;
mod terminal;
mod tls;
mod vanish;
mod versions;

pub use client::Client;
pub use direct_rooms::DirectRoom;
pub use disk::{SmallDisk, needs_birth_times};
pub use files::{copy, files_with};
pub use load::{End, LOAD_SETTINGS, lose_nothing_while, messages};
pub use lobby::Lobby;
pub use manager::{Manager, Service};
pub use process::{Usage, raise_open_files};
pub use program::tested_program;
pub use sandbox::{Refusal, forbid, forbid_writes, inside_the_unit, inside_unit};
pub use server::{Refused, Said, Server, madang, ours, refused, refused_start, refused_start_with, words_of};
pub use stuck::StuckThread;
pub use terminal::{CTRL_D, Terminal, needs};
pub use tls::{Identity, TlsClient};
pub use vanish::{come_back, vanish};
pub use versions::Versions;

use std::time::{Duration, SystemTime};

/// How long anything may take before a test gives up. Generous, as machines are shared.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Keeps a promise on one shard, and on several among which rooms and users are spread.
pub fn on_one_shard_and_on_three(promise: impl Fn(&Server)) {
    for shards in [1, 3] {
        promise(&Server::start(shards, &[]));
    }
}

/// Alice and Bob, both in the lobby, each having seen the other come.
pub fn alice_and_bob(server: &Server) -> (Client, Client) {
    let mut alice = server.login("alice");
    let bob = server.login("bob");
    alice.expect_next("bob has joined general");
    (alice, bob)
}

/// The seed of this run, which is printed: `MADANG_TEST_SEED`, or the time.
pub fn seed() -> u64 {
    let given = std::env::var("MADANG_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        now.map_or(0, |now| now.as_nanos() as u64)
    });
    println!("seed {seed}: repeat with MADANG_TEST_SEED={seed}");
    seed
}

/// Someone in the lobby who never reads, and Alice, who has said so much there that it waits. The
/// server's `limits.outbox_bytes_max` must be above 10 MB, or the deaf one is cut.
pub fn deaf_and_alice(server: &Server) -> (Client, Client) {
    let mut deaf = Client::connect_with_small_buffer(server.address);
    deaf.expect("name: ");
    deaf.name("deaf");
    let mut alice = server.login("alice");
    for number in 0..3_000 {
        alice.send(&format!("{number} {}", "x".repeat(3_000)));
        alice.read_line();
    }
    (deaf, alice)
}

/// A sequence of numbers that a seed decides (SplitMix64).
pub struct Dice(pub u64);

impl Dice {
    /// The next number below `limit`.
    pub fn roll(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

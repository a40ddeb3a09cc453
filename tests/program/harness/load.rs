//! Talk that continues while a server is replaced, and its accounting.

use super::{Client, Said, Server};
use std::net::SocketAddr;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

/// What the server needs for [`lose_nothing_while`].
pub const LOAD_SETTINGS: [&str; 2] = ["limits.outbox_bytes_max=268435456", "rooms.announce_members_max=0"];
/// The part of a line sent before the server is replaced; the rest follows after it.
const HALF: &str = "half a li";
/// An echo that takes longer than this waits for more than that. A bound for machines that do other
/// things as well; `madang bench upgrade` measures.
const PAUSE_MAX: Duration = Duration::from_secs(3);

/// The lines of a room that are messages.
pub fn messages(lines: impl IntoIterator<Item = String>) -> Vec<String> {
    lines.into_iter().filter(|line| line.contains(": ") && !line.starts_with(['*', '!', '#'])).collect()
}

/// Talks until stopped, each line after the echo of the one before. Returns what was read, and how long the slowest
/// echo took.
fn talk(client: &mut Client, name: &str, is_over: &AtomicBool) -> (Vec<String>, Duration) {
    let (mut read, mut longest) = (Vec::new(), Duration::ZERO);
    let padding = "x".repeat(300);
    for number in 0.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let said_at = Instant::now();
        client.send(&format!("{number} {padding}"));
        let own = format!("{name}: {number} {padding}");
        loop {
            let line = client.read_line();
            let is_own = line == own;
            read.push(line);
            if is_own {
                break;
            }
        }
        longest = longest.max(said_at.elapsed());
        sleep(Duration::from_millis(1));
    }
    (read, longest)
}

/// Ends the talk when it goes, also where the test fails.
pub struct End<'a>(pub &'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Connects and leaves until stopped. Returns how often.
fn visit(address: SocketAddr, is_over: &AtomicBool) -> u64 {
    let mut visits = 0;
    while !is_over.load(Ordering::Relaxed) {
        let mut visitor = Client::login(address, &format!("visitor{visits}"));
        visitor.send("/quit");
        assert_eq!(visitor.expect_closed().last().map(String::as_str), Some("bye"));
        visits += 1;
    }
    visits
}

/// People talk, read slowly, type, are away, come and go, while the server is replaced `times` times: nobody is
/// disconnected, and nothing is lost, repeated or reordered. Started with [`LOAD_SETTINGS`].
pub fn lose_nothing_while(server: &mut Server, times: usize, mut replace: impl FnMut(&mut Server)) {
    let names = ["ann", "ben", "cat", "dan"];
    let rooms = ["r1", "r1", "r2", "r2"];
    let mut talkers: Vec<Client> =
        names.iter().zip(rooms).map(|(name, room)| server.login_to(name, room)).collect();
    let mut slow = Client::connect_with_small_buffer(server.address);
    slow.expect("name: ");
    slow.name("slow");
    slow.enter("r1", "slow");
    let mut typing = server.login("typing");
    let mut away = server.login_to("away", "r2");
    away.ask("/away lunch");
    let address = server.address;
    let is_over = AtomicBool::new(false);
    let start = Barrier::new(talkers.len() + 1);
    let (heard, visits) = scope(|scope| {
        let talking: Vec<_> = talkers
            .iter_mut()
            .zip(names)
            .map(|(client, name)| {
                let (start, is_over) = (&start, &is_over);
                scope.spawn(move || {
                    start.wait();
                    talk(client, name, is_over)
                })
            })
            .collect();
        let visiting = scope.spawn(|| visit(address, &is_over));
        start.wait();
        let end = End(&is_over);
        for time in 0..times {
            typing.send_bytes(HALF.as_bytes());
            sleep(Duration::from_millis(200));
            replace(server);
            typing.send(&format!("ne {time}"));
            typing.expect(&format!("typing: {HALF}ne {time}"));
        }
        drop(end);
        let heard: Vec<_> = talking.into_iter().map(|talker| talker.join().expect("it talked")).collect();
        (heard, visiting.join().expect("they came and went"))
    });
    let (mut read, longest): (Vec<Vec<String>>, Vec<Duration>) = heard.into_iter().unzip();
    for (room, pair) in [("r1", 0..2), ("r2", 2..4)] {
        talkers[pair.start].send("the end");
        let end = format!("{}: the end", names[pair.start]);
        let said: Vec<String> = server.export(room).iter().map(Said::line).collect();
        for index in pair {
            let rest = talkers[index].expect(&end);
            read[index].extend(rest);
            let stored: Vec<String> = server.export(room).iter().map(Said::line).collect();
            assert_eq!(
                messages(read[index].clone()),
                stored[..stored.len() - 1],
                "{room} as {}",
                names[index]
            );
            assert!(stored.starts_with(&said));
        }
    }
    let seqs = |room: &str| server.export(room).iter().map(|said| said.seq).collect::<Vec<_>>();
    for room in ["general", "r1", "r2"] {
        assert!(seqs(room).into_iter().eq(1..=seqs(room).len() as u64), "{room} counts on");
    }
    let slowly = slow.expect("ann: the end");
    let stored: Vec<String> = server.export("r1").iter().map(Said::line).collect();
    assert_eq!(messages(slowly), stored[..stored.len() - 1], "one who reads slowly reads all of it");
    let unread = away.ask("/unread");
    let unread = unread.iter().find(|line| line.starts_with("* r2: ")).expect("r2 is unread");
    assert!(unread.contains(&format!("{} unread", seqs("r2").len())), "{unread}");
    assert!(visits > times as u64, "{visits} visits");
    assert!(longest.iter().all(|wait| *wait < PAUSE_MAX), "{longest:?}");
    server.verify();
}

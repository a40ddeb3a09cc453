//! The binary under mixed load is killed at random moments, stopped and restarted with other
//! numbers of shards: what its clients know is what is stored.

use crate::harness::{Client, Dice, PATIENCE, Said, Server, seed};
use rustix::process::Signal;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

const ROOMS: [&str; 4] = ["r1", "r2", "마당", "general"];
const CLIENTS: usize = 8;
/// The longest time between the first message and the kill, in milliseconds.
const KILL_AFTER_MS_MAX: u64 = 600;
/// Messages that are said at once.
const AT_ONCE: u64 = 8;
/// The rounds start with these numbers of shards, in turn: also more than this machine has cores.
const SHARDS: [u16; 5] = [2, 3, 1, 5, 2];

#[test]
fn what_clients_know_is_stored_after_kill_nine_under_mixed_load() {
    rounds(5);
}

#[test]
#[ignore = "a long run: just long"]
fn what_clients_know_is_stored_after_fifty_times_kill_nine_under_mixed_load() {
    rounds(50);
}

fn rounds(count: usize) {
    let seed = seed();
    let mut dice = Dice(seed);
    let mut server = Server::start(SHARDS[0], &["limits.connections_per_address=0"]);
    let mut records: Vec<Record> = (0..CLIENTS).map(|client| Record::of(client, seed)).collect();
    for round in 0..count {
        records = live(&server, records);
        records = {
            let address = server.address;
            let workers: Vec<_> = records
                .into_iter()
                .map(|record| thread::spawn(move || record.load(address, round)))
                .collect();
            thread::sleep(Duration::from_millis(50 + dice.roll(KILL_AFTER_MS_MAX)));
            server.kill_nine();
            workers.into_iter().map(|worker| worker.join().expect("a client")).collect()
        };
        server.start_again_with(SHARDS[(round + 1) % SHARDS.len()]);
        check(&server, &records);
    }
    let (seen, drafts) = (count_of(&records, |one| one.seen()), count_of(&records, |one| one.drafts_sent));
    let repeated = count_of(&records, |one| one.drafts_known);
    println!(
        "{count} rounds: {seen} lines were seen, {drafts} drafts sent, {repeated} found stored on a repeat"
    );
    assert!(seen > count * CLIENTS, "only {seen} lines were seen: this run shows nothing");
    records = live(&server, records);
    check(&server, &records);
    assert!(records.iter().all(|record| record.unanswered.is_empty()));
    assert!(server.terminate().0.success());
    server.verify();
}

/// Everyone repeats the drafts whose answer was lost in the crash.
fn live(server: &Server, records: Vec<Record>) -> Vec<Record> {
    let address = server.address;
    let workers: Vec<_> =
        records.into_iter().map(|record| thread::spawn(move || record.repeat_drafts(address))).collect();
    workers.into_iter().map(|worker| worker.join().expect("a client")).collect()
}

fn count_of(records: &[Record], what: impl Fn(&Record) -> usize) -> usize {
    records.iter().map(what).sum()
}

/// What one client was sent, through all lives of the server.
struct Record {
    name: String,
    whispers_to: String,
    dice: Dice,
    next: usize,
    /// Runs of lines that were read in a room with nothing missing between them.
    stays: Vec<(&'static str, Vec<String>)>,
    /// What `/history` showed: room, number, author and text.
    shown: Vec<(&'static str, Said)>,
    /// Receipts and whispers, in the order of each pair.
    whispers: BTreeMap<String, Vec<String>>,
    /// Drafts that were sent and not answered: room, id and text.
    unanswered: Vec<(&'static str, String, String)>,
    drafts_sent: usize,
    /// Repeats that were answered with a number.
    drafts_known: usize,
}

impl Record {
    fn of(client: usize, seed: u64) -> Record {
        Record {
            name: format!("client{client}"),
            whispers_to: format!("client{}", client ^ 1),
            dice: Dice(seed ^ (client as u64 + 1)),
            next: 0,
            stays: Vec::new(),
            shown: Vec::new(),
            whispers: BTreeMap::new(),
            unanswered: Vec::new(),
            drafts_sent: 0,
            drafts_known: 0,
        }
    }

    fn seen(&self) -> usize {
        self.stays.iter().map(|(_, lines)| lines.len()).sum::<usize>() + self.shown.len()
    }

    /// Does this and that until the server is gone.
    fn load(mut self, address: SocketAddr, round: usize) -> Record {
        let Some(mut client) = Client::try_login(address, &self.name) else { return self };
        self.stays.push(("general", Vec::new()));
        while self.act(&mut client, round).is_some() {}
        // What came before the end, and was not waited for.
        while self.hear(&mut client).is_some() {}
        self
    }

    /// One thing, and its answer; `None` when the server is gone.
    fn act(&mut self, client: &mut Client, round: usize) -> Option<()> {
        let room = self.stays.last().expect("a room one is in").0;
        self.next += 1;
        let text = format!("{} round {round} number {}", self.name, self.next);
        match self.dice.roll(10) {
            0..=4 => {
                let count = 1 + self.dice.roll(AT_ONCE);
                let lines: String = (0..count).map(|part| format!("{text} part {part}\n")).collect();
                client.try_send(&lines)?;
                self.await_line(client, &format!("{}: {text} part {}", self.name, count - 1))
            }
            5..=6 => {
                let id = format!("{}-{round}-{}", self.name, self.next);
                self.unanswered.push((room, id.clone(), text.clone()));
                self.drafts_sent += 1;
                client.try_send(&format!("/send {id} {text}\n"))?;
                self.await_line(client, &format!("{}: {text}", self.name))?;
                self.unanswered.pop();
                Some(())
            }
            7 => {
                let to = self.whispers_to.clone();
                client.try_send(&format!("/msg {to} {text}\n/ping\n"))?;
                self.await_line(client, "pong")
            }
            8 => {
                client.try_send("/history 7\n/ping\n")?;
                self.await_line(client, "pong")
            }
            _ => {
                let room = ROOMS[self.dice.roll(ROOMS.len() as u64) as usize];
                client.try_send(&format!("/channel {room}\n/ping\n"))?;
                self.await_line(client, "pong")
            }
        }
    }

    fn await_line(&mut self, client: &mut Client, wanted: &str) -> Option<()> {
        while self.hear(client)? != wanted {}
        Some(())
    }

    /// Takes one line down.
    fn hear(&mut self, client: &mut Client) -> Option<String> {
        let line = client.next_line(2 * PATIENCE)?;
        let here = self.stays.last().expect("a room one is in").0;
        if line.starts_with("* ") || line.starts_with("! ") {
            return Some(line);
        }
        if let Some(room) = line.strip_prefix(&format!("{} has joined ", self.name)) {
            let room = ROOMS.into_iter().find(|known| *known == room).expect("a room of ours");
            self.stays.push((room, Vec::new()));
        } else if let Some(rest) = line.strip_prefix('#') {
            self.shown.push((here, said(rest)));
        } else if let Some((pair, text)) = line.split_once(" : ") {
            self.whispers.entry(pair.to_owned()).or_default().push(text.to_owned());
        } else if line.contains(": client") {
            self.stays.last_mut().expect("a room one is in").1.push(line.clone());
        } else {
            assert!(line == "pong" || line.contains(" has "), "{line:?} is no line of this test");
        }
        Some(line)
    }

    /// Sends again what was sent and not answered, where it was sent.
    fn repeat_drafts(mut self, address: SocketAddr) -> Record {
        if self.unanswered.is_empty() {
            return self;
        }
        let mut client = Client::login_when_free(address, &self.name);
        for (room, id, text) in std::mem::take(&mut self.unanswered) {
            if room != "general" {
                client.enter(room, &self.name);
            }
            client.ask("/rooms nothing-like-this");
            client.send(&format!("/send {id} {text}"));
            loop {
                let line = client.read_line();
                if line == format!("{}: {text}", self.name) {
                    break;
                }
                if line.starts_with(&format!("* draft {id} was stored before, as #")) {
                    self.drafts_known += 1;
                    break;
                }
            }
        }
        client.send("/quit");
        client.send("/quit");
        client.expect_closed();
        self
    }
}

/// A line of `/history` without its `#`: `12 2026-11-20 12:03:11 bob: hi`.
fn said(line: &str) -> Said {
    let mut parts = line.splitn(4, ' ');
    let seq = parts.next().and_then(|seq| seq.parse().ok()).expect("a number");
    let rest = parts.nth(2).expect("a message behind its time");
    let (author, text) = rest.split_once(": ").expect("an author");
    Said { seq, author: author.to_owned(), text: text.to_owned() }
}

/// Each room's numbers are 1, 2, 3 …, nothing is there twice, and what anybody was sent is there.
fn check(server: &Server, records: &[Record]) {
    let mut stored: HashMap<&str, Vec<Said>> = HashMap::new();
    let mut places: HashMap<&str, HashMap<String, usize>> = HashMap::new();
    for room in ROOMS {
        let said = server.export(room);
        for (place, said) in said.iter().enumerate() {
            assert_eq!(said.seq, place as u64 + 1, "{room} has a gap or a repeat at {said:?}");
        }
        let lines: HashMap<String, usize> =
            said.iter().enumerate().map(|(place, said)| (said.line(), place)).collect();
        assert_eq!(lines.len(), said.len(), "{room} holds a message twice");
        places.insert(room, lines);
        stored.insert(room, said);
    }
    for record in records {
        for (room, lines) in &record.stays {
            check_run(&record.name, room, lines, &stored[room], &places[room]);
        }
        for (room, said) in &record.shown {
            let found = stored[room].get(said.seq as usize - 1);
            assert_eq!(found, Some(said), "{} was shown this of {room}", record.name);
        }
    }
    check_whispers(server, records);
}

fn check_run(name: &str, room: &str, lines: &[String], stored: &[Said], places: &HashMap<String, usize>) {
    let Some(first) = lines.first() else { return };
    let start = places.get(first).unwrap_or_else(|| panic!("{name} read {first:?} in {room}: not stored"));
    for (place, read) in lines.iter().enumerate() {
        let found = stored.get(start + place).map(Said::line);
        assert_eq!(found.as_ref(), Some(read), "stored in {room} (left), and read by {name} (right)");
    }
}

/// Both sides of a pair: what was received or acknowledged is in their direct rooms, in order. They have other rooms
/// with each login.
fn check_whispers(server: &Server, records: &[Record]) {
    let rooms = server.direct_rooms();
    for room in &rooms {
        for (place, said) in room.said.iter().enumerate() {
            assert_eq!(said.seq, place as u64 + 1, "whispers have a gap or a repeat at {said:?}");
        }
    }
    for (one, other) in (0..CLIENTS / 2).map(|pair| (pair * 2, pair * 2 + 1)) {
        let of = [format!("client{one}"), format!("client{other}")];
        let stored: Vec<&Said> =
            rooms.iter().filter(|room| room.of == of).flat_map(|room| &room.said).collect();
        assert!(!stored.is_empty(), "{of:?} have whispered");
        let distinct: HashSet<&str> = stored.iter().map(|said| said.text.as_str()).collect();
        assert_eq!(distinct.len(), stored.len(), "a whisper is stored twice");
        for record in [&records[one], &records[other]] {
            for (pair, texts) in &record.whispers {
                let author = pair.split(" -> ").next().expect("an author");
                let mut of_author =
                    stored.iter().filter(|said| said.author == author).map(|said| said.text.as_str());
                for text in texts {
                    assert!(of_author.any(|found| found == text), "{} knows {pair} : {text}", record.name);
                }
            }
        }
    }
}

/// The whole process is stopped, as it is when a machine is suspended or its host is busy.
#[test]
fn a_server_that_stood_still_for_ten_seconds_goes_on_and_nobody_is_cut_off() {
    const STILL: Duration = Duration::from_secs(10);
    let mut server = Server::start(2, &[]);
    let mut alice = server.login_to("alice", "r1");
    let mut bob = server.login_to("bob", "r1");
    alice.expect_next("bob has joined r1");
    let nameless = Client::connect(server.address);
    let mut mouth = alice.writer();
    let talk = |first: usize| -> String {
        (first..first + 500).map(|number| format!("number {number}\n")).collect()
    };
    std::io::Write::write_all(&mut mouth, talk(0).as_bytes()).expect("the kernel takes it");
    server.signal(Signal::STOP);
    std::io::Write::write_all(&mut mouth, talk(500).as_bytes()).expect("the kernel takes it");
    thread::sleep(STILL);
    server.signal(Signal::CONT);
    for reader in [&mut alice, &mut bob] {
        reader.expect_all((0..1_000).map(|number| format!("alice: number {number}")));
    }
    let stored: Vec<String> = server.export("r1").iter().map(Said::line).collect();
    assert!(stored.into_iter().eq((0..1_000).map(|number| format!("alice: number {number}"))));
    let mut nameless = nameless;
    nameless.expect("name: ");
    nameless.name("carol");
    assert!(server.is_running() && !server.words().contains("a shard is stuck"), "{}", server.words());
    assert!(server.terminate().0.success());
}

#[test]
fn a_server_starts_again_with_any_number_of_shards_and_each_room_goes_on() {
    let mut server = Server::start(1, &[]);
    let mut said = Vec::new();
    for (life, shards) in [4, 1, 7, 2].into_iter().enumerate() {
        let mut alice = Client::login_when_free(server.address, "alice");
        for room in ROOMS {
            if room != "general" {
                alice.enter(room, "alice");
            }
            alice.ask("/rooms nothing-like-this");
            let text = format!("life {life}");
            alice.send(&text);
            alice.expect(&format!("alice: {text}"));
            let page = alice.ask("/history 1");
            assert!(page[0].starts_with(&format!("#{} ", life + 1)), "{room}: {page:?}");
            if room != "general" {
                alice.send("/quit");
                alice.expect("alice has joined general");
            }
        }
        said.push(format!("alice: life {life}"));
        if life % 2 == 0 {
            server.kill_nine();
        } else {
            assert!(server.terminate().0.success());
        }
        server.start_again_with(shards);
        for room in ROOMS {
            assert_eq!(server.export(room).iter().map(Said::line).collect::<Vec<_>>(), said, "{room}");
        }
    }
    server.verify();
}

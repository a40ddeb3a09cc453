//! Rooms that are entered and left without end.

use crate::harness::{Client, Server};
use std::thread;

const MEMBERS: usize = 6;
const ROUNDS: usize = 150;
const ROOMS: usize = 5;

#[test]
fn a_storm_of_joins_and_leaves_ends_with_everyone_where_they_are() {
    let server = Server::start(3, &[]);
    let mut watcher = server.login_to("watcher", "r0");
    let address = server.address;
    let stormers: Vec<_> = (0..MEMBERS).map(|member| thread::spawn(move || storm(address, member))).collect();
    let mut clients: Vec<Client> = stormers.into_iter().map(|one| one.join().expect("a member")).collect();
    // Everyone is in the last room, and nobody else is anywhere.
    let who = clients[0].ask("/who").concat();
    assert!(who.contains(&format!("{MEMBERS} members")), "{who}");
    let who = watcher.ask("/who");
    assert!(who.iter().any(|line| line.contains("r0: 1 member")), "{who:?}");
    watcher.send("quiet again");
    let mut inside: i64 = 0;
    loop {
        let line = watcher.read_line();
        if line == "watcher: quiet again" {
            break;
        }
        inside += i64::from(line.ends_with(" has joined r0"));
        inside -= i64::from(line.ends_with(" has left the channel(r0)"));
        assert!((0..=MEMBERS as i64).contains(&inside), "{inside} members after {line}");
    }
    assert_eq!(inside, 0, "each that was seen to come was seen to go");
}

fn storm(address: std::net::SocketAddr, member: usize) -> Client {
    let name = format!("stormer{member}");
    let mut client = Client::login(address, &name);
    for round in 0..ROUNDS {
        let room = (round + member) % ROOMS;
        client.send(&format!("/channel r{room}"));
        client.expect(&format!("{name} has joined r{room}"));
        if round % 7 == 0 {
            client.send("/quit");
            client.expect(&format!("{name} has joined general"));
        }
    }
    client.send("/channel the-end");
    client.expect(&format!("{name} has joined the-end"));
    client.settle(&name);
    client.ask("/who r0");
    client
}

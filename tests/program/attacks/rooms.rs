//! Rooms that could be taken for others.

use crate::harness::{Client, Server};

/// From a room to the lobby, and from there out.
fn leave(mut client: Client) {
    client.send_bytes(b"/quit\n/quit\n");
    client.expect_closed();
}

/// A client that asks for `alike` is refused, as that looks like `room`.
#[track_caller]
fn refuses(server: &Server, alike: &str, room: &str) {
    let mut mallory = server.login("mallory");
    mallory.send(&format!("/channel {alike}"));
    let said = mallory.expect_error(&[alike]);
    assert_eq!(said, format!("! the name {alike} looks like {room}, which is taken; choose another"));
    // What is typed behind it is answered as ever, and the way elsewhere is free.
    mallory.send_bytes(format!("/channel {alike}\n/channel apart\n/ping\n").as_bytes());
    mallory.expect(&said);
    mallory.expect("mallory has joined apart");
    mallory.expect("pong");
    leave(mallory);
}

#[test]
fn a_room_that_looks_like_another_is_refused_whatever_becomes_of_the_process() {
    for shards in [1, 4] {
        let mut server = Server::start(shards, &[]);
        refuses(&server, "generaI", "general");
        // One with people and no message, one with messages and people, one with messages and nobody.
        let mut alice = server.login_to("alice", "paypal");
        let mut bob = server.login_to("bob", "Ian");
        let mut carol = server.login_to("carol", "сосо");
        bob.send("hello");
        bob.expect("bob: hello");
        carol.send("hello");
        carol.expect("carol: hello");
        leave(carol);
        let all = |server: &Server| {
            refuses(server, "generaI", "general");
            refuses(server, "lan", "Ian");
            refuses(server, "coco", "сосо");
        };
        all(&server);
        refuses(&server, "PayPaI", "paypal");
        server.take_over(shards);
        all(&server);
        refuses(&server, "PayPaI", "paypal");
        let upgraded = server.ask(&["upgrade"]);
        assert!(upgraded.status.success(), "{upgraded:?}; it said:\n{}", server.words());
        all(&server);
        refuses(&server, "PayPaI", "paypal");
        alice.send("/channel general");
        alice.expect("alice has joined general");
        alice.send("/channel PayPaI");
        alice.expect("alice has joined PayPaI");
        server.kill_nine();
        server.start_again();
        all(&server);
        // Nothing was said there, and nobody is.
        let mut dave = server.login_to("dave", "paypal");
        dave.send("hello");
        dave.expect("dave: hello");
        server.terminate();
        server.start_again_with(3);
        all(&server);
        refuses(&server, "PayPaI", "paypal");
        let mut bob: Client = server.login("bob");
        bob.send("/channel Ian");
        bob.expect("bob: hello");
    }
}

#[test]
fn of_many_who_make_rooms_that_look_alike_at_once_those_of_one_name_have_it() {
    let server = Server::start(4, &["limits.connections_per_address=0"]);
    for round in 0..10 {
        let rooms = [format!("Ion{round}"), format!("lon{round}")];
        let mut people: Vec<Client> = (0..12).map(|n| server.login(&format!("user{round}x{n}"))).collect();
        for (n, person) in people.iter_mut().enumerate() {
            person.send(&format!("/channel {}", rooms[n % 2]));
        }
        let has_come_in = |(n, person): (usize, &mut Client)| {
            person.send("/ping");
            let said = person.expect("pong");
            said.iter().any(|line| line.ends_with(&format!("has joined {}", rooms[n % 2])))
        };
        let come_in: Vec<bool> = people.iter_mut().enumerate().map(has_come_in).collect();
        let of = |first: usize| come_in[first..].iter().step_by(2).filter(|is_in| **is_in).count();
        assert!(matches!((of(0), of(1)), (6, 0) | (0, 6)), "{come_in:?}");
        people.into_iter().for_each(leave);
    }
}

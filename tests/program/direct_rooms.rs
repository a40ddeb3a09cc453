//! Whose the rooms of whispers are: whoever takes a name later has none of those of who had it before.

use crate::harness::{self, DirectRoom, Server};

#[test]
fn a_guest_has_its_direct_rooms_over_upgrades_and_who_takes_its_name_has_others() {
    let mut server = Server::start(2, &[]);
    let (mut alice, mut bob) = harness::alice_and_bob(&server);
    alice.send("/msg bob one");
    bob.expect_next("alice -> bob : one");
    server.take_over(3);
    bob.send("/msg alice two");
    alice.expect("bob -> alice : two");
    bob.send("/quit");
    bob.expect_closed();
    let mut other = server.login("bob");
    other.send("/msg alice three");
    alice.expect("bob -> alice : three");
    server.take_over(2);
    alice.send("/msg bob four");
    other.expect("alice -> bob : four");
    let rooms = server.direct_rooms();
    let texts: Vec<Vec<&str>> = rooms.iter().map(DirectRoom::texts).collect();
    assert_eq!(texts, [["one", "two"], ["three", "four"]], "{rooms:?}");
    for room in &rooms {
        assert_eq!(room.of, ["alice", "bob"]);
        assert_eq!(server.export(&room.name), room.said, "the tools take the name as it was exported");
    }
    server.verify();
}

//! Bystanders: they notice what they should, and nothing else.

use super::{Client, Server};

/// A server in whose lobby two people talk, and see nothing but what they should.
pub struct Lobby {
    pub server: Server,
    pub alice: Client,
    pub bob: Client,
}

impl Lobby {
    pub fn open() -> Lobby {
        let server = Server::start(2, &[]);
        let mut alice = server.login("alice");
        let bob = server.login("bob");
        alice.expect_next("bob has joined general");
        let mut lobby = Lobby { server, alice, bob };
        lobby.saw(&[]);
        lobby
    }

    /// Someone who says no name yet.
    pub fn stranger(&self) -> Client {
        let mut stranger = Client::connect(self.server.address);
        stranger.expect("name: ");
        stranger
    }

    /// Someone in the lobby, whose coming the others have seen.
    pub fn guest(&mut self, name: &str) -> Client {
        let mut guest = self.stranger();
        guest.name(name);
        guest.ask("/who"); // passes over the history that is shown on joining
        self.saw(&[&format!("{name} has joined general")]);
        guest.expect_all(["alice: still here", "bob: still here"]);
        guest
    }

    pub fn mallory(&mut self) -> Client {
        self.guest("mallory")
    }

    /// Both have read exactly these lines since they were asked last, and can talk.
    #[track_caller]
    pub fn saw(&mut self, lines: &[&str]) {
        for reader in [&mut self.alice, &mut self.bob] {
            reader.expect_all(lines);
        }
        self.alice.send("still here");
        self.alice.expect_next("alice: still here");
        self.bob.expect_next("alice: still here");
        self.bob.send("still here");
        self.alice.expect_next("bob: still here");
        self.bob.expect_next("bob: still here");
    }
}

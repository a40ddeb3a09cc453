//! SIGHUP: what can change changes for everyone, a mistake changes nothing.

use crate::harness;
use crate::harness::{Client, Identity, Server, TlsClient};
use rustix::process::Signal;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};

/// A server that reads a file, which a test can write again.
struct Reloadable {
    server: Server,
    file: PathBuf,
    reloads: usize,
}

impl Reloadable {
    fn start(text: &str) -> Reloadable {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
        let file = directory.path().join("madang.toml");
        fs::write(&file, with_address(text)).expect("write the configuration");
        let server = Server::start_with_file(directory, 2, &file);
        Reloadable { server, file, reloads: 0 }
    }

    /// Writes the file and asks for a reload.
    fn ask(&self, text: &str) {
        fs::write(&self.file, with_address(text)).expect("write the configuration");
        self.server.signal(Signal::HUP);
    }

    /// Writes the file and reloads, and waits until that many reloads have ended so.
    #[track_caller]
    fn reload(&mut self, text: &str, outcome: &str) {
        self.ask(text);
        self.reloads += 1;
        let is_end = |line: &&str| line.contains(" reloaded changes=") || line.contains("reload refused");
        let asked_at = std::time::Instant::now();
        while self.server.words().lines().filter(is_end).count() < self.reloads {
            assert!(asked_at.elapsed() < harness::PATIENCE, "not reloaded:\n{}", self.server.words());
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let words = self.server.words();
        assert!(words.lines().rfind(is_end).is_some_and(|line| line.contains(outcome)), "{words}");
    }
}

/// The address is in the file, too: without it the default would be listened at.
fn with_address(text: &str) -> String {
    if text.contains("[listen]") {
        text.to_owned()
    } else {
        format!("{text}\n[listen]\nline = \"127.0.0.1:0\"\n")
    }
}

const TAKEN: &str = "reloaded changes=";
const REFUSED: &str = "reload refused: nothing has changed";

#[test]
fn limits_change_for_those_who_are_connected() {
    let mut world = Reloadable::start("[limits]\nmessages_per_second = 0\n");
    let mut alice = world.server.login("alice");
    let long = "x".repeat(200);
    alice.send(&long);
    alice.expect_next(&format!("alice: {long}"));
    world.reload("[limits]\nmessages_per_second = 1\nburst = 2\nline_bytes_max = 128\n", TAKEN);
    world.server.expect_words(&["limits.line_bytes_max = 128 (was \"4 KiB\")"]);
    alice.send(&long);
    alice.expect_error(&["128 are allowed"]);
    alice.send_bytes(b"1\n2\n3\n4\n");
    let answers: Vec<String> = (0..4).map(|_| alice.read_line()).collect();
    assert!(answers.iter().any(|line| line.contains("too fast: 1 messages a second")), "{answers:?}");
    world.reload("[limits]\nmessages_per_second = 0\n[rooms]\nmembers_max = 2\n", TAKEN);
    let _pair = [world.server.login_to("bob", "r1"), world.server.login_to("carol", "r1")];
    let mut dave = world.server.login("dave");
    dave.send("/channel r1");
    let answer = loop {
        let line = dave.read_line();
        if line.starts_with("! ") {
            break line;
        }
    };
    assert!(answer.contains("full") && answer.contains('2'), "{answer}");
}

#[test]
fn a_mistake_changes_nothing_and_says_line_value_and_remedy() {
    let mut world = Reloadable::start("[limits]\nmessages_per_second = 0\n");
    let mut alice = world.server.login("alice");
    world.reload("[limits]\nline_bytes_max = 128\n\nburst = -1\nbrust = 3\n", REFUSED);
    world.server.expect_words(&[
        "madang.toml:4: limits.burst = -1: too small; allowed is 1 to 1000000",
        "madang.toml:5: unknown key limits.brust; did you mean limits.burst?",
    ]);
    let long = "x".repeat(200);
    alice.send(&long);
    alice.expect_next(&format!("alice: {long}"));
    world.reload("not toml at all", REFUSED);
    fs::remove_file(&world.file).expect("remove the file");
    world.server.signal(Signal::HUP);
    world.server.expect_words(&["cannot read configuration", "madang config default"]);
    alice.send("still here");
    alice.expect_next("alice: still here");
}

#[test]
fn what_needs_a_restart_is_named_and_stays() {
    let mut world = Reloadable::start("");
    world.reload(
        "[log]\ndurability = \"none\"\n[rooms]\nlobby = \"hall\"\n[limits]\nlogin_seconds = 1\n",
        TAKEN,
    );
    world.server.expect_words(&[
        "log.durability = \"none\" needs a restart; until then \"commit\" stays in force",
        "rooms.lobby = \"hall\" needs a restart; until then \"general\" stays in force",
        "limits.login_seconds = 1 (was 60)",
    ]);
    Client::login(world.server.address, "alice");
    // It is named again until it is done, and not taken for a change back.
    world.reload("[log]\ndurability = \"none\"\n", TAKEN);
    assert_eq!(world.server.words().matches("log.durability = \"none\" needs a restart").count(), 2);
}

#[test]
fn a_new_address_is_listened_at_and_who_came_by_the_old_one_stays() {
    let mut world = Reloadable::start("");
    let old = world.server.address;
    let mut alice = world.server.login("alice");
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let new = free.local_addr().expect("its address");
    let text = format!("[listen]\nline = \"{new}\"\n[limits]\nlogin_seconds = 7\n");
    world.reload(&text, REFUSED); // it is taken
    world.server.expect_words(&[&new.to_string()]);
    assert!(!world.server.words().contains("login_seconds"), "nothing else has changed either");
    drop(free);
    world.reload(&text, TAKEN);
    let mut bob = Client::login(new, "bob");
    alice.expect_next("bob has joined general");
    bob.send("hello");
    alice.expect_next("bob: hello");
    assert!(TcpStream::connect(old).is_err(), "nobody listens at the old address");
    assert_eq!(world.server.status()["addresses"][0], new.to_string());
    // The same port on every interface of the machine.
    world.reload(&format!("[listen]\nline = \"127.0.0.2:{}\"\n", new.port()), TAKEN);
    Client::login(format!("127.0.0.2:{}", new.port()).parse().expect("an address"), "carol");
    assert!(TcpStream::connect(new).is_err());
}

#[test]
fn a_reload_never_shares_a_port_with_another_server() {
    let mut other = Server::start(1, &[]);
    let port = other.address.port();
    let mut world = Reloadable::start(&format!("[listen]\nline = \"127.0.0.2:{port}\"\n"));
    world.server.expect_words(&["address=127.0.0.2"]);
    // Beside it at the same port is room, and nowhere else.
    for taken in [format!("127.0.0.1:{port}"), format!("0.0.0.0:{port}"), format!("[::]:{port}")] {
        world.reload(&format!("[listen]\nline = \"{taken}\"\n"), REFUSED);
        world.server.expect_words(&[&format!("cannot listen on {taken}: "), "Address already in use"]);
    }
    for number in 0..20 {
        other.login(&format!("visitor{number}"));
        world.server.login(&format!("guest{number}"));
    }
    // Its own port in another way is its own.
    other.terminate();
    let ended_at = std::time::Instant::now();
    while TcpListener::bind(("127.0.0.1", port)).is_err() {
        assert!(ended_at.elapsed() < harness::PATIENCE, "its port is not free");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    world.reload(&format!("[listen]\nline = \"127.0.0.3:{port}\"\n"), TAKEN);
    world.reload(&format!("[listen]\nline = \"127.0.0.1:{port}\"\n"), TAKEN);
    Client::login(format!("127.0.0.1:{port}").parse().expect("an address"), "alice");
}

#[test]
fn a_reload_never_lets_two_of_our_listeners_overlap() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let identity = Identity::write(directory.path());
    let mut world = Reloadable::start("");
    let file = |line: SocketAddr, more: &str| {
        format!(
            "[listen]\nline = \"{line}\"\n{more}\n[tls]\ncertificate = {:?}\nkey = {:?}\n",
            identity.certificate, identity.key
        )
    };
    let line = world.server.address;
    world.reload(&file(line, &format!("line_tls = \"{line}\"")), REFUSED);
    world.server.expect_words(&[
        &format!("madang.toml:3: listen.line_tls = \"{line}\" overlaps listen.line = \"{line}\""),
        "madang.toml:2",
    ]);
    world.reload(&file(line, &format!("[telemetry]\nmetrics = \"0.0.0.0:{}\"", line.port())), REFUSED);
    // Not for a moment either: the one is still there when the other comes.
    let any = "127.0.0.1:0".parse().expect("an address");
    world.reload(&file(any, &format!("line_tls = \"{line}\"")), REFUSED);
    world.server.expect_words(&[&format!("listen.line listens at {line} until a reload moves it")]);
    for number in 0..20 {
        world.server.login(&format!("guest{number}"));
    }
}

#[test]
fn tls_is_switched_on_moved_and_off_while_people_talk() {
    let mut world = Reloadable::start("");
    let mut alice = world.server.login("alice");
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let identity = Identity::write(directory.path());
    let free: [SocketAddr; 2] = {
        // Both at once, as one that is free again may be given again.
        let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
        ports.map(|port| port.local_addr().expect("its address"))
    };
    let with_tls = |address: SocketAddr, certificate: &Path| {
        format!(
            "[listen]\nline = \"127.0.0.1:0\"\nline_tls = \"{address}\"\n[tls]\ncertificate = {certificate:?}\nkey = \
             {:?}\n[limits]\nlogin_seconds = 7\n",
            identity.key
        )
    };
    let is_closed = |address: SocketAddr| TcpStream::connect(address).is_err();
    // Certificates that cannot be used: nothing changes, and the journal says why.
    world.reload(&with_tls(free[0], Path::new("/nowhere/certificate.pem")), REFUSED);
    world.server.expect_words(&["cannot read the certificate", "/nowhere/certificate.pem"]);
    world.reload(&with_tls(free[0], &identity.key), REFUSED); // a key is none
    world.reload(&format!("[listen]\nline = \"127.0.0.1:0\"\nline_tls = \"{}\"\n", free[0]), REFUSED);
    world.server.expect_words(&["tls.certificate is not set"]);
    assert!(
        is_closed(free[0]) && !world.server.words().contains("login_seconds"),
        "{}",
        world.server.words()
    );
    let old = world.server.address;
    // On.
    world.reload(&with_tls(free[0], &identity.certificate), TAKEN);
    let trust = identity.trust();
    let mut bob = TlsClient::login(free[0], &trust, "bob");
    alice.expect_next("bob has joined general");
    let addresses = world.server.status()["addresses"].to_string();
    assert!(addresses.contains(&old.to_string()) && addresses.contains(&free[0].to_string()), "{addresses}");
    // Moved: connected clients stay.
    world.reload(&with_tls(free[1], &identity.certificate), TAKEN);
    let mut carol = TlsClient::login(free[1], &trust, "carol");
    alice.expect_next("carol has joined general");
    assert!(is_closed(free[0]), "it is listened at the old address");
    // Off.
    world.reload("[limits]\nlogin_seconds = 7\n", TAKEN);
    assert!(is_closed(free[1]), "it is listened with TLS");
    assert!(!world.server.status()["addresses"].to_string().contains(&free[1].to_string()));
    bob.send("still here");
    for reader in [&mut bob, &mut carol] {
        reader.expect("bob: still here");
    }
    alice.expect_next("bob: still here");
    world.server.login("dave");
    // And on again.
    world.reload(&with_tls(free[1], &identity.certificate), TAKEN);
    TlsClient::login(free[1], &trust, "erin");
}

#[test]
fn telnet_is_switched_on_moved_and_off_while_people_talk() {
    let mut world = Reloadable::start("");
    let mut alice = world.server.login("alice");
    let free: [SocketAddr; 2] = {
        let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
        ports.map(|port| port.local_addr().expect("its address"))
    };
    let file = |address: &str| format!("[listen]\nline = \"127.0.0.1:0\"\ntelnet = \"{address}\"\n");
    let is_closed = |address: SocketAddr| TcpStream::connect(address).is_err();
    let mut people = Vec::new();
    for (address, name) in free.iter().zip(["bob", "carol"]) {
        world.reload(&file(&address.to_string()), TAKEN);
        people.push(Client::login_by_telnet(*address, name));
        alice.expect_next(&format!("{name} has joined general"));
        assert!(world.server.status()["addresses"].to_string().contains(&address.to_string()));
    }
    assert!(is_closed(free[0]), "it is listened at the old address");
    world.reload(&file(""), TAKEN);
    assert!(is_closed(free[1]), "it is listened for telnets");
    people[0].send("still here");
    for reader in people.iter_mut().chain([&mut alice]) {
        reader.expect("bob: still here");
    }
}

#[test]
fn networks_of_proxies_change_for_new_connections() {
    let file = |networks: &str| format!("[listen]\nline = \"127.0.0.1:0\"\nproxy_from = [{networks}]\n");
    let mut world = Reloadable::start(&file(""));
    let mut alice = world.server.login("alice");
    world.reload(&file("\"127.0.0.1\""), TAKEN);
    let mut nobody = Client::connect(world.server.address);
    nobody.send("nobody");
    assert_eq!(nobody.expect_closed_raw(), b"");
    let mut bob = Client::connect(world.server.address);
    bob.send_bytes(b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n");
    bob.expect("name: ");
    bob.name("bob");
    alice.expect_next("bob has joined general");
    assert_eq!(world.server.status()["addresses"][0], world.server.address.to_string());
    world.reload(&file(""), TAKEN);
    world.server.login("carol");
    bob.expect_next("carol has joined general");
}

#[test]
fn the_level_of_events_changes() {
    let mut world = Reloadable::start("");
    let mut alice = world.server.login("alice");
    world.ask("[telemetry]\nlevel = \"error\"\n[limits]\nline_bytes_max = 128\n");
    world.server.expect_words(&["telemetry.level = \"error\" (was \"info\")"]);
    loop {
        alice.send(&"x".repeat(200));
        if alice.read_line().starts_with("! ") {
            break; // the new limits hold, and the level was before them
        }
    }
    world.reload("[limits]\nburst = -1\n", REFUSED);
    assert!(!world.server.words().contains(TAKEN), "{}", world.server.words());
}

/// How many sockets listen at a port of 127.0.0.1 (proc_net(5): state 0A).
fn listening_sockets(port: u16) -> usize {
    let table = fs::read_to_string("/proc/net/tcp").expect("the sockets of this machine");
    let local = format!("0100007F:{port:04X}");
    let is_one = |line: &&str| {
        let mut words = line.split_whitespace().skip(1);
        words.next() == Some(&*local) && words.nth(1) == Some("0A")
    };
    table.lines().filter(is_one).count()
}

#[test]
fn an_upgrade_that_moves_a_listener_has_every_shard_listen_there() {
    const UPGRADES: usize = 6;
    let mut taken = Reloadable::start("");
    for _ in 0..UPGRADES {
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        let text = format!("[listen]\nline = \"127.0.0.1:0\"\ntelnet = \"127.0.0.1:{port}\"\n");
        fs::write(&taken.file, text).expect("write the configuration");
        taken.server.take_over(2);
        // It is said once every shard has answered, and was bound before that.
        taken.server.expect_words(&[&format!("listening at a new address address=127.0.0.1:{port}")]);
        assert_eq!(listening_sockets(port), 2, "{}", taken.server.words());
    }
}

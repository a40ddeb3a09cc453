//! The programs that people come with, each as it really is, in a terminal.

use crate::harness::{CTRL_D, PATIENCE, Server, Terminal, needs};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a client does when its user presses Ctrl-D.
#[derive(Clone, Copy, PartialEq)]
enum OnCtrlD {
    /// It ends, and its user has left.
    Ends,
    /// It sends nothing of it to the server, and shows what comes.
    Stays,
}

/// A client by its command, before host and port, the package it comes from, and what Ctrl-D does: the table
/// in docs/protocol.md.
const CLIENTS: [(&str, &str, OnCtrlD); 8] = [
    ("nc.openbsd", "netcat-openbsd", OnCtrlD::Stays),
    ("nc.openbsd -N", "netcat-openbsd", OnCtrlD::Ends),
    ("nc.traditional", "netcat-traditional", OnCtrlD::Stays),
    ("nc.traditional -q 1", "netcat-traditional", OnCtrlD::Ends),
    ("ncat", "ncat", OnCtrlD::Ends),
    ("socat - TCP", "socat", OnCtrlD::Ends),
    ("telnet", "inetutils-telnet", OnCtrlD::Ends),
    ("rlwrap nc.openbsd -N", "rlwrap", OnCtrlD::Ends),
];

fn command(client: &str, package: &str, address: SocketAddr) -> String {
    needs(client.split(' ').next().expect("a program"), package);
    let (host, port) = (address.ip(), address.port());
    match client.strip_suffix(" TCP") {
        Some(socat) => format!("{socat} TCP:{host}:{port}"),
        None => format!("{client} {host} {port}"),
    }
}

/// Somebody in the lobby, who comes with this command.
fn come_in(command: &str, name: &str) -> Terminal {
    let mut terminal = Terminal::run(command);
    terminal.expect("name: ");
    terminal.type_line(name);
    terminal.expect(&format!("{name} has joined general"));
    terminal
}

#[test]
fn quit_ends_every_client_and_all_but_ncat_without_another_key() {
    let server = Server::start(1, &[]);
    let clients = CLIENTS.iter().enumerate().map(|(number, (client, package, _))| {
        let mut terminal = come_in(&command(client, package, server.address), &format!("user{number}"));
        terminal.type_line("/quit");
        terminal.expect("bye");
        terminal
    });
    let mut terminals: Vec<Terminal> = clients.collect();
    for ((client, ..), terminal) in CLIENTS.iter().zip(&mut terminals) {
        if *client == "ncat" {
            // It looks at its connection again when there is something to send.
            terminal.expect_end_by(|terminal| {
                terminal.type_line("");
                std::thread::sleep(Duration::from_millis(200)); // nobody reads what is typed after its end
            });
        } else {
            terminal.expect_end();
        }
    }
}

#[test]
fn ctrl_d_ends_the_clients_that_pass_it_on() {
    let server = Server::start(1, &[]);
    let mut alice = server.login("alice");
    for (number, (client, package, on_ctrl_d)) in CLIENTS.iter().enumerate() {
        let name = format!("user{number}");
        let mut terminal = come_in(&command(client, package, server.address), &name);
        alice.expect(&format!("{name} has joined general"));
        terminal.press(CTRL_D);
        match on_ctrl_d {
            OnCtrlD::Ends => {
                terminal.expect_end();
                alice.expect(&format!("{name} has left the channel(general)"));
            }
            OnCtrlD::Stays => {
                alice.send("are you still there?");
                terminal.expect("alice: are you still there?");
            }
        }
    }
}

/// Each command line of the page that brings its own input, as written but for the host and the port.
#[test]
fn the_scripts_of_the_protocol_page_end_with_every_nc() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/protocol.md"));
    let page = page.expect("the page").replace("\\|", "|");
    let scripts: Vec<&str> = page.split('`').filter(|code| code.starts_with("printf ")).collect();
    assert!(!scripts.is_empty(), "the page shows how to send from a script");
    let server = Server::start(1, &[]);
    let at = format!("{} {}", server.address.ip(), server.address.port());
    for script in scripts {
        for nc in ["nc.openbsd", "nc.traditional", "ncat"] {
            needs(nc, "netcat-openbsd netcat-traditional ncat");
            let line = script.replace("host 8080", &at).replace("| nc ", &format!("| {nc} "));
            let is_for_all = !script.contains(" -N ");
            if is_for_all || nc == "nc.openbsd" {
                let said = run_to_its_end(&line);
                assert!(said.contains("alice: hello") && said.ends_with("bye\n"), "{line}: {said}");
            }
        }
    }
}

fn run_to_its_end(line: &str) -> String {
    let mut child = Command::new("sh")
        .args(["-c", line])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("run a shell");
    let started_at = Instant::now();
    while child.try_wait().expect("wait").is_none() {
        if started_at.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("hangs: {line}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().expect("its output");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A line that holds every byte that the second and the third of a Korean syllable can be.
fn every_byte() -> String {
    let third = (0x80..=0xbf).map(|byte| [0xea, 0xb0, byte]);
    let second = (0x80..=0xbf).map(|byte| [0xec, byte, 0x80]);
    let bytes: Vec<u8> = third.chain(second).flatten().collect();
    String::from_utf8(bytes).expect("syllables")
}

#[test]
fn korean_in_telnet_is_refused_once_and_whole_from_then_on() {
    needs("telnet", "inetutils-telnet");
    let server = Server::start(1, &[]);
    let at = format!("{} {}", server.address.ip(), server.address.port());
    let mut alice = server.login("alice");
    // By these telnet is led to break, interrupt, suspend and stop output, and to drop a byte.
    let names = [("", "지혜"), ("-8", "냥나"), ("", "하세요"), ("-8", "도윤"), ("", "안녕")];
    for (option, name) in names {
        let mut terminal = Terminal::run(&format!("telnet {option} {at}"));
        terminal.expect("name: ");
        terminal.type_line(name);
        terminal.expect("nothing of it was sent");
        terminal.type_line(name);
        alice.expect(&format!("{name} has joined general"));
        terminal.expect(&format!("{name} has joined general\r\n"));
        for said in ["나", "희", &every_byte()] {
            terminal.type_line(said);
            alice.expect_next(&format!("{name}: {said}"));
            terminal.expect(&format!("{name}: {said}\r\n"));
        }
        // The terminal still begins its lines at the left.
        terminal.type_line("left?");
        terminal.expect(&format!("left?\r\n{name}: left?\r\n"));
        alice.expect_next(&format!("{name}: left?"));
        terminal.type_line("/quit");
        terminal.expect_end();
        alice.expect_next(&format!("{name} has left the channel(general)"));
    }
}

#[test]
fn in_telnet_a_break_is_no_goodbye_and_an_interrupt_is() {
    needs("telnet", "inetutils-telnet");
    let server = Server::start(1, &[]);
    let mut terminal =
        come_in(&format!("telnet {} {}", server.address.ip(), server.address.port()), "breaker");
    terminal.press("\x1c");
    terminal.type_line("still here");
    terminal.expect("breaker: still here");
    terminal.press("\x03");
    terminal.expect_end();
}

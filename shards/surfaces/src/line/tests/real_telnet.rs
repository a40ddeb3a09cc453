//! The telnet of Debian in a terminal, at a session behind a socket.

use super::rig::Rig;
use crate::line::Terminal;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(2);

/// Serves one connection until its session ends or its peer is gone, and returns what was asked of the engine.
fn serve() -> (SocketAddr, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let served = thread::spawn(move || {
        let (mut peer, _) = listener.accept().expect("a connection");
        let mut rig = Rig::at(Terminal::Telnet);
        let mut buffer = [0; 4096];
        loop {
            peer.write_all(&rig.bytes()).expect("the peer takes everything");
            if rig.core.closing.is_some() {
                return rig.requests;
            }
            match peer.read(&mut buffer) {
                Ok(count @ 1..) => rig.send(&buffer[..count]),
                _ => return rig.requests,
            }
        }
    });
    (address, served)
}

/// A telnet in a terminal that `script` makes, and a person at its keys.
struct Telnet {
    child: Child,
    keys: ChildStdin,
    screen: Arc<Mutex<Vec<u8>>>,
}

impl Telnet {
    fn run(options: &str, address: SocketAddr) -> Telnet {
        let telnet =
            format!("stty cols 200 rows 40 iutf8; exec telnet {options} {} {}", address.ip(), address.port());
        let mut child = Command::new("script")
            .args(["--quiet", "--flush", "--command", &telnet, "/dev/null"])
            .envs([("TERM", "xterm"), ("LANG", "C.UTF-8")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("script makes a terminal; it is in util-linux (bsdutils)");
        let (keys, output) = (child.stdin.take(), child.stdout.take());
        let screen = Arc::new(Mutex::new(Vec::new()));
        let (seen, mut output) = (Arc::clone(&screen), output.expect("its screen"));
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                seen.lock().expect("nobody panics with it").extend_from_slice(&buffer[..count]);
            }
        });
        Telnet { child, keys: keys.expect("its keys"), screen }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).and_then(|()| self.keys.flush()).expect("it hears its keys");
    }

    fn screen(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().expect("nobody panics with it")).into_owned()
    }

    #[track_caller]
    fn expect(&self, words: &str) {
        let asked_at = Instant::now();
        while !self.screen().contains(words) {
            assert!(
                asked_at.elapsed() < PATIENCE,
                "no {words:?} in {:?}; is inetutils-telnet there?",
                self.screen()
            );
            thread::sleep(LOOK);
        }
    }

    #[track_caller]
    fn expect_end(&mut self) {
        let asked_at = Instant::now();
        while self.child.try_wait().expect("wait").is_none() {
            assert!(asked_at.elapsed() < PATIENCE, "it goes on: {:?}", self.screen());
            thread::sleep(LOOK);
        }
    }
}

impl Drop for Telnet {
    fn drop(&mut self) {
        // The terminal ends with it, and what runs in it with that.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines that a terminal shows further right than at its left edge.
fn indented(screen: &str) -> Vec<String> {
    let (mut is_at_left, mut is_indented, mut found) = (true, false, Vec::new());
    for piece in screen.split_inclusive(['\r', '\n']) {
        let text = piece.trim_end_matches(['\r', '\n']);
        if is_indented && !text.is_empty() {
            found.push(text.to_owned());
        }
        is_at_left &= text.is_empty();
        match piece.chars().next_back() {
            Some('\r') => (is_at_left, is_indented) = (true, false),
            Some('\n') => is_indented = !is_at_left,
            _ => {}
        }
    }
    found
}

#[test]
fn lines_that_begin_further_right_are_found() {
    assert_eq!(indented("a\r\n\r\nb\n\rc\r\n"), Vec::<String>::new());
    assert_eq!(indented("a\nb\r\nc\n\nd\n\r"), ["b", "d"]);
}

/// A line that holds every byte that the second and the third of a Korean syllable can be.
fn every_byte() -> String {
    let bytes = (0x80..=0xbf).flat_map(|byte| [[0xea, 0xb0, byte], [0xec, byte, 0x80]]).flatten().collect();
    String::from_utf8(bytes).expect("syllables")
}

#[test]
fn the_telnet_of_debian_types_any_korean_and_its_terminal_stays_in_order() {
    // By these it is led, where nothing was agreed on, to break, to its own prompt, to stop output, and to drop a byte.
    for (options, name) in [("", "지혜"), ("", "희"), ("-8", "하세요"), ("", "안녕")] {
        let (address, served) = serve();
        let mut telnet = Telnet::run(options, address);
        telnet.expect("name: ");
        telnet.press(&format!("{name}\n"));
        telnet.expect(&format!("{name} has joined general\r\n"));
        for said in ["나", &every_byte(), "left?", ""] {
            telnet.press(&format!("{said}\n"));
            if !said.is_empty() {
                telnet.expect(&format!("{name}: {said}\r\n"));
            }
        }
        // What is typed is edited in the terminal: one key takes one letter away.
        telnet.press("가나다\x7fx\n");
        telnet.expect(&format!("{name}: 가나x\r\n"));
        telnet.press("/quit\n");
        telnet.expect("bye\r\n");
        telnet.expect_end();
        assert_eq!(
            indented(&telnet.screen()),
            Vec::<String>::new(),
            "telnet {options}: {:?}",
            telnet.screen()
        );
        let asked = served.join().expect("a session");
        assert!(asked.iter().any(|request| request.contains(&every_byte())), "{asked:?}");
    }
}

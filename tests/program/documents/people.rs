//! The programs with which people connect, as the text names them, to a server as the text sets it up.

use super::page::{self, Page};
use super::world::World;
use crate::harness::{Identity, Terminal, needs};
use std::fs;
use std::path::Path;

/// What stands for the address of the server.
const HOSTS: [&str; 2] = ["YOUR-ADDRESS", "HOST"];
/// Programs that connect, and the packages they come from. `docs/protocol.md` names more, which have tests of
/// their own in `tests/program/clients.rs`.
const PROGRAMS: [(&str, &str); 4] =
    [("nc", "netcat-openbsd"), ("rlwrap", "rlwrap"), ("ncat", "ncat"), ("openssl", "openssl")];

/// Each line with which somebody connects, and the package of its program.
fn lines() -> Vec<(String, &'static str)> {
    let pages = page::all();
    let spans = pages.iter().filter(|page| page.path != "docs/protocol.md").flat_map(Page::spans);
    let named = spans.filter(|span| span.line.ends_with("8080") || span.line.ends_with("8443"));
    let of_program = |line: String| {
        let program = line.split(' ').next().unwrap_or_default();
        let found = PROGRAMS.iter().find(|(name, _)| *name == program);
        found.map(|(_, package)| (line, *package))
    };
    named.filter_map(|span| of_program(span.line)).collect()
}

/// The settings for TLS, with a certificate where they say that it lies.
fn set_tls_up() {
    let page = Page::read("docs/operations.md");
    let blocks = page.blocks();
    let settings = blocks.iter().filter(|(info, _)| *info == "toml");
    let text =
        |lines: &[(usize, &str)]| lines.iter().map(|(_, line)| format!("{line}\n")).collect::<String>();
    let mut texts = settings.map(|(_, lines)| text(lines));
    let settings = texts.find(|text| text.contains("line_tls")).expect("settings for TLS");
    let place = Path::new("/etc/madang/tls");
    fs::create_dir_all(place).expect("a directory");
    let identity = Identity::write(place);
    fs::rename(&identity.certificate, place.join("fullchain.pem")).expect("a certificate");
    fs::rename(&identity.key, place.join("privkey.pem")).expect("a key");
    fs::write("/etc/madang/madang.toml", settings).expect("a configuration");
}

pub fn come(world: &mut World) {
    set_tls_up();
    let spans = Page::read("README.md").spans();
    let serve =
        spans.iter().find(|span| span.line.starts_with("madang serve --listen ")).expect("how to listen");
    world.serve(&serve.line);
    let lines = lines();
    for (_, package) in PROGRAMS {
        assert!(lines.iter().any(|(_, found)| *found == package), "nobody comes with {package}");
    }
    for (number, (line, package)) in lines.iter().enumerate() {
        needs(line.split(' ').next().unwrap_or_default(), package);
        let at = HOSTS.iter().fold(line.clone(), |line, host| line.replace(host, "127.0.0.1"));
        let mut terminal = Terminal::run(&at);
        terminal.expect("name: ");
        terminal.type_line(&format!("user{number}"));
        terminal.expect(&format!("user{number} has joined general"));
        terminal.type_line("/quit");
        terminal.expect("bye");
    }
}

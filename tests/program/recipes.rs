//! The recipes of docs/edge.md for proxies in front of the edge, as written but for addresses, names and files.

use crate::harness::edge_process::{HTTP, expect_served, http_address};
use crate::harness::{Identity, PATIENCE, Server, Service, ours};
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Where the recipes say that the edge is.
const EDGE_THERE: &str = "127.0.0.1:8081";

/// The recipe that begins with this line.
fn recipe(first: &str) -> String {
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/edge.md")).expect("the page");
    let (_, rest) = page.split_once(&format!("```text\n{first}")).expect("the recipe");
    let (recipe, _) = rest.split_once("\n```").expect("its end");
    assert!(recipe.contains(EDGE_THERE), "{recipe}");
    format!("{first}{recipe}\n")
}

/// A port that is free now.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

/// Starts a proxy, whose words are in `words` there.
fn start(mut proxy: Command, directory: &Path) -> Service {
    let words = File::create(directory.join("words")).expect("a file");
    proxy.env("HOME", directory).current_dir(directory).stdin(Stdio::null());
    Service(proxy.stdout(words.try_clone().expect("a copy")).stderr(words).spawn().expect("run the proxy"))
}

/// What curl says of a path behind a proxy, once there is one: the status, the version of HTTP, the kind of the answer.
#[track_caller]
fn ask_through(directory: &Path, url: &str, more: &[&str]) -> String {
    let asked_at = Instant::now();
    loop {
        let mut curl = ours("curl");
        curl.args(["-s", "--max-time", "10", "-o", "/dev/null"]).args(more);
        curl.args(["-w", "%{http_code} %{http_version} %{content_type}", url]);
        let output = curl.output().expect("run curl");
        if output.status.success() {
            return String::from_utf8(output.stdout).expect("UTF-8");
        }
        let words = fs::read_to_string(directory.join("words")).unwrap_or_default();
        assert!(asked_at.elapsed() < PATIENCE, "{output:?}\n{words}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn serve() -> (Server, SocketAddr) {
    let server = Server::start(1, &[HTTP, "http.forwarded_from=127.0.0.1"]);
    let address = http_address(&server, "http");
    expect_served(address);
    (server, address)
}

#[test]
fn the_edge_is_served_behind_nginx() {
    let (_server, address) = serve();
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let identity = Identity::write(directory.path());
    let port = free_port();
    let server = recipe("server {")
        .replace(EDGE_THERE, &address.to_string())
        .replace("listen 443 ", &format!("listen 127.0.0.1:{port} "))
        .replace("/etc/madang/tls/fullchain.pem", identity.certificate.to_str().expect("UTF-8"))
        .replace("/etc/madang/tls/privkey.pem", identity.key.to_str().expect("UTF-8"));
    let place = directory.path().display();
    let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {place}/{kind};\n"))
        .concat();
    let whole = format!(
        "daemon off;\npid {place}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{paths}{server}}}\n"
    );
    let file = directory.path().join("nginx.conf");
    fs::write(&file, whole).expect("a file");
    let mut nginx = ours("nginx");
    nginx.arg("-p").arg(directory.path()).arg("-c").arg(&file).args(["-e", "stderr"]);
    let _nginx = start(nginx, directory.path());
    let url = format!("https://localhost:{port}/nothing");
    for (option, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let answer = ask_through(directory.path(), &url, &[option, "-k"]);
        assert_eq!(answer, format!("404 {version} application/problem+json"));
    }
}

#[test]
fn the_edge_is_served_behind_caddy() {
    let (_server, address) = serve();
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let port = free_port();
    // With a name of its own it would ask a certificate authority.
    let site = recipe("chat.example.org {")
        .replace(EDGE_THERE, &address.to_string())
        .replace("chat.example.org", &format!("http://localhost:{port}"));
    let file = directory.path().join("Caddyfile");
    fs::write(&file, format!("{{\n    admin off\n}}\n{site}")).expect("a file");
    let mut caddy = ours("caddy");
    caddy.args(["run", "--adapter", "caddyfile", "--config"]).arg(&file);
    let _caddy = start(caddy, directory.path());
    let answer = ask_through(directory.path(), &format!("http://localhost:{port}/nothing"), &[]);
    assert_eq!(answer, "404 1.1 application/problem+json");
}

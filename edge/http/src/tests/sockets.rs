//! Over real sockets: framing, many connections, and the examples of docs/api.md.

use super::world::{PASSWORD, World};
use crate::{Client, Settings};
use axum::Extension;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Serves a world on a port of loopback for as long as the runtime lives.
async fn serve(world: &World) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = Client { address: address.ip(), is_private: true, has_tls: false };
    let router = world.router.clone().layer(Extension(client));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Sends bytes, and reads until the other end closes.
async fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let talk = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // Whoever answers early may have closed.
        let _ = stream.write_all(request).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    tokio::time::timeout(PATIENCE, talk).await.expect("an answer in time")
}

fn post(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: madang.example\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn a_body_that_is_too_large_or_has_no_end_is_refused_whatever_it_announces() {
    let world = World::new();
    let address = serve(&world).await;
    let head = "POST /api/v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n";
    let announced = exchange(address, format!("{head}Content-Length: 1000000\r\n\r\n").as_bytes()).await;
    assert!(announced.starts_with("HTTP/1.1 413 ") && announced.contains("body-too-long"), "{announced}");
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{}", chunk.repeat(32));
    let chunked = exchange(address, chunked.as_bytes()).await;
    assert!(chunked.starts_with("HTTP/1.1 413 "), "{chunked}");
    let wrong =
        exchange(address, format!("{head}Transfer-Encoding: chunked\r\n\r\nnonsense\r\n").as_bytes()).await;
    assert!(wrong.starts_with("HTTP/1.1 400 ") && wrong.contains("body-incomplete"), "{wrong}");
    let smuggled = format!("{head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    assert!(!exchange(address, smuggled.as_bytes()).await.starts_with("HTTP/1.1 2"));
}

#[tokio::test]
async fn the_head_of_an_answer_is_that_of_the_answer_and_nothing_follows_it() {
    let world = World::new();
    let address = serve(&world).await;
    let request = "HEAD /api/v1/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = exchange(address, request.as_bytes()).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 401 ") && head.contains("application/problem+json"), "{head}");
    assert!(body.is_empty(), "{body}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_32_connections_that_sign_up_one_name_and_its_look_alikes_one_wins() {
    let world = World::new();
    let address = serve(&world).await;
    let mut tasks = JoinSet::new();
    for number in 0..32 {
        let name = ["홍길동", "alice", "ALICE", "aIice"][number % 4];
        let body =
            format!(r#"{{"name": "{name}", "password": "{PASSWORD}", "password_confirm": "{PASSWORD}"}}"#);
        tasks.spawn(
            async move { (name, exchange(address, post("/api/v1/accounts", &body).as_bytes()).await) },
        );
    }
    let answers = tasks.join_all().await;
    for (is_korean, winners_wanted) in [(true, 1), (false, 1)] {
        let of_name = answers.iter().filter(|(name, _)| (*name == "홍길동") == is_korean);
        let winners = of_name.filter(|(_, answer)| answer.starts_with("HTTP/1.1 201 ")).count();
        assert_eq!(winners, winners_wanted, "{answers:?}");
    }
    let lost = answers.iter().filter(|(_, answer)| answer.starts_with("HTTP/1.1 409 ")).count();
    assert_eq!(lost, 30, "{answers:?}");
}

/// The lines of the blocks of docs/api.md that are typed.
fn examples() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api.md");
    let page = std::fs::read_to_string(page).unwrap();
    let blocks = page.split("```bash\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_examples_of_the_documents_run_as_written() {
    let world = World::with(Settings::default());
    let address = serve(&world).await;
    let folder = tempfile::tempdir().unwrap();
    let script = examples()
        .replace("127.0.0.1:8081", &address.to_string())
        .replace("curl -s ", "curl -sS --fail-with-body ");
    assert!(script.matches("curl ").count() >= 8, "{script}");
    let mut command = std::process::Command::new("bash");
    command.args(["-euo", "pipefail", "-c", &script]).current_dir(folder.path());
    let ran = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let (said, wrong) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{said}\n{wrong}");
    assert!(said.contains(r#""display_name":"Alice of 서울""#), "{said}");
    assert!(world.directory.sessions("alice", world.now()).unwrap().is_empty(), "the last line logs out");
}

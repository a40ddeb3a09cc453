//! REST as clients have it: on the program, over sockets.

use crate::harness::edge_process::{HTTP, edge, expect_served, http_address, kill_nine};
use crate::harness::http::{HttpAnswer, exchange};
use crate::harness::{Server, madang, needs};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

const PASSWORD: &str = "four quiet green lamps";

/// Asks something on a connection of its own, as a user with this access token where there is one.
#[track_caller]
fn ask(address: SocketAddr, request: &str, token: Option<&str>, body: Option<&Value>) -> HttpAnswer {
    let token = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
    let body = body.map_or_else(String::new, Value::to_string);
    let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
    let length = body.len();
    let text = format!(
        "{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nAccept-Language: ko\r\n\
         {token}{kind}Content-Length: {length}\r\n\r\n{body}"
    );
    exchange(address, text.as_bytes()).expect("an answer")
}

#[track_caller]
fn sign_up(address: SocketAddr, name: &str) -> HttpAnswer {
    let account = json!({"name": name, "password": PASSWORD, "password_confirm": PASSWORD});
    ask(address, "POST /api/v1/accounts", None, Some(&account))
}

/// Logs in. Returns the access token.
#[track_caller]
fn log_in(address: SocketAddr, name: &str) -> String {
    let login = json!({"name": name, "password": PASSWORD});
    let answer = ask(address, "POST /api/v1/sessions", None, Some(&login));
    assert!((200..300).contains(&answer.status), "{answer:?}");
    let session: Value = serde_json::from_str(&answer.body).expect("JSON");
    session["access_token"].as_str().expect("a token").to_owned()
}

#[track_caller]
fn code_of(answer: &HttpAnswer) -> String {
    let problem: Value = serde_json::from_str(&answer.body).expect("a problem document");
    assert!(answer.head.contains("application/problem+json"), "{answer:?}");
    problem["code"].as_str().expect("a code").to_owned()
}

#[test]
fn who_is_logged_in_stays_so_whatever_becomes_of_the_edge_and_of_the_server() {
    let mut server = Server::start(2, &[HTTP]);
    let address = http_address(&server, "http");
    expect_served(address);
    assert_eq!(sign_up(address, "홍길동").status, 201);
    assert_eq!(code_of(&sign_up(address, "홍길동")), "name-taken");
    let token = log_in(address, "홍길동");
    let me = |address| ask(address, "GET /api/v1/me", Some(&token), None);
    let answer = me(address);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.body.contains(r#""name":"홍길동""#), "{answer:?}");

    kill_nine(edge(&server));
    assert_eq!(me(address).status, 200, "it waits in the backlog for the next edge, which has the same keys");

    server.kill_nine();
    server.start_again();
    let address = http_address(&server, "http");
    expect_served(address);
    assert_eq!(me(address).status, 200);
    assert_eq!(ask(address, "GET /api/v1/me", Some(&format!("{token}x")), None).status, 401);
}

#[test]
fn a_ban_by_the_operator_holds_from_the_next_request_on() {
    let server = Server::start(1, &[HTTP]);
    let address = http_address(&server, "http");
    expect_served(address);
    assert_eq!(sign_up(address, "alice").status, 201);
    let token = log_in(address, "alice");
    let data = server.data();
    let banned = madang()
        .args(["account", "ban", "alice", "--reason", "the same link", "--config", "/dev/null", "--data"])
        .arg(&data)
        .output()
        .expect("run it");
    assert!(banned.status.success(), "{}", String::from_utf8_lossy(&banned.stderr));
    let answer = ask(address, "GET /api/v1/me", Some(&token), None);
    assert!(matches!(answer.status, 401 | 403), "{answer:?}");
    let login = json!({"name": "alice", "password": PASSWORD});
    let answer = ask(address, "POST /api/v1/sessions", None, Some(&login));
    assert_eq!((answer.status, code_of(&answer).as_str()), (403, "banned"));
}

#[test]
fn who_may_make_accounts_is_decided_by_the_configuration() {
    let server = Server::start(1, &[HTTP, "accounts.sign_up=closed"]);
    let address = http_address(&server, "http");
    expect_served(address);
    let answer = sign_up(address, "alice");
    assert_eq!((answer.status, code_of(&answer).as_str()), (403, "sign-up-closed"));
    assert!(answer.body.contains("가입할 수 없습니다"), "in the language of the client: {answer:?}");
}

/// The lines of the blocks of docs/api.md that are typed.
fn examples() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let blocks = page.split("```bash\n").skip(1);
    blocks.map(|rest| rest.split("```").next().unwrap_or_default()).collect()
}

#[test]
fn the_examples_of_the_page_of_rest_run_on_the_program() {
    needs("curl", "curl");
    needs("jq", "jq");
    let server = Server::start(2, &[HTTP]);
    let address = http_address(&server, "http");
    expect_served(address);
    let folder = tempfile::tempdir().expect("a folder");
    let script = examples()
        .replace("127.0.0.1:8081", &address.to_string())
        .replace("curl -s ", "curl -sS --fail-with-body --max-time 30 ");
    let ran = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .current_dir(folder.path())
        .output()
        .expect("run bash");
    let (said, wrong) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{said}\n{wrong}");
    assert!(said.contains(r#""display_name":"Alice of 서울""#), "{said}");
}

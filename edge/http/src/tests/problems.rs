//! Problems: every refusal is one, in the language of who asks.

use super::world::{PASSWORD, World};
use crate::problem::ProblemCode;
use crate::{Client, Settings, SignUp};
use axum::http::Method;
use madang_directory::Role;
use serde_json::json;

#[tokio::test]
async fn every_refusal_of_the_framework_is_a_problem() {
    let world = World::new();
    world.get("/api/v1/nothing").send().await.refused(404, "not-found");
    world.get("/").send().await.refused(404, "not-found");
    world.get("/api/v1/users/").send().await.refused(404, "not-found");
    let answered = world.put("/api/v1/accounts").send().await.refused(405, "method-not-allowed");
    assert_eq!(answered.header("allow"), "POST");
    let odd = Method::from_bytes(b"BREW").unwrap();
    world.request(odd, "/api/v1/sessions").send().await.refused(405, "method-not-allowed");
    let token = world.logged_in("alice", Role::User).await;
    for path in
        ["/api/v1/me/sessions/one", "/api/v1/me/sessions/99999999999999999999", "/api/v1/me/sessions/%ff"]
    {
        world.delete(path).bearer(&token).send().await.refused(400, "path-invalid");
    }
    world.get("/api/v1/users/%ff%fe").bearer(&token).send().await.refused(400, "path-invalid");
    for (query, wrong) in
        [("", "?name"), ("?nmae=x", "?nmae"), ("?name=a&name=b", "?name"), ("?name=a&x=1", "?x")]
    {
        let answered = world.get(&format!("/api/v1/accounts/available{query}")).send().await;
        let answered = answered.refused(400, "query-invalid");
        assert_eq!(answered.text("/errors/0/pointer"), wrong, "{query}");
    }
    for query in ["?prefix=a&limit=0", "?prefix=a&limit=101", "?prefix=a&limit=-1", "?prefix=a&limit=x"] {
        let answered = world.get(&format!("/api/v1/users{query}")).bearer(&token).send().await;
        let answered = answered.refused(400, "query-invalid");
        assert_eq!(answered.json()["errors"].as_array().unwrap().len(), 1, "{query}");
    }
    world
        .get("/api/v1/users?prefix=a&cursor=nonsense")
        .bearer(&token)
        .send()
        .await
        .refused(400, "query-invalid");
}

#[tokio::test]
async fn every_body_that_is_not_the_described_one_is_a_problem() {
    let world = World::new();
    let send = |kind: &'static str, body: Vec<u8>| world.post("/api/v1/sessions").text(kind, body).send();
    let right = json!({"name": "alice", "password": PASSWORD}).to_string();
    send("text/plain", right.clone().into()).await.refused(415, "content-type");
    world.post("/api/v1/sessions").send().await.refused(415, "content-type");
    send("application/json", vec![]).await.refused(400, "json-invalid");
    send("application/json", b"{\"name\":\"\xff\"}".to_vec()).await.refused(400, "json-invalid");
    send("application/json", "[".repeat(60_000).into()).await.refused(400, "json-too-deep");
    let answered =
        send("application/json", "x".repeat(65 * 1_024).into()).await.refused(413, "body-too-long");
    assert!(answered.text("/detail").contains("65536"));
    let answered = send("application/json", right.replace("name", "nmae").into()).await;
    let answered = answered.refused(422, "body-invalid");
    assert_eq!(answered.text("/errors/0/pointer"), "/nmae");
    let answered = send("application/json", right.replace("\"alice\"", "7").into()).await;
    assert_eq!(answered.refused(422, "body-invalid").text("/errors/0/code"), "invalid");
    // A length that is announced is believed, so that nothing of it is read.
    let answered =
        world.post("/api/v1/sessions").header("content-length", "99999999").text("application/json", "{}");
    answered.send().await.refused(413, "body-too-long");
}

#[tokio::test]
async fn the_language_decides_the_words_and_never_the_code() {
    let world = World::new();
    let ask = |language: &'static str| world.get("/api/v1/me").header("accept-language", language).send();
    let english = ask("fr, en;q=0.4, ko;q=0.3").await.refused(401, "login-needed");
    let korean = ask("ko-KR,ko;q=0.9,en;q=0.8").await.refused(401, "login-needed");
    assert_eq!((english.text("/title").as_str(), english.header("content-language")), ("Log in first", "en"));
    assert_eq!(
        (korean.text("/title").as_str(), korean.header("content-language")),
        ("먼저 로그인하십시오", "ko")
    );
    assert_eq!(korean.header("www-authenticate"), "Bearer realm=\"madang\"");
    assert!(korean.headers.get_all("vary").iter().any(|vary| vary == "accept-language"));
    let answered =
        world.get("/api/v1/accounts/available?name=%20").header("accept-language", "ko").send().await;
    assert!(answered.expect(200).text("/detail").contains("비워 둘 수 없습니다"));
}

#[tokio::test]
async fn each_code_has_a_page_that_explains_it_in_both_languages() {
    let world = World::new();
    for code in ProblemCode::ALL {
        for (language, words) in
            [("en", code.about(crate::Language::English)), ("ko", code.about(crate::Language::Korean))]
        {
            let path = format!("/problems/{}", code.as_str());
            let answered = world.get(&path).header("accept-language", language).send().await.expect(200);
            let page = String::from_utf8(answered.body.clone()).unwrap();
            assert!(page.contains(&words.replace('"', "&quot;")) && page.contains(code.as_str()), "{page}");
            assert!(!page.contains("src=") && !page.contains("href="), "it loads nothing");
            assert_eq!(answered.header("content-type"), "text/html; charset=utf-8");
        }
    }
    world.get("/problems/nonsense").send().await.refused(404, "not-found");
    world.get("/problems/%ff").send().await.refused(404, "not-found");
}

#[tokio::test]
async fn a_directory_that_does_not_answer_is_said_without_its_paths() {
    let problem = crate::problem::Problem::from(madang_directory::Unavailable {
        place: "/var/lib/madang/directory.sqlite".to_owned(),
        cause: madang_directory::Cause::Damaged,
        said: "file is not a database".to_owned(),
    });
    assert_eq!(problem.code, ProblemCode::DirectoryUnavailable);
    assert!(problem.retry_after.is_some());
    for words in [problem.detail.english, problem.detail.korean] {
        assert!(!words.contains("sqlite") && !words.contains("not a database"), "{words}");
    }
}

#[tokio::test]
async fn who_asks_too_much_is_told_when_to_come_back() {
    let world = World::with(Settings { sign_up: SignUp::Closed, ..Settings::default() });
    let mut refused = 0;
    for number in 0..130 {
        let answered = world.get("/api/v1/accounts/available?name=alice").send().await;
        let policies: Vec<_> = answered.headers.get_all("ratelimit-policy").iter().collect();
        assert_eq!(policies, ["\"address\";q=1200;w=60", "\"names\";q=120;w=60"], "{number}");
        if answered.status == 429 {
            let answered = answered.refused(429, "too-many-requests");
            assert_eq!(answered.header("retry-after"), "1");
            assert!(answered.json()["retry_after_ms"].as_u64().unwrap() <= 1_000);
            refused += 1;
        }
    }
    assert_eq!(refused, 10);
    let path = "/api/v1/accounts/available?name=alice";
    world.get(path).at_address([192, 0, 2, 8]).send().await.expect(200);
    let here = Client { address: [127, 0, 0, 1].into(), is_private: true, has_tls: false };
    for _ in 0..130 {
        let answered = world.get(path).client(here).send().await.expect(200);
        assert!(answered.headers.get("ratelimit").is_none(), "this machine is not limited");
    }
    world.pass(2);
    world.get(path).send().await.expect(200);
}

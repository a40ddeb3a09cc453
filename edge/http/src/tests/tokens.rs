//! Logging in, refresh tokens, and what an access token opens.

use super::world::{Answered, PASSWORD, World};
use crate::testing::Told;
use crate::tokens::rotate;
use crate::{Client, Ended, Settings};
use madang_directory::{Actor, Forbidden, Restriction, Role};
use serde_json::json;

fn cookie_of(answered: &Answered) -> String {
    answered.header("set-cookie").split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_page_gets_a_cookie_and_a_program_that_asks_gets_a_token() {
    let world = World::new();
    world.sign_up("alice", Role::User);
    let mut body = json!({"name": "Alice", "password": PASSWORD, "device": "laptop"});
    let page = world.post("/api/v1/sessions").json(&body).send().await.expect(201);
    assert_eq!(
        (page.text("/token_type").as_str(), page.json()["expires_in"].as_u64()),
        ("Bearer", Some(900))
    );
    assert_eq!(page.header("location"), "/api/v1/me/sessions/1");
    assert!(page.json().get("refresh_token").is_none());
    let cookie = page.header("set-cookie");
    for part in ["madang_refresh=mdr_", "HttpOnly", "SameSite=Strict", "Secure", "Path=/api/v1/sessions"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    body["refresh"] = "body".into();
    let program = world.post("/api/v1/sessions").json(&body).send().await.expect(201);
    assert!(program.text("/refresh_token").starts_with("mdr_") && program.header("set-cookie").is_empty());
    let me = world.get("/api/v1/me").bearer(&program.text("/access_token")).send().await.expect(200);
    assert_eq!(me.text("/name"), "alice");
    let sessions =
        world.get("/api/v1/me/sessions").bearer(&page.text("/access_token")).send().await.expect(200);
    let items = sessions.json()["items"].as_array().unwrap().clone();
    let shown: Vec<_> = items.iter().map(|item| (item["id"].as_i64(), item["current"].as_bool())).collect();
    assert_eq!(shown, [(Some(2), Some(false)), (Some(1), Some(true))]);
    assert_eq!(items[0]["device"], "laptop");
    let plain = Client { address: [127, 0, 0, 1].into(), is_private: true, has_tls: false };
    body["refresh"] = "cookie".into();
    let page = world.post("/api/v1/sessions").client(plain).json(&body).send().await.expect(201);
    assert!(!page.header("set-cookie").contains("Secure"), "a browser would not send it back");
}

#[tokio::test]
async fn a_wrong_name_is_answered_as_a_wrong_password() {
    let world = World::new();
    world.sign_up("alice", Role::User);
    let mut answers = Vec::new();
    for (name, password) in
        [("alice", "wrong words here"), ("nobody", PASSWORD), ("no name!", PASSWORD), ("alice", "")]
    {
        let body = json!({"name": name, "password": password});
        let answered =
            world.post("/api/v1/sessions").json(&body).send().await.refused(401, "wrong-credentials");
        answers.push(String::from_utf8(answered.body).unwrap());
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(world.api.password_load().computed, 4, "each costs the same");
}

#[tokio::test]
async fn each_refresh_token_renews_once_and_its_reuse_ends_the_session() {
    let world = World::new();
    world.sign_up("alice", Role::User);
    let opened = world.log_in("alice").await;
    let refresh =
        |token: &str| world.post("/api/v1/sessions/refresh").json(&json!({"refresh_token": token})).send();
    let first = opened.text("/refresh_token");
    let second = refresh(&first).await.expect(200);
    let access = second.text("/access_token");
    world.get("/api/v1/me").bearer(&access).send().await.expect(200);
    world.core.take();
    refresh(&first).await.refused(401, "token-reused");
    assert_eq!(world.core.take(), [Told::Ended(1, Ended::One(1))], "its connections end, too");
    refresh(&second.text("/refresh_token")).await.refused(401, "session-ended");
    world.get("/api/v1/me").bearer(&access).send().await.refused(401, "session-ended");
    refresh("nonsense").await.refused(401, "session-ended");
    world.post("/api/v1/sessions/refresh").send().await.refused(401, "login-needed");
    world
        .post("/api/v1/sessions/refresh")
        .json(&serde_json::Value::Null)
        .send()
        .await
        .refused(401, "login-needed");
    world.post("/api/v1/sessions/refresh").json(&json!({})).send().await.refused(401, "login-needed");
}

#[tokio::test]
async fn a_cookie_is_taken_from_pages_of_this_server_and_of_listed_origins_alone() {
    let world =
        World::with(Settings { origins: vec!["https://chat.example".to_owned()], ..Settings::default() });
    world.sign_up("alice", Role::User);
    let body = json!({"name": "alice", "password": PASSWORD});
    let page = world.post("/api/v1/sessions").json(&body).send().await.expect(201);
    let mut cookie = cookie_of(&page);
    let refresh = |cookie: &str, origin: Option<&str>| {
        let asked =
            world.post("/api/v1/sessions/refresh").header("host", "here.example").header("cookie", cookie);
        match origin {
            Some(origin) => asked.header("origin", origin),
            None => asked,
        }
        .send()
    };
    for origin in
        [None, Some("https://evil.example"), Some("null"), Some("https://here.example.evil.example")]
    {
        refresh(&cookie, origin).await.refused(403, "origin-not-allowed");
    }
    for origin in ["https://here.example", "https://chat.example"] {
        let renewed = refresh(&cookie, Some(origin)).await.expect(200);
        assert!(renewed.json().get("refresh_token").is_none());
        cookie = cookie_of(&renewed);
    }
    // A page elsewhere cannot log its visitor in as somebody else, either.
    let elsewhere = world.post("/api/v1/sessions").header("origin", "https://evil.example").json(&body);
    elsewhere.send().await.refused(403, "origin-not-allowed");
    let token = page.text("/access_token");
    let out = world.delete("/api/v1/me/sessions/1").bearer(&token).send().await.expect(204);
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    let late = refresh(&cookie, Some("https://here.example")).await.refused(401, "session-ended");
    assert!(late.header("set-cookie").contains("Max-Age=0"), "the page forgets what holds no more");
}

#[tokio::test]
async fn an_access_token_holds_for_a_quarter_of_an_hour_and_as_long_as_its_session() {
    let world = World::new();
    let admin = world.logged_in("teacher", Role::Admin).await;
    let token = world.logged_in("alice", Role::User).await;
    let me = |token: &str| world.get("/api/v1/me").bearer(token).send();
    me(&token).await.expect(200);
    world.pass(899);
    me(&token).await.expect(200);
    world.pass(1);
    let expired = me(&token).await.refused(401, "token-expired");
    assert_eq!(expired.header("www-authenticate"), "Bearer realm=\"madang\", error=\"invalid_token\"");
    for hostile in ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", &token[..token.len() - 1]] {
        me(hostile).await.refused(401, "token-invalid");
    }
    world.get("/api/v1/me").header("authorization", "Basic YTpi").send().await.refused(401, "token-invalid");
    let two = world.get("/api/v1/me").bearer(&admin).bearer(&admin);
    two.send().await.refused(401, "token-invalid");
    // A rotation of keys ends nothing that holds.
    let fresh = world.log_in("alice").await.text("/access_token");
    rotate(&world.data().join("keys"), world.now()).unwrap();
    me(&fresh).await.expect(200);
    let other = World::new();
    other.sign_up("alice", Role::User);
    other.get("/api/v1/me").bearer(&fresh).send().await.refused(401, "token-invalid");
    // A ban ends sessions, and the tokens with them.
    let forbidden = Forbidden { until: madang_directory::FOR_EVER, reason: "spam".to_owned() };
    world.directory.forbid("alice", Restriction::LogIn, &forbidden, Actor::Operator, world.now()).unwrap();
    me(&fresh).await.refused(401, "session-ended");
    let body = json!({"name": "alice", "password": PASSWORD});
    let banned = world.post("/api/v1/sessions").json(&body).send().await.refused(403, "banned");
    assert!(banned.json().get("until").is_none() && banned.text("/detail").contains("spam"));
    let forbidden =
        Forbidden { until: madang_model::Timestamp(world.now().0 + 60_000_000), reason: String::new() };
    world.directory.forbid("alice", Restriction::LogIn, &forbidden, Actor::Operator, world.now()).unwrap();
    let banned = world.post("/api/v1/sessions").json(&body).send().await.refused(403, "banned");
    assert_eq!(banned.text("/until"), "2027-01-15T08:16:00.000000Z");
}

#[tokio::test]
async fn sessions_end_by_their_owner_and_by_services_with_the_scope() {
    let world = World::new();
    let alice = world.logged_in("alice", Role::User).await;
    let bob = world.logged_in("bob", Role::User).await;
    let admin = world.logged_in("teacher", Role::Admin).await;
    world.core.take();
    world.delete("/api/v1/me/sessions/1").bearer(&bob).send().await.refused(404, "no-session");
    let second = world.log_in("alice").await.text("/access_token");
    let ended = world.delete("/api/v1/me/sessions/1").bearer(&second).send().await.expect(204);
    assert!(ended.header("set-cookie").is_empty(), "it is another device's");
    assert_eq!(world.core.take(), [Told::Ended(1, Ended::One(1))]);
    world.get("/api/v1/me").bearer(&alice).send().await.refused(401, "session-ended");

    let key = |name: &str, scope: &str| {
        let made = world.directory.add_key(name, &[scope.to_owned()], "", Actor::Operator, world.now());
        made.unwrap().1.reveal()
    };
    let (right, poor) = (key("game", "sessions:write"), key("other", "rooms:read"));
    let path = "/api/v1/users/alice/sessions";
    world.delete(path).send().await.refused(401, "login-needed");
    world.delete(path).bearer(&bob).send().await.refused(403, "admin-only");
    world.delete(path).header("x-api-key", "nonsense").send().await.refused(401, "key-invalid");
    world
        .delete(path)
        .header("x-api-key", &right)
        .header("x-api-key", &right)
        .send()
        .await
        .refused(401, "key-invalid");
    let unknown = format!("mdk_{}", "A".repeat(43));
    world.delete(path).header("x-api-key", &unknown).send().await.refused(401, "key-invalid");
    let missing = world.delete(path).header("x-api-key", &poor).send().await.refused(403, "scope-missing");
    assert!(missing.text("/detail").contains("sessions:write"));
    let ended = world.delete(path).header("x-api-key", &right).send().await.expect(204);
    assert_eq!(ended.header("ratelimit-policy"), "\"service\";q=60000;w=60");
    assert_eq!(world.core.take(), [Told::Ended(1, Ended::All)]);
    assert_eq!(world.directory.audit(None, 1).unwrap().entries[0].actor, Actor::Service(1));
    world.get("/api/v1/me").bearer(&second).send().await.refused(401, "session-ended");
    world.delete(path).bearer(&admin).send().await.expect(204);
    world
        .delete("/api/v1/users/nobody/sessions")
        .header("x-api-key", &right)
        .send()
        .await
        .refused(404, "no-account");
}

#[tokio::test]
async fn the_oldest_of_too_many_sessions_ends_with_its_connections() {
    let world = World::new();
    world.sign_up("alice", Role::User);
    for _ in 0..madang_directory::SESSIONS_MAX {
        world.directory.open_session("alice", "", world.now()).unwrap();
    }
    world.log_in("alice").await;
    assert_eq!(world.core.take(), [Told::Ended(1, Ended::One(1))]);
}

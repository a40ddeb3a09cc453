//! One's own account, others, and what admins do.

use super::world::{Answered, PASSWORD, World};
use crate::testing::Told;
use crate::{AccountState, Ended, Settings, UserSearch};
use madang_directory::{Actor, NewAccount, Role};
use serde_json::{Value, json};

#[tokio::test]
async fn a_display_name_is_changed_on_the_condition_that_it_is_what_was_read() {
    let world = World::new();
    let token = world.logged_in("alice", Role::User).await;
    world.core.take();
    let first = world.get("/api/v1/me").bearer(&token).send().await.expect(200);
    let change = |tag: &str, body: Value| {
        world.patch("/api/v1/me").bearer(&token).header("if-match", tag).json(&body).send()
    };
    let renamed = change(first.header("etag"), json!({"display_name": " 앨리스 "})).await.expect(200);
    assert_eq!(renamed.text("/display_name"), "앨리스");
    assert_ne!(renamed.header("etag"), first.header("etag"));
    let account = world.directory.account("alice").unwrap();
    assert_eq!(world.core.take(), [Told::Changed(AccountState::Present(account))]);
    change(first.header("etag"), json!({"display_name": "x"})).await.refused(412, "changed-meanwhile");
    let weak = format!("W/{}", renamed.header("etag"));
    change(&weak, json!({"display_name": "x"})).await.refused(412, "changed-meanwhile");
    let bare = world.patch("/api/v1/me").bearer(&token).json(&json!({"display_name": "x"})).send().await;
    bare.refused(428, "if-match-missing");
    let of_several = format!("\"other\", {}", renamed.header("etag"));
    change(&of_several, json!({"display_name": "Alice"})).await.expect(200);
    change("*", json!({"display_name": "앨리스"})).await.expect(200);
    change("*", json!({})).await.expect(200);
    let wrong = change("*", json!({"display_name": "\u{202e}"})).await.refused(422, "display-name-invalid");
    assert_eq!(wrong.text("/errors/0/pointer"), "/display_name");
    for body in [json!({"display_name": null}), json!({"name": "bob"}), json!([])] {
        change("*", body).await.refused(422, "body-invalid");
    }
}

#[tokio::test]
async fn an_account_is_deleted_by_a_session_that_has_just_logged_in() {
    let world = World::new();
    world.logged_in("teacher", Role::Admin).await;
    let old = world.logged_in("alice", Role::User).await;
    world.pass(601);
    world.delete("/api/v1/me").bearer(&old).send().await.refused(403, "fresh-login-needed");
    let fresh = world.log_in("alice").await.text("/access_token");
    world.core.take();
    let gone = world.delete("/api/v1/me").bearer(&fresh).send().await.expect(204);
    assert!(gone.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(world.core.take(), [Told::Ended(2, Ended::All), Told::Changed(AccountState::Deleted(2))]);
    world.get("/api/v1/me").bearer(&fresh).send().await.refused(401, "session-ended");
    let body = json!({"name": "alice", "password": PASSWORD});
    world.post("/api/v1/sessions").json(&body).send().await.refused(401, "wrong-credentials");
    let admin = world.log_in("teacher").await.text("/access_token");
    world.delete("/api/v1/me").bearer(&admin).send().await.refused(409, "last-admin");
}

#[tokio::test]
async fn first_consonants_find_people_where_everyone_may_be_found() {
    let world = World::with(Settings { user_search: UserSearch::Everyone, ..Settings::default() });
    let token = world.logged_in("alice", Role::User).await;
    for (name, display_name) in [("홍길동", None), ("hong", Some("홍길순")), ("bob", None)] {
        let (password, password_again) = (PASSWORD, PASSWORD);
        let new = NewAccount { name, password, password_again, display_name, role: Role::User };
        world.directory.sign_up(new, Actor::Operator, world.now()).unwrap();
    }
    let find = |query: &str| world.get(&format!("/api/v1/users?{query}")).bearer(&token).send();
    // ㅎㄱ
    let page = find("prefix=%E3%85%8E%E3%84%B1&limit=1").await.expect(200);
    assert_eq!(page.json()["items"], json!([{"name": "홍길동", "display_name": "홍길동"}]));
    let next =
        find(&format!("prefix=%E3%85%8E%E3%84%B1&limit=1&cursor={}", page.text("/next"))).await.expect(200);
    assert_eq!(next.json()["items"], json!([{"name": "hong", "display_name": "홍길순"}]));
    let end = find(&format!("prefix=%E3%85%8E%E3%84%B1&cursor={}", next.text("/next"))).await.expect(200);
    assert_eq!(end.json(), json!({"items": []}));
    find(&format!("prefix={}", "x".repeat(65))).await.refused(422, "bad-value");
    let user = world.get("/api/v1/users/%ED%99%8D%EA%B8%B8%EB%8F%99").bearer(&token).send().await.expect(200);
    assert_eq!(user.json(), json!({"name": "홍길동", "display_name": "홍길동"}));
    world.get("/api/v1/users/nobody").bearer(&token).send().await.refused(404, "no-account");
    world.get("/api/v1/users/bob").send().await.refused(401, "login-needed");
}

#[tokio::test]
async fn without_rooms_in_common_one_finds_oneself_and_an_admin_finds_everyone() {
    let world = World::new();
    let alice = world.logged_in("alice", Role::User).await;
    world.sign_up("alan", Role::User);
    let admin = world.logged_in("teacher", Role::Admin).await;
    let names = |answered: Answered| {
        let items = answered.expect(200).json()["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let find =
        |token: &str, prefix: &str| world.get(&format!("/api/v1/users?prefix={prefix}")).bearer(token).send();
    assert_eq!(names(find(&alice, "al").await), ["alice"]);
    assert_eq!(names(find(&alice, "te").await), [""; 0]);
    assert_eq!(names(find(&admin, "al").await), ["alan", "alice"]);
}

#[tokio::test]
async fn an_admin_sees_and_changes_accounts_and_the_last_one_stays() {
    let world = World::new();
    let admin = world.logged_in("teacher", Role::Admin).await;
    let alice = world.logged_in("alice", Role::User).await;
    world.core.take();
    world.get("/api/v1/admin/accounts").bearer(&alice).send().await.refused(403, "admin-only");
    let page = world.get("/api/v1/admin/accounts?limit=1").bearer(&admin).send().await.expect(200);
    assert_eq!(page.json()["items"][0]["name"], "alice");
    let path = format!("/api/v1/admin/accounts?cursor={}", page.text("/next"));
    let rest = world.get(&path).bearer(&admin).send().await.expect(200);
    assert_eq!((&rest.json()["items"][0]["role"], rest.json().get("next")), (&json!("admin"), None));

    let path = "/api/v1/admin/accounts/alice";
    let read = world.get(path).bearer(&admin).send().await.expect(200);
    assert_eq!((read.text("/state").as_str(), &read.json()["banned_until"]), ("active", &Value::Null));
    let amend = |path: &str, tag: &str, body: Value| {
        world.patch(path).bearer(&admin).header("if-match", tag).json(&body).send()
    };
    let body = json!({"chat_banned_until": "2027-01-15T17:00:01+09:00", "reason": "spam"});
    let banned = amend(path, read.header("etag"), body).await.expect(200);
    assert_eq!(banned.text("/state"), "chat-banned");
    assert_eq!(banned.text("/chat_banned_until"), "2027-01-15T08:00:01.000000Z");
    assert_eq!(banned.text("/chat_ban_reason"), "spam");
    assert_eq!(world.core.take().len(), 1, "a chat ban ends no session");
    world.get("/api/v1/me").bearer(&alice).send().await.expect(200);
    amend(path, read.header("etag"), json!({"role": "admin"})).await.refused(412, "changed-meanwhile");
    let banned = amend(path, "*", json!({"banned_until": "forever"})).await.expect(200);
    assert_eq!(
        (banned.text("/state"), banned.text("/banned_until")),
        ("banned".to_owned(), "forever".to_owned())
    );
    let account = world.directory.account("alice").unwrap();
    assert_eq!(
        world.core.take(),
        [Told::Changed(AccountState::Present(account)), Told::Ended(2, Ended::All)]
    );
    world.get("/api/v1/me").bearer(&alice).send().await.refused(401, "session-ended");
    let free = amend(path, "*", json!({"banned_until": null, "chat_banned_until": null})).await.expect(200);
    assert_eq!(free.text("/state"), "active");
    for (body, pointer) in [
        (json!({"banned_until": "2027-01-15T08:00:00Z"}), "/banned_until"),
        (json!({"chat_banned_until": "tomorrow"}), "/chat_banned_until"),
    ] {
        assert_eq!(amend(path, "*", body).await.refused(422, "bad-value").text("/errors/0/pointer"), pointer);
    }
    amend(path, "*", json!({"reason": "x".repeat(501)})).await.refused(422, "bad-value");
    amend(path, "*", json!({"role": "king"})).await.refused(422, "body-invalid");
    amend("/api/v1/admin/accounts/nobody", "*", json!({})).await.refused(404, "no-account");
    let last = amend("/api/v1/admin/accounts/teacher", "*", json!({"role": "user"}))
        .await
        .refused(409, "last-admin");
    assert!(last.text("/detail").contains("teacher"));
    world.patch(path).bearer(&admin).json(&json!({})).send().await.refused(428, "if-match-missing");
}

#[tokio::test]
async fn codes_to_sign_up_are_made_listed_and_withdrawn() {
    let world = World::new();
    let admin = world.logged_in("teacher", Role::Admin).await;
    let path = "/api/v1/admin/sign-up-codes";
    for _ in 0..3 {
        let body = json!({"uses": 30, "note": "class 3", "expires_at": "2027-01-16T08:00:00Z"});
        let made = world.post(path).bearer(&admin).json(&body).send().await.expect(201);
        assert_eq!(made.text("/code").len(), 14);
    }
    let page = world.get(&format!("{path}?limit=2")).bearer(&admin).send().await.expect(200);
    assert_eq!(page.json()["items"].as_array().unwrap().len(), 2);
    assert_eq!(page.json()["items"][1]["created_by"], json!({"kind": "account", "id": 1}));
    assert!(!String::from_utf8(page.body.clone()).unwrap().contains("\"code\""), "it is shown once");
    let rest = world.get(&format!("{path}?limit=2&cursor={}", page.text("/next"))).bearer(&admin);
    let rest = rest.send().await.expect(200);
    assert_eq!((&rest.json()["items"][0]["id"], rest.json().get("next")), (&json!(3), None));
    world.delete(&format!("{path}/2")).bearer(&admin).send().await.expect(204);
    world.delete(&format!("{path}/2")).bearer(&admin).send().await.refused(404, "no-code");
    for body in [
        json!({"uses": 0}),
        json!({"uses": 10_001}),
        json!({"uses": 1, "expires_at": "soon"}),
        json!({"uses": 1, "expires_at": "2027-01-15T08:00:00Z"}),
        json!({"uses": 1, "expires_at": "2099-01-15T08:00:00Z"}),
    ] {
        world.post(path).bearer(&admin).json(&body).send().await.refused(422, "bad-value");
    }
    world.get(&format!("{path}?cursor=x")).bearer(&admin).send().await.refused(400, "query-invalid");
    let user = world.logged_in("alice", Role::User).await;
    world.post(path).bearer(&user).json(&json!({"uses": 1})).send().await.refused(403, "admin-only");
}

#[tokio::test]
async fn a_reset_code_of_an_admin_gives_another_password_once() {
    let world = World::new();
    let admin = world.logged_in("teacher", Role::Admin).await;
    let alice = world.logged_in("alice", Role::User).await;
    world.core.take();
    let make = |name: &str| {
        world.post("/api/v1/admin/password-resets").bearer(&admin).json(&json!({"name": name})).send()
    };
    let missing = make("nobody").await.refused(404, "no-account");
    assert_eq!(missing.text("/errors/0/pointer"), "/name");
    let made = make("alice").await.expect(201);
    assert_eq!(made.text("/expires_at"), "2027-01-16T08:00:00.000000Z");
    let next = "four other quiet words";
    let reset = |path: &str, password: &str, confirm: &str| {
        let body = json!({"password": password, "password_confirm": confirm});
        world.post(path).json(&body).send()
    };
    let path = made.text("/path");
    reset(&path, "12345678", "12345678").await.refused(422, "password-weak");
    reset(&path, next, PASSWORD).await.refused(422, "passwords-differ");
    reset("/api/v1/password-resets/nonsense", next, next).await.refused(410, "code-gone");
    reset(&path.to_lowercase(), next, next).await.expect(204);
    assert_eq!(world.core.take(), [Told::Ended(2, Ended::All)]);
    world.get("/api/v1/me").bearer(&alice).send().await.refused(401, "session-ended");
    reset(&path, next, next).await.refused(410, "code-gone");
    let body = json!({"name": "alice", "password": next});
    world.post("/api/v1/sessions").json(&body).send().await.expect(201);
    for _ in 0..20 {
        let answered = reset("/api/v1/password-resets/nonsense", next, next).await;
        assert!(answered.status == 410 || answered.status == 429);
    }
    reset("/api/v1/password-resets/nonsense", next, next).await.refused(429, "too-many-requests");
}

#[tokio::test]
async fn consents_and_acts_are_in_the_audit_log() {
    let world = World::new();
    let admin = world.logged_in("teacher", Role::Admin).await;
    world.sign_up("alice", Role::User);
    for _ in 0..2 {
        let asked =
            world.post("/api/v1/admin/guardian-consents").bearer(&admin).json(&json!({"name": "alice"}));
        asked.send().await.expect(204);
    }
    let missing =
        world.post("/api/v1/admin/guardian-consents").bearer(&admin).json(&json!({"name": "nobody"}));
    missing.send().await.refused(404, "no-account");
    let consents = world.directory.consents("alice").unwrap();
    assert_eq!((consents.len(), consents[0].given_by), (1, Actor::Account(1)));
    let page = world.get("/api/v1/admin/audit?limit=1").bearer(&admin).send().await.expect(200);
    let expected = json!({"id": 3, "at": "2027-01-15T08:00:00.000000Z", "act": "consent.give", "reason": "",
        "actor": {"kind": "account", "id": 1}, "target": {"kind": "account", "id": 2}, "details": "guardian"});
    assert_eq!(page.json()["items"], json!([expected]));
    let rest = world.get(&format!("/api/v1/admin/audit?cursor={}", page.text("/next"))).bearer(&admin);
    let rest = rest.send().await.expect(200);
    let ids: Vec<_> =
        rest.json()["items"].as_array().unwrap().iter().map(|entry| entry["id"].as_i64()).collect();
    assert_eq!((ids, rest.json().get("next")), (vec![Some(2), Some(1)], None));
    let user = world.log_in("alice").await.text("/access_token");
    world.get("/api/v1/admin/audit").bearer(&user).send().await.refused(403, "admin-only");
}

#[tokio::test]
async fn pages_of_listed_origins_may_ask_and_of_others_not() {
    let world =
        World::with(Settings { origins: vec!["https://chat.example".to_owned()], ..Settings::default() });
    let preflight = |origin: &str| {
        let asked =
            world.request(axum::http::Method::OPTIONS, "/api/v1/me/password").header("origin", origin);
        asked.header("access-control-request-method", "PUT").send_undescribed()
    };
    let allowed = preflight("https://chat.example").await;
    assert_eq!(allowed.header("access-control-allow-origin"), "https://chat.example");
    assert_eq!(allowed.header("access-control-allow-credentials"), "true");
    assert!(allowed.header("access-control-allow-headers").contains("if-match"));
    let refused = preflight("https://evil.example").await;
    assert_eq!(refused.header("access-control-allow-origin"), "");
    // What a page of one may read of a refusal.
    let answered = world
        .get("/api/v1/me")
        .header("origin", "https://chat.example")
        .send()
        .await
        .refused(401, "login-needed");
    assert_eq!(answered.header("access-control-allow-origin"), "https://chat.example");
    assert!(answered.header("access-control-expose-headers").contains("ratelimit"));
}

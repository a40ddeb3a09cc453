//! Making accounts.

use super::world::{NOW, PASSWORD, World};
use crate::testing::Told;
use crate::{AccountState, Client, PlainPasswords, Settings, SignUp};
use madang_directory::{Actor, Role};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::task::JoinSet;

fn body(name: &str) -> Value {
    json!({"name": name, "password": PASSWORD, "password_confirm": PASSWORD})
}

#[tokio::test]
async fn an_account_is_made_and_the_core_knows_it_before_the_answer() {
    let world = World::new();
    let mut new = body("홍길동");
    new["display_name"] = "길동이".into();
    let answered = world.post("/api/v1/accounts").json(&new).send().await.expect(201);
    assert_eq!(answered.header("location"), "/api/v1/users/%ED%99%8D%EA%B8%B8%EB%8F%99");
    assert_eq!(
        answered.json(),
        json!({"id": 1, "name": "홍길동", "display_name": "길동이", "role": "user",
            "created_at": "2027-01-15T08:00:00.000000Z", "chat_banned_until": null})
    );
    let account = world.directory.account("홍길동").unwrap();
    assert_eq!(world.core.take(), [Told::Changed(AccountState::Present(account))]);
    assert_eq!(world.directory.audit(None, 1).unwrap().entries[0].actor, Actor::Visitor);
    // A core that is away is no reason to take it back.
    world.core.set_away(true);
    world.post("/api/v1/accounts").json(&body("bob")).send().await.expect(201);
}

#[tokio::test]
async fn what_is_wrong_is_said_with_its_place() {
    let world = World::new();
    world.sign_up("alice", Role::User);
    for (field, value, status, code) in [
        ("name", "no name!", 422, "name-invalid"),
        ("name", "", 422, "name-invalid"),
        ("name", "ALICE", 409, "name-taken"),
        ("name", "aIice", 409, "name-confusable"),
        ("password", "12345678", 422, "password-weak"),
        ("password_confirm", "other words here", 422, "passwords-differ"),
        ("display_name", "\u{202e}", 422, "display-name-invalid"),
        ("display_name", "", 422, "display-name-invalid"),
    ] {
        let mut new = body("bob");
        new[field] = value.into();
        if field == "password" {
            new["password_confirm"] = value.into();
        }
        let answered = world.post("/api/v1/accounts").json(&new).send().await.refused(status, code);
        assert_eq!(answered.text("/errors/0/pointer"), format!("/{field}"));
        assert_eq!(answered.text("/errors/0/code"), code);
    }
    let names = [
        ("bob", true, None),
        ("alice", false, Some("name-taken")),
        ("aIice", false, Some("name-confusable")),
    ];
    for (name, is_available, code) in names.into_iter().chain([("a b", false, Some("name-invalid"))]) {
        let path = format!("/api/v1/accounts/available?name={}", name.replace(' ', "%20"));
        let answered = world.get(&path).send().await.expect(200).json();
        assert_eq!(answered["available"], is_available, "{name}");
        assert_eq!(answered.get("code").and_then(Value::as_str), code, "{name}");
    }
}

#[tokio::test]
async fn the_operator_decides_who_makes_accounts() {
    let of = |sign_up| World::with(Settings { sign_up, ..Settings::default() });
    let closed = of(SignUp::Closed);
    let admin = closed.logged_in("teacher", Role::Admin).await;
    closed.post("/api/v1/accounts").json(&body("bob")).send().await.refused(403, "sign-up-closed");
    closed
        .post("/api/v1/accounts")
        .bearer(&admin)
        .json(&body("bob"))
        .send()
        .await
        .refused(403, "sign-up-closed");

    let by_admins = of(SignUp::Admin);
    let admin = by_admins.logged_in("teacher", Role::Admin).await;
    let user = by_admins.logged_in("alice", Role::User).await;
    by_admins.post("/api/v1/accounts").json(&body("bob")).send().await.refused(401, "login-needed");
    by_admins
        .post("/api/v1/accounts")
        .bearer(&user)
        .json(&body("bob"))
        .send()
        .await
        .refused(403, "admin-only");
    by_admins
        .post("/api/v1/accounts")
        .bearer("nonsense")
        .json(&body("bob"))
        .send()
        .await
        .refused(401, "token-invalid");
    by_admins.post("/api/v1/accounts").bearer(&admin).json(&body("bob")).send().await.expect(201);
    assert_eq!(by_admins.directory.audit(None, 1).unwrap().entries[0].actor, Actor::Account(1));

    let by_code = of(SignUp::Code);
    let admin = by_code.logged_in("teacher", Role::Admin).await;
    by_code.post("/api/v1/accounts").json(&body("bob")).send().await.refused(403, "sign-up-code-needed");
    let made = by_code
        .post("/api/v1/admin/sign-up-codes")
        .bearer(&admin)
        .json(&json!({"uses": 1, "note": "class 3"}));
    let made = made.send().await.expect(201);
    assert_eq!(made.text("/info/expires_at"), "2027-02-14T08:00:00.000000Z");
    let with = |name: &str, code: &str| {
        let mut new = body(name);
        new["sign_up_code"] = code.into();
        by_code.post("/api/v1/accounts").json(&new).send()
    };
    for code in ["", "nonsense", "0000-0000-0000"] {
        with("bob", code).await.refused(403, "sign-up-code-invalid");
    }
    let code = made.text("/code");
    with("bob", &code.to_lowercase()).await.expect(201);
    let answered = with("carol", &code).await.refused(403, "sign-up-code-invalid");
    assert_eq!(answered.text("/errors/0/pointer"), "/sign_up_code");
    by_code.post("/api/v1/accounts").bearer(&admin).json(&body("dave")).send().await.expect(201);
}

#[tokio::test]
async fn passwords_are_taken_over_connections_that_nobody_reads() {
    let world = World::new();
    let open = Client { address: [192, 0, 2, 9].into(), is_private: false, has_tls: false };
    let answered = world.post("/api/v1/accounts").client(open).json(&body("bob")).send().await;
    let answered = answered.refused(403, "plain-password");
    assert!(answered.text("/detail").contains("accounts.plain_passwords"));
    let log_in = json!({"name": "bob", "password": PASSWORD});
    world.post("/api/v1/sessions").client(open).json(&log_in).send().await.refused(403, "plain-password");
    let always = World::with(Settings { plain_passwords: PlainPasswords::Always, ..Settings::default() });
    always.post("/api/v1/accounts").client(open).json(&body("bob")).send().await.expect(201);
    // A client of whom nothing is known is one that others may read.
    world
        .post("/api/v1/accounts")
        .client(Client::UNKNOWN)
        .json(&body("bob"))
        .send()
        .await
        .refused(403, "plain-password");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_32_that_sign_up_a_name_and_its_look_alikes_at_once_one_wins() {
    const LOOK_ALIKES: [&str; 4] = ["alice", "ALICE", "aIice", "аlice"];
    let world = Arc::new(World::new());
    let mut tasks = JoinSet::new();
    for number in 0_u8..32 {
        let world = Arc::clone(&world);
        let name = LOOK_ALIKES[usize::from(number) % 4];
        tasks.spawn(async move {
            let asked = world.post("/api/v1/accounts").at_address([192, 0, 2, number]).json(&body(name));
            let answered = asked.send().await;
            (answered.status.as_u16(), answered.json()["code"].as_str().unwrap_or_default().to_owned())
        });
    }
    let answers = tasks.join_all().await;
    assert_eq!(answers.iter().filter(|(status, _)| *status == 201).count(), 1, "{answers:?}");
    for (status, code) in answers.iter().filter(|(status, _)| *status != 201) {
        assert!(
            *status == 409 && ["name-taken", "name-confusable"].contains(&code.as_str()),
            "{status} {code}"
        );
    }
    assert_eq!(world.directory.search("", None, 10).unwrap().accounts.len(), 1);
    assert_eq!(world.directory.search("", None, 10).unwrap().accounts[0].created_at, NOW);
}

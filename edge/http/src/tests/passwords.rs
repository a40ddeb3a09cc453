//! Passwords: slow to guess, fast to repeat.

use super::world::{PASSWORD, World};
use crate::api::Device;
use crate::testing::Told;
use crate::{Client, Ended};
use madang_directory::{Actor, Role};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;
use tokio::task::JoinSet;

const WRONG: &str = "wrong words here";
const NEXT: &str = "four other quiet words";

fn body(name: &str, password: &str) -> Value {
    json!({"name": name, "password": password, "refresh": "body"})
}

#[tokio::test]
async fn the_same_login_again_computes_nothing_until_the_password_changes_or_hours_pass() {
    let world = World::new();
    world.sign_up("alice", Role::User);
    let log_in = |password: &str| world.post("/api/v1/sessions").json(&body("alice", password)).send();
    let computed = || world.api.password_load().computed;
    log_in(PASSWORD).await.expect(201);
    for _ in 0..5 {
        log_in(PASSWORD).await.expect(201);
    }
    assert_eq!(computed(), 1);
    log_in(WRONG).await.refused(401, "wrong-credentials");
    assert_eq!(computed(), 2, "another password is computed, and does not undo the proof");
    log_in(PASSWORD).await.expect(201);
    assert_eq!(computed(), 2);
    world.pass(crate::PROOF_TIME_US / 1_000_000);
    log_in(PASSWORD).await.expect(201);
    assert_eq!(computed(), 3, "it ends with its hours, however often it was used");
    // Another process changes the password: this one learns it from what is stored.
    world.directory.set_password("alice", (NEXT, NEXT), "", Actor::Operator, world.now()).unwrap();
    log_in(PASSWORD).await.refused(401, "wrong-credentials");
    log_in(NEXT).await.expect(201);
    assert_eq!(computed(), 5);
    log_in(NEXT).await.expect(201);
    assert_eq!(computed(), 5);
}

#[tokio::test]
async fn ten_thousand_logins_again_cost_microseconds_each() {
    let world = World::new();
    world.sign_up("alice", Role::User);
    let client = Client { address: [127, 0, 0, 1].into(), is_private: true, has_tls: false };
    world
        .api
        .check_password("alice", PASSWORD, Device::Unknown, &client)
        .await
        .unwrap_or_else(|problem| panic!("{problem:?}"));
    let began = Instant::now();
    for _ in 0..10_000 {
        let checked = world.api.check_password("alice", PASSWORD, Device::Unknown, &client).await;
        checked.unwrap_or_else(|problem| panic!("{problem:?}"));
    }
    let each = began.elapsed() / 10_000;
    println!("a login again takes {each:?}");
    assert_eq!(world.api.password_load().computed, 1);
    // Computed anew, it would be 40 ms each.
    assert!(each.as_millis() < 4, "{each:?}");
}

#[tokio::test]
async fn guesses_make_others_wait_and_never_a_device_that_is_logged_in() {
    let world = World::new();
    world.sign_up("alice", Role::User);
    let known = world.log_in("alice").await.text("/refresh_token");
    let guess = |name: &str, password: &str, address: u8| {
        world.post("/api/v1/sessions").at_address([192, 0, 2, address]).json(&body(name, password)).send()
    };
    // Names that nobody has are slowed alike.
    for name in ["alice", "nobody"] {
        for address in 10..16 {
            guess(name, WRONG, address).await.refused(401, "wrong-credentials");
        }
        let refused = guess(name, WRONG, 16).await.refused(429, "too-many-guesses");
        assert_eq!(
            (refused.header("retry-after"), refused.json()["retry_after_ms"].as_u64()),
            ("1", Some(1_000))
        );
    }
    let computed = world.api.password_load().computed;
    guess("alice", PASSWORD, 17).await.refused(429, "too-many-guesses");
    let mut with_token = body("alice", PASSWORD);
    with_token["refresh_token"] = known.clone().into();
    let from_device = world.post("/api/v1/sessions").json(&with_token).send().await.expect(201);
    assert_eq!(world.api.password_load().computed, computed, "neither was computed");
    // As a page sends it.
    let cookie = format!("madang_refresh={}", from_device.text("/refresh_token"));
    let page = world.post("/api/v1/sessions").header("cookie", &cookie).json(&body("alice", PASSWORD));
    page.send().await.expect(201);
    // A token of somebody else opens nothing.
    world.sign_up("mallory", Role::User);
    let mallory = world.log_in("mallory").await.text("/refresh_token");
    with_token["refresh_token"] = mallory.into();
    world.post("/api/v1/sessions").json(&with_token).send().await.refused(429, "too-many-guesses");
    world.pass(1);
    guess("alice", PASSWORD, 18).await.expect(201);
    guess("alice", WRONG, 19).await.refused(401, "wrong-credentials");
    guess("alice", PASSWORD, 20).await.expect(201);
}

#[tokio::test]
async fn an_address_that_tries_many_names_waits_and_this_machine_does_not() {
    let world = World::new();
    world.sign_up("alice", Role::User);
    for number in 0..21 {
        let guess = world.post("/api/v1/sessions").json(&body(&format!("user{number}"), WRONG));
        guess.send().await.refused(401, "wrong-credentials");
    }
    world
        .post("/api/v1/sessions")
        .json(&body("alice", PASSWORD))
        .send()
        .await
        .refused(429, "too-many-guesses");
    let other = world.post("/api/v1/sessions").at_address([192, 0, 2, 99]).json(&body("alice", PASSWORD));
    other.send().await.expect(201);
    let here = Client { address: [127, 0, 0, 1].into(), is_private: true, has_tls: false };
    for number in 0..22 {
        let guess = world.post("/api/v1/sessions").client(here).json(&body(&format!("user{number}"), WRONG));
        guess.send().await.refused(401, "wrong-credentials");
        world.pass(60);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_passwords_than_are_computed_are_refused_at_once() {
    let world = Arc::new(World::new());
    let mut tasks = JoinSet::new();
    for number in 0..200_u8 {
        let world = Arc::clone(&world);
        tasks.spawn(async move {
            let asked = world.post("/api/v1/sessions").at_address([192, 0, 2, number]);
            let answered = asked.json(&body(&format!("user{number}"), WRONG)).send().await;
            if answered.status == 503 {
                let busy = answered.refused(503, "busy");
                assert_eq!(busy.header("retry-after"), "2");
                return true;
            }
            answered.refused(401, "wrong-credentials");
            false
        });
    }
    let refused = tasks.join_all().await.into_iter().filter(|is_refused| *is_refused).count();
    let load = world.api.password_load();
    assert!(
        refused > 0 && load.refused == refused as u64 && load.computed == 200 - refused as u64,
        "{load:?} {refused}"
    );
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions_with_their_connections() {
    let world = World::new();
    let other = world.logged_in("alice", Role::User).await;
    let here = world.log_in("alice").await.text("/access_token");
    let change = |current: &str, new: &str, confirm: &str| {
        let body = json!({"current": current, "new": new, "confirm": confirm});
        world.put("/api/v1/me/password").bearer(&here).json(&body).send()
    };
    let wrong = change(WRONG, NEXT, NEXT).await.refused(401, "wrong-credentials");
    assert_eq!(wrong.text("/errors/0/pointer"), "/current");
    assert_eq!(
        change(PASSWORD, "12345678", "12345678")
            .await
            .refused(422, "password-weak")
            .text("/errors/0/pointer"),
        "/new"
    );
    let differ = change(PASSWORD, NEXT, WRONG).await.refused(422, "passwords-differ");
    assert_eq!(differ.text("/errors/0/pointer"), "/confirm");
    assert_eq!(world.core.take(), []);
    change(PASSWORD, NEXT, NEXT).await.expect(204);
    assert_eq!(world.core.take(), [Told::Ended(1, Ended::AllBut(2))]);
    world.get("/api/v1/me").bearer(&other).send().await.refused(401, "session-ended");
    world.get("/api/v1/me").bearer(&here).send().await.expect(200);
    world
        .post("/api/v1/sessions")
        .json(&body("alice", PASSWORD))
        .send()
        .await
        .refused(401, "wrong-credentials");
    world.post("/api/v1/sessions").json(&body("alice", NEXT)).send().await.expect(201);
    // What strangers guess does not keep the owner from changing it.
    for address in 10..17 {
        let guess =
            world.post("/api/v1/sessions").at_address([192, 0, 2, address]).json(&body("alice", WRONG));
        guess.send().await;
    }
    world.post("/api/v1/sessions").json(&body("alice", NEXT)).send().await.refused(429, "too-many-guesses");
    change(NEXT, NEXT, NEXT).await.expect(204);
    // Whoever finds the device open guesses no faster than strangers.
    for _ in 0..6 {
        change(WRONG, PASSWORD, PASSWORD).await.refused(401, "wrong-credentials");
    }
    change(NEXT, PASSWORD, PASSWORD).await.refused(429, "too-many-guesses");
}

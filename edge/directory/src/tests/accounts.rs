//! Names, signing up, passwords.

use super::*;
use crate::error::Mistake;
use std::sync::{Arc, Barrier};
use std::time::Duration;

#[test]
fn an_account_is_found_by_its_name_in_any_case_and_form() {
    on_both(|place| {
        let directory = place.open();
        let made = directory
            .sign_up(NewAccount { display_name: Some("  홍 길동 "), ..new("Hong.Gil") }, Actor::Visitor, NOW)
            .unwrap();
        assert_eq!((made.handle.as_str(), made.display_name.as_str()), ("Hong.Gil", "홍 길동"));
        assert_eq!(directory.account("hong.GIL").unwrap(), made);
        assert_eq!(code(directory.account("hong.gi")), "no-account");
        assert_eq!(code(directory.account("no name!")), "no-account");
        sign_up(&directory, "민준");
        // As macOS sends it.
        assert_eq!(
            directory.account("\u{1106}\u{1175}\u{11ab}\u{110c}\u{116e}\u{11ab}").unwrap().handle,
            "민준"
        );
    });
}

#[test]
fn what_is_wrong_with_a_sign_up_has_a_code_of_its_own() {
    on_both(|place| {
        let directory = place.open();
        sign_up(&directory, "alice");
        let try_name = |name| code(directory.sign_up(new(name), Actor::Visitor, NOW));
        assert_eq!(try_name("no name!"), "name-invalid");
        assert_eq!(try_name("ALICE"), "name-taken");
        assert_eq!(try_name("aIice"), "name-confusable");
        assert_eq!(code(directory.is_available("alice")), "name-taken");
        assert_eq!(code(directory.is_available("аlice")), "name-confusable");
        directory.is_available("bob").unwrap();
        let with = |password, password_again| {
            let account = NewAccount { password, password_again, ..new("bob") };
            code(directory.sign_up(account, Actor::Visitor, NOW))
        };
        assert_eq!(with("12345678", "12345678"), "password-weak");
        assert_eq!(with(PASSWORD, "correct horse batteri"), "passwords-differ");
        let display_name = Some("\u{202e}\u{7}");
        let account = NewAccount { display_name, ..new("bob") };
        assert_eq!(code(directory.sign_up(account, Actor::Visitor, NOW)), "display-name-invalid");
        let long = "길".repeat(65);
        let account = NewAccount { display_name: Some(&long), ..new("bob") };
        assert_eq!(code(directory.sign_up(account, Actor::Visitor, NOW)), "display-name-invalid");
        directory.is_available("bob").unwrap();
    });
}

#[test]
fn of_look_alikes_that_sign_up_at_once_one_wins() {
    const LOOK_ALIKES: [&str; 4] = ["alice", "ALICE", "aIice", "аlice"];
    const THREADS: usize = 32;
    on_both(|place| {
        // Two processes would have a directory each.
        let directories = [Arc::new(place.open()), Arc::new(place.open())];
        let barrier = Arc::new(Barrier::new(THREADS));
        let race = |number: usize| {
            let (directory, barrier) = (Arc::clone(&directories[number % 2]), Arc::clone(&barrier));
            std::thread::spawn(move || {
                barrier.wait();
                directory.sign_up(new(LOOK_ALIKES[number / 2 % 4]), Actor::Visitor, NOW)
            })
        };
        let threads: Vec<_> = (0..THREADS).map(race).collect();
        let outcomes: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        let winners: Vec<_> = outcomes.iter().flatten().collect();
        assert_eq!(winners.len(), 1, "{winners:?}");
        for lost in outcomes.iter().filter(|outcome| outcome.is_err()) {
            assert!(matches!(code(lost.clone()), "name-taken" | "name-confusable"));
        }
        assert_eq!(directories[0].search("", None, 100).unwrap().accounts.len(), 1);
    });
}

#[test]
fn a_password_is_right_for_its_account_alone() {
    on_both(|place| {
        let directory = place.open();
        sign_up(&directory, "alice");
        let other = "entirely different words";
        let account = NewAccount { password: other, password_again: other, ..new("bob") };
        directory.sign_up(account, Actor::Visitor, NOW).unwrap();
        assert_eq!(directory.check_password("Alice", PASSWORD, NOW).unwrap().handle, "alice");
        for (name, password) in
            [("alice", other), ("bob", PASSWORD), ("nobody", PASSWORD), ("no name!", PASSWORD), ("alice", "")]
        {
            assert_eq!(code(directory.check_password(name, password, NOW)), "wrong-credentials", "{name}");
        }
        let huge = "x".repeat(1 << 20);
        for name in ["alice", "nobody"] {
            let began = thread_time();
            assert_eq!(code(directory.check_password(name, &huge, NOW)), "wrong-credentials");
            assert!(thread_time() - began < Duration::from_millis(10), "nothing is computed of it");
        }
    });
}

#[test]
fn a_wrong_name_is_answered_like_a_wrong_password() {
    let place = Place::sqlite();
    let directory = place.open();
    sign_up(&directory, "alice");
    let time = |name: &str| {
        let began = thread_time();
        let refused = directory.check_password(name, "some other words", NOW).unwrap_err();
        assert_eq!(refused.to_string(), Mistake::WrongCredentials.to_string());
        thread_time() - began
    };
    let (known, unknown): (Vec<_>, Vec<_>) = (0..9).map(|_| (time("alice"), time("nobody"))).unzip();
    let (known, unknown) = (known.into_iter().min().unwrap(), unknown.into_iter().min().unwrap());
    // Without the comparison it would be a hundredth.
    assert!(unknown * 3 > known * 2 && known * 3 > unknown * 2, "{known:?} {unknown:?}");
}

#[test]
fn another_password_ends_the_sessions_and_the_one_before() {
    on_both(|place| {
        let directory = place.open();
        sign_up(&directory, "alice");
        let session = directory.open_session("alice", "phone", NOW).unwrap();
        let next = "four other quiet words";
        assert_eq!(
            code(directory.change_password("alice", "wrong words here", (next, next), NOW)),
            "wrong-credentials"
        );
        assert_eq!(
            code(directory.change_password("alice", PASSWORD, ("alice123", "alice123"), NOW)),
            "password-weak"
        );
        directory.renew_session(&session.token, NOW).unwrap();
        directory.change_password("alice", PASSWORD, (next, next), NOW).unwrap();
        assert!(directory.sessions("alice", NOW).unwrap().is_empty());
        assert_eq!(code(directory.check_password("alice", PASSWORD, NOW)), "wrong-credentials");
        directory.check_password("alice", next, NOW).unwrap();
        directory.set_password("alice", (PASSWORD, PASSWORD), "forgotten", Actor::Operator, NOW).unwrap();
        directory.check_password("alice", PASSWORD, NOW).unwrap();
        assert_eq!(code(directory.set_password("bob", (next, next), "", Actor::Operator, NOW)), "no-account");
        let entries = directory.audit(None, 10).unwrap().entries;
        let acts: Vec<_> = entries.iter().map(|entry| (entry.act.as_str(), entry.reason.as_str())).collect();
        assert_eq!(acts, [("account.password", "forgotten"), ("account.password", ""), ("account.add", "")]);
        assert_eq!(entries[1].actor, Actor::Account(1));
    });
}

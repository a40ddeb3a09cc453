//! Codes to sign up with, and to reset a password with.

use super::*;
use crate::password_resets::{RESET_TIME_US, ResetCode};
use crate::sign_up_codes::{CODE_TIME_US_MAX, CODE_USES_MAX, SIGN_UP_CODES_MAX, SignUpCode};

const DAY: i64 = 24 * 60 * 60;

fn with(directory: &Directory, code: &SignUpCode, name: &str, now: Timestamp) -> Result<i64, DirectoryError> {
    directory.sign_up_with(code, new(name), Actor::Visitor, now).map(|account| account.id)
}

#[test]
fn a_sign_up_code_makes_as_many_accounts_as_it_is_for_until_it_ends_or_is_withdrawn() {
    on_both(|place| {
        let directory = place.open();
        admin(&directory, "teacher");
        let by = Actor::Account(1);
        let (info, secret) = directory.add_sign_up_code(" class 3\u{7} ", (2, after(DAY)), by, NOW).unwrap();
        assert_eq!((info.id, info.note.as_str(), info.uses, info.created_by), (1, "class 3", 0, by));
        let typed = SignUpCode::parse(&secret.reveal().to_lowercase().replace('-', " ")).unwrap();
        with(&directory, &typed, "alice", NOW).unwrap();
        // A name that is taken uses nothing up.
        assert_eq!(code(with(&directory, &secret, "aIice", NOW)), "name-confusable");
        assert_eq!(directory.sign_up_codes(0, 10, NOW).unwrap()[0].uses, 1);
        with(&directory, &secret, "bob", NOW).unwrap();
        assert_eq!(code(with(&directory, &secret, "carol", NOW)), "sign-up-code-invalid");
        assert_eq!(directory.audit(None, 1).unwrap().entries[0].details, "user by sign-up code 1");
        let (short, late) = directory.add_sign_up_code("", (2, after(60)), by, NOW).unwrap();
        assert_eq!(code(with(&directory, &late, "carol", after(60))), "sign-up-code-invalid");
        with(&directory, &late, "carol", after(59)).unwrap();
        directory.remove_sign_up_code(short.id, by, NOW).unwrap();
        assert_eq!(code(with(&directory, &late, "dave", NOW)), "sign-up-code-invalid");
        assert_eq!(code(directory.remove_sign_up_code(short.id, by, NOW)), "no-code");
        let entry = &directory.audit(None, 1).unwrap().entries[0];
        assert_eq!((entry.act.as_str(), entry.target), ("sign-up-code.remove", crate::Target::SignUpCode(2)));
        assert_eq!(code(with(&directory, &SignUpCode::new(), "dave", NOW)), "sign-up-code-invalid");
    });
}

#[test]
fn codes_are_listed_in_pages_and_bounded() {
    on_both(|place| {
        let directory = place.open();
        for bad in [(0, after(60)), (CODE_USES_MAX + 1, after(60)), (1, NOW), (1, Timestamp(i64::MAX))] {
            assert_eq!(code(directory.add_sign_up_code("", bad, Actor::Operator, NOW)), "bad-value");
        }
        let last = Timestamp(NOW.0 + CODE_TIME_US_MAX);
        for number in 0..SIGN_UP_CODES_MAX {
            let end = if number == 0 { after(60) } else { last };
            directory.add_sign_up_code("", (1, end), Actor::Operator, NOW).unwrap();
        }
        assert_eq!(code(directory.add_sign_up_code("", (1, last), Actor::Operator, NOW)), "too-many-codes");
        let ids = |after, limit, now| {
            let codes = directory.sign_up_codes(after, limit, now).unwrap();
            codes.into_iter().map(|info| info.id).collect::<Vec<_>>()
        };
        assert_eq!((ids(0, 3, NOW), ids(3, 2, NOW)), (vec![1, 2, 3], vec![4, 5]));
        assert_eq!(ids(0, 2, after(60)), [2, 3], "what has ended is not listed");
        assert_eq!(code(directory.remove_sign_up_code(1, Actor::Operator, after(60))), "no-code");
        // What has ended makes room.
        directory.add_sign_up_code("", (1, last), Actor::Operator, after(60)).unwrap();
    });
}

#[test]
fn of_many_that_use_the_last_of_a_code_at_once_one_gets_it() {
    on_both(|place| {
        let directories = [place.open(), place.open()];
        let (_, secret) = directories[0].add_sign_up_code("", (1, after(60)), Actor::Operator, NOW).unwrap();
        let made = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|number| {
                    let (directory, secret) = (&directories[number % 2], &secret);
                    scope.spawn(move || with(directory, secret, &format!("user{number}"), NOW))
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).filter(Result::is_ok).count()
        });
        assert_eq!(made, 1);
        assert_eq!(directories[0].search("", None, 100).unwrap().accounts.len(), 1);
    });
}

#[test]
fn a_reset_code_gives_another_password_once_within_a_day() {
    on_both(|place| {
        let directory = place.open();
        admin(&directory, "teacher");
        sign_up(&directory, "alice");
        let session = directory.open_session("alice", "", NOW).unwrap();
        let (account, first, _) = directory.add_password_reset("alice", Actor::Account(1), NOW).unwrap();
        let (_, secret, expires_at) = directory.add_password_reset("ALICE", Actor::Account(1), NOW).unwrap();
        assert_eq!((account.id, expires_at), (2, Timestamp(NOW.0 + RESET_TIME_US)));
        let next = "four other quiet words";
        let reset = |code: &ResetCode, new, now| directory.reset_password(code, (new, new), now);
        assert_eq!(code(reset(&first, next, NOW)), "code-gone", "the newest holds alone");
        assert_eq!(code(reset(&secret, next, expires_at)), "code-gone");
        assert_eq!(code(reset(&secret, "alice123", NOW)), "password-weak");
        assert_eq!(code(directory.reset_password(&secret, (next, "other words"), NOW)), "passwords-differ");
        let typed = ResetCode::parse(&secret.reveal().to_lowercase()).unwrap();
        assert_eq!(reset(&typed, next, NOW).unwrap().handle, "alice");
        directory.check_password("alice", next, NOW).unwrap();
        assert_eq!(code(directory.renew_session(&session.token, NOW)), "session-ended");
        assert_eq!(code(reset(&secret, PASSWORD, NOW)), "code-gone");
        let entry = &directory.audit(None, 1).unwrap().entries[0];
        assert_eq!((entry.act.as_str(), entry.actor), ("account.password", Actor::Visitor));
    });
}

#[test]
fn a_reset_code_ends_with_a_new_password_and_with_its_account() {
    on_both(|place| {
        let directory = place.open();
        sign_up(&directory, "alice");
        let next = ("four other quiet words", "four other quiet words");
        let (_, secret, _) = directory.add_password_reset("alice", Actor::Operator, NOW).unwrap();
        directory.set_password("alice", next, "", Actor::Operator, NOW).unwrap();
        assert_eq!(code(directory.reset_password(&secret, next, NOW)), "code-gone");
        let (_, secret, _) = directory.add_password_reset("alice", Actor::Operator, NOW).unwrap();
        directory.delete("alice", "", Actor::Operator, NOW).unwrap();
        assert_eq!(code(directory.reset_password(&secret, next, NOW)), "code-gone");
        assert_eq!(code(directory.add_password_reset("alice", Actor::Operator, NOW)), "no-account");
    });
}

//! Bans, roles, deletion, consent.

use super::*;
use crate::accounts::{Forbidden, Restriction};
use crate::audit::Target;
use crate::error::{FOR_EVER, Mistake};

fn until(seconds: i64, reason: &str) -> Forbidden {
    Forbidden { until: after(seconds), reason: reason.to_owned() }
}

#[test]
fn a_ban_ends_sessions_keeps_out_and_runs_out() {
    on_both(|place| {
        let directory = place.open();
        sign_up(&directory, "alice");
        let session = directory.open_session("alice", "", NOW).unwrap();
        let by = Actor::Operator;
        directory.forbid("alice", Restriction::LogIn, &until(60, "spam"), by, NOW).unwrap();
        assert_eq!(code(directory.renew_session(&session.token, NOW)), "session-ended");
        let refused = directory.check_password("alice", PASSWORD, after(59)).unwrap_err();
        let banned = Mistake::Banned { until: after(60), reason: "spam".to_owned() };
        assert_eq!(refused, banned.clone().into());
        // Who does not know the password is not told.
        assert_eq!(code(directory.check_password("alice", "some other words", NOW)), "wrong-credentials");
        assert_eq!(directory.open_session("alice", "", NOW).unwrap_err(), banned.into());
        directory.check_password("alice", PASSWORD, after(60)).unwrap();
        directory.open_session("alice", "", after(60)).unwrap();
        assert_eq!(code(directory.forbid("alice", Restriction::LogIn, &until(0, ""), by, NOW)), "bad-value");
        assert_eq!(code(directory.forbid("bob", Restriction::LogIn, &until(9, ""), by, NOW)), "no-account");
    });
}

#[test]
fn a_ban_during_a_session_holds_at_its_next_renewal() {
    on_both(|place| {
        let directory = place.open();
        sign_up(&directory, "alice");
        let by = Actor::Operator;
        directory.forbid("alice", Restriction::LogIn, &until(60, ""), by, NOW).unwrap();
        // A clock that was set back makes a session that began after the ban.
        let session = directory.open_session("alice", "", after(61)).unwrap();
        assert_eq!(code(directory.renew_session(&session.token, after(59))), "banned");
        assert_eq!(code(directory.renew_session(&session.token, after(62))), "session-ended");
    });
}

#[test]
fn a_chat_ban_lets_log_in_and_unban_ends_both() {
    on_both(|place| {
        let directory = place.open();
        sign_up(&directory, "alice");
        let by = Actor::Operator;
        let for_ever = Forbidden { until: FOR_EVER, reason: "flood".to_owned() };
        directory.forbid("alice", Restriction::Chat, &for_ever, by, NOW).unwrap();
        let account = directory.check_password("alice", PASSWORD, NOW).unwrap();
        assert_eq!(account.chat_ban_at(after(1_000_000_000)), Some(&for_ever));
        assert_eq!(account.ban_at(NOW), None);
        directory.forbid("alice", Restriction::LogIn, &until(60, ""), by, NOW).unwrap();
        assert!(directory.unban("alice", "a mistake", by, NOW).unwrap());
        assert!(!directory.unban("alice", "", by, NOW).unwrap());
        let account = directory.account("alice").unwrap();
        assert_eq!((account.ban, account.chat_ban), (None, None));
        let entries = directory.audit(None, 10).unwrap().entries;
        let acts: Vec<_> = entries.iter().map(|entry| (entry.act.as_str(), entry.reason.as_str())).collect();
        assert_eq!(
            acts,
            [
                ("account.unban", "a mistake"),
                ("account.ban", ""),
                ("account.chat-ban", "flood"),
                ("account.add", "")
            ]
        );
    });
}

#[test]
fn the_last_admin_stays_one() {
    on_both(|place| {
        let directory = place.open();
        admin(&directory, "alice");
        sign_up(&directory, "bob");
        let by = Actor::Operator;
        assert_eq!(code(directory.set_role("alice", Role::User, "", by, NOW)), "last-admin");
        assert_eq!(code(directory.delete("alice", "", by, NOW)), "last-admin");
        assert_eq!(
            code(directory.forbid("alice", Restriction::LogIn, &until(60, ""), by, NOW)),
            "last-admin"
        );
        directory.forbid("alice", Restriction::Chat, &until(60, ""), by, NOW).unwrap();
        directory.set_role("bob", Role::Admin, "", by, NOW).unwrap();
        directory.forbid("bob", Restriction::LogIn, &until(60, ""), by, NOW).unwrap();
        // One who is banned does not count, until the ban is over.
        assert_eq!(code(directory.set_role("alice", Role::User, "", by, after(59))), "last-admin");
        assert_eq!(directory.set_role("alice", Role::User, "", by, after(60)).unwrap().role, Role::User);
        assert_eq!(code(directory.delete("bob", "", by, after(60))), "last-admin");
    });
}

#[test]
fn of_two_admins_that_resign_at_once_one_stays() {
    on_both(|place| {
        for round in 0..8 {
            let directories = [place.open(), place.open()];
            let names = [format!("one{round}"), format!("two{round}")];
            if round == 0 {
                admin(&directories[0], &names[0]);
                admin(&directories[1], &names[1]);
            } else {
                directories[0].set_role("one0", Role::Admin, "", Actor::Operator, NOW).unwrap();
                directories[0].set_role("two0", Role::Admin, "", Actor::Operator, NOW).unwrap();
            }
            let resign = |directory: &Directory, name: &str| {
                directory.set_role(name, Role::User, "", Actor::Operator, NOW).is_ok()
            };
            let (one, two) = std::thread::scope(|scope| {
                let one = scope.spawn(|| resign(&directories[0], "one0"));
                let two = scope.spawn(|| resign(&directories[1], "two0"));
                (one.join().unwrap(), two.join().unwrap())
            });
            assert!(one != two, "round {round}: {one} {two}");
        }
    });
}

#[test]
fn a_deleted_account_leaves_a_name_that_nobody_takes_and_nothing_else() {
    on_both(|place| {
        let directory = place.open();
        let account = NewAccount { display_name: Some("앨리스"), ..new("alice") };
        let alice = directory.sign_up(account, Actor::Visitor, NOW).unwrap();
        directory.open_session("alice", "phone", NOW).unwrap();
        directory.give_consent("alice", "birth-date", Actor::Account(alice.id), NOW).unwrap();
        directory.delete("alice", "asked for it", Actor::Account(alice.id), NOW).unwrap();
        assert_eq!(code(directory.account("alice")), "no-account");
        assert_eq!(code(directory.check_password("alice", PASSWORD, NOW)), "wrong-credentials");
        assert_eq!(code(directory.sign_up(new("alice"), Actor::Visitor, NOW)), "name-taken");
        assert_eq!(code(directory.sign_up(new("aIice"), Actor::Visitor, NOW)), "name-confusable");
        assert!(directory.search("", None, 10).unwrap().accounts.is_empty());
        let entry = &directory.audit(None, 1).unwrap().entries[0];
        assert_eq!((entry.act.as_str(), entry.target), ("account.delete", Target::Account(alice.id)));
        sign_up(&directory, "bob");
        assert!(directory.account("bob").unwrap().id > alice.id, "a number is not used twice");
        if let Location::Sqlite(path) = &place.location {
            for file in [path.clone(), path.with_extension("sqlite-wal")] {
                let bytes = std::fs::read(&file).unwrap_or_default();
                for word in ["alice", "앨리스", "phone", "birth-date\u{0}"] {
                    let is_there = bytes.windows(word.len()).any(|part| part == word.as_bytes());
                    assert!(!is_there, "{word} can be read in {}", file.display());
                }
            }
        }
    });
}

#[test]
fn consent_is_recorded_with_who_and_when() {
    on_both(|place| {
        let directory = place.open();
        sign_up(&directory, "alice");
        let by = Actor::Account(1);
        directory.give_consent("alice", "birth-date", by, NOW).unwrap();
        directory.give_consent("alice", "birth-date", by, after(1)).unwrap();
        directory.give_consent("alice", "guardian", Actor::Operator, after(2)).unwrap();
        assert!(directory.withdraw_consent("alice", "birth-date", by, after(3)).unwrap());
        assert!(!directory.withdraw_consent("alice", "birth-date", by, after(4)).unwrap());
        let found = directory.consents("alice").unwrap();
        let shown: Vec<_> = found
            .iter()
            .map(|one| (one.purpose.as_str(), one.given_at, one.given_by, one.withdrawn_at))
            .collect();
        assert_eq!(
            shown,
            [("birth-date", NOW, by, Some(after(3))), ("guardian", after(2), Actor::Operator, None)]
        );
        assert_eq!(code(directory.give_consent("alice", "No Purpose", by, NOW)), "bad-value");
    });
}

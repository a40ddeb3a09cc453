//! Changes of accounts by whoever has read them, and what stands behind a session.

use super::*;
use crate::accounts::{Amendment, BanChange, Forbidden};
use crate::error::FOR_EVER;

fn banned(until: Timestamp) -> BanChange {
    BanChange::Set(Forbidden { until, reason: String::new() })
}

#[test]
fn an_amendment_is_whole_or_nothing() {
    on_both(|place| {
        let directory = place.open();
        admin(&directory, "root-admin");
        sign_up(&directory, "alice");
        let amend = |name: &str, amendment| directory.amend(name, None, amendment, Actor::Account(1), NOW);
        let session = directory.open_session("alice", "", NOW).unwrap();
        let reason = "spam".to_owned();
        let all = Amendment {
            role: Some(Role::Admin),
            ban: banned(after(60)),
            chat_ban: banned(FOR_EVER),
            reason: reason.clone(),
        };
        let account = amend("alice", all).unwrap();
        assert_eq!(account, directory.account("alice").unwrap());
        assert_eq!(account.role, Role::Admin);
        assert_eq!(account.ban, Some(Forbidden { until: after(60), reason: reason.clone() }));
        assert_eq!(account.chat_ban, Some(Forbidden { until: FOR_EVER, reason }));
        assert_eq!(code(directory.renew_session(&session.token, NOW)), "session-ended");
        let acts: Vec<_> =
            directory.audit(None, 3).unwrap().entries.into_iter().map(|entry| entry.act).collect();
        assert_eq!(acts, ["account.chat-ban", "account.ban", "account.role"]);
        // The second part is refused, and the first is undone with it.
        let half = Amendment { role: Some(Role::User), ban: banned(after(60)), ..Amendment::default() };
        assert_eq!(code(amend("root-admin", half)), "last-admin");
        assert_eq!(directory.account("root-admin").unwrap().role, Role::Admin);
        let over = Amendment { chat_ban: banned(NOW), ..Amendment::default() };
        assert_eq!(code(amend("alice", over)), "bad-value");
        let ends = Amendment { ban: BanChange::Ends, chat_ban: BanChange::Ends, ..Amendment::default() };
        let account = amend("alice", ends.clone()).unwrap();
        assert_eq!((&account.ban, &account.chat_ban), (&None, &None));
        assert_eq!(account, directory.account("alice").unwrap());
        let entries = directory.audit(None, 100).unwrap().entries.len();
        amend("alice", ends).unwrap();
        assert_eq!(directory.audit(None, 100).unwrap().entries.len(), entries, "nothing was done");
        directory.check_password("alice", PASSWORD, NOW).unwrap();
    });
}

#[test]
fn a_change_of_what_was_changed_meanwhile_is_refused() {
    on_both(|place| {
        let directory = place.open();
        sign_up(&directory, "alice");
        let read = directory.account("alice").unwrap();
        let renamed = directory.set_display_name("alice", Some(read.clone()), " 앨리스 ").unwrap();
        assert_eq!(renamed.display_name, "앨리스");
        let again = directory.set_display_name("alice", Some(read.clone()), "Alice");
        assert_eq!(code(again), "changed-meanwhile");
        let amendment = Amendment { role: Some(Role::Admin), ..Amendment::default() };
        let amended = directory.amend("alice", Some(read), amendment.clone(), Actor::Operator, NOW);
        assert_eq!(code(amended), "changed-meanwhile");
        directory.amend("alice", Some(renamed), amendment, Actor::Operator, NOW).unwrap();
        assert_eq!(code(directory.set_display_name("alice", None, "\u{7}")), "display-name-invalid");
    });
}

#[test]
fn another_display_name_is_found_and_the_one_before_is_not() {
    on_both(|place| {
        let directory = place.open();
        sign_up(&directory, "alice");
        let found = |typed: &str| directory.search(typed, None, 10).unwrap().accounts.len();
        for (shown, typed, is_found) in [
            ("홍길동", "ㅎㄱㄷ", 1),
            ("임꺽정", "ㅎㄱㄷ", 0),
            ("ALICE", "임", 0),
            ("alice of Seoul", "alice o", 1),
        ] {
            directory.set_display_name("alice", None, shown).unwrap();
            assert_eq!((found(typed), found("al")), (is_found, 1), "{shown}");
        }
        let report = crate::upkeep::check(&place.location).unwrap();
        assert_eq!(report.faults, [""; 0]);
    });
}

#[test]
fn a_session_has_its_account_until_either_ends() {
    on_both(|place| {
        let directory = place.open();
        admin(&directory, "root-admin");
        sign_up(&directory, "alice");
        let opened = directory.open_session("alice", "phone", NOW).unwrap();
        let other = directory.open_session("alice", "laptop", after(1)).unwrap();
        let of = |account, session, now| directory.session_of(account, session, now);
        let (account, session) = of(2, opened.id, NOW).unwrap();
        assert_eq!(
            (account.handle.as_str(), session.device.as_str(), session.created_at),
            ("alice", "phone", NOW)
        );
        assert_eq!(code(of(1, opened.id, NOW)), "session-ended", "it is another's");
        assert_eq!(code(of(2, 99, NOW)), "session-ended");
        let next = ("four other quiet words", "four other quiet words");
        let by = Actor::Account(2);
        directory.set_password_keeping("alice", next, Some(opened.id), "", by, NOW).unwrap();
        of(2, opened.id, NOW).unwrap();
        assert_eq!(code(of(2, other.id, NOW)), "session-ended");
        assert_eq!(code(of(2, opened.id, Timestamp(NOW.0 + crate::IDLE_US_MAX))), "session-ended");
        directory
            .amend("alice", None, Amendment { ban: banned(after(9)), ..Amendment::default() }, by, NOW)
            .unwrap();
        assert_eq!(code(of(2, opened.id, NOW)), "session-ended", "bans end sessions");
    });
}

#[test]
fn the_account_of_a_refresh_token_is_known_without_using_it() {
    on_both(|place| {
        let directory = place.open();
        sign_up(&directory, "alice");
        let opened = directory.open_session("alice", "", NOW).unwrap();
        assert_eq!(directory.account_of_token(&opened.token, NOW).unwrap(), Some(1));
        let renewed = directory.renew_session(&opened.token, NOW).unwrap();
        assert_eq!(directory.account_of_token(&opened.token, NOW).unwrap(), None, "it was used");
        let idle = Timestamp(NOW.0 + crate::IDLE_US_MAX);
        assert_eq!(directory.account_of_token(&renewed.token, idle).unwrap(), None);
        assert_eq!(directory.account_of_token(&renewed.token, NOW).unwrap(), Some(1));
    });
}

#[test]
fn a_proof_holds_for_the_password_that_is_stored_and_for_no_other() {
    let place = Place::sqlite();
    let directory = place.open();
    for name in ["alice", "bob"] {
        sign_up(&directory, name);
    }
    let key = [7; 32];
    let proof = |name: &str, password: &str| directory.credential(name).unwrap().proof(&key, password);
    let first = proof("alice", PASSWORD);
    assert!(first.is_some() && first == proof("Alice", PASSWORD));
    assert_ne!(first, proof("alice", "another password"));
    assert_ne!(first, proof("bob", PASSWORD), "the same password of another account");
    assert_ne!(first, directory.credential("alice").unwrap().proof(&[8; 32], PASSWORD));
    assert_eq!(proof("nobody", PASSWORD), None);
    directory.set_password("alice", (PASSWORD, PASSWORD), "", Actor::Operator, NOW).unwrap();
    assert_ne!(first, proof("alice", PASSWORD), "it was stored anew");
    let began = thread_time();
    for _ in 0..100 {
        proof("alice", PASSWORD);
    }
    assert!(thread_time() - began < Duration::from_millis(200));
    let credential = directory.credential("nobody").unwrap();
    assert_eq!(credential.account_id(), None);
    assert_eq!(code(credential.accept(NOW)), "wrong-credentials");
}

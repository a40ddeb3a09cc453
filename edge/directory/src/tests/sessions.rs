//! Refresh tokens.

use super::*;
use crate::sessions::{IDLE_US_MAX, RefreshToken, SESSIONS_MAX};

#[test]
fn each_use_of_a_token_gives_the_next() {
    on_both(|place| {
        let directory = place.open();
        sign_up(&directory, "alice");
        let opened = directory.open_session("alice", "  my phone\u{7} ", NOW).unwrap();
        let shown = opened.token.reveal();
        assert!(shown.starts_with("mdr_") && format!("{:?}", opened.token) == "RefreshToken(…)");
        let mut token = RefreshToken::parse(&shown).unwrap();
        for step in 1..4 {
            let renewed = directory.renew_session(&token, after(step)).unwrap();
            assert_eq!((renewed.id, renewed.account.handle.as_str()), (opened.id, "alice"));
            assert_ne!(renewed.token, token);
            token = renewed.token;
        }
        let sessions = directory.sessions("alice", NOW).unwrap();
        assert_eq!(sessions.len(), 1);
        assert_eq!((sessions[0].created_at, sessions[0].used_at), (NOW, after(3)));
        assert_eq!(sessions[0].device.trim(), "my phone");
    });
}

#[test]
fn a_token_used_twice_ends_its_session_and_no_other() {
    on_both(|place| {
        let directory = place.open();
        sign_up(&directory, "alice");
        let (stolen, other) =
            (directory.open_session("alice", "", NOW), directory.open_session("alice", "", NOW));
        let (stolen, other) = (stolen.unwrap(), other.unwrap());
        let next = directory.renew_session(&stolen.token, NOW).unwrap();
        assert_eq!(code(directory.renew_session(&stolen.token, NOW)), "token-reused");
        assert_eq!(code(directory.renew_session(&next.token, NOW)), "session-ended");
        directory.renew_session(&other.token, NOW).unwrap();
        let entry = &directory.audit(None, 1).unwrap().entries[0];
        assert_eq!((entry.act.as_str(), entry.details.as_str()), ("session.token-reused", "session 1"));
    });
}

#[test]
fn of_two_uses_at_once_one_gets_the_next_token_and_the_session_ends() {
    on_both(|place| {
        let directories = [place.open(), place.open()];
        sign_up(&directories[0], "alice");
        for _ in 0..8 {
            let opened = directories[0].open_session("alice", "", NOW).unwrap();
            let renew =
                |directory: &Directory| directory.renew_session(&opened.token, NOW).map(|one| one.token);
            let [one, two] = std::thread::scope(|scope| {
                let threads = directories.each_ref().map(|directory| scope.spawn(move || renew(directory)));
                threads.map(|thread| thread.join().unwrap())
            });
            let (won, lost) = if one.is_ok() { (one, two) } else { (two, one) };
            assert_eq!(code(lost), "token-reused");
            assert_eq!(code(directories[0].renew_session(&won.unwrap(), NOW)), "session-ended");
        }
    });
}

#[test]
fn what_is_no_token_ends_nothing() {
    on_both(|place| {
        let directory = place.open();
        sign_up(&directory, "alice");
        let opened = directory.open_session("alice", "", NOW).unwrap();
        for text in ["", "mdr_", "mdk_AAAA", &opened.token.reveal()[..30], "mdr_!!!!"] {
            assert_eq!(RefreshToken::parse(text), None, "{text}");
        }
        // Of no session: its first part is another.
        let mut other = opened.token.reveal();
        other.replace_range(4..6, if &other[4..6] == "AA" { "BB" } else { "AA" });
        assert_eq!(
            code(directory.renew_session(&RefreshToken::parse(&other).unwrap(), NOW)),
            "session-ended"
        );
        directory.renew_session(&opened.token, NOW).unwrap();
    });
}

#[test]
fn a_session_that_is_not_used_expires_and_the_oldest_of_too_many_ends() {
    on_both(|place| {
        let directory = place.open();
        sign_up(&directory, "alice");
        let opened = directory.open_session("alice", "", NOW).unwrap();
        let idle_s = IDLE_US_MAX / SECOND;
        let renewed = directory.renew_session(&opened.token, after(idle_s - 1)).unwrap();
        assert_eq!(code(directory.renew_session(&renewed.token, after(2 * idle_s))), "session-ended");
        let tokens: Vec<_> = (0..=SESSIONS_MAX as i64)
            .map(|number| directory.open_session("alice", "", after(number)).unwrap().token)
            .collect();
        assert_eq!(directory.sessions("alice", after(100)).unwrap().len(), SESSIONS_MAX);
        let another = directory.open_session("alice", "", after(101)).unwrap();
        assert_eq!(another.ended.len(), 1, "whoever has its connections learns which one ended");
        directory.end_session("alice", another.id).unwrap();
        assert_eq!(code(directory.renew_session(&tokens[0], after(100))), "session-ended");
        assert_eq!(code(directory.renew_session(&tokens[1], after(100))), "session-ended");
        directory.renew_session(&tokens[2], after(100)).unwrap();
    });
}

#[test]
fn sessions_end_one_by_one_or_all_at_once() {
    on_both(|place| {
        let directory = place.open();
        sign_up(&directory, "alice");
        sign_up(&directory, "bob");
        let opened: Vec<_> = (0..3).map(|_| directory.open_session("alice", "", NOW).unwrap()).collect();
        let of_bob = directory.open_session("bob", "", NOW).unwrap();
        assert!(!directory.end_session("bob", opened[0].id).unwrap(), "it is another's");
        assert!(directory.end_session("alice", opened[0].id).unwrap());
        assert!(!directory.end_session("alice", opened[0].id).unwrap());
        assert_eq!(directory.end_all_sessions("alice", Actor::Service(3), NOW).unwrap(), 2);
        assert_eq!(directory.end_all_sessions("alice", Actor::Service(3), NOW).unwrap(), 0);
        let entries = directory.audit(None, 2).unwrap().entries;
        assert_eq!((entries[0].act.as_str(), entries[0].details.as_str()), ("account.end-sessions", "2"));
        assert_eq!((entries[0].actor, entries[1].act.as_str()), (Actor::Service(3), "account.add"));
        for session in &opened {
            assert_eq!(code(directory.renew_session(&session.token, NOW)), "session-ended");
        }
        directory.renew_session(&of_bob.token, NOW).unwrap();
    });
}

//! Lists, searches, the audit log.

use super::*;
use crate::accounts::ListCursor;
use crate::audit::Act;
use crate::audit::Target;

fn found(directory: &Directory, typed: &str) -> Vec<String> {
    let page = directory.search(typed, None, 100).unwrap();
    page.accounts.into_iter().map(|account| account.handle).collect()
}

#[test]
fn a_beginning_or_first_consonants_find_names_and_display_names() {
    on_both(|place| {
        let directory = place.open();
        for (name, display_name) in [
            ("홍길동", None),
            ("홍갈치", None),
            ("hong", Some("홍길순")),
            ("Alice", Some("alice in Seoul")),
            ("alan", None),
            ("bob", Some("Alberto")),
            ("ㅋㅋ", None),
        ] {
            directory.sign_up(NewAccount { display_name, ..new(name) }, Actor::Visitor, NOW).unwrap();
        }
        assert_eq!(found(&directory, "ㅎㄱㄷ"), ["홍길동"]);
        assert_eq!(found(&directory, "ㅎㄱ"), ["홍길동", "hong", "홍갈치"]);
        assert_eq!(found(&directory, "ㅎ길"), ["홍길동", "hong"]);
        assert_eq!(found(&directory, "홍길"), ["홍길동", "hong"]);
        assert_eq!(found(&directory, "ㅋ"), ["ㅋㅋ"]);
        assert_eq!(found(&directory, "AL"), ["alan", "bob", "Alice"]);
        assert_eq!(found(&directory, "alice"), ["Alice"], "it has both names, and is one");
        assert_eq!(found(&directory, "lice"), [""; 0]);
        assert_eq!(found(&directory, "%"), [""; 0]);
        assert_eq!(found(&directory, "").len(), 7);
        assert_eq!(code(directory.search(&"x".repeat(65), None, 10)), "bad-value");
        directory.delete("홍길동", "", Actor::Operator, NOW).unwrap();
        assert_eq!(found(&directory, "ㅎㄱㄷ"), [""; 0]);
    });
}

#[test]
fn pages_of_a_list_have_each_account_once() {
    on_both(|place| {
        let directory = place.open();
        let names: Vec<String> = (0..7).map(|number| format!("user{number}")).collect();
        for name in &names {
            let shown = format!("{name} of Seoul");
            directory
                .sign_up(NewAccount { display_name: Some(&shown), ..new(name) }, Actor::Visitor, NOW)
                .unwrap();
        }
        for limit in 1..4 {
            let (mut seen, mut cursor) = (Vec::new(), None);
            loop {
                let page = directory.search("us", cursor.as_ref(), limit).unwrap();
                seen.extend(page.accounts.into_iter().map(|account| account.handle));
                match page.next {
                    Some(next) => cursor = Some(ListCursor::parse(next.as_str()).unwrap()),
                    None => break,
                }
            }
            assert_eq!(seen, names, "{limit} a page");
        }
        assert_eq!(ListCursor::parse("nonsense").unwrap_err().code(), "bad-value");
    });
}

#[test]
fn the_audit_log_is_read_from_its_end_to_its_beginning() {
    on_both(|place| {
        let directory = place.open();
        for number in 1..=7 {
            let logged = directory.write(move |database| {
                let (act, target) = ("account.role", Target::Account(number));
                Act { by: Actor::Service(3), act, target, reason: "why", details: "user", at: after(number) }
                    .log(database)
            });
            logged.unwrap();
        }
        let (mut seen, mut before) = (Vec::new(), None);
        loop {
            let page = directory.audit(before, 3).unwrap();
            seen.extend(page.entries);
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        let ids: Vec<_> = seen.iter().map(|entry| entry.id).collect();
        assert_eq!(ids, [7, 6, 5, 4, 3, 2, 1]);
        let first = &seen[6];
        assert_eq!((first.actor, first.target, first.at), (Actor::Service(3), Target::Account(1), after(1)));
        assert_eq!((first.reason.as_str(), first.details.as_str()), ("why", "user"));
    });
}

#[test]
fn numbers_of_the_audit_log_rise_with_the_time_of_their_commits() {
    on_both(|place| {
        let directories = [place.open(), place.open()];
        sign_up(&directories[0], "alice");
        std::thread::scope(|scope| {
            for directory in &directories {
                scope.spawn(|| {
                    for _ in 0..20 {
                        directory.give_consent("alice", "birth-date", Actor::Operator, NOW).unwrap();
                        directory.withdraw_consent("alice", "birth-date", Actor::Operator, NOW).unwrap();
                    }
                });
            }
            // Whoever reads meanwhile never finds one before the newest that it saw.
            let mut newest = 0;
            for _ in 0..40 {
                let entries = directories[0].audit(None, 100).unwrap().entries;
                let ids: Vec<_> = entries.iter().rev().map(|entry| entry.id).collect();
                let missed = ids.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
                assert_eq!(missed, 0, "{ids:?}");
                assert!(ids.last() >= Some(&newest));
                newest = ids.last().copied().unwrap_or_default();
            }
        });
    });
}

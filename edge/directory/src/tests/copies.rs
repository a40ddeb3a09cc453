//! A directory copied into another database.

use super::*;
use crate::accounts::{Forbidden, Restriction};
use crate::audit::{Act, Target};
use crate::upkeep::{check, copy};

fn fill(directory: &Directory) {
    admin(directory, "root-admin");
    sign_up(directory, "홍길동");
    sign_up(directory, "gone");
    directory.delete("gone", "", Actor::Operator, NOW).unwrap();
    directory.open_session("홍길동", "phone", NOW).unwrap();
    let forbidden = Forbidden { until: after(60), reason: "it's \"quoted\"".to_owned() };
    directory.forbid("홍길동", Restriction::Chat, &forbidden, Actor::Operator, NOW).unwrap();
    directory.give_consent("홍길동", "guardian", Actor::Account(1), NOW).unwrap();
    directory.add_sign_up_code("class 3", (30, after(60)), Actor::Account(1), NOW).unwrap();
    directory.add_password_reset("홍길동", Actor::Account(1), NOW).unwrap();
    let logged = directory.write(|database| {
        (0..1_234).try_for_each(|number| {
            let target = Target::Key(number);
            Act { by: Actor::Operator, act: "key.add", target, reason: "", details: "", at: NOW }
                .log(database)
        })
    });
    logged.unwrap();
}

fn expect_same(from: &Place, to: &Place) {
    let report = copy(&from.location, &to.location).unwrap();
    assert_eq!(report.rows.iter().find(|(table, _)| *table == "accounts"), Some(&("accounts", 2)));
    let (one, other) = (from.open(), to.open());
    assert_eq!(one.account("홍길동").unwrap(), other.account("홍길동").unwrap());
    assert_eq!(one.audit(None, 100).unwrap(), other.audit(None, 100).unwrap());
    assert_eq!(one.sessions("홍길동", NOW).unwrap(), other.sessions("홍길동", NOW).unwrap());
    assert_eq!(other.check_password("홍길동", PASSWORD, NOW).unwrap().id, 2);
    assert_eq!(code(other.is_available("gone")), "name-taken");
    assert_eq!(other.sign_up_codes(0, 10, NOW).unwrap(), one.sign_up_codes(0, 10, NOW).unwrap());
    assert_eq!(other.search("ㅎㄱㄷ", None, 10).unwrap().accounts.len(), 1);
    sign_up(&other, "later");
    assert_eq!(other.account("later").unwrap().id, 4, "the numbers go on");
    let (one, other) = (check(&from.location).unwrap(), check(&to.location).unwrap());
    assert_eq!((one.fault_count, other.fault_count), (0, 0));
    assert_eq!(one.rows_of("audit_log") + 1, other.rows_of("audit_log"));
}

#[test]
fn a_copy_has_everything_in_either_direction() {
    on_both(|place| {
        fill(&place.open());
        expect_same(place, &Place::sqlite());
        if let Some(server) = Server::shared() {
            expect_same(place, &Place { location: server.new_database(), _files: None });
        }
    });
}

#[test]
fn a_copy_replaces_nothing() {
    on_both(|place| {
        let from = Place::sqlite();
        fill(&from.open());
        sign_up(&place.open(), "alice");
        let refused = copy(&from.location, &place.location).unwrap_err();
        assert!(refused.to_string().contains("not empty"), "{refused}");
        place.open().account("alice").unwrap();
        assert_eq!(code(place.open().account("홍길동")), "no-account");
        let missing = Place::sqlite();
        assert_eq!(cause(copy(&missing.location, &Place::sqlite().location)), Cause::Missing);
    });
}

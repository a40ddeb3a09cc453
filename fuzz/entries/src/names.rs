//! Names of users and rooms, and texts.

use super::line::is_clean;
use madang_model::{Account, AccountId, AccountKind, DraftId, Identity, RoomName, Text, UserName};

/// Two names, a line each.
pub fn names(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (one, other) = text.split_once('\n').unwrap_or((text, text));
    if let Ok(name) = UserName::parse(one) {
        is_clean(name.as_str());
        assert!((1..=32).contains(&name.as_str().chars().count()), "{name}");
        let again = UserName::parse(name.as_str()).expect("a name that was accepted");
        assert_eq!((again.as_str(), again.key()), (name.as_str(), name.key()), "a name is stable");
        assert_eq!(again.skeleton(), name.skeleton());
        if let Ok(other) = UserName::parse(other) {
            if name.key() == other.key() {
                assert_eq!(name.skeleton(), other.skeleton(), "one user has one home");
            } else {
                let account = |kind| Identity::from(Account::new(kind, AccountId(7)));
                let (user, service) = (account(AccountKind::User), account(AccountKind::Service));
                for (one, two) in [
                    (Identity::GUEST, Identity::GUEST),
                    (Identity::guest(1), Identity::guest(u64::MAX)),
                    (user, Identity::guest(95)),
                    (service, user),
                ] {
                    direct(&name.clone().known_as(one), &other.clone().known_as(two));
                }
            }
        }
    }
    if let Ok(room) = RoomName::parse(one) {
        is_clean(room.as_str());
        assert!(!room.is_direct() && (1..=64).contains(&room.as_str().chars().count()));
        let stored = RoomName::from_log(room.as_str()).expect("a name that was accepted");
        assert_eq!(stored.key(), room.key());
    }
    if let Ok(room) = RoomName::from_log(one) {
        let stored = RoomName::from_log(room.as_str()).expect("a name that was stored");
        assert_eq!((stored.key(), stored.is_direct()), (room.key(), room.is_direct()));
    }
    if let Some(text) = Text::sanitise(one) {
        is_clean(text.as_str());
        let again = Text::sanitise(text.as_str()).expect("a text that was accepted");
        assert_eq!(again.as_str(), text.as_str(), "a text is stable");
        assert!(text.as_str().len() <= one.len() * 3, "a text grows at most three-fold");
    }
    if let Some(draft) = DraftId::parse(one) {
        assert!(draft.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
    }
}

/// Both call their room by one name, and it reads back from the log.
fn direct(one: &UserName, other: &UserName) {
    let room = RoomName::direct(one, other);
    assert_eq!(room.key(), RoomName::direct(other, one).key());
    let stored = RoomName::from_log(room.as_str()).expect("the name of a direct room");
    assert!(stored.is_direct() && stored.key() == room.key());
}

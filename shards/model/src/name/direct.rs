//! The names of direct rooms: whose they are, in an order.

use super::rules::canonical_of_checked;
use super::{NameError, UserName};
use crate::account::{Account, AccountKind};
use crate::id::AccountId;

/// What stands between the two sides; no name that a person chooses contains it.
pub const DIRECT_SEPARATOR: char = '&';
/// What stands before the number of an account, or of a guest's session; no name contains it either.
const NUMBER_MARK: char = '~';
/// What stands between that and the number of a program's account.
const SERVICE_MARK: char = 's';
/// Of a number in base 16.
const HEX_DIGITS_MAX: usize = 16;

/// The name of the direct room of two users, in whatever order they are given.
pub fn direct_name(a: &UserName, b: &UserName) -> Box<str> {
    joined(side_of(a), side_of(b))
}

/// The same of what a log holds.
///
/// # Errors
/// [`NameError`] when it is none.
pub fn read_direct_name(a: &str, b: &str) -> Result<Box<str>, NameError> {
    Ok(joined(read_side(a)?, read_side(b)?))
}

fn joined(a: String, b: String) -> Box<str> {
    let (first, second) = if a <= b { (a, b) } else { (b, a) };
    format!("{first}{DIRECT_SEPARATOR}{second}").into_boxed_str()
}

/// `~7` is the account 7, `~s7` that of a program, `bob~5f` a guest by its session; a guest of whom only the name is known
/// is written as before log format 3.
fn side_of(user: &UserName) -> String {
    if let Some(account) = user.account() {
        return side_of_account(account);
    }
    let canonical = canonical_of_checked(user.as_str());
    match user.identity().guest_number() {
        Some(number) => side_of_guest(canonical, number),
        None => canonical,
    }
}

/// By hand: formatting takes 0.4 µs a side, of each whisper.
fn side_of_guest(canonical: String, number: u64) -> String {
    let mut side = canonical;
    side.reserve(NUMBER_MARK.len_utf8() + HEX_DIGITS_MAX);
    side.push(NUMBER_MARK);
    let digits = (u64::BITS - number.leading_zeros()).div_ceil(4);
    let hex = |place: u32| char::from_digit((number >> (4 * place)) as u32 & 0xf, 16);
    side.extend((0..digits).rev().filter_map(hex));
    side
}

fn side_of_account(account: Account) -> String {
    let id = account.id().0;
    match account.kind() {
        AccountKind::User => format!("{NUMBER_MARK}{id}"),
        AccountKind::Service => format!("{NUMBER_MARK}{SERVICE_MARK}{id}"),
    }
}

fn read_side(side: &str) -> Result<String, NameError> {
    let Some((name, number)) = side.split_once(NUMBER_MARK) else {
        return Ok(canonical_of_checked(UserName::parse(side)?.as_str()));
    };
    if name.is_empty() {
        let (kind, id) = match number.strip_prefix(SERVICE_MARK) {
            Some(id) => (AccountKind::Service, id),
            None => (AccountKind::User, number),
        };
        let account = id.parse().ok().and_then(|id| Account::new(kind, AccountId(id)));
        return account.map(side_of_account).ok_or(NameError::NotAllowed);
    }
    let canonical = canonical_of_checked(UserName::parse(name)?.as_str());
    let number = u64::from_str_radix(number, 16).ok().filter(|number| (1..=Account::ID_MAX).contains(number));
    let number = number.ok_or(NameError::NotAllowed)?;
    Ok(side_of_guest(canonical, number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Identity;
    use crate::name::RoomName;

    fn user(name: &str, identity: Identity) -> UserName {
        UserName::parse(name).expect("a user name").known_as(identity)
    }

    fn account(id: u64) -> Identity {
        Account::new(AccountKind::User, AccountId(id)).into()
    }

    #[test]
    fn a_direct_room_is_two_accounts_by_id_and_a_guests_only_for_its_session() {
        let (alice, alicia) = (user("alice", account(7)), user("alicia", account(7)));
        let bob = user("bob", account(9));
        assert_eq!(RoomName::direct(&alice, &bob).as_str(), "~7&~9");
        assert_eq!(RoomName::direct(&bob, &alicia).key(), RoomName::direct(&alice, &bob).key());
        let others = [
            user("alice", account(8)),
            user("alice", Account::new(AccountKind::Service, AccountId(7)).into()),
            user("alice", Identity::guest(7)),
            user("alice", Identity::guest(8)),
            user("alice", Identity::GUEST),
        ];
        let mut names: Vec<String> =
            others.iter().map(|other| RoomName::direct(other, &bob).as_str().to_owned()).collect();
        names.sort_unstable();
        assert_eq!(names, ["alice&~9", "alice~7&~9", "alice~8&~9", "~8&~9", "~9&~s7"]);
    }

    #[test]
    fn the_name_of_a_direct_room_is_read_as_it_was_written_and_nothing_else_is_one() {
        let identities =
            [account(7), Account::new(AccountKind::Service, AccountId(1)).into(), Identity::guest(95)];
        for identity in identities.into_iter().chain([Identity::GUEST]) {
            let room = RoomName::direct(&user("지수", identity), &user("Bob", Identity::guest(u64::MAX)));
            assert_eq!(RoomName::from_log(room.as_str()).map(|read| read.key()), Ok(room.key()), "{room}");
        }
        for wrong in
            ["~&~9", "~0&~9", "~x&~9", "~s&~9", "bob~&~9", "bob~0&~9", "bob~g&~9", "bob~1~2&~9", "~7~7&~9"]
        {
            assert!(RoomName::from_log(wrong).is_err(), "{wrong}");
        }
    }
}

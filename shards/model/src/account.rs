//! Who is behind a name.

use super::id::AccountId;
use std::fmt;

/// What sort of account.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum AccountKind {
    /// Of a person.
    User,
    /// Of a program with a key.
    Service,
}

/// An account: it stays the same whatever its name becomes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Account {
    kind: AccountKind,
    /// Invariant: from 1 to [`Account::ID_MAX`].
    id: AccountId,
}

impl Account {
    /// The highest id.
    pub const ID_MAX: u64 = (1 << 61) - 1;

    /// The account of this kind and id; `None` where no account has such an id.
    pub fn new(kind: AccountKind, id: AccountId) -> Option<Account> {
        (1..=Account::ID_MAX).contains(&id.0).then_some(Account { kind, id })
    }

    /// What sort it is.
    pub fn kind(self) -> AccountKind {
        self.kind
    }

    /// Its id, not 0, by which rooms know it.
    pub fn id(self) -> AccountId {
        self.id
    }
}

/// Who is behind a name: a guest, by the one session that has it, or an account. In 8 bytes, as a million names are held at once.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Identity(u64);

/// The kind of an identity, above its number.
const KIND_SHIFT: u32 = 62;
const USER: u64 = 1 << KIND_SHIFT;
const SERVICE: u64 = 2 << KIND_SHIFT;

impl Identity {
    /// A guest of whom only the name is known.
    pub const GUEST: Identity = Identity(0);

    /// A guest, by a number that no other session with the name ever had or has; of 0 nothing is known.
    pub fn guest(number: u64) -> Identity {
        Identity(number & Account::ID_MAX)
    }

    /// The number of a guest's session, if it is known.
    pub fn guest_number(self) -> Option<u64> {
        (self.0 >> KIND_SHIFT == 0 && self.0 != 0).then_some(self.0)
    }

    /// The account, if it is one.
    pub fn account(self) -> Option<Account> {
        let kind = match self.0 >> KIND_SHIFT {
            1 => AccountKind::User,
            2 => AccountKind::Service,
            _ => return None,
        };
        Account::new(kind, AccountId(self.0 & Account::ID_MAX))
    }

    /// Whether both are the same account: two guests never are known to be one.
    pub fn is_same_account(self, other: Identity) -> bool {
        self.account().is_some() && self == other
    }
}

impl From<Account> for Identity {
    fn from(Account { kind, id }: Account) -> Identity {
        let kind = match kind {
            AccountKind::User => USER,
            AccountKind::Service => SERVICE,
        };
        Identity(kind | id.0)
    }
}

impl From<Option<Account>> for Identity {
    fn from(account: Option<Account>) -> Identity {
        account.map_or(Identity::GUEST, Identity::from)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.account() {
            Some(Account { kind, id }) => write!(f, "{kind:?} {}", id.0),
            None => write!(f, "guest {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_the_account_that_it_was_made_of() {
        for kind in [AccountKind::User, AccountKind::Service] {
            for id in [1, 7, Account::ID_MAX] {
                let account = Account::new(kind, AccountId(id)).expect("an account");
                assert_eq!(Identity::from(account).account(), Some(account));
                assert!(Identity::from(account).is_same_account(account.into()));
            }
            for none in [0, Account::ID_MAX + 1] {
                assert_eq!(Account::new(kind, AccountId(none)), None);
            }
        }
        let of = |kind| Account::new(kind, AccountId(7));
        let (user, service) = (of(AccountKind::User), of(AccountKind::Service));
        assert!(!Identity::from(user).is_same_account(service.into()));
        assert_eq!(Identity::GUEST.account(), None);
        assert_eq!((Identity::guest(7).guest_number(), Identity::guest(7).account()), (Some(7), None));
        assert_eq!(Identity::from(user).guest_number(), None);
        assert!(!Identity::guest(7).is_same_account(Identity::guest(7)));
        assert!(!Identity::GUEST.is_same_account(Identity::GUEST), "nobody knows whether two guests are one");
    }
}

//! Accounts and sessions as they are shown.

use crate::time::rfc3339;
use madang_directory::{Account, Actor, FOR_EVER, Forbidden, Role, Session};
use madang_model::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How the end of what has none is written.
pub const FOR_EVER_WORD: &str = "forever";

/// What an account may do on the server as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, Debug)]
#[serde(rename_all = "kebab-case")]
#[schema(as = Role)]
pub enum ShownRole {
    /// What everyone may.
    User,
    /// Everything.
    Admin,
}

impl From<Role> for ShownRole {
    fn from(role: Role) -> ShownRole {
        match role {
            Role::User => ShownRole::User,
            Role::Admin => ShownRole::Admin,
        }
    }
}

impl From<ShownRole> for Role {
    fn from(role: ShownRole) -> Role {
        match role {
            ShownRole::User => Role::User,
            ShownRole::Admin => Role::Admin,
        }
    }
}

/// An account, as others see it.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub struct ShownUser {
    /// Its unique name.
    #[schema(example = "홍길동")]
    pub name: String,
    /// What is shown beside it.
    pub display_name: String,
}

impl From<&Account> for ShownUser {
    fn from(account: &Account) -> ShownUser {
        ShownUser { name: account.handle.clone(), display_name: account.display_name.clone() }
    }
}

/// An account, as its owner sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = Me)]
pub struct ShownMe {
    /// Never used for another account.
    pub id: i64,
    /// Its unique name, which never changes.
    pub name: String,
    /// What is shown beside it.
    pub display_name: String,
    /// What it may do.
    pub role: ShownRole,
    /// When it was made.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Until when it posts nowhere; `forever` without an end; `null` if it may post.
    #[schema(required = true)]
    pub chat_banned_until: Option<String>,
}

impl ShownMe {
    /// Of an account at this time.
    pub fn of(account: &Account, now: Timestamp) -> ShownMe {
        ShownMe {
            id: account.id,
            name: account.handle.clone(),
            display_name: account.display_name.clone(),
            role: account.role.into(),
            created_at: rfc3339(account.created_at),
            chat_banned_until: account.chat_ban_at(now).map(end_of),
        }
    }
}

/// Whether an account may log in and post.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, ToSchema, Debug)]
#[serde(rename_all = "kebab-case")]
#[schema(as = AccountState)]
pub enum ShownState {
    /// It may.
    Active,
    /// It cannot log in.
    Banned,
    /// It reads, and posts nowhere.
    ChatBanned,
}

/// An account, as admins see it.
#[derive(Serialize, ToSchema)]
#[schema(as = AdminAccount)]
pub struct ShownAccount {
    /// Never used for another account.
    pub id: i64,
    /// Its unique name.
    pub name: String,
    /// What is shown beside it.
    pub display_name: String,
    /// What it may do.
    pub role: ShownRole,
    /// Whether it may log in and post.
    pub state: ShownState,
    /// When it was made.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Until when it cannot log in; `forever` without an end; `null` if it can.
    #[schema(required = true)]
    pub banned_until: Option<String>,
    /// Why, as it was given; may be empty.
    pub ban_reason: String,
    /// Until when it posts nowhere; `forever` without an end; `null` if it may post.
    #[schema(required = true)]
    pub chat_banned_until: Option<String>,
    /// Why, as it was given; may be empty.
    pub chat_ban_reason: String,
}

impl ShownAccount {
    /// Of an account at this time.
    pub fn of(account: &Account, now: Timestamp) -> ShownAccount {
        let (ban, chat_ban) = (account.ban_at(now), account.chat_ban_at(now));
        let reason = |ban: Option<&Forbidden>| ban.map(|ban| ban.reason.clone()).unwrap_or_default();
        ShownAccount {
            id: account.id,
            name: account.handle.clone(),
            display_name: account.display_name.clone(),
            role: account.role.into(),
            state: match (ban, chat_ban) {
                (Some(_), _) => ShownState::Banned,
                (None, Some(_)) => ShownState::ChatBanned,
                (None, None) => ShownState::Active,
            },
            created_at: rfc3339(account.created_at),
            banned_until: ban.map(end_of),
            ban_reason: reason(ban),
            chat_banned_until: chat_ban.map(end_of),
            chat_ban_reason: reason(chat_ban),
        }
    }
}

fn end_of(ban: &Forbidden) -> String {
    if ban.until == FOR_EVER { FOR_EVER_WORD.to_owned() } else { rfc3339(ban.until) }
}

/// A session of an account.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub struct ShownSession {
    /// Never used for another session.
    pub id: i64,
    /// What the device calls itself; may be empty.
    pub device: String,
    /// When it logged in.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it was renewed last.
    #[schema(format = DateTime)]
    pub used_at: String,
    /// Whether it is the one that asks.
    pub current: bool,
}

impl ShownSession {
    /// Of a session; `current` is the one that asks.
    pub fn of(session: &Session, current: i64) -> ShownSession {
        ShownSession {
            id: session.id,
            device: session.device.clone(),
            created_at: rfc3339(session.created_at),
            used_at: rfc3339(session.used_at),
            current: session.id == current,
        }
    }
}

/// Who acts.
#[derive(Serialize, ToSchema)]
#[schema(as = Actor)]
pub struct ShownActor {
    /// `operator`, `account`, `service` or `visitor`.
    #[schema(example = "account")]
    kind: &'static str,
    /// The number of the account or service; 0 for others.
    id: i64,
}

impl From<Actor> for ShownActor {
    fn from(actor: Actor) -> ShownActor {
        let (kind, id) = actor.stored();
        ShownActor { kind, id }
    }
}

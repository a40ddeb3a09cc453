//! Changes on the condition that what is changed is what was read (RFC 9110, section 13.1.1).

use crate::problem::{Problem, ProblemCode};
use axum::extract::FromRequestParts;
use axum::http::HeaderValue;
use axum::http::header::IF_MATCH;
use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use madang_directory::Account;
use ring::digest::{Context, SHA256};

/// Bytes of the hash that are in a tag.
const TAG_BYTES: usize = 12;

/// The state that a change is meant for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum IfMatch {
    /// Whatever it is.
    Any,
    /// One of these.
    Tags(Vec<String>),
}

impl IfMatch {
    /// What the directory is to compare: the account as it was just read.
    ///
    /// # Errors
    /// [`ProblemCode::ChangedMeanwhile`].
    pub fn expected(&self, current: &Account) -> Result<Option<Account>, Problem> {
        match self {
            IfMatch::Any => Ok(None),
            IfMatch::Tags(tags) if tags.iter().any(|tag| *tag == tag_of(current)) => {
                Ok(Some(current.clone()))
            }
            IfMatch::Tags(_) => Err(Problem::plain(ProblemCode::ChangedMeanwhile)),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let given = parts.headers.get_all(IF_MATCH).iter().filter_map(|value| value.to_str().ok());
        let tags: Vec<String> =
            given.flat_map(|value| value.split(',')).map(|tag| tag.trim().to_owned()).collect();
        match tags.first().map(String::as_str) {
            None => Err(Problem::plain(ProblemCode::IfMatchMissing)),
            Some("*") if tags.len() == 1 => Ok(IfMatch::Any),
            // A weak one is never the same (RFC 9110, section 8.8.3.2); ours are strong.
            Some(_) => Ok(IfMatch::Tags(tags)),
        }
    }
}

/// The tag of an account's state, for the header `ETag`.
pub fn entity_tag(account: &Account) -> HeaderValue {
    HeaderValue::from_str(&tag_of(account)).expect("base 64 is visible")
}

fn tag_of(account: &Account) -> String {
    let mut context = Context::new(&SHA256);
    let mut part = |bytes: &[u8]| {
        context.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(bytes);
    };
    part(&account.id.to_be_bytes());
    part(account.display_name.as_bytes());
    part(account.role.word().as_bytes());
    for ban in [&account.ban, &account.chat_ban] {
        let (until, reason) = ban.as_ref().map_or((0, ""), |ban| (ban.until.0, ban.reason.as_str()));
        part(&until.to_be_bytes());
        part(reason.as_bytes());
    }
    let digest = context.finish();
    format!("\"{}\"", URL_SAFE_NO_PAD.encode(&digest.as_ref()[..TAG_BYTES]))
}

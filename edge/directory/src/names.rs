//! Who has a name, or had it: look-alikes are one name.
//!
//! A name makes up to three claims: one by what it is, two by its looks. No claim is made twice, which the table's
//! primary key decides, whoever asks at the same time. Claims are keyed hashes and stay when an account is deleted:
//! nobody takes its name later, and the name itself is nowhere any more.

use crate::error::{DirectoryError, Mistake};
use crate::secret::hex;
use crate::sql::{Database, Value};
use madang_model::{SkeletonKey, UserName};
use ring::hmac;

/// Bytes of a claim that are kept: two of a billion names are never one.
const CLAIM_BYTES: usize = 16;
/// What a name is.
const IS: &str = "is";
/// What a name looks like.
const LOOKS: &str = "looks";

/// The claims of a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claims {
    shown: String,
    /// By what it is.
    exact: String,
    /// By its looks: one, or two that differ.
    looks: Vec<String>,
}

impl Claims {
    /// Those of a name.
    pub fn of(name: &UserName, key: &hmac::Key) -> Claims {
        let claim = |kind: &str, bytes: &[u8]| {
            let mut text = kind.as_bytes().to_vec();
            text.push(0);
            text.extend_from_slice(bytes);
            hex(&hmac::sign(key, &text).as_ref()[..CLAIM_BYTES])
        };
        let look = |look: SkeletonKey| claim(LOOKS, &look.to_bits().to_be_bytes());
        let exact = claim(IS, name.canonical().as_bytes());
        let mut looks = vec![look(name.looks().lower_case), look(name.looks().shown)];
        looks.dedup();
        Claims { shown: name.as_str().to_owned(), exact, looks }
    }

    /// By what the name is: what finds its account.
    pub fn exact(&self) -> &str {
        &self.exact
    }

    /// Every claim, with its kind.
    pub fn all(&self) -> impl Iterator<Item = (&str, &'static str)> {
        let looks = self.looks.iter().map(|look| (look.as_str(), LOOKS));
        std::iter::once((self.exact.as_str(), IS)).chain(looks)
    }

    /// Whether nobody has made any of them.
    ///
    /// # Errors
    /// [`Mistake::NameTaken`], [`Mistake::NameConfusable`].
    pub fn are_free(&self, database: &mut dyn Database) -> Result<(), DirectoryError> {
        let sql = "SELECT claim FROM name_claims WHERE claim IN ($1, $2, $3)";
        let last = self.looks.last().map_or(self.exact(), |look| look);
        let values = [self.exact().into(), self.looks[0].as_str().into(), last.into()];
        let found = database.query(sql, &values)?;
        if found.is_empty() {
            return Ok(());
        }
        for row in &found {
            if row.text(0)? == self.exact {
                return Err(Mistake::NameTaken(self.shown.clone()).into());
            }
        }
        Err(Mistake::NameConfusable(self.shown.clone()).into())
    }

    /// Makes them for an account.
    ///
    /// # Errors
    /// As [`Claims::are_free`]; then the transaction is to be undone.
    pub fn make(&self, database: &mut dyn Database, account: i64) -> Result<(), DirectoryError> {
        let sql = "INSERT INTO name_claims (claim, kind, account) VALUES ($1, $2, $3) \
                   ON CONFLICT (claim) DO NOTHING RETURNING claim";
        for (claim, kind) in self.all() {
            let values: [Value; 3] = [claim.into(), kind.into(), account.into()];
            if database.query(sql, &values)?.is_empty() {
                return Err(match kind {
                    IS => Mistake::NameTaken(self.shown.clone()),
                    _ => Mistake::NameConfusable(self.shown.clone()),
                }
                .into());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(name: &str) -> Claims {
        Claims::of(&UserName::parse(name).unwrap(), &hmac::Key::new(hmac::HMAC_SHA256, b"a key"))
    }

    #[test]
    fn look_alikes_share_a_claim_and_others_none() {
        let is_shared = |one: &str, other: &str| {
            let (one, other) = (claims(one), claims(other));
            one.all().any(|(claim, _)| other.all().any(|(found, _)| claim == found))
        };
        for (one, other) in [("alice", "ALICE"), ("alice", "aIice"), ("alice", "аlice"), ("홍길동", "홍길동")]
        {
            assert!(is_shared(one, other), "{one} {other}");
        }
        for (one, other) in [("alice", "bob"), ("홍길동", "홍길순")] {
            assert!(!is_shared(one, other), "{one} {other}");
        }
    }

    #[test]
    fn a_claim_says_nothing_of_the_name_without_the_key() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"another");
        let other = Claims::of(&UserName::parse("alice").unwrap(), &key);
        assert_ne!(claims("alice").exact(), other.exact());
        assert!(!format!("{:?}", claims("alice").exact()).contains("alice"));
    }
}

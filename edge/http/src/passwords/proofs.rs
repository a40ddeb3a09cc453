//! Proofs of passwords that were right, so that the same login again costs microseconds.
//!
//! A proof is an HMAC of the account, of what is stored of its password, and of the password, under a key of this process
//! that is nowhere else. It holds for hours, and no more at all once another password is stored: then what is stored is
//! another text, whichever process has written it. Bans are read at each login, proof or not.

use crate::table::BoundedTable;
use madang_directory::Credential;
use madang_model::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};
use std::sync::{Mutex, PoisonError};

/// How long a proof holds: six hours, in microseconds.
pub const PROOF_TIME_US: i64 = 6 * 60 * 60 * 1_000_000;
/// Proofs that are kept, 150 bytes each; the one used longest ago is forgotten, and its account computes again.
const PROOFS_MAX: usize = 131_072;

/// The proofs of this process.
pub struct Proofs {
    key: [u8; 32],
    proofs: Mutex<BoundedTable<i64, Proof>>,
}

struct Proof {
    value: [u8; 32],
    until: Timestamp,
}

impl Default for Proofs {
    fn default() -> Proofs {
        let mut key = [0; 32];
        SystemRandom::new().fill(&mut key).expect("the kernel has random bytes");
        Proofs { key, proofs: Mutex::new(BoundedTable::new(PROOFS_MAX)) }
    }
}

impl Proofs {
    /// Whether this password was right for what is stored now.
    pub fn has(&self, credential: &Credential, password: &str, now: Timestamp) -> bool {
        let (Some(account), Some(value)) = (credential.account_id(), credential.proof(&self.key, password))
        else {
            return false;
        };
        let mut proofs = self.proofs.lock().unwrap_or_else(PoisonError::into_inner);
        // Of a keyed hash that nobody can choose, the time of the comparison says nothing.
        proofs.get_mut(&account).is_some_and(|proof| proof.value == value && now < proof.until)
    }

    /// Remembers that this password is right.
    pub fn put(&self, credential: &Credential, password: &str, now: Timestamp) {
        let (Some(account), Some(value)) = (credential.account_id(), credential.proof(&self.key, password))
        else {
            return;
        };
        let until = Timestamp(now.0.saturating_add(PROOF_TIME_US));
        let mut proofs = self.proofs.lock().unwrap_or_else(PoisonError::into_inner);
        proofs.insert(account, Proof { value, until });
    }

    /// Forgets an account.
    pub fn forget(&self, account: i64) {
        self.proofs.lock().unwrap_or_else(PoisonError::into_inner).remove(&account);
    }
}

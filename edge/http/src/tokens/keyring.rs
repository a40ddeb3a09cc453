//! The keys that sign access tokens: the current one, and the one before, as long as its tokens hold.

use super::access::{ACCESS_TIME, AccessToken, TokenFault};
use super::file::{KeyFile, KeyFileError, KeyFileStamp};
use super::key::TokenKey;
use madang_model::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// How long the key before holds after a rotation: as long as the tokens that it has signed.
pub const PREVIOUS_TIME: Duration = ACCESS_TIME;
/// How often the file is looked at, at most.
const LOOK_TIME: Duration = Duration::from_millis(500);

struct Keys {
    current: TokenKey,
    previous: Option<TokenKey>,
}

impl From<KeyFile> for Keys {
    fn from(file: KeyFile) -> Keys {
        Keys {
            current: TokenKey::new(&file.current.id, &file.current.secret, None),
            previous: file.previous.map(|(key, until)| TokenKey::new(&key.id, &key.secret, Some(until))),
        }
    }
}

/// The keys of a data directory. A command may rotate them while this is in use.
pub struct Keyring {
    directory: PathBuf,
    keys: RwLock<Arc<Keys>>,
    looked: Mutex<Look>,
}

/// When the file was looked at, and what it was then.
struct Look {
    at: Instant,
    stamp: KeyFileStamp,
}

impl Keyring {
    /// The keys in `directory`, which are made if there are none.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn open(directory: &Path, now: Timestamp) -> Result<Keyring, KeyFileError> {
        let (file, stamp) = KeyFile::read_or_make(directory, now)?;
        Ok(Keyring {
            directory: directory.to_owned(),
            keys: RwLock::new(Arc::new(file.into())),
            looked: Mutex::new(Look { at: Instant::now(), stamp }),
        })
    }

    /// An access token for a session, which holds for [`ACCESS_TIME`].
    pub fn sign(&self, account: i64, session: i64, now: Timestamp) -> String {
        self.look();
        let time_us = i64::try_from(ACCESS_TIME.as_micros()).unwrap_or(i64::MAX);
        let token = AccessToken { account, session, expires_at: Timestamp(now.0.saturating_add(time_us)) };
        token.sign(&self.keys().current, now)
    }

    /// What an access token says.
    ///
    /// # Errors
    /// [`TokenFault`].
    pub fn check(&self, text: &str, now: Timestamp) -> Result<AccessToken, TokenFault> {
        let checked = self.check_with(&self.keys(), text, now);
        match checked {
            // It may be of a key that a command has just made.
            Err(TokenFault::Invalid) if self.look() => self.check_with(&self.keys(), text, now),
            checked => checked,
        }
    }

    fn check_with(&self, keys: &Keys, text: &str, now: Timestamp) -> Result<AccessToken, TokenFault> {
        AccessToken::check(text, std::iter::once(&keys.current).chain(&keys.previous), now)
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the file again if it was replaced. Says whether it was.
    fn look(&self) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.at.elapsed() < LOOK_TIME {
            return false;
        }
        looked.at = Instant::now();
        if KeyFileStamp::of(&self.directory).is_none_or(|stamp| stamp == looked.stamp) {
            return false;
        }
        match KeyFile::read(&self.directory) {
            Ok((file, stamp)) => {
                looked.stamp = stamp;
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(file.into());
                true
            }
            Err(error) => {
                tracing::warn!("{error}; the keys that were read before stay in use");
                false
            }
        }
    }
}

/// Makes another key, for a command. The one before holds for [`PREVIOUS_TIME`]; the one before that no more. A process
/// that uses the keys finds the new one by itself.
///
/// # Errors
/// [`KeyFileError`].
pub fn rotate(directory: &Path, now: Timestamp) -> Result<(), KeyFileError> {
    let time_us = i64::try_from(PREVIOUS_TIME.as_micros()).unwrap_or(i64::MAX);
    KeyFile::rotate(directory, now, Timestamp(now.0.saturating_add(time_us)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

    fn after(seconds: i64) -> Timestamp {
        Timestamp(NOW.0 + seconds * 1_000_000)
    }

    /// Looks at the file as if time had passed.
    fn look_later(keyring: &Keyring) {
        keyring.looked.lock().unwrap().at = Instant::now().checked_sub(LOOK_TIME).unwrap();
    }

    #[test]
    fn keys_are_made_once_and_for_their_owner_alone() {
        let data = tempfile::tempdir().unwrap();
        let directory = data.path().join("keys");
        let text = Keyring::open(&directory, NOW).unwrap().sign(42, 7, NOW);
        let again = Keyring::open(&directory, NOW).unwrap();
        let token = again.check(&text, NOW).unwrap();
        assert_eq!((token.account, token.session, token.expires_at), (42, 7, after(900)));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&directory), 0o700);
        assert_eq!(mode(&directory.join(super::super::TOKEN_KEYS_FILE)), 0o600);
        let elsewhere = Keyring::open(&data.path().join("other"), NOW).unwrap();
        assert_eq!(elsewhere.check(&text, NOW), Err(TokenFault::Invalid));
    }

    #[test]
    fn tokens_of_the_key_before_hold_for_a_quarter_of_an_hour_after_a_rotation() {
        let data = tempfile::tempdir().unwrap();
        let keyring = Keyring::open(data.path(), NOW).unwrap();
        let old = keyring.sign(1, 1, NOW);
        rotate(data.path(), after(60)).unwrap();
        // A process that runs meanwhile finds the new key by itself, and others its tokens.
        look_later(&keyring);
        let new = keyring.sign(2, 2, after(61));
        assert_eq!(Keyring::open(data.path(), after(61)).unwrap().check(&new, after(61)).unwrap().account, 2);
        assert_eq!(keyring.check(&old, after(62)).unwrap().account, 1);
        assert_eq!(keyring.check(&old, after(900)), Err(TokenFault::Expired));
        assert_eq!(keyring.check(&old, after(960)), Err(TokenFault::Invalid), "its key is gone");
        rotate(data.path(), after(61)).unwrap();
        look_later(&keyring);
        keyring.sign(3, 3, after(61));
        assert_eq!(keyring.check(&old, after(62)), Err(TokenFault::Invalid), "two rotations ago");
        assert_eq!(keyring.check(&new, after(62)).unwrap().account, 2);
    }

    #[test]
    fn a_token_of_a_key_that_was_just_made_is_found() {
        let data = tempfile::tempdir().unwrap();
        let keyring = Keyring::open(data.path(), NOW).unwrap();
        rotate(data.path(), NOW).unwrap();
        let text = Keyring::open(data.path(), NOW).unwrap().sign(5, 5, NOW);
        look_later(&keyring);
        assert_eq!(keyring.check(&text, NOW).unwrap().account, 5);
    }

    #[test]
    fn a_damaged_file_leaves_the_keys_in_use_and_stops_the_next_start() {
        let data = tempfile::tempdir().unwrap();
        let keyring = Keyring::open(data.path(), NOW).unwrap();
        let text = keyring.sign(1, 1, NOW);
        let path = data.path().join(super::super::TOKEN_KEYS_FILE);
        let other = data.path().join("other");
        fs::write(&other, "madang-token-keys 1\ncurrent\n").unwrap();
        fs::set_permissions(&other, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(&other, &path).unwrap();
        look_later(&keyring);
        assert_eq!(keyring.check(&keyring.sign(2, 2, NOW), NOW).unwrap().account, 2);
        assert_eq!(keyring.check(&text, NOW).unwrap().account, 1);
        let error = Keyring::open(data.path(), NOW).map(drop).unwrap_err().to_string();
        assert!(error.contains("token") && error.contains("remove it"), "{error}");
    }
}

//! Passwords: which are too weak, and what is stored of them.

mod weak;

use crate::error::{DirectoryError, Mistake, Weakness};
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use madang_model::UserName;
use std::fmt;
use unicode_normalization::UnicodeNormalization;

/// The fewest characters of a password.
pub const PASSWORD_CHARS_MIN: usize = 8;
/// The longest password, in bytes; a longer one is refused before anything is computed.
pub const PASSWORD_BYTES_MAX: usize = 1_024;
/// What argon2id takes: 19 MiB, 2 rounds, 1 lane (OWASP's first choice; about 40 ms).
const MEMORY_KIB: u32 = 19 * 1_024;
const ROUNDS: u32 = 2;
const LANES: u32 = 1;
/// The most memory that a stored hash may ask for: who can write to the directory cannot stop the server with it.
const MEMORY_KIB_MAX: u32 = 64 * 1_024;
const ROUNDS_MAX: u32 = 16;
/// What is compared where an account has no password, or does not exist: it takes the same time. No password gives it.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bWFkYW5nL25vYm9keS4uLg$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A password as somebody typed it, in the form that is compared: NFC, as systems send Korean in different forms, and
/// with plain spaces (RFC 8265, section 4.2). It is never shown.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// Of what was typed.
    ///
    /// # Errors
    /// If it is so long that it is not even looked at.
    pub fn typed(text: &str) -> Result<Password, Mistake> {
        if text.len() > PASSWORD_BYTES_MAX {
            return Err(Mistake::PasswordWeak(Weakness::Long { bytes_max: PASSWORD_BYTES_MAX }));
        }
        Ok(Password(text.nfc().map(|c| if c.is_whitespace() && !c.is_control() { ' ' } else { c }).collect()))
    }

    /// A new password of a person, typed twice.
    ///
    /// # Errors
    /// [`Mistake::PasswordsDiffer`], [`Mistake::PasswordWeak`].
    pub fn chosen(text: &str, again: &str, name: &UserName) -> Result<Password, Mistake> {
        let password = Password::typed(text)?;
        if password.0 != Password::typed(again)?.0 {
            return Err(Mistake::PasswordsDiffer);
        }
        match weak::weakness(&password.0, name) {
            Some(weakness) => Err(Mistake::PasswordWeak(weakness)),
            None => Ok(password),
        }
    }

    /// In the form that is compared.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// What is stored of it, as a PHC string. It takes about 40 ms and 19 MiB.
    pub fn hashed(&self) -> String {
        let hash: Result<PasswordHash, _> = hasher().hash_password(self.0.as_bytes());
        hash.expect("a password of this length has a hash").to_string()
    }

    /// Whether what is stored is of this one; `None` stands for an account without a password, or for none, and takes the
    /// same time.
    ///
    /// # Errors
    /// If what is stored is no hash that we would have made.
    pub fn is_of(&self, stored: Option<&str>, place: &str) -> Result<bool, DirectoryError> {
        let damaged = |said: &str| {
            DirectoryError::Unavailable(crate::error::Unavailable {
                place: place.to_owned(),
                cause: crate::error::Cause::Damaged,
                said: said.to_owned(),
            })
        };
        let parsed = PasswordHash::new(stored.unwrap_or(NOBODYS))
            .map_err(|_| damaged("the stored hash of a password is none"))?;
        let params =
            Params::try_from(&parsed).map_err(|_| damaged("a password's hash has wrong parameters"))?;
        if params.m_cost() > MEMORY_KIB_MAX || params.t_cost() > ROUNDS_MAX {
            return Err(damaged("the hash of a password asks for more memory or rounds than is allowed"));
        }
        Ok(hasher().verify_password(self.0.as_bytes(), &parsed).is_ok() && stored.is_some())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

fn hasher() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, ROUNDS, LANES, None).expect("the parameters are valid");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::thread_time;
    use std::time::Duration;

    fn alice() -> UserName {
        UserName::parse("alice").unwrap()
    }

    #[test]
    fn what_is_stored_is_argon2id_of_19_mib_and_2_rounds_and_fits_its_password_alone() {
        let password = Password::typed("네 개의 단어 조합").unwrap();
        let stored = password.hashed();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert_ne!(stored, password.hashed(), "each has a salt of its own");
        assert!(password.is_of(Some(&stored), "").unwrap());
        assert!(!Password::typed("네 개의 단어 조함").unwrap().is_of(Some(&stored), "").unwrap());
        assert!(!password.is_of(None, "").unwrap());
        // As macOS sends it, and with the wide space of an input method.
        let decomposed: String = "네\u{3000}개의 단어 조합".nfd().collect();
        assert!(Password::typed(&decomposed).unwrap().is_of(Some(&stored), "").unwrap());
    }

    #[test]
    fn nobodys_hash_has_the_parameters_of_a_real_one() {
        let real = Password::typed("correct horse battery").unwrap().hashed();
        let head = |hash: &str| hash.split('$').take(4).collect::<Vec<_>>().join("$");
        assert_eq!(head(NOBODYS), head(&real));
        assert_eq!(NOBODYS.len(), real.len());
    }

    #[test]
    fn a_wrong_name_takes_the_time_of_a_wrong_password() {
        let stored = Password::typed("correct horse battery").unwrap().hashed();
        let guess = Password::typed("something else").unwrap();
        let time = |stored: Option<&str>| {
            let began = thread_time();
            assert!(!guess.is_of(stored, "").unwrap());
            thread_time() - began
        };
        // By turns, and the fastest of each, as what else the machine does slows memory down.
        let (known, unknown): (Vec<Duration>, Vec<Duration>) =
            (0..9).map(|_| (time(Some(&stored)), time(None))).unzip();
        let (known, unknown) = (known.into_iter().min().unwrap(), unknown.into_iter().min().unwrap());
        // Without the comparison it would be a thousandth.
        assert!(unknown * 3 > known * 2 && known * 3 > unknown * 2, "{known:?} {unknown:?}");
    }

    #[test]
    fn a_stored_hash_cannot_ask_for_all_memory() {
        let stored = NOBODYS.replace("m=19456", "m=4000000");
        let error = Password::typed("whatever it is").unwrap().is_of(Some(&stored), "x").unwrap_err();
        assert!(error.to_string().contains("more memory"), "{error}");
        let error = Password::typed("whatever it is").unwrap().is_of(Some("plain"), "x").unwrap_err();
        assert!(error.to_string().contains("madang restore"), "{error}");
    }

    #[test]
    fn passwords_that_differ_or_are_huge_are_refused_before_anything_is_computed() {
        let differ = Password::chosen("correct horse battery", "correct horse batterx", &alice());
        assert_eq!(differ.unwrap_err(), Mistake::PasswordsDiffer);
        let began = thread_time();
        let huge = "x".repeat(1 << 20);
        let error = Password::chosen(&huge, &huge, &alice()).unwrap_err();
        assert_eq!(error.code(), "password-weak");
        assert!(thread_time() - began < Duration::from_millis(10));
    }

    #[test]
    fn a_password_is_never_shown() {
        assert_eq!(format!("{:?}", Password::typed("secret words").unwrap()), "Password(…)");
    }
}

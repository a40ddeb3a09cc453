//! What an access token says, and how it is written and checked.

use super::key::TokenKey;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use madang_model::Timestamp;
use ring::hmac;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long an access token holds.
pub const ACCESS_TIME: Duration = Duration::from_secs(15 * 60);
/// Who makes tokens.
const ISSUER: &str = "madang";
/// Whom they are for: the REST and the connections of this server.
const AUDIENCE: &str = "madang:access";
/// The longest token that is looked at, in bytes; ours have about 250.
const TOKEN_BYTES_MAX: usize = 1_024;
/// How far the clock of another process may be behind that of the one that made the token, in seconds.
const CLOCK_SKEW_S: i64 = 5;

/// What an access token says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AccessToken {
    /// Whose it is.
    pub account: i64,
    /// The session that it was made for; it ends with it.
    pub session: i64,
    /// When it expires.
    pub expires_at: Timestamp,
}

/// Why a token is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TokenFault {
    /// It is none of ours, or was changed.
    #[error("no token of this server")]
    Invalid,
    /// It was valid.
    #[error("the token has expired")]
    Expired,
}

/// The claims, in the form of RFC 7519, section 4.1.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenClaims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    sid: i64,
    iat: i64,
    exp: i64,
}

impl AccessToken {
    /// As its holder sends it.
    pub fn sign(&self, key: &TokenKey, now: Timestamp) -> String {
        let subject = self.account.to_string();
        let (iat, exp) = (seconds(now), seconds(self.expires_at));
        let claims = TokenClaims { iss: ISSUER, aud: AUDIENCE, sub: &subject, sid: self.session, iat, exp };
        let body = serde_json::to_vec(&claims).expect("texts and numbers are JSON");
        let mut text = format!("{}.{}", key.head, URL_SAFE_NO_PAD.encode(body));
        let tag = hmac::sign(&key.secret, text.as_bytes());
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(tag, &mut text);
        text
    }

    /// What a token says that one of these keys has signed.
    ///
    /// # Errors
    /// [`TokenFault`].
    pub fn check<'k>(
        text: &str,
        keys: impl IntoIterator<Item = &'k TokenKey>,
        now: Timestamp,
    ) -> Result<AccessToken, TokenFault> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(TokenFault::Invalid);
        }
        let (signed, tag) = text.rsplit_once('.').ok_or(TokenFault::Invalid)?;
        let (head, body) = signed.split_once('.').ok_or(TokenFault::Invalid)?;
        let key = keys.into_iter().find(|key| key.head == head && key.holds_at(now));
        let key = key.ok_or(TokenFault::Invalid)?;
        let tag = URL_SAFE_NO_PAD.decode(tag).map_err(|_| TokenFault::Invalid)?;
        hmac::verify(&key.secret, signed.as_bytes(), &tag).map_err(|_| TokenFault::Invalid)?;
        // Whatever follows is ours, or somebody has the key.
        let body = URL_SAFE_NO_PAD.decode(body).map_err(|_| TokenFault::Invalid)?;
        let claims: TokenClaims<'_> = serde_json::from_slice(&body).map_err(|_| TokenFault::Invalid)?;
        let account = claims.sub.parse().map_err(|_| TokenFault::Invalid)?;
        let is_ours = claims.iss == ISSUER && claims.aud == AUDIENCE;
        if !is_ours || claims.iat > seconds(now).saturating_add(CLOCK_SKEW_S) {
            return Err(TokenFault::Invalid);
        }
        if claims.exp <= seconds(now) {
            return Err(TokenFault::Expired);
        }
        let expires_at = Timestamp(claims.exp.saturating_mul(1_000_000));
        Ok(AccessToken { account, session: claims.sid, expires_at })
    }
}

fn seconds(time: Timestamp) -> i64 {
    time.0.div_euclid(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    const NOW: Timestamp = Timestamp(1_800_000_000_000_000);
    const EXP: Timestamp = Timestamp(NOW.0 + 900_000_000);

    fn key(id: &str, secret: &[u8]) -> TokenKey {
        TokenKey::new(id, secret, None)
    }

    fn token() -> AccessToken {
        AccessToken { account: 42, session: 7, expires_at: EXP }
    }

    fn check(text: &str, at: Timestamp) -> Result<AccessToken, TokenFault> {
        AccessToken::check(text, [&key("k1", b"secret")], at)
    }

    /// A token of this head and body, signed as told.
    fn forged(head: &str, body: &str, secret: &[u8]) -> String {
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(body));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    const HEAD: &str = r#"{"alg":"HS256","typ":"at+jwt","kid":"k1"}"#;

    fn body(iss: &str, aud: &str) -> String {
        format!(r#"{{"iss":"{iss}","aud":"{aud}","sub":"42","sid":7,"iat":1800000000,"exp":1800000900}}"#)
    }

    #[test]
    fn a_token_says_what_was_signed_until_it_expires() {
        let text = token().sign(&key("k1", b"secret"), NOW);
        assert_eq!(check(&text, NOW), Ok(token()));
        assert_eq!(check(&text, Timestamp(EXP.0 - 1)), Ok(token()));
        assert_eq!(check(&text, EXP), Err(TokenFault::Expired));
        assert_eq!(forged(HEAD, &body("madang", "madang:access"), b"secret"), text, "it is a plain JWT");
    }

    #[test]
    fn tokens_of_others_are_refused() {
        let ours = body("madang", "madang:access");
        let unsigned =
            format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), URL_SAFE_NO_PAD.encode(&ours));
        let none_with_kid = HEAD.replace("HS256", "none");
        let hostile = [
            unsigned.clone(),
            unsigned.trim_end_matches('.').to_owned(),
            forged(&none_with_kid, &ours, b"secret"),
            forged(r#"{"alg":"none"}"#, &ours, b"secret"),
            forged(&HEAD.replace("HS256", "RS256"), &ours, b"secret"),
            // A verifier that reads `alg` and takes the PEM of a public key for the secret would let it in.
            forged(HEAD, &ours, b"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----\n"),
            forged(HEAD, &ours, b""),
            forged(&HEAD.replace("k1", "k2"), &ours, b"secret"),
            forged(&HEAD.replace("k1", "../../etc/passwd"), &ours, b"secret"),
            forged(&HEAD.replace('}', r#","crit":["exp"]}"#), &ours, b"secret"),
            forged(HEAD, &body("madang", "madang:other"), b"secret"),
            forged(HEAD, &body("https://elsewhere.example", "madang:access"), b"secret"),
            forged(HEAD, &ours.replace("\"42\"", "\"forty-two\""), b"secret"),
            forged(HEAD, &ours.replace("\"iat\":1800000000", "\"iat\":1800009999"), b"secret"),
            forged(HEAD, &ours.replace("\"sid\":7,", ""), b"secret"),
            forged(HEAD, "[]", b"secret"),
            String::new(),
            ".".to_owned(),
            "...".to_owned(),
            "a.b.c".to_owned(),
            "x".repeat(100_000),
        ];
        for text in hostile {
            assert_eq!(check(&text, NOW), Err(TokenFault::Invalid), "{text:.200}");
        }
        let text = token().sign(&key("k1", b"secret"), NOW);
        for place in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(check(&changed, NOW), Err(TokenFault::Invalid), "byte {place}");
        }
    }

    #[test]
    fn a_token_is_checked_in_microseconds() {
        let key = key("k1", b"secret");
        let text = token().sign(&key, NOW);
        // The fastest of several rounds, as what else the machine does takes time too.
        let rounds = (0..20).map(|_| {
            let began = Instant::now();
            for _ in 0..100 {
                AccessToken::check(&text, [&key], NOW).unwrap();
            }
            began.elapsed() / 100
        });
        let fastest = rounds.min().unwrap();
        println!("a check takes {fastest:?}");
        assert!(fastest < Duration::from_micros(200), "{fastest:?}");
    }
}

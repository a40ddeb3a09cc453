//! A key that signs access tokens.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use madang_model::Timestamp;
use ring::hmac;

/// A key, ready for use.
pub struct TokenKey {
    /// The head of every token that it has signed.
    pub(super) head: String,
    pub(super) secret: hmac::Key,
    /// Until when it holds; `None` for the current one.
    until: Option<Timestamp>,
}

impl TokenKey {
    /// Of its name and secret.
    pub fn new(id: &str, secret: &[u8], until: Option<Timestamp>) -> TokenKey {
        TokenKey { head: head_of(id), secret: hmac::Key::new(hmac::HMAC_SHA256, secret), until }
    }

    /// Whether tokens of it are accepted.
    pub(super) fn holds_at(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// The head of every token of a key, as it is written. Only these very bytes are accepted: `alg` is never read from a
/// token, so that nobody chooses it (RFC 8725, section 3.1).
pub fn head_of(key_id: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"{key_id}\"}}"))
}

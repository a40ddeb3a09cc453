//! Secrets that we make, and the hashes that are stored of them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

/// Bytes of a secret: nobody guesses 256 bits, so that a plain hash of them is enough.
pub const SECRET_BYTES: usize = 32;

/// New random bytes.
///
/// # Panics
/// If the kernel has none, which it always has once it has started.
pub fn random<const BYTES: usize>() -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    SystemRandom::new().fill(&mut bytes).expect("the kernel has random bytes");
    bytes
}

/// A new secret, as hexadecimal digits.
pub fn random_hex() -> String {
    hex(&random::<SECRET_BYTES>())
}

/// Bytes as people copy them: letters, digits, `-` and `_`.
pub fn copyable(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What [`copyable`] gave; `None` if it did not give that.
pub fn copied(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// The hash that is stored of a secret.
pub fn hash(secret: &[u8]) -> String {
    hex(digest(&SHA256, secret).as_ref())
}

/// Hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

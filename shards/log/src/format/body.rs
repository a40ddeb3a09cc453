//! The bodies of entries.

use super::archive::Inline;
use rkyv::{Archive, Serialize};

/// The version of every body that this program writes.
pub const BODY_VERSION: u8 = 1;

/// The body of a message, and of each other entry of a room. What is known of every entry stands in the head.
#[derive(Archive, Serialize)]
pub struct MessageBody<'a> {
    /// The author's name as shown.
    #[rkyv(with = Inline)]
    pub author: &'a str,
    /// The author's own id of it; empty is none.
    #[rkyv(with = Inline)]
    pub draft: &'a str,
    /// What was said; of an amendment, what its kind says.
    #[rkyv(with = Inline)]
    pub text: &'a str,
}

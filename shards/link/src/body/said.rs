//! A message, of version 1.

use rkyv::with::AsString;
use rkyv::{Archive, Serialize};

/// A message; its room is said beside it.
#[derive(Archive, Serialize, Clone, Copy, Debug)]
pub struct SaidBody<'a> {
    /// Its number in the room.
    pub seq: u64,
    /// When it was accepted, in microseconds since the Unix epoch.
    pub time_us: i64,
    /// Who said it.
    #[rkyv(with = AsString)]
    pub author: &'a str,
    /// The author's own id of it.
    #[rkyv(with = AsString)]
    pub draft: &'a str,
    /// What was said.
    #[rkyv(with = AsString)]
    pub text: &'a str,
}

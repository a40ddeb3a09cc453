//! What the ends send about the link itself. The same in every version: it is never changed.

use super::open;
use crate::format::{Kind, WireFault};
use madang_model::Text;
use rkyv::{Archive, Serialize};

/// The version of envelopes whose bodies are of no version.
pub const VERSION_OF_ALL: u16 = 0;

/// The edge's first envelope.
#[derive(Archive, Serialize, Clone, Copy, Debug)]
pub struct HelloBody {
    /// The oldest version it speaks.
    pub oldest: u16,
    /// The newest version it speaks.
    pub newest: u16,
    /// Bytes of events that it takes ahead.
    pub window_bytes: u32,
}

/// The core's first envelope, when there is a version that both speak.
#[derive(Archive, Serialize, Clone, Copy, Debug)]
pub struct WelcomeBody {
    /// The version from now on.
    pub version: u16,
    /// How many shards there are: a list of rooms gets that many answers.
    pub shard_count: u16,
    /// Bytes of requests that it takes ahead.
    pub window_bytes: u32,
    /// Sessions at one time.
    pub sessions_max: u32,
    /// Rooms of a session.
    pub rooms_max: u32,
    /// Bytes of a text.
    pub text_bytes_max: u32,
}

/// The core's only envelope, when there is none.
#[derive(Archive, Serialize, Clone, Copy, Debug)]
pub struct RejectedBody {
    /// The oldest version it speaks.
    pub oldest: u16,
    /// The newest version it speaks.
    pub newest: u16,
}

/// How much was taken.
#[derive(Archive, Serialize, Clone, Copy, Debug)]
pub struct TakenBody {
    /// Bytes of envelopes that need credit, since the link began.
    pub bytes: u64,
}

/// The sender is alive.
#[derive(Archive, Serialize, Clone, Copy, Debug)]
pub struct PingBody {
    /// Always 0.
    pub zero: u32,
}

/// The core is about to end.
#[derive(Archive, Serialize, Clone, Copy, Debug)]
pub struct GoingDownBody {
    /// Whether another process takes over the server.
    pub is_upgrade: bool,
}

/// The sender ends the link.
#[derive(Archive, Serialize, Clone, Copy, Debug)]
pub struct GoodbyeBody<'a> {
    /// Why.
    #[rkyv(with = rkyv::with::AsString)]
    pub words: &'a str,
}

/// Why the other end ends the link, safe to be shown.
///
/// # Errors
/// [`WireFault::Body`] when the body is none.
pub fn last_words(body: &[u8]) -> Result<Box<str>, WireFault> {
    let words = &open::<ArchivedGoodbyeBody<'static>>(Kind::Goodbye, body)?.words;
    Ok(Text::sanitise(words).map_or("it does not say why".into(), |words| words.as_str().into()))
}

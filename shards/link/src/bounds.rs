//! Every bound of the link, and what happens at each.

/// Bytes of a batch, with its header. A peer that announces a longer one has made a fault.
pub const BATCH_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of the header of a batch.
pub const BATCH_HEADER_BYTES: usize = 16;

/// Envelopes of a batch. A peer that announces more has made a fault.
pub const BATCH_ENVELOPES_MAX: usize = 4096;

/// A batch is finished once it has this many bytes, so that the other end can begin to take it.
pub const BATCH_BYTES_GOAL: usize = 64 * 1024;

/// Bytes of an envelope, with its header and padding. A page of history is cut to it; whatever else is
/// longer ends the link.
pub const ENVELOPE_BYTES_MAX: usize = BATCH_BYTES_MAX - BATCH_HEADER_BYTES;

/// What the messages of one page weigh together, in bytes: beyond it the older part is left out, as for
/// any reader whose page is too long.
pub const PAGE_BYTES_MAX: usize = 768 * 1024;

/// Bytes of requests that the core has not taken yet. The edge sends no more than these; a request that
/// comes although the window is used up is a fault.
pub const REQUEST_WINDOW_BYTES: u32 = 1024 * 1024;

/// Bytes of requests that wait at the edge for credit. Beyond them the edge refuses: busy.
pub const REQUESTS_WAITING_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of events that the edge has not taken yet. The core sends no more than these; an event that comes
/// although the window is used up is a fault.
pub const EVENT_WINDOW_BYTES: u32 = 4 * 1024 * 1024;

/// Bytes of events that wait at the core for credit. Beyond them the core ends the link.
pub const EVENTS_WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes that are ready to be written at once; the rest waits as batches.
pub const OUTPUT_BYTES_GOAL: usize = 256 * 1024;

/// Sessions of the edge at one time. The edge refuses to open more.
pub const SESSIONS_MAX: u32 = 65_536;

/// Rooms of one session. A request to join more is refused.
pub const ROOMS_PER_SESSION_MAX: usize = 64;

/// Bytes of a text. The log keeps none that is longer.
pub const TEXT_BYTES_MAX: u32 = 64 * 1024;

/// Bytes of a part of a room's name, as lists are searched for it.
pub const PATTERN_BYTES_MAX: usize = 512;

/// Bytes of the last words of an end about why it ends the link.
pub const LAST_WORDS_BYTES_MAX: usize = 512;

/// Milliseconds that the other end may take for its first envelope.
pub const HELLO_MS_MAX: u64 = 5_000;

/// Milliseconds after which an end that has sent nothing sends a ping.
pub const PING_AFTER_MS: u64 = 5_000;

/// Milliseconds of silence after which the other end counts as dead.
pub const SILENCE_MS_MAX: u64 = 20_000;

// An envelope must fit into each window: it could never be sent otherwise.
const _: () = assert!(ENVELOPE_BYTES_MAX <= REQUEST_WINDOW_BYTES as usize);
const _: () = assert!(ENVELOPE_BYTES_MAX <= EVENT_WINDOW_BYTES as usize);
const _: () = assert!(PAGE_BYTES_MAX < ENVELOPE_BYTES_MAX);
const _: () = assert!(2 * PING_AFTER_MS < SILENCE_MS_MAX);

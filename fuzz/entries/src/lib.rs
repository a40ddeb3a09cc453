//! What the fuzz targets call: one function for each parser. Any bytes may be given to it, and it panics when a promise
//! is broken.

mod conversation;
mod facts;
mod import;
mod index;
mod line;
mod link;
mod mending;
mod names;
mod proxy;
mod segment;
mod settings;
mod snapshot;

pub use conversation::conversation;
pub use facts::facts;
pub use import::import;
pub use index::index;
pub use line::{line, telnet};
pub use link::{envelopes_of, link};
pub use names::names;
pub use proxy::proxy;
pub use segment::{frame, record, segment};
pub use settings::settings;
pub use snapshot::snapshot;

/// Takes any bytes.
pub type Entry = fn(&[u8]);

/// Every entry, by the name of its target and its corpus.
pub const ENTRIES: [(&str, Entry); 14] = [
    ("config", settings),
    ("conversation", conversation),
    ("facts", facts),
    ("frame", frame),
    ("import", import),
    ("index", index),
    ("line", line),
    ("link", link),
    ("names", names),
    ("proxy", proxy),
    ("record", record),
    ("segment", segment),
    ("snapshot", snapshot),
    ("telnet", telnet),
];

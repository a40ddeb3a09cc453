//! TLS between a socket and its connection, without I/O: bytes of the wire in, bytes of the
//! connection out, and back.
//!
//! **Invariants:** a connection without TLS pays nothing but a flag; an idle one with TLS holds its
//! keys and no buffer; what is encrypted and not yet taken by the kernel is at most one record, and
//! counts towards the bounds of outboxes (`shard/outboxes.rs`).

mod acceptor;
mod der;
mod session;
mod table;
#[cfg(test)]
mod tests;

pub use acceptor::{TlsAcceptor, TlsError, TlsIdentity};
pub use der::Validity;
pub use session::{RECORD_BYTES_MAX, TlsFault, TlsSession};
pub use table::{TlsCounters, TlsTable};

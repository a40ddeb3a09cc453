//! Restarts by systemd: what a server has waits in systemd's store of descriptors for the next one.
//!
//! ```text
//! old process                                     systemd                  new process
//! SIGTERM; the job of the unit is `restart`
//! would the program on disk start? ── yes
//! lock, state, ends of queues ── FDSTORE=1 ─────▶ keeps them
//! Still, Frozen: logs sealed
//! bytes ──▶ state        (a memfd, sealed when it is whole)
//! descriptors ──▶ queues (socket pairs: in flight)
//! ends with 0 ──────────────────────────────────▶ starts ── LISTEN_FDS ──▶ configuration, checks,
//!                                                                          opens the log,
//!                                                 lets go ◀─ REMOVE ────── takes everything out
//!                                                                          and goes on
//! ```
//!
//! The store holds a few descriptors however many connections there are: systemd copies, names and passes
//! each of its own. The connections are *in flight* in the queues (unix(7)): sent by the old process, received
//! by the new one, and open meanwhile, though no process has them.
//!
//! **Who owns the log and the connections** is the old process until it ends, and the new one from its start.
//! There is no time with two, and no way back after it: so the old one looks before whether systemd keeps what
//! it gave, and whether the program on disk would start with the configuration as it is now. The new one takes
//! connections out only when its log is open: a start that fails before leaves them where they are, for the
//! next one, as long as systemd keeps the store (while it tries to start the unit).

mod collect;
mod deposit;
mod fill;
mod in_place;
mod queue;
mod rehearsal;

pub use collect::collect;
pub use deposit::deposit;
pub use in_place::{become_next, is_first, keeps_process};
use rehearsal::REHEARSAL_TIME_MAX;
pub use rehearsal::rehearse;

/// The start of the state; a version follows it.
const MAGIC: &[u8; 4] = b"MDST";

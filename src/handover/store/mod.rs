//! Restarts by systemd: the file-descriptor store of systemd keeps the state of a server for the new process.
//!
//! ```text
//! old process                                     systemd                  new process
//! SIGTERM; the job of the unit is `restart`
//! would the program on disk start? ── yes
//! lock, state, ends of queues ── FDSTORE=1 ─────▶ stores them
//! pauses, snapshots its shards
//! bytes ──▶ state        (a memfd, sealed when it is whole)
//! descriptors ──▶ queues (socket pairs: in flight)
//! ends with 0 ──────────────────────────────────▶ starts ── LISTEN_FDS ──▶ configuration, checks,
//!                                                                          opens the log,
//!                                                 removes ◀─ REMOVE ────── takes everything out
//!                                                                          and resumes
//! ```
//!
//! The store holds only a few descriptors, however many connections there are: systemd handles each of its
//! descriptors separately. The connections are *in flight* in the queues (unix(7)): sent by the old process,
//! received by the new one, and open meanwhile, although no process has them.
//!
//! **The owner of the log and the connections** is the old process until it ends, and the new one from its start.
//! The two never run at the same time, and the old one cannot take anything back: so it first checks whether
//! systemd stores its descriptors, and whether the program on disk would start with the current configuration. The
//! new one takes connections out only when its log is open: a start that fails before leaves them in the store for
//! the next one, as long as systemd keeps the store (while it tries to start the unit).

mod collect;
mod deposit;
mod fill;
mod in_place;
mod queue;
mod rehearsal;

pub use collect::collect;
pub use deposit::deposit;
pub use in_place::{execute_next_program, is_first_process, keeps_process};
use rehearsal::REHEARSAL_TIME_MAX;
pub use rehearsal::rehearse;

/// The start of the state; the version follows.
const MAGIC: &[u8; 4] = b"MDST";

//! Upgrades in place: a running server hands everything over to a new process.
//!
//! The new process sends a request on the control socket. The old one pauses and snapshots its shards, and sends
//! its listeners, its lock of the data directory, and every connection with its image. The new one opens the log,
//! restores everything, and reports that it is ready; the old one sends `Go`, and ends. Nobody is disconnected, and
//! new connections meanwhile wait to be accepted.
//!
//! **The owner of the log and the connections** is the old process until it sends `Go`, and the new one from then
//! on. Before `Go` the new one accepts and reads nothing, so nothing is lost with it; and the old one resumes only
//! when the new one is *dead*, by its process descriptor: if it is late, it is killed. After `Go` the old one only
//! ends. If the old one dies before `Go`, the new one finds the stream closed and is the only owner left. Both hold
//! the same lock of the data directory, because its descriptor was sent: no third process can take it in between.
//!
//! **A process that must stay**, because a container or a supervisor waits for it, executes the new program itself:
//! the new process is a *trial*, which is killed when it has reported that it is ready, and the state is passed
//! through `execve`.
//!
//! **A restart by systemd** has the same result without a process at the other end: [`store`].

mod begin;
mod end;
mod error;
mod frame;
mod give;
mod new_process;
mod pack;
mod said;
mod snapshot;
mod spawn;
mod store;
mod stream;
mod take;
mod unpack;

pub use error::TakeError;
pub use give::{Request, give, take_refusal};
pub use snapshot::{exclusively, is_under_way};
pub use spawn::{Started, spawn_new_process};
pub use store::{collect, deposit, keeps_process, rehearse};
pub use take::{OldProcess, TakenOver, Takeover, take};
pub use unpack::Unpacked;

use std::time::Duration;

/// The version of everything that is sent. If the versions differ, the handover is refused, and the old process
/// continues.
pub const VERSION: u32 = 1;
/// What a new process says that knows the list of erasures: one that does not would show what is hidden.
pub const ERASURES: &str = "erasures";
/// How long the new process may take to open the log, in addition to the time for restoring connections
/// (`Adopting::time_max`); both from the first frame until it is ready.
const OPEN_TIME_MAX: Duration = Duration::from_secs(1);
/// How long either process may send nothing during the transfer.
const SILENCE_MAX: Duration = Duration::from_secs(5);

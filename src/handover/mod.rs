//! Upgrades in place: a running server hands everything to the process that comes after it.
//!
//! The new process asks on the control socket. The old one freezes, and sends its listeners, its lock
//! of the data directory, and every connection with its image. The new one opens the log, puts
//! everyone in their places, and says that it is ready; the old one lets go, and ends. Nobody is
//! disconnected, and who connects meanwhile waits to be accepted.
//!
//! **Who owns the log and the connections** is the old process until it says `Go`, and the new one from
//! then on. Before that word the new one accepts nothing and reads nobody, so that nothing is lost with
//! it; and the old one goes on only when the new one is *dead*, by its process descriptor: when it is
//! late, it is killed. After that word the old one only ends. If the old one dies before it, the new one
//! finds the connection closed without a word and is the only one left. The lock of the data directory
//! is one lock that both hold, as its descriptor was sent: no third process can come between.
//!
//! **A process that must stay**, as a container or a supervisor waits for it, becomes the next program itself: the
//! new process is a *trial*, which ends when it has said that it is ready, and what there is waits behind `execve`.
//!
//! **A restart by systemd** is another way to the same end, without a process at the other end: [`store`].

mod begin;
mod end;
mod error;
mod frame;
mod freeze;
mod give;
mod pack;
mod spawn;
mod store;
mod stream;
mod take;
mod unpack;

pub use error::TakeError;
pub use freeze::{alone, is_under_way};
pub use give::{Request, give, take_refusal};
pub use spawn::spawn_new_process;
pub use store::{collect, deposit, keeps_process, rehearse};
pub use take::{OldProcess, TakenOver, Takeover, take};
pub use unpack::Unpacked;

use std::time::Duration;

/// The version of all that is sent. A process that speaks another refuses, and the old one carries on.
pub const VERSION: u32 = 1;
/// How long the new process has to open the log, besides the time that connections may take to be in their
/// places (`Adopting::time_max`); both from the first frame to being ready.
const OPEN_TIME_MAX: Duration = Duration::from_secs(1);
/// How long either may be silent while everything is sent.
const SILENCE_MAX: Duration = Duration::from_secs(5);

//! Servers of the measurement, which end with it however it ends.

use rustix::process::{Signal, set_parent_process_death_signal};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{SyncSender, sync_channel};

/// What is started, and who waits for it.
type Order = (Command, SyncSender<io::Result<Child>>);

/// Takes orders for the thread that starts them.
static ORDERS: OnceLock<SyncSender<Order>> = OnceLock::new();

/// Starts a program that is killed when this process ends. On a thread that lives as long as the process, as the
/// kernel signals a child at the end of the *thread* that started it (prctl(2), `PR_SET_PDEATHSIG`).
///
/// # Errors
/// What the system says.
pub(crate) fn spawn(mut command: Command) -> io::Result<Child> {
    // SAFETY: between fork and exec only prctl is called, which is safe there (signal-safety(7)).
    #[allow(unsafe_code, reason = "the child has to ask for it")]
    unsafe {
        command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?));
    }
    let (reply, started) = sync_channel(1);
    // The thread lives as long as the process, unless there was none to be had.
    orders()?.send((command, reply)).map_err(io::Error::other)?;
    started.recv().map_err(io::Error::other)?
}

fn orders() -> io::Result<&'static SyncSender<Order>> {
    if let Some(orders) = ORDERS.get() {
        return Ok(orders);
    }
    let (sender, receiver) = sync_channel::<Order>(1);
    std::thread::Builder::new().name("bench-children".into()).spawn(move || {
        for (mut command, reply) in receiver {
            // The caller waits for it.
            let _ = reply.send(command.spawn());
        }
    })?;
    Ok(ORDERS.get_or_init(|| sender))
}

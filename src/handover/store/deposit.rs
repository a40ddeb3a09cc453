//! The old process: it puts its state into systemd's store, and ends.

use super::fill::{fill, memory_file};
use super::queue::{BUFFER_BYTES, Queue};
use super::{REHEARSAL_TIME_MAX, rehearse};
use crate::handover::pack::say_last_words;
use crate::handover::snapshot::{exclusively, snapshot_shards};
use crate::server::{ServerState, Stops};
use crate::systemd::notify;
use crate::systemd::store::{LOCK, QUEUES_MAX, STATE, queue_name};
use madang_engine::runtime::Snapshotted;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::fs::File;
use std::io;
use std::time::Duration;

/// systemd may close a descriptor that it does not store a moment after its confirmation.
const REFUSAL_TIME_MAX: Duration = Duration::from_millis(30);

/// Leaves everything to the process that systemd starts next, and ends this one. Returns the reason if that is
/// impossible: then this process still has everything, and no client was notified.
pub fn deposit(state: &ServerState, stops: &Stops) -> String {
    exclusively(|| try_deposit(state, stops)).unwrap_or_else(|| "another process is taking over".to_owned())
}

fn try_deposit(state: &ServerState, stops: &Stops) -> String {
    let Some(remote) = state.remote().filter(|remote| !remote.is_draining()) else {
        return "the server is not serving".to_owned();
    };
    let descriptors = remote.samples().iter().map(|shard| shard.connections + shard.lingering).sum::<u64>();
    let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
    notify::restarting();
    if let Err(reason) = rehearse(state.launch(), REHEARSAL_TIME_MAX) {
        return reason;
    }
    let mut store = match Store::open(state, descriptors) {
        Ok(store) => store,
        Err(error) => return error.to_string(),
    };
    let (mut snapshotted, give_back) = match snapshot_shards(stops) {
        Ok(snapshotted) => snapshotted,
        Err(reason) => return reason,
    };
    match store.fill(&snapshotted, state) {
        Ok(bytes) => {
            let held = stops.hold();
            if held.is_asked() {
                drop(held);
                drop(store);
                let _ = give_back.send(snapshotted);
                return "it was told to stop meanwhile".to_owned();
            }
            let ended = say_last_words(&mut snapshotted);
            state.stop_operator_listeners();
            let connections: usize = snapshotted.parts.iter().map(|part| part.image.connections.len()).sum();
            let paused_ms = snapshotted.since.elapsed().as_millis() as u64;
            tracing::info!(connections, ended, bytes, paused_ms, "everything is left to the next process");
            store.is_left = true;
            std::process::exit(0);
        }
        Err(error) => {
            drop(store);
            // The shards wait for it.
            let _ = give_back.send(snapshotted);
            error.to_string()
        }
    }
}

/// The state that systemd stores for the new process. It is removed when this is dropped.
#[derive(Debug)]
struct Store {
    names: Vec<String>,
    state: File,
    queues: Vec<OwnedFd>,
    /// The new process gets it.
    is_left: bool,
}

impl Store {
    /// Makes systemd store the lock, an empty state and empty queues, and checks that it does.
    fn open(state: &ServerState, descriptors: usize) -> io::Result<Store> {
        let lock = state.lock().ok_or_else(|| io::Error::other("the lock cannot be stored"))?;
        let file = memory_file()?;
        let queues = Queue::enough_for(descriptors, BUFFER_BYTES, QUEUES_MAX)?;
        let mut store = Store { names: Vec::new(), state: file, queues: Vec::new(), is_left: false };
        store.keep(LOCK.to_owned(), lock)?;
        let file = store.state.try_clone()?;
        store.keep(STATE.to_owned(), file.as_fd())?;
        for (number, queue) in queues.iter().enumerate() {
            store.keep(queue_name(number), queue.receiver())?;
        }
        notify::await_confirmation()?;
        let last = queues.len() - 1;
        for (number, queue) in queues.into_iter().enumerate() {
            // If any was refused, the last one was.
            let kept =
                queue.close_receiver(if number == last { REFUSAL_TIME_MAX } else { Duration::ZERO })?;
            store.queues.push(kept.ok_or_else(|| {
                io::Error::other(format!(
                    "systemd does not store the {} descriptors that it was sent; the unit needs \
                     FileDescriptorStoreMax=64, and NotifyAccess=main",
                    store.names.len()
                ))
            })?);
        }
        Ok(store)
    }

    fn keep(&mut self, name: String, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        let kept = notify::store(&name, descriptor);
        self.names.push(name);
        kept
    }

    /// Writes everything. Returns the number of bytes.
    fn fill(&mut self, snapshotted: &Snapshotted, state: &ServerState) -> io::Result<u64> {
        // systemd passes sockets that it has opened again by itself.
        let has_listeners = !state.activation().has_sockets();
        fill(&self.state, self.queues.drain(..), snapshotted, state, has_listeners)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if !self.is_left {
            notify::remove_stored(&self.names);
        }
    }
}

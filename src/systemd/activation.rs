//! What systemd passes (sd_listen_fds(3)): listening sockets that it has opened for us, and what it has kept.

use super::store::StoredDescriptors;
use crate::server::{InheritedListeners, left_here};
use madang_config::{EntranceKey, LINE};
use rustix::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use rustix::io::{FdFlags, fcntl_setfd};
use std::io;

/// Why sockets that were passed cannot be taken.
#[derive(thiserror::Error, Debug)]
#[error(
    "LISTEN_PID or LISTEN_FDS is wrong: {0}; they are set by systemd for madang.socket, unset them elsewhere"
)]
pub struct ActivationError(#[from] io::Error);

/// The sockets that were passed to this process, if any, and what the process before it has left in
/// systemd's store. To be called once, before other descriptors are opened.
///
/// # Errors
/// [`ActivationError`] when the variables name what is not there.
pub fn inherited() -> Result<(InheritedListeners, StoredDescriptors), ActivationError> {
    if let Some(numbers) = left_here() {
        let left: io::Result<Vec<OwnedFd>> = numbers.into_iter().map(left).collect();
        return Ok((InheritedListeners::default(), StoredDescriptors::in_place(left?)));
    }
    let descriptors = sd_notify::listen_fds()?;
    // SAFETY: `LISTEN_PID` names this process, so that by the protocol of sd_listen_fds(3) these
    // descriptors were opened for it alone and nothing else in it knows them; `listen_fds` has set
    // a flag on each and fails where one is not open. This is called once, so each has one owner.
    let descriptors = descriptors.map(|descriptor| unsafe { OwnedFd::from_raw_fd(descriptor) });
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let (mut listeners, mut stored) = (InheritedListeners::default(), StoredDescriptors::default());
    for (descriptor, name) in descriptors.zip(names.split(':').chain(std::iter::repeat(""))) {
        if StoredDescriptors::is_name(name) {
            stored.add(name, descriptor);
        } else {
            let kind = EntranceKey::named(name).map_or(LINE, |key| key.kind);
            listeners.clients.push((kind, descriptor));
        }
    }
    Ok((listeners, stored))
}

/// A descriptor that the program before has left open in this process.
fn left(number: RawFd) -> io::Result<OwnedFd> {
    if number < 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: it is only borrowed for a call which fails where it is not open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    fcntl_setfd(borrowed, FdFlags::CLOEXEC)?;
    // SAFETY: the program that this process was before has left it open for this one alone, by a variable that
    // names this process, and nothing else in it knows the number; this is called once for each, before other
    // descriptors are opened, so each has one owner.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

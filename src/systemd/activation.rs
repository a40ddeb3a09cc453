//! Descriptors from systemd (sd_listen_fds(3)): listening sockets that it has opened, and stored descriptors.

use super::store::StoredDescriptors;
use crate::server::{InheritedListeners, inherited_in_place};
use madang_config::{ENTRANCES, EntranceKey, LINE};
use madang_model::connection::EntranceKind;
use rustix::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use rustix::io::{FdFlags, fcntl_setfd};
use std::io;

/// Why inherited sockets cannot be used.
#[derive(thiserror::Error, Debug)]
pub enum ActivationError {
    /// They are missing.
    #[error(
        "LISTEN_PID or LISTEN_FDS is wrong: {0}; they are set by systemd for madang.socket, unset them elsewhere"
    )]
    Missing(#[from] io::Error),
    /// The name of one is unknown.
    #[error(
        "systemd has opened a socket with the unknown name '{name}'; the names are {}; name it in its unit, for example \
         FileDescriptorName=line",
        known_names()
    )]
    UnknownName {
        /// Its name.
        name: String,
    },
}

/// How systemd names sockets whose unit gives no name (systemd.socket(5), sd_listen_fds(3)).
const UNIT_SUFFIX: &str = ".socket";
const UNNAMED: [&str; 2] = ["", "unknown"];

/// The sockets that this process inherited, if any, and what the old process has left in systemd's store. To be
/// called once, before other descriptors are opened.
///
/// # Errors
/// [`ActivationError`], if the variables name descriptors that do not exist.
pub fn inherited() -> Result<(InheritedListeners, StoredDescriptors), ActivationError> {
    if let Some(numbers) = inherited_in_place() {
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
            listeners.clients.push((entrance_of(name)?, descriptor));
        }
    }
    Ok((listeners, stored))
}

/// The kind of a socket of this name; an unnamed one is for the line protocol.
fn entrance_of(name: &str) -> Result<EntranceKind, ActivationError> {
    if UNNAMED.contains(&name) || name.ends_with(UNIT_SUFFIX) {
        return Ok(LINE);
    }
    let key =
        EntranceKey::named(name).ok_or_else(|| ActivationError::UnknownName { name: name.to_owned() })?;
    Ok(key.kind)
}

fn known_names() -> String {
    let names: Vec<_> = ENTRANCES.iter().map(EntranceKey::short_name).collect();
    names.join(", ")
}

/// A descriptor that the old program has left open in this process.
fn left(number: RawFd) -> io::Result<OwnedFd> {
    if number < 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: it is only borrowed for a call which fails if it is not open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    fcntl_setfd(borrowed, FdFlags::CLOEXEC)?;
    // SAFETY: the old program of this process has left it open for this program alone, by a variable that names
    // this process, and nothing else in the process knows the number; this is called once for each, before other
    // descriptors are opened, so each has one owner.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_for_the_key_that_it_is_named_after() {
        for key in ENTRANCES {
            assert_eq!(entrance_of(key.short_name()).unwrap(), key.kind, "{}", key.name);
        }
        for unnamed in ["", "unknown", "madang.socket", "chat.socket"] {
            assert_eq!(entrance_of(unnamed).unwrap(), LINE, "{unnamed}");
        }
    }

    #[test]
    fn a_name_that_no_key_has_is_refused_with_those_that_one_has() {
        for unknown in ["line-tls", "listen.line", "stored", "lines"] {
            let error = entrance_of(unknown).unwrap_err().to_string();
            assert!(
                error.contains(&format!("the unknown name '{unknown}'; the names are {};", known_names())),
                "{error}"
            );
        }
    }
}

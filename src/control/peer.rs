//! The user at the other end of a local socket.

use rustix::fd::AsRawFd;
use std::mem::size_of;
use std::os::unix::net::UnixStream;

/// The user id at the other end. A process of another namespace has none here, which rustix cannot express.
pub fn user_of(stream: &UnixStream) -> Option<u32> {
    let mut peer = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the descriptor is open as long as the stream is borrowed, and `peer` is of the type and the length
    // that SO_PEERCRED writes (unix(7)).
    let refused = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &raw mut length,
        )
    };
    (refused == 0).then_some(peer.uid)
}

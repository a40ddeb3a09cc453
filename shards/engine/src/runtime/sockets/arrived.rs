//! Whether a peer's machine has all that was sent.

use rustix::fd::{AsRawFd, OwnedFd};
use std::ffi::c_int;

/// Whether everything that was written to a TCP socket, its end too, is acknowledged (tcp(7), `SIOCOUTQ`).
pub fn has_arrived(socket: &OwnedFd) -> bool {
    let mut unacknowledged: c_int = 0;
    // SAFETY: the descriptor is open as long as it is lent, and the request writes one int (tcp(7)). On a
    // socket `SIOCOUTQ` is `TIOCOUTQ`.
    let asked = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut unacknowledged) };
    asked == 0 && unacknowledged == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    #[test]
    fn what_is_acknowledged_has_arrived_and_what_finds_no_room_has_not() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut writer = TcpStream::connect(listener.local_addr().expect("its address")).expect("connect");
        let (_peer, _) = listener.accept().expect("the other end");
        writer.write_all(b"bye\n").expect("write");
        let mut full = writer.try_clone().expect("a second handle");
        let end = writer.try_clone().expect("a third handle");
        let socket = OwnedFd::from(writer);
        let asked_at = Instant::now();
        while !has_arrived(&socket) {
            assert!(asked_at.elapsed() < Duration::from_secs(10), "nothing arrives");
            std::thread::sleep(Duration::from_millis(1));
        }
        full.set_nonblocking(true).expect("do not wait");
        while full.write(&[0; 64 * 1024]).is_ok() {}
        end.shutdown(Shutdown::Write).expect("say the end");
        assert!(!has_arrived(&socket), "more was written than a peer takes that does not read");
    }
}

//! A peer whose machine is gone, or out of reach for a while: nothing reaches its socket any more, and so
//! nothing answers.

use rustix::fd::{AsFd, AsRawFd};
use std::ffi::{c_int, c_void};
use std::mem::size_of;

/// `BPF_RET | BPF_K` of linux/filter.h: passes as many bytes of a packet as it says.
const RETURN: u16 = 0x06;

/// From now on every packet for this socket is lost.
pub fn vanish(socket: &impl AsFd) {
    let mut drop_all = [libc::sock_filter { code: RETURN, jt: 0, jf: 0, k: 0 }];
    let program = libc::sock_fprog { len: 1, filter: drop_all.as_mut_ptr() };
    set(socket, libc::SO_ATTACH_FILTER, &program);
}

/// Packets reach it again.
pub fn come_back(socket: &impl AsFd) {
    set(socket, libc::SO_DETACH_FILTER, &0_i32);
}

fn set<T>(socket: &impl AsFd, option: c_int, value: &T) {
    let (value, length) = (&raw const *value, size_of::<T>() as libc::socklen_t);
    let descriptor = socket.as_fd().as_raw_fd();
    // SAFETY: the kernel copies `length` bytes of `value`, and the program that it names, before it returns.
    let result =
        unsafe { libc::setsockopt(descriptor, libc::SOL_SOCKET, option, value.cast::<c_void>(), length) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

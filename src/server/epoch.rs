//! Random epochs.

use madang_model::LogEpoch;
use rustix::rand::{GetRandomFlags, getrandom};

/// An epoch that nobody has had.
///
/// # Panics
/// When the kernel has no random numbers: every one with io_uring has.
pub fn random_epoch() -> LogEpoch {
    let mut bytes = [0_u8; 16];
    // So few are never given in part (getrandom(2)).
    getrandom(&mut bytes, GetRandomFlags::empty()).expect("the kernel has random numbers");
    LogEpoch(u128::from_le_bytes(bytes))
}

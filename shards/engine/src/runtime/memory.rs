//! Freed memory, and the rest of the machine.

/// Gives back what is freed but kept by the allocator: glibc's gives back by itself only what lies at the
/// end of a heap, and of a burst something long-lived always lies behind. Takes a millisecond for some
/// ten megabytes, so it is for moments in which little happens.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it may be called at any time by any thread (malloc_trim(3)), and touches no memory in use.
    unsafe {
        libc::malloc_trim(0);
    }
}

//! Freed memory, and the rest of the machine.

/// Returns memory that is freed but kept by the allocator: by itself glibc's returns only what lies at the end of a
/// heap, and something long-lived always lies behind a burst. Takes a millisecond for some ten megabytes, so it is
/// for quiet moments.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it may be called at any time by any thread (malloc_trim(3)), and touches no memory in use.
    unsafe {
        libc::malloc_trim(0);
    }
}

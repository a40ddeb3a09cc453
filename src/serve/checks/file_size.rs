//! Whether files may be as large as those of the log.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files may not be as large as a segment.
#[derive(PartialEq, Eq, thiserror::Error, Debug)]
#[error(
    "the file size limit is {limit_kib} KiB, and a file of the log has {needed_kib} (log.segment_bytes); raise it \
     (systemd: LimitFSIZE=infinity; shell: `ulimit -f unlimited`, its hard limit in /etc/security/limits.conf), or \
     set log.segment_bytes to fit"
)]
pub struct FileSizeError {
    limit_kib: u64,
    needed_kib: u64,
}

/// Raises the soft limit to the hard one, and checks whether a segment fits.
///
/// # Errors
/// [`FileSizeError`].
pub fn permit(segment_bytes: u64) -> Result<(), FileSizeError> {
    let before = getrlimit(Resource::Fsize);
    let raised = setrlimit(Resource::Fsize, Rlimit { current: before.maximum, maximum: before.maximum });
    let limit = if raised.is_ok() { before.maximum } else { before.current };
    compare(limit.unwrap_or(u64::MAX), segment_bytes)
}

fn compare(limit: u64, needed: u64) -> Result<(), FileSizeError> {
    if limit >= needed {
        return Ok(());
    }
    Err(FileSizeError { limit_kib: limit / 1024, needed_kib: needed.div_ceil(1024) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_must_fit() {
        assert_eq!(compare(u64::MAX, 1 << 30), Ok(()));
        assert_eq!(compare(4096, 4096), Ok(()));
        assert_eq!(compare(4095, 4096), Err(FileSizeError { limit_kib: 3, needed_kib: 4 }));
    }
}

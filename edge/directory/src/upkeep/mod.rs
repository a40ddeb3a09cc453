//! What operators do with a directory as a whole, without its threads and their limit of time.

mod backup;
mod check;
mod copy;

pub use backup::{back_up, verify_backup};
pub use check::{CheckReport, FAULTS_MAX, check};
pub use copy::{CopyReport, copy};

use std::time::Duration;

/// How long a statement over everything may take: a million accounts take seconds.
const STATEMENT_TIME_MAX: Duration = Duration::from_secs(3_600);
/// Rows that are read at once.
const ROWS_AT_ONCE: i64 = 1_000;

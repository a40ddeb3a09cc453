//! The limit of open files, which is the limit of connections.

use crate::error::BenchError;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that are open besides connections: the ring, the set, standard streams, what tests hold.
const SPARE: u64 = 64;

/// Raises this process's soft limit of open files so that `connections` fit.
///
/// # Errors
/// [`BenchError::TooManyFiles`] says how many connections fit when the hard limit is below it.
pub(crate) fn allow_open_files(connections: usize) -> Result<(), BenchError> {
    let needed = connections as u64 + SPARE;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|soft| soft >= needed) {
        return Ok(());
    }
    if let Some(hard) = maximum.filter(|hard| *hard < needed) {
        return Err(BenchError::TooManyFiles { connections, limit: hard, fits: hard.saturating_sub(SPARE) });
    }
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .map_err(BenchError::system(format!("open {needed} files; raise the limit (ulimit -n)")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_connections_than_files_are_refused_with_what_fits() {
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        let Some(hard) = maximum else { return };
        let words = allow_open_files(hard as usize).expect_err("too many").to_string();
        assert!(words.contains(&format!("{} fit", hard - SPARE)), "{words}");
    }
}

//! Which processors the server and the load run on.

use crate::error::BenchError;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// A server and a load on processors of their own, when there are two; both where they were otherwise.
#[derive(Debug)]
pub(crate) struct Placement {
    before: CpuSet,
    apart: Option<(usize, usize)>,
}

impl Placement {
    /// Chooses the first processor this process may use for the server and the last for the load.
    pub(crate) fn choose() -> Result<Placement, BenchError> {
        let before = sched_getaffinity(None)
            .map_err(BenchError::system("read the processors this process may use"))?;
        let mut allowed = (0..CpuSet::MAX_CPU).filter(|cpu| before.is_set(*cpu));
        let apart = allowed.next().zip(allowed.next_back());
        Ok(Placement { before, apart })
    }

    /// Puts this thread on the server's processor, so that a child started now inherits it.
    /// No code of ours runs between fork and exec.
    pub(crate) fn move_to_server(&self) -> Result<(), BenchError> {
        self.apart.map_or(Ok(()), |(server, _)| pin(server))
    }

    /// Puts this thread on the load's processor.
    pub(crate) fn move_to_load(&self) -> Result<(), BenchError> {
        self.apart.map_or(Ok(()), |(_, load)| pin(load))
    }

    /// The load's processor, when it has one of its own.
    pub(crate) fn load_processor(&self) -> Option<usize> {
        self.apart.map(|(_, load)| load)
    }

    /// What a report says about it.
    pub(crate) fn described(&self) -> String {
        match self.apart {
            Some((server, load)) => format!("server on processor {server}, load on processor {load}"),
            None => "server and load share one processor, so each slows the other".to_owned(),
        }
    }
}

impl Drop for Placement {
    fn drop(&mut self) {
        // Only for what the thread does next: nobody can be notified of a failure.
        let _ = sched_setaffinity(None, &self.before);
    }
}

fn pin(cpu: usize) -> Result<(), BenchError> {
    let mut only = CpuSet::new();
    only.set(cpu);
    sched_setaffinity(None, &only).map_err(BenchError::system(format!("move to processor {cpu}")))
}

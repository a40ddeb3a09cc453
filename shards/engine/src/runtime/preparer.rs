//! The thread that makes segments ready before they are needed.

use super::bell::Bell;
use super::clock;
use crate::store::{Order, Prepared, fill, finish};
use madang_log::StdFiles;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Once};

/// The niceness of threads that work beside the shards.
const BESIDE_NICENESS: i32 = 10;

/// Takes orders, for all shards.
#[derive(Clone, Debug)]
pub struct Preparer {
    tasks: flume::Sender<Task>,
}

/// What the thread is asked for.
#[derive(Debug)]
enum Task {
    Prepare(Order, SegmentAsker),
    /// Segments may be finished.
    Release,
}

/// Who gets a segment.
#[derive(Debug)]
struct SegmentAsker {
    reply: flume::Sender<Prepared>,
    bell: Arc<Bell>,
}

impl SegmentAsker {
    fn give(&self, prepared: Prepared) {
        // A shard that no longer listens is ending.
        let _ = self.reply.send(prepared);
        self.bell.ring();
    }
}

impl Preparer {
    /// Starts the thread, for this directory of data. It ends when the last `Preparer` is dropped.
    ///
    /// As long as it `is_held`, segments are filled and not finished: until [`Preparer::release`] another process may
    /// have to continue with the log, perhaps of a release that cannot read what this one writes.
    pub fn start(data: PathBuf, is_held: bool) -> io::Result<Preparer> {
        let files = StdFiles::new(data);
        // Each shard has at most one order under way.
        let (tasks, receiver) = flume::bounded(1025);
        std::thread::Builder::new().name("madang-files".into()).spawn(move || {
            step_back();
            let mut held = is_held.then(Vec::new);
            for task in receiver {
                match task {
                    Task::Prepare(order, asker) => {
                        let filled = fill(&files, &order, clock::wall_clock());
                        match &mut held {
                            Some(held) => held.push((order, asker, filled)),
                            None => asker.give(finish(&files, &order, filled)),
                        }
                    }
                    Task::Release => {
                        for (order, asker, filled) in held.take().into_iter().flatten() {
                            asker.give(finish(&files, &order, filled));
                        }
                    }
                }
            }
        })?;
        Ok(Preparer { tasks })
    }

    /// Orders a segment; `reply` gets it.
    pub fn order(&self, order: Order, reply: flume::Sender<Prepared>, bell: Arc<Bell>) {
        let task = Task::Prepare(order, SegmentAsker { reply, bell });
        self.tasks.send(task).expect("the files thread lives as long as its orders");
    }

    /// From now on segments are finished.
    pub fn release(&self) {
        self.tasks.send(Task::Release).expect("the files thread lives as long as its orders");
    }
}

/// Gives the shards priority where they share a processor with the calling thread. It still gets a tenth of it: more
/// than it needs to make segments for a shard that fills them as fast as it can.
pub fn step_back() {
    /// Every thread would log the same.
    static SAID: Once = Once::new();
    // If it is refused, the work is the same; the operator should know what that costs.
    if let Err(error) = rustix::process::setpriority_process(None, BESIDE_NICENESS) {
        SAID.call_once(|| {
            tracing::warn!(
                "background threads have the priority of the shards, and delay them on shared processors: \
                 setpriority is refused ({error}); allow it, as SystemCallFilter= of madang.service does"
            );
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use madang_log::{Files, HEADER_BYTES, SEGMENT_BYTES_MIN, SegmentHeader, SegmentNumber};
    use madang_model::ShardId;
    use std::time::Duration;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn order(number: u64) -> Order {
        let number = SegmentNumber(number);
        Order { shard: ShardId(0), shard_count: 1, number, capacity_bytes: SEGMENT_BYTES_MIN }
    }

    #[test]
    fn nothing_of_a_new_format_is_there_before_this_process_owns_the_log_for_good() {
        let directory = tempfile::tempdir().expect("a directory");
        let preparer = Preparer::start(directory.path().to_owned(), true).expect("a thread");
        let (reply, prepared) = flume::bounded(2);
        let bell = Arc::new(Bell::new().expect("a descriptor"));
        preparer.order(order(1), reply.clone(), Arc::clone(&bell));
        preparer.order(order(2), reply, Arc::clone(&bell));
        let shard = directory.path().join("shard-00");
        let names = || {
            let entries = std::fs::read_dir(&shard).into_iter().flatten().flatten();
            let mut names: Vec<_> = entries.map(|entry| entry.file_name().into_string()).collect();
            names.sort_unstable();
            names.into_iter().map(|name| name.expect("UTF-8")).collect::<Vec<_>>()
        };
        let asked_at = std::time::Instant::now();
        while names().len() < 2 {
            assert!(asked_at.elapsed() < PATIENCE, "both are filled meanwhile");
            std::thread::yield_now();
        }
        assert!(names().iter().all(|name| name.ends_with(".new")), "{:?}", names());
        assert!(prepared.is_empty());
        preparer.release();
        for number in [1, 2] {
            let given = prepared.recv_timeout(PATIENCE).expect("it is finished");
            assert!(given.number == SegmentNumber(number) && given.result.is_ok(), "{given:?}");
            let path = StdFiles::new(directory.path()).path(ShardId(0), given.number);
            let header = std::fs::read(path).expect("a segment");
            assert!(SegmentHeader::decode(&header[..HEADER_BYTES], ShardId(0), given.number).is_ok());
        }
        assert!(names().iter().all(|name| name.ends_with(".seg")), "{:?}", names());
    }
}

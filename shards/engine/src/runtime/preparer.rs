//! The thread that makes segments ready before they are needed.

use super::bell::Bell;
use super::clock;
use crate::store::{Order, Prepared, prepare};
use madang_log::StdFiles;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Once};

/// The niceness of threads that work beside the shards.
const BESIDE_NICENESS: i32 = 10;

/// Takes orders, for all shards.
#[derive(Clone, Debug)]
pub struct Preparer {
    orders: flume::Sender<(Order, flume::Sender<Prepared>, Arc<Bell>)>,
}

impl Preparer {
    /// Starts the thread, for this directory of data. It ends when the last `Preparer` is dropped.
    pub fn start(data: PathBuf) -> io::Result<Preparer> {
        let files = StdFiles::new(data);
        // Each shard has at most one order under way.
        let (orders, receiver) = flume::bounded::<(Order, flume::Sender<Prepared>, Arc<Bell>)>(1024);
        std::thread::Builder::new().name("madang-files".into()).spawn(move || {
            step_back();
            for (order, reply, bell) in receiver {
                let prepared = prepare(&files, &order, clock::wall_clock());
                // A shard that no longer listens is ending.
                let _ = reply.send(prepared);
                bell.ring();
            }
        })?;
        Ok(Preparer { orders })
    }

    /// Orders a segment; `reply` gets it.
    pub fn order(&self, order: Order, reply: flume::Sender<Prepared>, bell: Arc<Bell>) {
        self.orders.send((order, reply, bell)).expect("the files thread lives as long as its orders");
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

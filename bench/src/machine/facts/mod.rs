//! What a figure owes to the machine: kernel, processor, memory, and the device under the data.

mod data_place;
mod processor;
mod stalls;
mod sync_time;

pub use data_place::DataPlace;
pub use stalls::Stalls;
pub use sync_time::SyncTime;

use serde::{Deserialize, Serialize};
use std::path::Path;

/// The machine that was measured on. What cannot be read is `None` or `unknown`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MachineFacts {
    /// `Linux 6.18.5 x86_64`.
    pub kernel: String,
    /// The processor's model name.
    pub processor: String,
    /// Processors of the machine.
    pub processors: usize,
    /// Those that this process may use.
    pub processors_allowed: usize,
    /// What governs the frequency; `None` where nothing does, as on most virtual machines.
    pub governor: Option<String>,
    /// Processor faults and what is done about them, as the kernel says.
    pub mitigations: Vec<(String, String)>,
    /// Memory of the machine, in bytes.
    pub memory_bytes: u64,
    /// Where messages are stored; `None` when it is not known.
    pub data: Option<DataPlace>,
    /// What the device takes for a synced write; `None` when it was not measured.
    pub sync: Option<SyncTime>,
    /// How often the processors were away; `None` when it was not measured.
    #[serde(default)]
    pub stalls: Option<Stalls>,
}

impl MachineFacts {
    /// Reads what the kernel says. `data` is the directory of messages, or what it will be made in.
    pub fn read(data: Option<&Path>) -> MachineFacts {
        let system = rustix::system::uname();
        let words = [system.sysname(), system.release(), system.machine()].map(|word| word.to_string_lossy());
        MachineFacts {
            kernel: words.join(" "),
            processor: processor::model(),
            processors: processor::online(),
            processors_allowed: std::thread::available_parallelism().map_or(1, usize::from),
            governor: processor::governor(),
            mitigations: processor::mitigations(),
            memory_bytes: super::memory::machine_bytes(),
            data: data.and_then(DataPlace::read),
            sync: None,
            stalls: None,
        }
    }
}

//! The load of `madang bench`: workloads in, measurements out.
//!
//! One thread drives every connection through one readiness set, so that the load's own cost is
//! small and known. Nothing is counted that was not checked: each delivery carries who wrote it,
//! its number and when it was meant to be sent.
#![deny(unsafe_code)]

mod account;
pub mod baseline;
mod child;
mod crowd;
mod error;
#[cfg(test)]
mod fake;
mod findings;
mod floor;
mod log;
mod machine;
pub mod output;
mod pace;
mod protocol;
pub mod results;
mod runtime;
mod server;
mod target;
mod watch;
mod workload;

pub use error::BenchError;
pub use floor::measure_floor;
pub use log::{LogOptions, LogPart};
pub use machine::{DataPlace, MachineFacts, Stalls, SyncTime};
pub use protocol::Protocol;
pub use target::{OwnServer, Target};
pub use watch::{NoProgress, Progress, Stop};
pub use workload::{
    EchoOptions, FanOutOptions, HistoryOptions, IdleOptions, MixedOptions, Pace, SlowReadersOptions,
    StormOptions, UpgradeOptions, WhisperOptions, Workload, measure,
};

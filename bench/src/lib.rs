//! The load, the histograms and the report of `madang bench`.
//!
//! One thread drives every connection through one readiness set, so that the load's own cost is
//! small and known. Nothing is counted that was not checked: each delivery carries who wrote it,
//! its number and when it was meant to be sent.
#![forbid(unsafe_code)]

mod crowd;
mod echo;
mod error;
#[cfg(test)]
mod fake;
mod fan_out;
mod idle;
mod log;
mod machine;
mod report;
pub mod results;
mod server;
mod target;
mod watch;

pub use echo::{EchoOptions, EchoReport, run_echo};
pub use error::BenchError;
pub use fan_out::{FanOutOptions, FanOutReport, Faults, Pace, run_fan_out};
pub use idle::{IdleOptions, IdleReport, run_idle};
pub use log::{LogOptions, run_log};
pub use report::Figures;
pub use target::{OwnServer, Target};
pub use watch::{NoProgress, Progress, Stop};

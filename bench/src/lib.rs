//! `madang bench`: workloads in, measurements out. The program that has this command mounts
//! [`BenchCommand`] and calls [`run`].
//!
//! One thread drives every connection through one readiness set, so that the load's own cost is
//! small and known. Nothing is counted that was not checked: each delivery carries who wrote it,
//! its number and when it was meant to be sent.
#![deny(unsafe_code)]

mod account;
mod baseline;
mod child;
mod command_line;
mod crowd;
mod error;
#[cfg(test)]
mod fake;
mod findings;
mod floor;
mod log;
mod machine;
mod options;
mod output;
mod pace;
mod protocol;
mod results;
mod runtime;
mod server;
mod target;
mod watch;
mod workload;

pub use command_line::{BenchCommand, Program, StatusLine, run};

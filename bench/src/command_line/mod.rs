//! `madang bench`: options in, figures out, for the program that has this command.

mod command;
mod conduct;
mod outputs;
mod peer;
mod plan;
mod process;
mod program;
mod progress;
mod run;
mod servers;
mod stopping;
mod streams;

pub use command::BenchCommand;
pub use program::{Program, StatusLine};
pub use run::run;

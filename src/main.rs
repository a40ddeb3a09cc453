//! Madang: a chat server that puts every message on disk before anyone sees it.

mod backup;
mod cli;
mod control;
mod data_option;
mod edge;
mod edge_desk;
mod edge_link;
mod exit_code;
mod handover;
mod log_command;
mod operator;
mod privacy;
mod serve;
mod server;
mod systemd;
mod telemetry;
mod terminal;
mod version;

use std::process::ExitCode;

fn main() -> ExitCode {
    serve::signals::ignore_file_size_signal();
    cli::run()
}

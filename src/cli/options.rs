//! Options of every command that reads the configuration.

use crate::exit_code::EXIT_USAGE;
use clap::Args;
use madang_config::{ConfigErrors, Flag, Loaded, Sources};
use std::path::PathBuf;
use std::process::ExitCode;

/// Sources of the configuration.
#[derive(Args, Debug)]
pub struct ConfigOptions {
    /// The configuration file [default: /etc/madang/madang.toml if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Set a key of the configuration; may be repeated, the last wins
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl ConfigOptions {
    /// Reads the configuration; `flags` are those that set keys.
    ///
    /// # Errors
    /// The exit code. The mistakes were written to standard error.
    pub fn load(self, flags: Vec<Flag>) -> Result<Loaded, ExitCode> {
        self.try_load(flags).map_err(|errors| {
            eprintln!("{errors}");
            ExitCode::from(EXIT_USAGE)
        })
    }

    /// Reads the configuration; `flags` are those that set keys.
    ///
    /// # Errors
    /// All mistakes.
    pub fn try_load(self, flags: Vec<Flag>) -> Result<Loaded, ConfigErrors> {
        let sources = Sources {
            file: self.config,
            environment: std::env::vars_os().collect(),
            flags,
            overrides: self.set,
        };
        madang_config::load(&sources)
    }
}

//! `madang config`: inspect the configuration without serving.

use super::options::ConfigOptions;
use crate::exit_code::EXIT_USAGE;
use crate::serve;
use clap::Subcommand;
use std::io::{self, Write};
use std::process::ExitCode;

/// Check the configuration, or print the default one
#[derive(Subcommand, Debug)]
pub enum ConfigCommand {
    /// Read the configuration as `serve` would, and print every value in force and where it was set
    #[command(after_help = "\
Example: madang config check --config /etc/madang/madang.toml

Exit codes: 0 the configuration is good, 2 it is not.")]
    Check(ConfigOptions),
    /// Print a commented configuration file with every key and its default
    #[command(after_help = "Example: madang config default > madang.toml")]
    Default,
}

/// Runs `madang config …`.
pub fn run(command: ConfigCommand) -> ExitCode {
    match command {
        ConfigCommand::Check(options) => check(options),
        ConfigCommand::Default => print(&madang_config::default_file()),
    }
}

fn check(options: ConfigOptions) -> ExitCode {
    let loaded = match options.load(Vec::new()) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let found = serve::check(&loaded);
    for warning in loaded.warnings.iter().chain(found.iter().flatten()) {
        eprintln!("warning: {warning}");
    }
    if let Err(error) = found {
        eprintln!("{error}");
        return ExitCode::from(EXIT_USAGE);
    }
    match &loaded.file {
        Some(path) => eprintln!("{}: the configuration is good", path.display()),
        None => eprintln!("no file was read ({} does not exist)", madang_config::DEFAULT_FILE),
    }
    print(&madang_config::effective(&loaded))
}

/// A reader that ends early (`| head`) is no failure.
fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot write to standard output: {error}");
            ExitCode::FAILURE
        }
    }
}

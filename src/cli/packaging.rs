//! Completions and manual pages for packages, from the same description as the help.

use super::manual;
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Args, Command, CommandFactory, ValueHint};
use clap_complete::Shell;
use madang_config::key_names;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Write completions for a shell to standard output
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  madang completions bash > /usr/share/bash-completion/completions/madang
  madang completions zsh > /usr/share/zsh/vendor-completions/_madang
  madang completions fish > ~/.config/fish/completions/madang.fish")]
pub struct CompletionsCommand {
    /// The shell
    shell: Shell,
}

/// Write the manual page to standard output, or one page per command into a directory
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  madang man | man -l -\n  madang man --to /usr/share/man/man1")]
pub struct ManCommand {
    /// Write madang.1, madang-serve.1 … there; the directory is created if missing
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

/// Runs `madang completions`.
pub fn completions(command: &CompletionsCommand) -> ExitCode {
    let mut text = Vec::new();
    let mut description = completed(&super::CommandLine::command());
    clap_complete::generate(command.shell, &mut description, "madang", &mut text);
    print(&text)
}

/// A command as completions show it: without hidden parts, and with the values that can be listed.
fn completed(command: &Command) -> Command {
    let shown = command.get_arguments().filter(|argument| !argument.is_hide_set());
    let about = command.get_about().cloned().unwrap_or_default();
    let described = Command::new(command.get_name().to_owned())
        .about(about)
        .disable_help_subcommand(true)
        .args(shown.map(|argument| with_values(argument.clone())));
    let described = match command.get_version() {
        Some(version) => described.version(version.to_owned()),
        None => described,
    };
    let below = command.get_subcommands().filter(|below| !below.is_hide_set());
    described.subcommands(below.map(completed))
}

fn with_values(argument: Arg) -> Arg {
    if !matches!(argument.get_action(), ArgAction::Set | ArgAction::Append) {
        return argument;
    }
    let listed =
        |argument: Arg, values: Vec<String>| argument.value_parser(PossibleValuesParser::new(values));
    let of = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    match argument.get_id().as_str() {
        "set" => listed(argument, key_names().map(|key| format!("{key}=")).collect()),
        "durability" => listed(argument, of(&["commit", "interval:50ms", "none"])),
        "shards" => listed(argument, of(&["auto", "1", "2", "4", "8"])),
        "listen" => listed(argument, of(&["127.0.0.1:8080", "0.0.0.0:8080", "[::]:8080"])),
        _ => match argument.get_value_names().and_then(|names| names.first()).map(|name| name.as_str()) {
            Some("DIR") => argument.value_hint(ValueHint::DirPath),
            Some("FILE") => argument.value_hint(ValueHint::FilePath),
            _ => argument,
        },
    }
}

/// Runs `madang man`.
pub fn man(command: &ManCommand) -> ExitCode {
    let mut description = super::CommandLine::command();
    description.build();
    let Some(directory) = &command.to else {
        let mut text = Vec::new();
        return match manual::page(&description, &mut text) {
            Ok(()) => print(&text),
            Err(error) => fail(&format!("cannot make the manual page: {error}")),
        };
    };
    let written = std::fs::create_dir_all(directory).and_then(|()| manual::pages(&description, directory));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!(
            "cannot write manual pages to '{}': {error}; choose a directory that this user may write",
            directory.display()
        )),
    }
}

/// A reader that ends early (`| head`) is no failure.
fn print(text: &[u8]) -> ExitCode {
    match io::stdout().write_all(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            fail(&format!("cannot write to standard output: {error}"))
        }
        _ => ExitCode::SUCCESS,
    }
}

fn fail(words: &str) -> ExitCode {
    eprintln!("{words}");
    ExitCode::FAILURE
}

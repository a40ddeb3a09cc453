//! What packages bring beside the binary: completions and the manual, from the same description as
//! the help.

use clap::{Args, CommandFactory};
use clap_complete::Shell;
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
    /// For which
    shell: Shell,
}

/// Write the manual page to standard output, or one of each command into a directory
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  madang man | man -l -\n  madang man --to /usr/share/man/man1")]
pub struct ManCommand {
    /// Write madang.1, madang-serve.1 … there; the directory is made if missing
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

/// Answers `madang completions`.
pub fn completions(command: &CompletionsCommand) -> ExitCode {
    let mut text = Vec::new();
    clap_complete::generate(command.shell, &mut super::CommandLine::command(), "madang", &mut text);
    print(&text)
}

/// Answers `madang man`.
pub fn man(command: &ManCommand) -> ExitCode {
    let description = super::CommandLine::command();
    let Some(directory) = &command.to else {
        let mut text = Vec::new();
        return match clap_mangen::Man::new(description).render(&mut text) {
            Ok(()) => print(&text),
            Err(error) => fail(&format!("cannot make the manual page: {error}")),
        };
    };
    let written =
        std::fs::create_dir_all(directory).and_then(|()| clap_mangen::generate_to(description, directory));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!(
            "cannot write manual pages to '{}': {error}; choose a directory that this user may write",
            directory.display()
        )),
    }
}

/// A reader that leaves early (`| head`) is not a failure.
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

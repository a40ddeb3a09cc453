//! The command line, and which part of the program runs each command.

mod backup;
mod bench;
mod config;
mod control;
mod directory;
mod edge;
mod hints;
mod manual;
mod options;
mod packaging;
mod serve;
mod status_page;
mod table;
mod upgrade;

use crate::log_command::{self, LogCommand, ROOM_NOTES, RoomCommand};
use crate::privacy;
use crate::version::{COMMIT, VERSION, with_commit};
use clap::{Parser, Subcommand};
use directory::{ACCOUNT_NOTES, AccountCommand, DIRECTORY_NOTES, DirectoryCommand, KEY_NOTES, KeyCommand};
use madang_bench::BenchCommand;
use std::process::ExitCode;

#[derive(Parser, Debug)]
#[command(name = "madang", version = with_commit(VERSION, COMMIT), about, after_help = EXAMPLES)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Serve(serve::ServeOptions),
    Edge(edge::EdgeOptions),
    Status(control::StatusCommand),
    Upgrade(upgrade::UpgradeCommand),
    Drain(control::DrainCommand),
    Kick(control::KickCommand),
    Broadcast(control::BroadcastCommand),
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Read a log (export, verify, dump, stats), repair one, or import messages into one
    #[command(subcommand)]
    Log(LogCommand),
    /// Show the facts of a room: settings, members, roles, mutes, bans, invitations
    #[command(subcommand, after_help = ROOM_NOTES, after_long_help = ROOM_NOTES)]
    Room(RoomCommand),
    /// Make accounts, list them, ban or delete them
    #[command(subcommand, after_help = ACCOUNT_NOTES, after_long_help = ACCOUNT_NOTES)]
    Account(AccountCommand),
    /// Make the keys with which programs come, give them other secrets, remove them
    #[command(subcommand, after_help = KEY_NOTES, after_long_help = KEY_NOTES)]
    Key(KeyCommand),
    /// Check the directory of accounts and keys, or copy it into another database
    #[command(subcommand, after_help = DIRECTORY_NOTES, after_long_help = DIRECTORY_NOTES)]
    Directory(DirectoryCommand),
    Backup(backup::BackupCommand),
    Restore(backup::RestoreCommand),
    Bench(Box<BenchCommand>),
    Completions(packaging::CompletionsCommand),
    Man(packaging::ManCommand),
}

const EXAMPLES: &str = "\
Examples:
  madang serve                             serve on 127.0.0.1:8080, data in ./madang-data
  madang serve --listen 0.0.0.0:8080       accept connections from other machines
  madang serve --set limits.burst=80       set any key of the configuration
  madang status --watch                    show the state of the running server
  madang upgrade                           replace the running server, disconnecting nobody
  madang config default > madang.toml      write a commented file to start from
  madang config check --config madang.toml
  madang log export --room general         print the messages of a room
  madang room show general                 print its settings, members and roles
  madang backup /var/backups/madang        copy the log while it is written, and verify the copy
  madang bench                             start a server and measure it

Exit codes: 0 done, 1 failed while running, 2 the command line, the configuration or the machine
must be corrected first (the message says how), 3 no server runs there.";

/// Runs what was typed.
pub fn run() -> ExitCode {
    let words = hints::normalized(std::env::args_os().collect());
    let command =
        CommandLine::try_parse_from(words).unwrap_or_else(|error| hints::with_hint(error).exit()).command;
    if writes_files(&command) {
        privacy::restrict_umask();
    }
    match command {
        Command::Serve(options) => serve::run(options),
        Command::Edge(options) => edge::run(options),
        Command::Status(command) => control::status(command),
        Command::Upgrade(command) => upgrade::run(&command),
        Command::Drain(command) => control::drain(command),
        Command::Kick(command) => control::kick(command),
        Command::Broadcast(command) => control::broadcast(command),
        Command::Config(command) => config::run(command),
        Command::Log(command) => log_command::run(command),
        Command::Room(command) => log_command::run_room(&command),
        Command::Account(command) => directory::run_account(command),
        Command::Key(command) => directory::run_key(command),
        Command::Directory(command) => directory::run_directory(command),
        Command::Backup(command) => backup::back_up(command),
        Command::Restore(command) => backup::restore(&command),
        Command::Bench(command) => bench::run(&command),
        Command::Completions(command) => packaging::completions(&command),
        Command::Man(command) => packaging::man(&command),
    }
}

/// Whether it makes files that are its user's alone.
fn writes_files(command: &Command) -> bool {
    use Command::{Account, Backup, Directory, Edge, Key, Log, Restore, Serve};
    matches!(
        command,
        Serve(_) | Edge(_) | Log(_) | Backup(_) | Restore(_) | Account(_) | Key(_) | Directory(_)
    )
}

//! `madang status`, `drain`, `kick` and `broadcast`: the operator's commands for a running server.

use crate::data_option::DataOption;
use crate::operator::{Answer, ClientError, Connection, ControlCommand, Status, ask_current_server};
use clap::Args;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

/// No server runs there; `systemctl status` and init scripts use the same code.
const EXIT_NOT_RUNNING: u8 = 3;
/// How often `--watch` refreshes.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// How long to wait for the end of the server: longer than a drain may take.
const DRAIN_MAX: Duration = Duration::from_secs(20);

/// Examples and exit codes.
macro_rules! help {
    ($examples:literal) => {
        concat!($examples, "\n\nExit codes: 0 done, 1 failed, 3 no server runs there.")
    };
}
pub(super) use help;

/// Show the state of the running server: shards, rates, largest and busiest rooms, slow connections, the log
#[derive(Args, Debug)]
#[command(after_help = help!("Examples:\n  madang status --watch\n  madang status --json --data /var/lib/madang"))]
pub struct StatusCommand {
    #[command(flatten)]
    data: DataOption,

    /// Refresh every second, until Ctrl-C
    #[arg(long, short)]
    watch: bool,

    /// Write the whole state as one JSON object; with --watch one a second
    #[arg(long)]
    json: bool,

    /// How many rooms and slow connections to list
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(0..=1000))]
    count: u16,
}

/// Stop the running server: accept no connections, finish what was accepted, notify everyone
#[derive(Args, Debug)]
#[command(after_help = help!("Example: madang drain --data /var/lib/madang"))]
pub struct DrainCommand {
    #[command(flatten)]
    data: DataOption,
}

/// Close all connections of a user; the name is then free for others
#[derive(Args, Debug)]
#[command(after_help = help!("Example: madang kick mallory --reason 'no advertising here'"))]
pub struct KickCommand {
    /// The user's name
    name: String,

    /// The reason that the user is shown
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,

    #[command(flatten)]
    data: DataOption,
}

/// Send a text to everyone who has a name: `* the operator says: TEXT`
#[derive(Args, Debug)]
#[command(after_help = help!("Example: madang broadcast 'the server is moved at noon; you will be back within a second'"))]
pub struct BroadcastCommand {
    /// The text; several words are one text
    #[arg(required = true)]
    text: Vec<String>,

    #[command(flatten)]
    data: DataOption,
}

/// Runs `madang status`.
pub fn status(command: StatusCommand) -> ExitCode {
    let data = command.data.to_running();
    let is_screen = command.watch && !command.json && io::stdout().is_terminal();
    loop {
        // A new connection each time, so that a restarted server is shown, too.
        let status = match crate::operator::status(&data, usize::from(command.count)) {
            Ok(status) => status,
            Err(error) => return fail(&error),
        };
        let text = if command.json {
            serde_json::to_string(&status).map(|line| line + "\n").unwrap_or_default()
        } else {
            super::status_page::page(&status)
        };
        // Moving to the top first and clearing the rest last avoids flicker.
        let text = if is_screen { format!("\x1b[H{}\x1b[J", text.replace('\n', "\x1b[K\n")) } else { text };
        let mut output = io::stdout();
        if output.write_all(text.as_bytes()).and_then(|()| output.flush()).is_err() {
            return ExitCode::SUCCESS; // the reader has ended
        }
        if !command.watch {
            return if is_well(&status) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
        std::thread::sleep(WATCH_INTERVAL);
        if !command.json && !is_screen && output.write_all(b"\n").is_err() {
            return ExitCode::SUCCESS;
        }
    }
}

fn is_well(status: &Status) -> bool {
    status.faults.is_empty()
}

/// Runs `madang drain`.
pub fn drain(command: DrainCommand) -> ExitCode {
    let data = command.data.to_running();
    match ask_current_server(&data, &ControlCommand::Drain) {
        Ok((Answer::Draining, server)) if server.await_end(DRAIN_MAX) => {
            println!("the server has ended");
            ExitCode::SUCCESS
        }
        Ok((Answer::Draining, _)) => {
            eprintln!(
                "the server is draining and has not ended after {} s; see its journal",
                DRAIN_MAX.as_secs()
            );
            ExitCode::FAILURE
        }
        Ok((other, _)) => unexpected(&other),
        Err(error) => fail(&error),
    }
}

/// Runs `madang kick`.
pub fn kick(command: KickCommand) -> ExitCode {
    let KickCommand { name, reason, data } = command;
    match reached(&data, &ControlCommand::Kick { name: name.clone(), reason }) {
        Ok(0) => {
            eprintln!(
                "no user named {name} is connected; `/whois {name}`, typed in a chat, shows how the name is spelled and whether anyone has it"
            );
            ExitCode::FAILURE
        }
        Ok(count) => {
            println!("{name}: {count} {} ended", if count == 1 { "connection" } else { "connections" });
            ExitCode::SUCCESS
        }
        Err(code) => code,
    }
}

/// Runs `madang broadcast`.
pub fn broadcast(command: BroadcastCommand) -> ExitCode {
    match reached(&command.data, &ControlCommand::Broadcast { text: command.text.join(" ") }) {
        Ok(count) => {
            println!("sent to {count} {}", if count == 1 { "connection" } else { "connections" });
            ExitCode::SUCCESS
        }
        Err(code) => code,
    }
}

fn reached(data: &DataOption, command: &ControlCommand) -> Result<u64, ExitCode> {
    let answer = Connection::open(&data.to_running()).and_then(|mut server| server.ask(command));
    match answer {
        Ok(Answer::Reached(count)) => Ok(count),
        Ok(other) => Err(unexpected(&other)),
        Err(error) => Err(fail(&error)),
    }
}

pub(super) fn unexpected(answer: &Answer) -> ExitCode {
    fail(&ClientError::Unexpected(format!("{answer:?}")))
}

pub(super) fn fail(error: &ClientError) -> ExitCode {
    eprintln!("{error}");
    match error {
        ClientError::NotRunning(_) => ExitCode::from(EXIT_NOT_RUNNING),
        _ => ExitCode::FAILURE,
    }
}

//! `madang upgrade`: another process, perhaps of another version, takes over from the running one.

use super::control::{fail, help, unexpected};
use crate::data_option::DataOption;
use crate::operator::{Answer, ClientError, Connection, ControlCommand, Status, status};
use clap::Args;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long to wait for the upgrade: longer than the running server waits for the new one.
const UPGRADE_MAX: Duration = Duration::from_secs(180);
/// How long the new server may take to answer on the control socket, once it serves.
const ANSWER_MAX: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);

/// Replace the running server with the program that is installed now, disconnecting nobody
#[derive(Args, Debug)]
#[command(after_help = help!("Example: madang upgrade --data /var/lib/madang"), long_about = "\
Replace the running server with the program that is installed now, disconnecting nobody.

The running server starts the program with the path and the arguments with which it was started \
itself. The new process reads the configuration again, so that settings that need a restart take \
effect, too. Everyone stays connected, except connections with TLS, which must reconnect, and waits for some tens of \
milliseconds. If the new server cannot start, the running one continues, and its journal says why.")]
pub struct UpgradeCommand {
    #[command(flatten)]
    data: DataOption,
}

/// Runs `madang upgrade`.
pub fn run(command: &UpgradeCommand) -> ExitCode {
    match upgrade(&command.data.to_running()) {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

fn upgrade(data: &Path) -> Result<ExitCode, ClientError> {
    let before = status(data, 0)?;
    let mut server = Connection::open(data)?;
    // The server first lets the new program check whether it would start.
    match server.ask_within(&ControlCommand::Upgrade, UPGRADE_MAX)? {
        Answer::Upgrading(_) => {}
        other => return Ok(unexpected(&other)),
    }
    if let Some(answer) = server.await_answer(UPGRADE_MAX)? {
        return Ok(unexpected(&answer));
    }
    let ended = Instant::now();
    let is_another = |after: &Status| (after.pid, after.started_us) != (before.pid, before.started_us);
    loop {
        match status(data, 0) {
            Ok(after) if is_another(&after) && after.state != "recovering" => {
                println!("upgraded: {} to {}", which(&before), which(&after));
                return Ok(ExitCode::SUCCESS);
            }
            Ok(after) if !is_another(&after) && ended.elapsed() > ANSWER_MAX => {
                eprintln!("the running server continues unchanged; its journal says why");
                return Ok(ExitCode::FAILURE);
            }
            Err(error) if ended.elapsed() > ANSWER_MAX => return Err(error),
            _ => std::thread::sleep(LOOK),
        }
    }
}

/// Its version, and its commit where that is known.
fn which(Status { version, commit, pid, .. }: &Status) -> String {
    let commit = commit.as_ref().map(|commit| format!("{commit}, ")).unwrap_or_default();
    format!("{version} ({commit}process {pid})")
}

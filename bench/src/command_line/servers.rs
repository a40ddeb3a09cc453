//! The servers of one run: what is measured, and what each promises.

use super::command::BenchCommand;
use super::peer::Peer;
use super::process;
use super::program::Program;
use crate::protocol::Protocol;
use crate::results::ServerFacts;
use crate::target::{OwnServer, Target};
use crate::workload::Workload;
use std::path::PathBuf;

/// One server and what is said of it.
#[derive(Clone, Debug)]
pub struct Server {
    /// How the load gets there.
    pub target: Target,
    /// What the report says of it.
    pub facts: ServerFacts,
    /// Where its messages are, or will be, as far as that is known.
    pub data: Option<PathBuf>,
}

/// The measured server first, then those that it is compared with.
pub fn servers(command: &BenchCommand, program: &Program) -> Result<Vec<Server>, String> {
    if command.compare_pid.len() > command.compare.len() {
        return Err(
            "there are more --compare-pid than --compare; give each server its own, in order".to_owned()
        );
    }
    let first = match command.running() {
        Some((peer, pid)) => running(peer, pid),
        None => own(command, program)?,
    };
    let others = command
        .compare
        .iter()
        .enumerate()
        .map(|(position, peer)| running(peer, command.compare_pid.get(position).copied().or(peer.pid)));
    let mut servers: Vec<Server> = [first].into_iter().chain(others).collect();
    tell_apart(&mut servers);
    Ok(servers)
}

fn own(command: &BenchCommand, program: &Program) -> Result<Server, String> {
    let is_log = matches!(command.workload, Some(Workload::Log(_)));
    if is_log && (command.durability.is_some() || !command.settings.is_empty()) {
        return Err(
            "log measures a server with its default settings; leave out --durability and --set".to_owned()
        );
    }
    let program = (program.path)().map_err(|error| {
        format!("cannot find this program to run it: {error}; measure one that runs with --target")
    })?;
    let (durability, settings) = (command.durability.clone(), command.settings.clone());
    let name = Protocol::Line.name().to_owned();
    let facts = ServerFacts {
        protocol: name.clone(),
        name,
        address: None,
        pid: None,
        promise: promise_of_own(durability_of(durability.as_deref(), &settings)),
        durability: Some(durability.clone().unwrap_or_else(|| "commit".to_owned())),
        settings: settings.clone(),
    };
    let data = match &command.workload {
        Some(Workload::Log(log)) => log.dir.clone(),
        _ => None,
    };
    let data = data.unwrap_or_else(std::env::temp_dir);
    let target = Target::Own(OwnServer { program, durability, settings });
    Ok(Server { target, facts, data: Some(data) })
}

fn running(peer: &Peer, pid: Option<u32>) -> Server {
    let pid = pid.or_else(|| process::listening_at(peer.address));
    let process_name = || pid.and_then(process::name_of).filter(|_| peer.protocol != Protocol::Line);
    let name = peer.name.clone().or_else(process_name).unwrap_or_else(|| peer.protocol.name().to_owned());
    let facts = ServerFacts {
        name: name.clone(),
        protocol: peer.protocol.name().to_owned(),
        address: Some(peer.address.to_string()),
        pid,
        promise: promise_of_running(peer.protocol).to_owned(),
        durability: None,
        settings: Vec::new(),
    };
    let is_ours = peer.protocol == Protocol::Line;
    let data = pid.filter(|_| is_ours).and_then(process::data_directory_of);
    let target = Target::Running { protocol: peer.protocol, address: peer.address, pid, label: name };
    Server { target, facts, data }
}

/// Two of one name get their addresses.
fn tell_apart(servers: &mut [Server]) {
    let names: Vec<String> = servers.iter().map(|server| server.facts.name.clone()).collect();
    for server in servers {
        let is_ambiguous = names.iter().filter(|name| **name == server.facts.name).count() > 1;
        if let (true, Target::Running { address, label, .. }) = (is_ambiguous, &mut server.target) {
            *label = format!("{label} {address}");
            server.facts.name.clone_from(label);
        }
    }
}

/// The last setting wins over the flag, as in `madang serve`.
fn durability_of<'a>(flag: Option<&'a str>, settings: &'a [String]) -> &'a str {
    let set = settings.iter().rev().find_map(|setting| setting.strip_prefix("log.durability="));
    set.or(flag).unwrap_or("commit").trim_matches('"')
}

fn promise_of_own(durability: &str) -> String {
    let kept = match durability.strip_prefix("interval:") {
        Some(interval) => format!(
            "each message is seen at once and synced to disk within {interval}; a power cut may lose the last {interval}"
        ),
        None if durability == "none" => "each message is seen at once, written, and never synced".to_owned(),
        None => "each message is written and synced to disk before anyone sees it".to_owned(),
    };
    format!("{kept}; one order per room, and all of it can be read again (durability {durability})")
}

fn promise_of_running(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Line => {
            "each message is stored as its log.durability says (\"commit\", the default: synced to disk before \
             anyone sees it), one order per room"
        }
        Protocol::Irc => "in memory: nothing is stored, absent clients miss messages (at most once)",
        Protocol::Redis => {
            "Pub/Sub, in memory: nothing is stored, absent and slow clients miss messages (at most once)"
        }
        Protocol::Nats => {
            "core, in memory: nothing is stored, absent and slow clients miss messages (at most once)"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_durability_in_force_is_what_is_promised() {
        let settings = ["a.b=1".to_owned(), "log.durability=none".to_owned()];
        assert_eq!(durability_of(Some("commit"), &settings), "none");
        assert_eq!(durability_of(Some("interval:50ms"), &[]), "interval:50ms");
        assert_eq!(durability_of(None, &[]), "commit");
        assert!(promise_of_own("interval:50ms").contains("within 50ms; a power cut may lose the last 50ms"));
        assert!(promise_of_own("none").contains("never synced"));
        assert!(promise_of_own("commit").contains("before anyone sees it"));
    }

    #[test]
    fn two_of_a_kind_are_told_apart_by_their_addresses() {
        let redis = |port: u16| {
            running(
                &super::super::peer::peer(&format!("redis://127.0.0.1:{port}?pid=1&name=Redis")).unwrap(),
                None,
            )
        };
        let mut servers = [redis(1), redis(2)];
        tell_apart(&mut servers);
        assert_eq!(servers[1].facts.name, "Redis 127.0.0.1:2");
        assert_eq!(servers[1].target.label(), "Redis 127.0.0.1:2");
    }
}

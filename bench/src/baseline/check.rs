//! Whether an earlier run did the same work, asked before any of it is done again.

use super::NotComparable;
use crate::output::json::{Document, ServerRecord, WorkloadRecord};
use std::collections::BTreeSet;
use std::path::Path;

/// Makes sure that every workload of `now` was measured then with the same parameters, and that the
/// measured server was started alike. `now` needs no rounds yet.
///
/// # Errors
/// [`NotComparable`] names all that differs.
pub fn check(path: &Path, before: &Document, now: &Document) -> Result<(), NotComparable> {
    let mut differences: Vec<String> =
        now.workloads.iter().filter_map(|workload| workload_difference(workload, before)).collect();
    if let (Some(then), Some(today)) = (before.servers.first(), now.servers.first()) {
        differences.extend(server_differences(then, today));
    }
    if differences.is_empty() {
        return Ok(());
    }
    Err(NotComparable { path: path.to_owned(), differences, command: before.command.join(" ") })
}

/// The workload of an earlier run that is the same as this.
pub(super) fn counterpart<'a>(workload: &WorkloadRecord, before: &'a Document) -> Option<&'a WorkloadRecord> {
    before.workloads.iter().find(|then| then.name == workload.name && then.parameters == workload.parameters)
}

fn workload_difference(workload: &WorkloadRecord, before: &Document) -> Option<String> {
    if counterpart(workload, before).is_some() {
        return None;
    }
    let alike = before.workloads.iter().filter(|then| then.name == workload.name);
    let nearest = alike.map(|then| parameter_differences(workload, then)).min_by_key(Vec::len);
    Some(match nearest {
        Some(differences) => format!("{}: {}", workload.name, differences.join(", ")),
        None => {
            let names: BTreeSet<&str> = before.workloads.iter().map(|then| then.name.as_str()).collect();
            let names: Vec<&str> = names.into_iter().collect();
            format!("it has no {}, only {}", workload.name, names.join(", "))
        }
    })
}

fn parameter_differences(now: &WorkloadRecord, then: &WorkloadRecord) -> Vec<String> {
    let names: BTreeSet<&String> = now.parameters.keys().chain(then.parameters.keys()).collect();
    let difference = |name: &String| match (now.parameters.get(name), then.parameters.get(name)) {
        (now, then) if now == then => None,
        (Some(now), Some(then)) => Some(format!("--{name} is {now} now and was {then} then")),
        (Some(now), None) => Some(format!("--{name} is {now} now and was not given then")),
        (None, then) => then.map(|then| format!("--{name} is not given now and was {then} then")),
    };
    names.into_iter().filter_map(difference).collect()
}

fn server_differences(then: &ServerRecord, now: &ServerRecord) -> Vec<String> {
    let mut differences = Vec::new();
    let mut compare = |what: &str, now: String, then: String| {
        if now != then {
            differences.push(format!("{what} is {now} now and was {then} then"));
        }
    };
    compare("the server's protocol", now.protocol.clone(), then.protocol.clone());
    compare("the server", whose(now).to_owned(), whose(then).to_owned());
    let durability =
        |server: &ServerRecord| server.durability.clone().unwrap_or_else(|| "unknown".to_owned());
    compare("--durability", durability(now), durability(then));
    let settings = |server: &ServerRecord| match server.settings.as_slice() {
        [] => "nothing".to_owned(),
        settings => settings.join(" "),
    };
    compare("--set", settings(now), settings(then));
    differences
}

fn whose(server: &ServerRecord) -> &'static str {
    if server.address.is_some() { "one that runs already" } else { "one started for it" }
}

//! What is typed, what results say of it, and what it is called: all from one declaration.

use crate::protocol::Protocol;
use crate::workload::Workload;
use clap::{Command, FromArgMatches, Subcommand};
use std::collections::BTreeSet;

/// The widest label that a table has room for, in characters.
const LABEL_CHARS_MAX: usize = 42;

fn bench() -> Command {
    Workload::augment_subcommands(Command::new("bench").no_binary_name(true))
}

fn typed(words: &str) -> Workload {
    let matches = bench().try_get_matches_from(words.split(' ')).expect("a workload");
    Workload::from_arg_matches(&matches).expect("a workload")
}

fn parameters(words: &str) -> Vec<(String, String)> {
    let parameters = typed(words).parameters().into_iter();
    parameters.map(|parameter| (parameter.name, parameter.value)).collect()
}

#[test]
fn every_workload_can_be_measured_as_it_is_when_nothing_is_typed() {
    for command in bench().get_subcommands() {
        let workload = typed(command.get_name());
        assert_eq!(workload.name(), command.get_name());
        workload.check(Protocol::Line).expect("good defaults");
        for workload in workload.each() {
            let label = workload.label();
            assert!(label.chars().count() <= LABEL_CHARS_MAX && label != workload.title(), "{label}");
        }
    }
}

#[test]
fn results_name_parameters_as_they_are_typed() {
    for command in bench().get_subcommands() {
        let options: BTreeSet<&str> =
            command.get_arguments().filter_map(|option| option.get_long()).collect();
        for (name, _) in parameters(command.get_name()) {
            assert!(name == "seconds" || options.contains(name.as_str()), "{}: {name}", command.get_name());
        }
    }
}

#[test]
fn parameters_are_the_options_in_force() {
    let of = |words: &str| {
        let shown = parameters(words).into_iter().map(|(name, value)| format!("{name}={value}"));
        shown.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(of("fanout"), "in-flight=32 members=10 rooms=10 seconds=5 size=64");
    assert_eq!(of("fanout --rate 7 --rooms 2"), "members=10 rate=7 rooms=2 seconds=5 size=64");
    assert_eq!(of("slow-readers --slow 3"), "members=9 rate=10000 rooms=10 seconds=10 size=1000 slow=3");
}

#[test]
fn the_log_is_measured_part_by_part() {
    let parts = |words: &str| {
        let each = typed(words).each();
        each.iter().map(|workload| workload.parameters()[1].value.clone()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(parts("log"), "starts pages saturated rest");
    assert_eq!(parts("log --part rest --part pages"), "pages rest");
}

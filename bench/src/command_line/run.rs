//! From what was typed to figures, files and an exit code.

use super::command::BenchCommand;
use super::conduct::{self, Conducted};
use super::outputs::Outputs;
use super::plan::Plan;
use super::program::Program;
use super::streams::show;
use super::{servers, stopping};
use crate::output::screen;
use crate::results::Run;
use crate::watch::Stop;
use std::collections::BTreeSet;
use std::process::ExitCode;

/// Deliveries were lost, repeated, out of order or damaged.
const EXIT_FAULTS: u8 = 1;
/// Something that was asked for has no figures, or was asked for wrongly.
const EXIT_NOT_MEASURED: u8 = 2;
/// Rounds of a comparison when nothing else is said.
const ROUNDS_OF_COMPARISON: u32 = 5;

/// Asked to stop by a signal. It is one for the whole process, as signals are.
static STOP: Stop = Stop::new();

/// Measures and shows what was found.
pub fn run(command: &BenchCommand, program: &Program) -> ExitCode {
    match measure(command, program) {
        Ok(code) => code,
        Err(message) => {
            program.complain(&message);
            ExitCode::from(EXIT_NOT_MEASURED)
        }
    }
}

fn measure(command: &BenchCommand, program: &Program) -> Result<ExitCode, String> {
    let servers = servers::servers(command, program)?;
    let rounds = command.rounds.unwrap_or(if servers.len() > 1 { ROUNDS_OF_COMPARISON } else { 1 });
    let plan = Plan::make(command.workload.as_ref(), command.seconds, &servers, rounds as usize)?;
    let mut run = conduct::empty_run(&plan, &servers);
    // What cannot be written or compared is known before the minutes that it takes.
    let outputs = Outputs::prepare(&command.outputs, &run)?;
    stopping::listen(&STOP).map_err(|error| format!("cannot listen for signals: {error}"))?;

    let Conducted { error } = conduct::conduct(&plan, &servers, &mut run, program, &STOP);
    let mut failures: Vec<String> = error.into_iter().collect();
    if !run.is_empty() {
        let is_bold = (program.is_output_styled)();
        show(&screen(&run, is_bold));
        failures.extend(outputs.write(&run, is_bold));
    }
    for failure in &failures {
        program.complain(failure);
    }
    Ok(exit_code(&run, &failures, program))
}

fn exit_code(run: &Run, failures: &[String], program: &Program) -> ExitCode {
    if let Some(code) = stopping::exit_code() {
        let kept = if run.is_empty() {
            "nothing was measured yet"
        } else {
            "the figures hold what was measured until then"
        };
        program.complain(&format!("stopped: {kept}"));
        return ExitCode::from(code);
    }
    if !run.is_faultless() {
        program.complain("promises were broken: see the faults above");
        return ExitCode::from(EXIT_FAULTS);
    }
    let columns = run.entries.iter().flat_map(|entry| &entry.columns);
    // Of a set, what a server does not speak is left out; nothing is missing then.
    let failed = columns.filter(|column| column.failure.is_some() && !column.is_left_out);
    let failed: BTreeSet<&str> = failed.map(|column| column.server.as_str()).collect();
    if !failed.is_empty() && failures.is_empty() {
        let names: Vec<&str> = failed.iter().copied().collect();
        program.complain(&format!("not measured completely: {}: see above", names.join(", ")));
    }
    if !failures.is_empty() || run.is_empty() || !failed.is_empty() {
        return ExitCode::from(EXIT_NOT_MEASURED);
    }
    ExitCode::SUCCESS
}

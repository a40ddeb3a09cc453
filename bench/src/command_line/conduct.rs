//! Carrying out a plan: round by round, and in each round every workload with every server in turn.

use super::plan::{Plan, Work, expected_s};
use super::program::Program;
use super::progress::RunProgress;
use super::servers::Server;
use crate::error::BenchError;
use crate::floor::measure_floor;
use crate::machine::{MachineFacts, Stalls, SyncTime};
use crate::results::{Column, Entry, Measurement, Run};
use crate::watch::Stop;
use crate::workload::{Workload, measure};
use std::path::PathBuf;
use std::time::SystemTime;

/// Bytes of a floor's messages: those of an echo's, unless it says otherwise.
const FLOOR_SIZE_BYTES: usize = 64;

/// How it ended.
#[derive(Debug)]
pub struct Conducted {
    /// Why the first server could not be measured to the end, when it could not.
    pub error: Option<String>,
}

/// A run of which nothing is measured yet, but everything is known that does not need it.
pub fn empty_run(plan: &Plan, servers: &[Server]) -> Run {
    let entry = |work: &Work| {
        let column = |(server, reason): (&Server, &Option<String>)| Column {
            server: server.facts.name.clone(),
            rounds: Vec::new(),
            failure: reason.clone(),
            is_left_out: reason.is_some(),
        };
        Entry {
            workload: work.workload.name().to_owned(),
            title: work.workload.title(),
            label: work.workload.label(),
            parameters: work.workload.parameters(),
            columns: servers.iter().zip(&work.left_out).map(column).collect(),
        }
    };
    Run {
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: jiff::Timestamp::try_from(SystemTime::now())
            .map_or_else(|_| "beyond the year 9999".to_owned(), |time| format!("{time:.0}")),
        command: command(),
        rounds: plan.rounds,
        machine: MachineFacts::read(data(servers).as_deref()),
        servers: servers.iter().map(|server| server.facts.clone()).collect(),
        entries: plan.works.iter().map(entry).collect(),
        notes: Vec::new(),
        is_cut_short: false,
    }
}

/// What was typed; the program is called by its name, wherever it lies.
fn command() -> Vec<String> {
    let typed = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    ["madang".to_owned()].into_iter().chain(typed).collect()
}

fn data(servers: &[Server]) -> Option<PathBuf> {
    servers.first().and_then(|server| server.data.clone())
}

/// Measures everything until it is done, the first server fails, or somebody asks to stop.
pub fn conduct(plan: &Plan, servers: &[Server], run: &mut Run, program: &Program, stop: &Stop) -> Conducted {
    let mut progress = RunProgress::new(plan.expected_s(), program);
    let mut work = Conductor { plan, servers, program, progress: &mut progress, stop };
    work.measure_machine(run);
    let error = work.measure_rounds(run).err();
    progress.end();
    run.is_cut_short = stop.is_asked();
    if run.is_cut_short {
        run.notes.push("stopped early: these are the figures until then".to_owned());
    }
    // What fails because it was stopped is no failure.
    Conducted { error: error.filter(|_| !run.is_cut_short) }
}

/// A run under way.
struct Conductor<'a> {
    plan: &'a Plan,
    servers: &'a [Server],
    program: &'a Program,
    progress: &'a mut RunProgress,
    stop: &'a Stop,
}

impl Conductor<'_> {
    /// The device, the processors and the load's own floor: what no server can be faster than.
    fn measure_machine(&mut self, run: &mut Run) {
        let (plan, stop) = (self.plan, self.stop);
        if let Some(directory) = data(self.servers) {
            self.progress.begin("the device: synced writes".to_owned(), plan.sync.as_secs_f64());
            match SyncTime::measure(&directory, plan.sync, stop) {
                Ok(time) => run.machine.sync = time,
                Err(error) => run.notes.push(error.to_string()),
            }
        }
        if !stop.is_asked() {
            self.progress.begin(
                "the processors: how often the host takes them away".to_owned(),
                plan.stalls.as_secs_f64(),
            );
            match Stalls::measure(plan.stalls, stop) {
                Ok(stalls) => run.machine.stalls = stalls,
                Err(error) => run.notes.push(error.to_string()),
            }
        }
        let Some(seconds) = plan.floor_s.filter(|_| !stop.is_asked()) else { return };
        self.progress.begin("the floor: bare sockets".to_owned(), seconds);
        match measure_floor(seconds, FLOOR_SIZE_BYTES, self.progress, stop) {
            Ok(floor) => run.add(self.cleaned(floor)),
            Err(error) if !stop.is_asked() => run.notes.push(format!("the floor was not measured: {error}")),
            Err(_) => {}
        }
    }

    fn measure_rounds(&mut self, run: &mut Run) -> Result<(), String> {
        let (plan, servers) = (self.plan, self.servers);
        for round in 0..plan.rounds {
            for (work_number, work) in plan.works.iter().enumerate() {
                for turn in 0..servers.len() {
                    // Each round begins with another server, so that none always has the quieter moment.
                    let number = (turn + round) % servers.len();
                    let column = &mut run.entries[work_number].columns[number];
                    if column.failure.is_some() {
                        continue;
                    }
                    if self.stop.is_asked() {
                        return Ok(());
                    }
                    let server = &servers[number];
                    let title = self.title(&work.workload, round, server);
                    self.progress.begin(title, expected_s(&work.workload));
                    let found = measure(&work.workload, &server.target, self.progress, self.stop);
                    self.settle(column, number == 0, found)?;
                }
            }
        }
        Ok(())
    }

    /// Keeps what was found. A failure ends the run when it is the first server's; another is left out
    /// of this workload from now on.
    fn settle(
        &self,
        column: &mut Column,
        is_first: bool,
        found: Result<Measurement, BenchError>,
    ) -> Result<(), String> {
        match found {
            Ok(measurement) => column.rounds.push(self.cleaned(measurement)),
            Err(_) if self.stop.is_asked() => {}
            Err(error) => {
                let words = self.program.visible_lines(&error.to_string(), " ");
                column.failure = Some(words.clone());
                if is_first {
                    return Err(words);
                }
            }
        }
        Ok(())
    }

    fn title(&self, workload: &Workload, round: usize, server: &Server) -> String {
        let mut title = workload.name().to_owned();
        if let Workload::Log(log) = workload {
            title += &format!(", {}", log.part.name());
        }
        if self.servers.len() > 1 {
            title += &format!(" with {}", server.facts.name);
        }
        if self.plan.rounds > 1 {
            title += &format!(", round {} of {}", round + 1, self.plan.rounds);
        }
        title
    }

    /// What a server said may stand in examples and notes; nothing it says shall steer a terminal.
    fn cleaned(&self, mut measurement: Measurement) -> Measurement {
        let words = measurement
            .faults
            .examples
            .iter_mut()
            .chain(&mut measurement.notes)
            .chain(&mut measurement.load_limit);
        for text in words {
            *text = self.program.visible_lines(text, " ");
        }
        measurement
    }
}

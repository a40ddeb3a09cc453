//! What will be measured: which workloads, against which servers, and for how long about.

use super::servers::Server;
use super::workloads::{WorkloadCommand, duration};
use crate::log::{LogOptions, LogPart};
use crate::target::Target;
use crate::workload::{
    EchoOptions, FanOutOptions, HistoryOptions, IdleOptions, Pace, WhisperOptions, Workload,
};
use std::time::Duration;

/// How long the floor and the device are measured at most.
const FLOOR_MAX: Duration = Duration::from_secs(2);
const SYNC_MAX: Duration = Duration::from_millis(1_500);
/// How long the processors are looked at, at most.
const STALLS_MAX: Duration = Duration::from_secs(1);
/// Starting and stopping a server of our own, about.
const START_S: f64 = 0.8;
/// Connections a second that are brought in, about.
const ENTRIES_PER_SECOND: f64 = 10_000.0;
/// Messages a second that fill a room for its history, about.
const FILL_PER_SECOND: f64 = 50_000.0;
/// Messages a second that are written to a log without a server, about.
const WRITTEN_PER_SECOND: f64 = 500_000.0;

/// What will be measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Each workload with, for each server, why it is left out there, if it is.
    pub works: Vec<Work>,
    /// How often.
    pub rounds: usize,
    /// For how long the load's own floor is measured, when it is.
    pub floor: Option<Duration>,
    /// For how long the device is measured at most.
    pub sync: Duration,
    /// For how long the processors are looked at.
    pub stalls: Duration,
}

/// One workload.
#[derive(Clone, Debug)]
pub struct Work {
    /// What is done.
    pub workload: Workload,
    /// One for each server: why it is left out there.
    pub left_out: Vec<Option<String>>,
}

impl Plan {
    /// Decides what to measure, and checks that it can be.
    ///
    /// # Errors
    /// In words, when the first server cannot be measured so, or nobody who was asked for can.
    pub fn make(
        command: Option<&WorkloadCommand>,
        seconds: Option<f64>,
        servers: &[Server],
        rounds: usize,
    ) -> Result<Plan, String> {
        let is_comparison = servers.len() > 1;
        let mut workloads = match command {
            Some(command) => command.workloads(),
            None if is_comparison => set_of_comparison(),
            None => standard_set(),
        };
        set_seconds(&mut workloads, seconds, command.is_some())?;
        let works = workloads.into_iter().map(|workload| Work::make(workload, servers)).collect();
        let works = only_possible(works, command.is_some())?;
        let has_echo = works.iter().any(|work| matches!(work.workload, Workload::Echo(_)));
        let at_most =
            |most: Duration| seconds.map_or(most, |seconds| most.min(Duration::from_secs_f64(seconds)));
        let floor = has_echo.then(|| at_most(FLOOR_MAX));
        Ok(Plan { works, rounds, floor, sync: at_most(SYNC_MAX), stalls: at_most(STALLS_MAX) })
    }

    /// About how long all of it takes, in seconds.
    pub fn expected_s(&self) -> f64 {
        let rounds = self.works.iter().map(|work| {
            let servers = work.left_out.iter().filter(|reason| reason.is_none()).count();
            expected_s(&work.workload) * servers as f64
        });
        let floor = self.floor.map_or(0.0, |floor| floor.as_secs_f64());
        rounds.sum::<f64>() * self.rounds as f64 + floor + self.sync.as_secs_f64() + self.stalls.as_secs_f64()
    }
}

impl Work {
    fn make(workload: Workload, servers: &[Server]) -> Work {
        let reason = |server: &Server| match (&workload, &server.target) {
            (Workload::Log(_) | Workload::Upgrade(_), Target::Running { label, .. }) => Some(format!(
                "{} cannot be measured with {label}, which runs already: it starts servers on a log of its \
                 own; leave out --target and --compare",
                workload.name()
            )),
            _ => workload.check(server.target.protocol()).err().map(|error| error.to_string()),
        };
        let left_out = servers.iter().map(reason).collect();
        Work { workload, left_out }
    }
}

/// Leaves out of a set what the first server does not speak; what was asked for by name must be possible.
fn only_possible(works: Vec<Work>, is_by_name: bool) -> Result<Vec<Work>, String> {
    if is_by_name {
        if let Some(reason) = works.iter().flat_map(|work| &work.left_out).flatten().next() {
            return Err(reason.clone());
        }
        return Ok(works);
    }
    let mut refusal = None;
    let mut possible = Vec::new();
    for work in works {
        match work.left_out.first().cloned().flatten() {
            Some(reason) => refusal = Some(reason),
            // Beside nobody it would be no comparison.
            None if work.left_out.len() > 1 && work.left_out[1..].iter().all(Option::is_some) => {}
            None => possible.push(work),
        }
    }
    if possible.is_empty() {
        return Err(refusal.unwrap_or_else(|| "nothing can be compared with these servers".to_owned()));
    }
    Ok(possible)
}

fn set_seconds(workloads: &mut [Workload], seconds: Option<f64>, is_by_name: bool) -> Result<(), String> {
    let Some(seconds) = seconds else { return Ok(()) };
    for workload in workloads {
        let name = workload.name();
        match duration(workload) {
            Some(duration) => *duration = Duration::from_secs_f64(seconds),
            None if is_by_name => {
                return Err(format!(
                    "--seconds {seconds} means nothing to {name}, which ends when it is done; leave it out"
                ));
            }
            None => {}
        }
    }
    Ok(())
}

/// What everybody wants to know, in about a minute.
fn standard_set() -> Vec<Workload> {
    let seconds = Duration::from_secs;
    vec![
        Workload::Echo(EchoOptions { duration: seconds(4), ..EchoOptions::default() }),
        calm(seconds(8)),
        Workload::FanOut(FanOutOptions { duration: seconds(6), ..FanOutOptions::default() }),
        Workload::Whisper(WhisperOptions { duration: seconds(4), ..WhisperOptions::default() }),
        Workload::History(HistoryOptions { duration: seconds(4), ..HistoryOptions::default() }),
        Workload::Idle(IdleOptions::default()),
    ]
}

/// Shorter, as it is done by everyone and repeated; and with no more connections than any server takes.
fn set_of_comparison() -> Vec<Workload> {
    let duration = Duration::from_secs(3);
    vec![
        Workload::Echo(EchoOptions { duration, ..EchoOptions::default() }),
        calm(duration),
        Workload::FanOut(FanOutOptions { duration, ..FanOutOptions::default() }),
        Workload::Whisper(WhisperOptions { duration, ..WhisperOptions::default() }),
        Workload::Idle(IdleOptions { connections: 1_000 }),
    ]
}

fn calm(duration: Duration) -> Workload {
    let pace = Pace::Rate { messages_per_second: 1_000 };
    Workload::FanOut(FanOutOptions { pace, duration, ..FanOutOptions::default() })
}

/// About how long one measurement takes, in seconds.
pub fn expected_s(workload: &Workload) -> f64 {
    let mut workload = workload.clone();
    let sending_s = duration(&mut workload).map_or(0.0, |duration| duration.as_secs_f64());
    let before_s = match &workload {
        Workload::Idle(idle) => idle.connections as f64 / ENTRIES_PER_SECOND + 0.5,
        Workload::Storm(storm) => 3.0 * storm.connections as f64 / ENTRIES_PER_SECOND + 3.0,
        Workload::History(history) => history.messages as f64 / FILL_PER_SECOND,
        Workload::Upgrade(upgrade) => {
            upgrade.stored as f64 / WRITTEN_PER_SECOND + 2.0 + 2.5 * f64::from(upgrade.upgrades)
        }
        Workload::Log(log) => log_s(log),
        _ => 0.0,
    };
    START_S + before_s + sending_s
}

fn log_s(log: &LogOptions) -> f64 {
    let millions = log.messages as f64 / 1e6;
    match log.part {
        LogPart::Starts => 3.0 + 4.0 * millions,
        LogPart::Pages => 1.0 + 0.3 * millions,
        LogPart::Saturated => 1.0 + 5.0 * millions.min(1.0),
        LogPart::Rest => 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Protocol;
    use crate::results::ServerFacts;
    use crate::target::OwnServer;

    fn server(protocol: Protocol) -> Server {
        let target = match protocol {
            Protocol::Line => {
                Target::Own(OwnServer { program: "madang".into(), durability: None, settings: Vec::new() })
            }
            protocol => {
                let address = "127.0.0.1:1".parse().unwrap();
                Target::Running { protocol, address, pid: None, label: protocol.name().to_owned() }
            }
        };
        let facts = ServerFacts {
            name: protocol.name().to_owned(),
            protocol: protocol.name().to_owned(),
            address: None,
            pid: None,
            promise: String::new(),
            durability: None,
            settings: Vec::new(),
        };
        Server { target, facts, data: None }
    }

    #[test]
    fn the_standard_set_takes_less_than_two_minutes() {
        let plan = Plan::make(None, None, &[server(Protocol::Line)], 1).unwrap();
        assert!(plan.works.len() == 6 && plan.expected_s() < 60.0, "{plan:?}");
    }

    #[test]
    fn a_set_leaves_out_what_others_do_not_speak() {
        let servers = [server(Protocol::Line), server(Protocol::Redis), server(Protocol::Irc)];
        let plan = Plan::make(None, Some(0.5), &servers, 5).unwrap();
        let whisper = plan.works.iter().find(|work| work.workload.name() == "whisper").unwrap();
        assert!(whisper.left_out[1].as_ref().is_some_and(|reason| reason.contains("redis")), "{whisper:?}");
        assert_eq!((&whisper.left_out[0], &whisper.left_out[2]), (&None, &None));
        let redis_only = Plan::make(None, None, &servers[..2], 5).unwrap();
        assert!(redis_only.works.iter().all(|work| work.workload.name() != "whisper"));
    }

    #[test]
    fn what_was_asked_for_by_name_must_be_possible() {
        let idle = WorkloadCommand::Idle { connections: Some(0) };
        let refusal = Plan::make(Some(&idle), None, &[server(Protocol::Line)], 1).unwrap_err();
        assert!(refusal.contains("--connections 0 cannot be measured"), "{refusal}");
        let idle = WorkloadCommand::Idle { connections: None };
        let refusal = Plan::make(Some(&idle), Some(1.0), &[server(Protocol::Line)], 1).unwrap_err();
        assert!(refusal.contains("--seconds 1 means nothing to idle"), "{refusal}");
    }
}

//! What will be measured: which workloads, against which servers, and for how long about.

use super::servers::Server;
use crate::target::Target;
use crate::workload::{EchoOptions, FanOutOptions, HistoryOptions, IdleOptions, WhisperOptions, Workload};
use std::time::Duration;

/// How long the floor and the device are measured at most.
const FLOOR_S_MAX: f64 = 2.0;
const SYNC_MAX: Duration = Duration::from_millis(1_500);
/// How long the processors are looked at, at most.
const STALLS_MAX: Duration = Duration::from_secs(1);
/// Starting and stopping a server of our own, about.
const START_S: f64 = 0.8;

/// What will be measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Each workload with, for each server, why it is left out there, if it is.
    pub works: Vec<Work>,
    /// How often.
    pub rounds: usize,
    /// For how long the load's own floor is measured, when it is, in seconds.
    pub floor_s: Option<f64>,
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
        asked_for: Option<&Workload>,
        seconds: Option<f64>,
        servers: &[Server],
        rounds: usize,
    ) -> Result<Plan, String> {
        let is_comparison = servers.len() > 1;
        let mut workloads = match asked_for {
            Some(workload) => workload.each(),
            None if is_comparison => set_of_comparison(),
            None => standard_set(),
        };
        set_seconds(&mut workloads, seconds, asked_for.is_some())?;
        let works = workloads.into_iter().map(|workload| Work::make(workload, servers)).collect();
        let works = only_possible(works, asked_for.is_some())?;
        let has_echo = works.iter().any(|work| matches!(work.workload, Workload::Echo(_)));
        let at_most =
            |most: Duration| seconds.map_or(most, |seconds| most.min(Duration::from_secs_f64(seconds)));
        let floor_s = has_echo.then(|| seconds.map_or(FLOOR_S_MAX, |seconds| FLOOR_S_MAX.min(seconds)));
        Ok(Plan { works, rounds, floor_s, sync: at_most(SYNC_MAX), stalls: at_most(STALLS_MAX) })
    }

    /// About how long all of it takes, in seconds.
    pub fn expected_s(&self) -> f64 {
        let rounds = self.works.iter().map(|work| {
            let servers = work.left_out.iter().filter(|reason| reason.is_none()).count();
            expected_s(&work.workload) * servers as f64
        });
        let floor_s = self.floor_s.unwrap_or_default();
        rounds.sum::<f64>() * self.rounds as f64
            + floor_s
            + self.sync.as_secs_f64()
            + self.stalls.as_secs_f64()
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
        match workload.seconds() {
            Some(its_seconds) => *its_seconds = seconds,
            None if is_by_name => {
                return Err(format!(
                    "--seconds {seconds} has no effect on {name}, which ends when it is done; leave it out"
                ));
            }
            None => {}
        }
    }
    Ok(())
}

/// What everybody wants to know, in about a minute.
fn standard_set() -> Vec<Workload> {
    vec![
        Workload::Echo(EchoOptions { seconds: 4.0, ..EchoOptions::default() }),
        calm(8.0),
        Workload::FanOut(FanOutOptions { seconds: 6.0, ..FanOutOptions::default() }),
        Workload::Whisper(WhisperOptions { seconds: 4.0, ..WhisperOptions::default() }),
        Workload::History(HistoryOptions { seconds: 4.0, ..HistoryOptions::default() }),
        Workload::Idle(IdleOptions::default()),
    ]
}

/// Shorter, as it is done by everyone and repeated; and with no more connections than any server takes.
fn set_of_comparison() -> Vec<Workload> {
    let seconds = 3.0;
    vec![
        Workload::Echo(EchoOptions { seconds, ..EchoOptions::default() }),
        calm(seconds),
        Workload::FanOut(FanOutOptions { seconds, ..FanOutOptions::default() }),
        Workload::Whisper(WhisperOptions { seconds, ..WhisperOptions::default() }),
        Workload::Idle(IdleOptions { connections: 1_000 }),
    ]
}

fn calm(seconds: f64) -> Workload {
    Workload::FanOut(FanOutOptions { rate: Some(1_000), seconds, ..FanOutOptions::default() })
}

/// About how long one measurement takes, in seconds.
pub fn expected_s(workload: &Workload) -> f64 {
    START_S + workload.expected_s()
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
        let idle = Workload::Idle(IdleOptions { connections: 0 });
        let refusal = Plan::make(Some(&idle), None, &[server(Protocol::Line)], 1).unwrap_err();
        assert!(refusal.contains("--connections 0 cannot be measured"), "{refusal}");
        let idle = Workload::Idle(IdleOptions::default());
        let refusal = Plan::make(Some(&idle), Some(1.0), &[server(Protocol::Line)], 1).unwrap_err();
        assert!(refusal.contains("--seconds 1 has no effect on idle"), "{refusal}");
    }
}

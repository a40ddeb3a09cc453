//! What a server goes on with: what one that runs hands over, what one that has ended has left, or what systemd
//! has opened.

use super::engine::GRACE;
use super::metrics_listener::Opening;
use super::plan::Plan;
use crate::config::Config;
use crate::handover::{Stored, Successor, Taken, Unpacked};
use crate::systemd::Passed;
use crate::telemetry::metrics::MetricsError;
use madang_shards::runtime::{Adoption, Entrance};
use std::net::SocketAddr;
use std::time::Instant;

/// What is there before a server has done anything.
#[derive(Debug, Default)]
pub struct Inheritance {
    /// Where people come in; empty where the configuration decides.
    pub listeners: Passed,
    /// Whether systemd has opened them, and any for TLS.
    pub has_passed: (bool, bool),
    /// Whether a server before has opened them, for its own configuration.
    pub has_moved_in: bool,
    /// Connections, names, members.
    pub adoption: Option<Adoption>,
    /// The server that waits until this one is ready.
    pub link: Option<Successor>,
    /// A server that has ended has left something, whether or not that can be gone on with.
    was_left: bool,
    before: Option<Before>,
}

/// The server before.
#[derive(Debug)]
struct Before {
    process: u64,
    version: String,
    paused_since: Instant,
    /// It was this process, as another program.
    is_in_place: bool,
}

impl Inheritance {
    /// Takes out of the plan what others have left. From here on it is this process's alone, but for what is
    /// [linked](Inheritance::link).
    pub fn take(plan: &mut Plan) -> Inheritance {
        let passed = std::mem::take(&mut plan.passed);
        if let Some(Taken { listeners, has_passed, adoption, link, .. }) = plan.taken.take() {
            return Inheritance {
                listeners,
                has_passed,
                has_moved_in: true,
                adoption: Some(adoption),
                before: Some(Before {
                    process: link.process,
                    version: link.version.clone(),
                    paused_since: link.paused_since,
                    is_in_place: false,
                }),
                link: Some(link),
                was_left: false,
            };
        }
        let sockets = passed.count();
        if sockets > 0 {
            tracing::info!(
                sockets,
                "listening where systemd does, and not at listen.line and listen.line_tls"
            );
        }
        let inheritance = Inheritance {
            has_passed: (sockets > 0, !passed.tls.is_empty()),
            listeners: passed,
            ..Inheritance::default()
        };
        match plan.stored.take() {
            Some(stored) => inheritance.with_stored(stored, plan),
            None => inheritance,
        }
    }

    fn with_stored(mut self, stored: Stored, plan: &mut Plan) -> Inheritance {
        self.was_left = true;
        let is_in_place = stored.is_in_place();
        let connections_max = usize::try_from(plan.connections_max).unwrap_or(usize::MAX);
        match stored.collect(GRACE, connections_max) {
            Ok(Unpacked {
                mut listeners, has_passed, adoption, process, version, paused, closed, ..
            }) => {
                if closed > 0 {
                    tracing::warn!(
                        closed,
                        kept = adoption.connections.len(),
                        "connections are closed, as no more files may be open; raise LimitNOFILE="
                    );
                }
                plan.data.name_holder();
                self.listeners.doors = std::mem::take(&mut listeners.doors);
                if self.listeners.count() == 0 && listeners.count() > 0 {
                    (self.listeners.plain, self.listeners.tls) = (listeners.plain, listeners.tls);
                    self.has_moved_in = true;
                }
                if is_in_place {
                    self.has_passed = has_passed;
                }
                let paused_since = Instant::now().checked_sub(paused).unwrap_or_else(Instant::now);
                self.adoption = Some(adoption);
                self.before = Some(Before { process, version, paused_since, is_in_place });
            }
            Err(error) => {
                tracing::warn!(%error, "what the server before has left cannot be gone on with: its connections are closed");
            }
        }
        self
    }

    /// Whether there was a process before, whose people and listeners this one has.
    pub fn has_predecessor(&self) -> bool {
        self.link.is_some() || self.was_left
    }

    /// What stands against an opening refuses an upgrade, as the process before serves on. Where that has ended,
    /// people are served without.
    ///
    /// # Errors
    /// What stood against it, where the process before serves on.
    pub fn permit(&self, opening: Result<Opening, MetricsError>) -> Result<Opening, MetricsError> {
        match opening {
            Err(error) if self.link.is_none() => {
                tracing::error!("{error}");
                Ok(Opening::Closed)
            }
            opening => opening,
        }
    }

    /// Says how it went.
    pub fn announce(&self, connections: usize) {
        let Some(Before { process, version, paused_since, is_in_place }) = &self.before else { return };
        let paused_ms = u64::try_from(paused_since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let words = match self.link {
            Some(_) => "took over from a running server",
            None if *is_in_place => "goes on in the same process",
            None => "goes on where the server before was restarted",
        };
        tracing::info!(from = process, version, connections, paused_ms, "{words}");
    }

    /// The configuration as it holds from now on: where a server goes on with the addresses of the one before, with
    /// those. Port 0 is any port.
    pub fn reachable(&self, mut config: Config, entrances: &[Entrance]) -> Config {
        if !self.has_moved_in {
            return config;
        }
        let there = |has_tls: bool, wanted: Option<SocketAddr>| {
            let is_it = |found: &SocketAddr, wanted: SocketAddr| {
                found.ip() == wanted.ip() && [found.port(), 0].contains(&wanted.port())
            };
            let found = entrances.iter().find(|entrance| entrance.has_tls == has_tls)?.address;
            wanted.filter(|wanted| is_it(&found, *wanted)).or(Some(found))
        };
        if let Some(line) = there(false, Some(config.listen.line.0)) {
            config.listen.line.0 = line;
        }
        config.listen.line_tls.0 = there(true, config.listen.line_tls.0);
        config
    }
}

//! A shard's one task: it turns, and waits between two turns.

use super::bell::Bell;
use super::handover::Given;
use super::machine::Machine;
use crate::turn::{Outcome, Turn, TurnError};
use madang_model::connection::Surface;
use std::sync::Arc;

/// A shard with everything it runs on.
pub struct Turning<S: Surface> {
    pub turn: Turn<S>,
    pub machine: Machine,
    pub bell: Arc<Bell>,
}

impl<S: Surface> Turning<S> {
    /// Takes over what the old process had, before the first turn.
    pub fn adopt(&mut self, given: Given) {
        self.turn.adopt(given.portion, &mut self.machine);
        self.machine.network.take_over(given.lingering);
    }

    /// Turns until the server is drained.
    ///
    /// # Errors
    /// When the log or the ring of the sockets fails: the process must end.
    pub async fn run(mut self) -> Result<(), TurnError> {
        let Turning { turn, machine, bell } = &mut self;
        loop {
            let outcome = turn.turn(machine)?;
            let greeting_at = turn.next_greeting().map(|moment| machine.clock.instant_of(moment));
            let (rest, sockets) = (&mut machine.disk.rest, &mut machine.network.sockets);
            let found = match outcome {
                Outcome::Busy => rest.between_turns(bell).await,
                Outcome::Idle => {
                    rest.until_woken(sockets, bell, greeting_at).await.map_err(TurnError::Sockets)?
                }
                Outcome::Awaits(awaited) => {
                    machine.wait_for(awaited);
                    continue;
                }
                Outcome::Ended => return Ok(()),
            };
            machine.disk.found.extend(found);
        }
    }
}

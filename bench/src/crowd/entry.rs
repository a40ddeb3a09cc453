//! How a crowd connects: the first proves what the server speaks, then everyone says a name and enters its room.

use super::turn::{Crowd, not_the_protocol, shown};
use crate::error::BenchError;
use crate::protocol::{EntryFault, Guest, Stage};
use crate::watch::Watch;
use std::time::Duration;

/// How long the server may take for the next answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// The longest wait for events in one turn.
const TURN_MAX_NS: u64 = 100_000_000;
/// Connections that the server has not answered yet: within any backlog, so that none is dropped and
/// has to wait for a second handshake.
const UNANSWERED_MAX: usize = 64;
/// Connections that are on their way in at once, those included that the server has begun to answer.
const ENTERING_MAX: usize = 1_024;

/// Brings everyone in, in order, one connection each, after those that are in already.
///
/// # Errors
/// [`BenchError::Stopped`] when somebody asks to stop; otherwise what the server does not do.
pub(crate) async fn enter(
    crowd: &mut Crowd,
    guests: &[Guest],
    watch: &mut Watch<'_>,
) -> Result<(), BenchError> {
    crowd.begin("while its users logged in");
    let (protocol, target, base) = (crowd.protocol(), crowd.target(), crowd.len());
    let mut stages: Vec<Stage> = Vec::with_capacity(guests.len());
    let mut greeting = Vec::new();
    let mut is_proved = base > 0;
    let mut is_answered = vec![false; guests.len()];
    let (mut answered, mut come) = (0, 0);
    let mut last_answer_ns = crowd.now_ns();
    while come < guests.len() {
        let (unanswered_max, entering_max) = if is_proved { (UNANSWERED_MAX, ENTERING_MAX) } else { (1, 1) };
        while stages.len() < guests.len()
            && stages.len() - answered < unanswered_max
            && stages.len() - come < entering_max
        {
            let number = crowd.open()?;
            let is_first = number == 0;
            stages.push(protocol.greet(&guests[number - base], is_first, crowd.outbox(number)));
        }
        let turned = crowd
            .turn(crowd.now_ns() + TURN_MAX_NS, |arrived, outbox| {
                last_answer_ns = arrived.read_at_ns;
                let Some(number) = arrived.connection.checked_sub(base) else { return Ok(()) };
                answered += usize::from(!is_answered[number]);
                is_answered[number] = true;
                if !is_proved {
                    is_proved = protocol.is_proved_by(&arrived.frame);
                    if let crate::protocol::Frame::Answer(words) = arrived.frame
                        && greeting.is_empty()
                    {
                        greeting = words.to_vec();
                    }
                }
                let (guest, stage) = (&guests[number], &mut stages[number]);
                if *stage == Stage::In {
                    return Ok(());
                }
                let remedy = protocol.remedy();
                protocol.proceed(stage, guest, &arrived.frame, outbox).map_err(|fault| match fault {
                    EntryFault::Name(answer) => {
                        BenchError::NameRefused { target, name: guest.name.clone(), answer, remedy }
                    }
                    EntryFault::Other(answer) => BenchError::Refused { target, answer, remedy },
                })?;
                come += usize::from(*stage == Stage::In);
                Ok(())
            })
            .await;
        let sent =
            |crowd: &Crowd| if greeting.is_empty() { shown(crowd.partial(base)) } else { shown(&greeting) };
        match turned {
            Err(BenchError::Closed { .. }) if !is_proved => {
                let saw = format!("it closed the connection; it sent {}", sent(crowd));
                return Err(not_the_protocol(target, protocol, saw));
            }
            other => other?,
        }
        let now_ns = crowd.now_ns();
        if now_ns.saturating_sub(last_answer_ns) > ANSWER_MAX.as_nanos() as u64 {
            if is_proved {
                return Err(crowd.silent(ANSWER_MAX));
            }
            let saw = format!("it does not greet within {} s; it sent {}", ANSWER_MAX.as_secs(), sent(crowd));
            return Err(not_the_protocol(target, protocol, saw));
        }
        if watch.look(now_ns, "logging in", come as f64 / guests.len() as f64) {
            return Err(BenchError::Stopped);
        }
    }
    Ok(())
}

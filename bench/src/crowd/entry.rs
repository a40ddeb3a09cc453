//! How a crowd comes in: the prompt proves the protocol, then everyone says a name and finds its room.

use super::turn::Crowd;
use crate::error::BenchError;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What a server says when it wants a name. No line end follows it.
const PROMPT: &[u8] = b"name: ";
/// How long the server may take for the next answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Connections that are on their way in at once: within any backlog, so that none is dropped and
/// has to wait for a second handshake.
const ARRIVING_MAX: usize = 64;

/// Someone who comes in.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    /// The name to say.
    pub(crate) name: String,
    /// The room to enter after the lobby.
    pub(crate) room: Option<String>,
}

/// Names of one measurement.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    tag: String,
}

impl Names {
    /// Short names, for a server of our own.
    pub(crate) fn short() -> Names {
        Names { tag: String::new() }
    }

    /// Names that no earlier measurement has left behind, for a server that others use.
    pub(crate) fn fresh() -> Names {
        // Consonants of which none looks like another, so that no two tags are confusable.
        const LETTERS: &[u8; 16] = b"bcdfghjkmnpqrtwx";
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Eight letters of four bits count steps of 4 ms for half a year.
        let step = since_epoch.as_micros() >> 12;
        let letter = |place: u32| char::from(LETTERS[(step >> (4 * place)) as usize & 15]);
        Names { tag: (0..8).map(letter).collect() }
    }

    /// The name of a connection.
    pub(crate) fn user(&self, number: usize) -> String {
        format!("w{}{number}", self.tag)
    }

    /// The name of a room.
    pub(crate) fn room(&self, number: usize) -> String {
        format!("bench{}{number}", self.tag)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Naming,
    Moving,
    In,
}

/// Brings everyone in, in order, one connection each. The crowd must be new.
pub(crate) fn enter(crowd: &mut Crowd, guests: &[Guest]) -> Result<(), BenchError> {
    crowd.begin("while its users came in");
    wait_for_prompt(crowd)?;
    let mut stages = vec![Stage::Naming; guests.len()];
    crowd.outbox(0).extend_from_slice(format!("{}\n", guests[0].name).as_bytes());
    let mut come = 0;
    let mut last_answer = Instant::now();
    while come < guests.len() {
        while crowd.len() < guests.len() && crowd.len() - come < ARRIVING_MAX {
            let number = crowd.open()?;
            crowd.outbox(number).extend_from_slice(format!("{}\n", guests[number].name).as_bytes());
        }
        let target = crowd.target();
        crowd.turn(Duration::from_millis(100), |line, outbox| {
            let (guest, stage) = (&guests[line.connection], &mut stages[line.connection]);
            last_answer = Instant::now();
            let answer = || String::from_utf8_lossy(line.text).into_owned();
            let text = line.text.strip_prefix(PROMPT).unwrap_or(line.text);
            match *stage {
                Stage::Naming if text.starts_with(b"! ") => {
                    Err(BenchError::NameRefused { target, name: guest.name.clone(), answer: answer() })
                }
                Stage::Moving if text.starts_with(b"! ") => {
                    Err(BenchError::Refused { target, answer: answer() })
                }
                Stage::Naming if has_joined(text, &guest.name, None) => {
                    match &guest.room {
                        Some(room) => {
                            outbox.extend_from_slice(format!("/channel {room}\n").as_bytes());
                            *stage = Stage::Moving;
                        }
                        None => {
                            *stage = Stage::In;
                            come += 1;
                        }
                    }
                    Ok(())
                }
                Stage::Moving if has_joined(text, &guest.name, guest.room.as_deref()) => {
                    *stage = Stage::In;
                    come += 1;
                    Ok(())
                }
                _ => Ok(()),
            }
        })?;
        if last_answer.elapsed() > ANSWER_MAX {
            return Err(crowd.silent(ANSWER_MAX));
        }
    }
    Ok(())
}

/// Opens the first connection and waits until it is asked for a name.
fn wait_for_prompt(crowd: &mut Crowd) -> Result<(), BenchError> {
    let target = crowd.target();
    let first = crowd.open()?;
    let mut greeting: Option<String> = None;
    let asked_at = Instant::now();
    while !crowd.partial(first).ends_with(PROMPT) {
        let turned = crowd.turn(Duration::from_millis(100), |line, _| {
            greeting.get_or_insert_with(|| String::from_utf8_lossy(line.text).into_owned());
            Ok(())
        });
        let saw = match turned {
            Ok(()) if asked_at.elapsed() <= ANSWER_MAX => continue,
            Ok(()) => format!(
                "it does not ask for a name; it sent {}",
                shown(greeting.as_deref(), crowd.partial(first))
            ),
            Err(BenchError::Closed { .. }) => {
                format!(
                    "it closed the connection; it sent {}",
                    shown(greeting.as_deref(), crowd.partial(first))
                )
            }
            Err(other) => return Err(other),
        };
        return Err(BenchError::NotTheProtocol { target, saw });
    }
    Ok(())
}

/// The first line, or its beginning, is enough to recognise a peer by.
fn shown(greeting: Option<&str>, partial: &[u8]) -> String {
    let sent = greeting.map_or_else(|| String::from_utf8_lossy(partial), Into::into);
    if sent.is_empty() { "nothing".to_owned() } else { format!("'{}'", sent.escape_default()) }
}

/// Whether `text` is `NAME has joined ROOM`, for any room when none is given.
fn has_joined(text: &[u8], name: &str, room: Option<&str>) -> bool {
    let joined = text.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b" has joined "));
    joined.is_some_and(|found| room.is_none_or(|room| found == room.as_bytes()))
}

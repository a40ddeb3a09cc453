//! Executing the operator's commands.

use super::describe::describe;
use crate::operator::{Answer, ControlCommand, UNKNOWN_COMMAND};
use crate::server::{ErasureProgress, ServerState, Stops, Urgency, wall_time};
use madang_engine::runtime::{Remote, Stop};
use madang_log::ErasureRule;
use madang_model::{RoomName, Seq, Text, Timestamp, UserName};
use std::time::Duration;

/// How long shards may take to answer: normally within a turn.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(2);
/// The most entries of a list.
const COUNT_MAX: usize = 1000;
/// The longest broadcast text, in bytes, and the longest reason.
const TEXT_BYTES_MAX: usize = 4096;
const REASON_BYTES_MAX: usize = 512;

/// Executes the command in one line.
pub fn answer(line: &[u8], state: &ServerState, stops: &Stops) -> Answer {
    let command = match serde_json::from_slice(line) {
        Ok(command) => command,
        Err(error) => return Answer::Error(format!("{UNKNOWN_COMMAND}{error}")),
    };
    carry_out(command, state, stops).unwrap_or_else(Answer::Error)
}

fn carry_out(command: ControlCommand, state: &ServerState, stops: &Stops) -> Result<Answer, String> {
    match command {
        ControlCommand::Status { count } => {
            Ok(Answer::Status(Box::new(describe(state, count.min(COUNT_MAX), ANSWER_TIME_MAX))))
        }
        ControlCommand::Drain => {
            shards(state)?;
            stops.ask(Stop::Asked);
            Ok(Answer::Draining)
        }
        // Each concerns its connection.
        ControlCommand::Upgrade | ControlCommand::Introduce { .. } | ControlCommand::Takeover { .. } => {
            Err("this command needs a connection of its own".to_owned())
        }
        ControlCommand::Kick { name, reason } => {
            let remote = shards(state)?;
            let user =
                UserName::parse(&name).map_err(|error| format!("{error}; nobody can have that name"))?;
            let reason = match reason.trim() {
                "" => None,
                reason => Some(text(reason, REASON_BYTES_MAX)?),
            };
            let reason = reason.as_ref().map_or("", Text::as_str);
            let count = remote.kick(&user, reason, ANSWER_TIME_MAX).ok_or_else(|| {
                "a shard does not answer, so some connections of that name may still be open; see `madang status`"
                    .to_owned()
            })?;
            tracing::info!(user = user.as_str(), connections = count, "the operator closed connections");
            Ok(Answer::Reached(count))
        }
        ControlCommand::Broadcast { text: words } => {
            let remote = shards(state)?;
            let count = remote.broadcast(&text(&words, TEXT_BYTES_MAX)?, ANSWER_TIME_MAX);
            tracing::info!(connections = count, "the operator sent a broadcast");
            Ok(Answer::Reached(count))
        }
        ControlCommand::Erase { room, numbers, author, until_us, may_wait } => {
            let urgency = if may_wait { Urgency::InTime } else { Urgency::Now };
            let rule = rule(room.as_deref(), numbers, author.as_deref())?;
            ask_to_erase(state, rule, until_us.map_or(wall_time(), Timestamp), urgency)
        }
        ControlCommand::Erasure { id } => {
            let ErasureProgress { is_done, trouble } = state.erasures().progress(id);
            Ok(Answer::Erasure { is_done, trouble })
        }
    }
}

fn rule(
    room: Option<&str>,
    numbers: Option<(u64, u64)>,
    author: Option<&str>,
) -> Result<ErasureRule, String> {
    let room = room.map(RoomName::from_log).transpose().map_err(|error| format!("no room: {error}"))?;
    match (room, numbers, author) {
        (Some(room), Some((first, last)), None) => {
            Ok(ErasureRule::Entries { room, first: Seq(first), last: Seq(last) })
        }
        (room, None, Some(author)) => {
            let author = UserName::parse(author).map_err(|error| format!("no author: {error}"))?;
            Ok(ErasureRule::Author { author, room })
        }
        _ => Err("an erasure names messages of a room, or an author".to_owned()),
    }
}

fn ask_to_erase(
    state: &ServerState,
    rule: ErasureRule,
    until: Timestamp,
    urgency: Urgency,
) -> Result<Answer, String> {
    let remote = shards(state)?;
    let words = rule.to_string();
    let ids = state.erasures().ask(vec![rule], until, urgency)?;
    tracing::info!(rule = words.as_str(), "the operator asked to erase messages");
    if !state.erasures().hide(|erasures| remote.hide(erasures, ANSWER_TIME_MAX)) {
        return Err(
            "it is remembered, and will be erased, but a shard does not answer: until it does, it may show \
                    it; see `madang status`, and repeat the command to wait until it is erased"
                .to_owned(),
        );
    }
    ids.first().map(|id| Answer::Erasing(*id)).ok_or_else(|| "nothing was asked for".to_owned())
}

fn shards(state: &ServerState) -> Result<&Remote, String> {
    state.remote().ok_or_else(|| "the server is still opening its log; try again when it is ready".to_owned())
}

fn text(words: &str, bytes_max: usize) -> Result<Text, String> {
    let bytes = words.len();
    if bytes > bytes_max {
        return Err(format!("the text has {bytes} bytes, at most {bytes_max} are allowed; shorten it"));
    }
    // It is shown as one line: line breaks become spaces.
    let lines: Vec<&str> = words.split(ends_line).map(str::trim).filter(|line| !line.is_empty()).collect();
    Text::sanitise(&lines.join(" "))
        .ok_or_else(|| "the text has no visible characters; write some".to_owned())
}

/// Unicode's mandatory breaks (UAX 14, LB4 and LB5).
fn ends_line(c: char) -> bool {
    matches!(c, '\n' | '\u{b}' | '\u{c}' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

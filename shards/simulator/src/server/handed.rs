//! What the old process gives to the new one, and whether it arrives.

use super::{Cell, SimulatedServer};
use madang_engine::shard::{
    ConnectionImage, Portion, Saved, ShardImage, read_carried, share_out, write_carried,
};
use madang_model::connection::{Decoder, Encoder};
use madang_model::{Carried, ConnectionId, SessionId, ShardId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::network::Line;
use super::super::truth::Checked;
use madang_engine::mutation::{Mutation, is_on};

/// What the new process is given.
pub struct Handed {
    connections: Vec<(SessionId, ConnectionImage, Line)>,
    carried: Vec<Carried>,
}

impl Handed {
    /// Sends images as bytes, and reads them. A connection that cannot be carried is an error.
    ///
    /// # Errors
    /// When a connection cannot be carried, or what is read is not what was written.
    pub fn through_bytes(
        images: Vec<ShardImage>,
        line: impl Fn(ShardId, ConnectionId) -> Option<Line>,
    ) -> Result<Handed, String> {
        let mut handed = Handed { connections: Vec::new(), carried: Vec::new() };
        let mut homes = Vec::new();
        for ShardImage { shard, connections, carried } in images {
            for (connection, saved) in connections {
                let (Saved::Image(image), Some(line)) = (saved, line(shard, connection)) else {
                    return Err(format!("connection {connection} of shard {shard} cannot be carried over"));
                };
                let mut bytes = Encoder::default();
                image.write(&mut bytes);
                let read = ConnectionImage::read(&mut Decoder(&bytes.0), image.entrance)
                    .map_err(|error| error.to_string())?;
                handed.connections.push((SessionId { shard, connection }, read, line));
            }
            homes.extend(carried.into_iter().map(in_order));
        }
        // As they come out of tables whose order is another in every run.
        homes.sort_unstable();
        for bytes in homes {
            let mut from = Decoder(&bytes);
            handed.carried.push(read_carried(&mut from).map_err(|error| error.to_string())?);
            from.end().map_err(|error| error.to_string())?;
        }
        handed.spoil();
        Ok(handed)
    }

    /// Shares it out among the shards of the new process.
    pub fn share_out(self, counts: (u16, u16), grace: Duration) -> Vec<Portion<Line>> {
        share_out(self.connections, self.carried, counts, grace)
    }

    /// Forgets what a deliberate fault says.
    fn spoil(&mut self) {
        let mut images = self.connections.iter_mut().map(|(_, image, _)| image);
        if is_on(Mutation::ForgetCarriedOutbox)
            && let Some(image) = images.find(|image| !image.outbox.is_empty())
        {
            image.outbox.clear();
        }
        let mut images = self.connections.iter_mut().map(|(_, image, _)| image);
        if is_on(Mutation::ForgetCarriedInput)
            && let Some(image) = images.find(|image| !image.unread.is_empty())
        {
            image.unread.clear();
        }
        let members = |one: &Carried| matches!(one, Carried::Members { members, .. } if !members.is_empty());
        if is_on(Mutation::ForgetCarriedMember)
            && let Some(Carried::Members { members, .. }) = self.carried.iter_mut().find(|one| members(one))
        {
            members.pop();
        }
    }
}

fn in_order(mut one: Carried) -> Vec<u8> {
    if let Carried::Members { members, .. } = &mut one {
        members.sort_unstable_by(|a, b| a.user.as_str().cmp(b.user.as_str()));
    }
    let mut bytes = Encoder::default();
    write_carried(&one, &mut bytes);
    bytes.0
}

/// What a process has, in words that the new one has in common with it.
#[derive(Default)]
pub struct Standing {
    outboxes: BTreeMap<Line, Vec<u8>>,
    /// Whose last words are still to come.
    ending: BTreeSet<Line>,
    /// The members of each room, by room and name; lost ones have no line.
    members: BTreeSet<((String, String), Option<Line>)>,
    names: BTreeSet<(String, Option<Line>)>,
    listeners: BTreeSet<(String, Line)>,
}

impl SimulatedServer {
    /// What it has now.
    pub fn standing(&self) -> Standing {
        let line = |at: SessionId| {
            let Cell { turn, around } = self.cells.get(at.shard.index())?;
            around.lines.get(&at.connection).filter(|_| !turn.shard.is_ending(at.connection)).copied()
        };
        let mut standing = Standing::default();
        for Cell { turn, around } in &self.cells {
            let (shard, lines) = (&turn.shard, &around.lines);
            for (id, line) in lines {
                standing.outboxes.insert(*line, shard.outbox(*id).unwrap_or_default().to_vec());
                standing.ending.extend(shard.is_ending(*id).then_some(*line));
            }
            standing.members.extend(shard.memberships().map(|member| {
                let line = line(member.session).filter(|_| !member.is_lost);
                ((member.room.as_str().to_owned(), member.user.as_str().to_owned()), line)
            }));
            standing.names.extend(
                shard.names().map(|(name, session)| (name.as_str().to_owned(), session.and_then(line))),
            );
            standing.listeners.extend(shard.listeners().filter_map(|listener| {
                Some((listener.room.as_str().to_owned(), *lines.get(&listener.connection)?))
            }));
        }
        standing
    }
}

impl Standing {
    /// Clients have not noticed: everything is there, and nothing was sent to anybody. A connection that ended while
    /// everything was given away is in no image, or has its last words alone there, and its homes may not know yet: they
    /// have lost it, and of an account that has others, the new process has only those.
    pub fn check(&self, after: &Standing) -> Checked {
        let gone = self.outboxes.keys().find(|line| !after.outboxes.contains_key(line));
        if let Some(line) = gone {
            return Err(format!("connection {line} was closed by an upgrade"));
        }
        for (line, outbox) in &self.outboxes {
            let is_kept = after.outboxes.get(line).is_some_and(|after| match self.ending.contains(line) {
                true => after.starts_with(outbox),
                false => after == outbox,
            });
            if !is_kept {
                let (before, after) = (outbox.len(), after.outboxes.get(line).map(Vec::len));
                return Err(format!("an upgrade makes of {before} bytes that wait for {line} {after:?}"));
            }
        }
        same("members", &connected(&self.members), &after.members)?;
        same("names", &connected(&self.names), &after.names)?;
        same("listeners", &self.listeners, &after.listeners)
    }
}

/// The sessions without those whose connection is gone, where their user has others.
fn connected<K: Ord + Clone>(all: &BTreeSet<(K, Option<Line>)>) -> BTreeSet<(K, Option<Line>)> {
    let has_others = |of: &K| all.range((of.clone(), None)..).nth(1).is_some_and(|(next, _)| next == of);
    all.iter().filter(|(of, line)| line.is_some() || !has_others(of)).cloned().collect()
}

fn same<T: Ord + std::fmt::Debug>(what: &str, before: &BTreeSet<T>, after: &BTreeSet<T>) -> Checked {
    let gone: Vec<&T> = before.difference(after).collect();
    let new: Vec<&T> = after.difference(before).collect();
    if gone.is_empty() && new.is_empty() {
        return Ok(());
    }
    Err(format!("an upgrade changes {what}: gone {gone:?}, new {new:?}"))
}

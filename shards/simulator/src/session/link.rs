//! What the link does: an edge comes, its sessions talk, bytes move, and it is cut off.

use super::super::edge::{Edge, Hearing, RoomMembers};
use super::super::server::SimulatedServer;
use super::super::truth::Checked;
use super::Session;
use madang_model::{RoomKey, ShardId};

/// So many steps pass before an edge is cut off, on average.
const STEPS_BETWEEN_CUTS: usize = 250;
/// So many steps pass before its thread is not run for some, on average.
const STEPS_BETWEEN_PAUSES: usize = 400;
/// Things that it does in a step of everyone else.
const MOVES: usize = 4;
/// Batches and requests in a round in which everything moves.
const ALL: usize = 10_000;

impl Session {
    /// A few things that the link does, by chance.
    pub(super) fn link_moves(&mut self) -> Checked {
        if self.link_pauses_until > self.trace.step {
            return Ok(());
        }
        if self.chance.one_in(STEPS_BETWEEN_PAUSES) {
            let steps = self.chance.between(10, 200) as u64;
            self.trace.note(format_args!("the link does not run for {steps} steps"));
            self.link_pauses_until = self.trace.step + steps;
        }
        for _ in 0..MOVES {
            match self.chance.below(10) {
                0 | 1 => self.edge_acts(),
                2..=4 => self.bytes_move(),
                5 | 6 => {
                    let batches = self.chance.between(1, 12);
                    let Some(link) = self.server.as_mut().and_then(|server| server.link.as_mut()) else {
                        continue;
                    };
                    link.take_events(&mut self.chance, batches);
                }
                7 | 8 => {
                    let requests = self.chance.between(1, 40);
                    let Some(link) = self.server.as_mut().and_then(|server| server.link.as_mut()) else {
                        continue;
                    };
                    link.send_requests(requests);
                }
                _ => self.edge_hears()?,
            }
        }
        if self.edge.is_none() {
            self.edge_comes();
        } else if self.chance.one_in(STEPS_BETWEEN_CUTS) {
            self.cut_link();
        }
        Ok(())
    }

    fn edge_comes(&mut self) {
        let now = self.now.monotonic;
        let Some(link) = self.server.as_mut().and_then(|server| server.link.as_mut()) else { return };
        if link.is_open {
            self.trace.note(format_args!("an edge connects"));
            link.core.connected(now);
            self.edge = Some(Edge::new(now));
        }
    }

    /// The edge is gone, in the middle of whatever it does.
    pub(super) fn cut_link(&mut self) {
        self.room_lists.forget_asked();
        if self.edge.take().is_none() {
            return;
        }
        let Some(link) = self.server.as_mut().and_then(|server| server.link.as_mut()) else { return };
        let end = link.core.disconnected();
        self.trace.note(format_args!("the edge is gone: {end:?}"));
    }

    fn edge_acts(&mut self) {
        let Session { edge: Some(edge), chance, truth, edge_lines, trace, room_lists, .. } = self else {
            return;
        };
        if self.options.has_lists && chance.one_in(2) {
            let Some(server) = &self.server else { return };
            let members = || members_of(server, 0..server.shard_count());
            if let Some(what) = edge.list(chance, room_lists, &members) {
                trace.note(format_args!("the edge {what}"));
            }
            return;
        }
        if let Some(what) = edge.act(chance, truth, edge_lines) {
            trace.note(format_args!("the edge {what}"));
        }
    }

    fn edge_hears(&mut self) -> Checked {
        let Session { edge: Some(edge), truth, trace, counts, room_lists: lists, .. } = self else {
            return Ok(());
        };
        let (messages, refused_to_guests) = (&mut counts.edge_messages, &mut counts.refused_to_edges);
        edge.hear(&mut Hearing { truth, step: trace.step, messages, refused_to_guests, lists })
    }

    /// Some bytes arrive in each direction, in pieces.
    fn bytes_move(&mut self) {
        let now = self.now.monotonic;
        let Session { edge: Some(edge), chance, server: Some(server), .. } = self else { return };
        let Some(link) = &mut server.link else { return };
        let piece = |output: &[u8], chance: &mut super::Chance| {
            let count = if chance.one_in(3) { chance.below(output.len() + 1) } else { output.len() };
            output[..count].to_vec()
        };
        let bytes = piece(edge.end.output(), chance);
        edge.end.sent(bytes.len());
        link.core.receive(&bytes, now);
        let bytes = piece(link.core.output(), chance);
        link.core.sent(bytes.len());
        edge.end.receive(&bytes, now);
        let is_over =
            edge.end.ended().is_some() || link.core.ended().is_some() && link.core.output().is_empty();
        if is_over {
            self.cut_link();
        }
    }

    /// The core's end does all it can. Whether it did anything.
    pub(super) fn link_round(&mut self) -> bool {
        let Session { server: Some(server), chance, .. } = self else { return false };
        let Some(link) = &mut server.link else { return false };
        // Each batch is of a shard by chance: all of them are taken in a few rounds.
        link.take_events(chance, 64) | link.send_requests(ALL)
    }

    /// Who goes through all rooms knows who has stayed: a shard may have let somebody go in its turn.
    pub(super) fn follow_rooms(&mut self, index: usize) {
        let Session { server: Some(server), room_lists, .. } = self else { return };
        let shard_count = server.shard_count() as u16;
        let is_of_home = |room: &str| RoomKey::of(room).home(shard_count) == ShardId(index as u16);
        room_lists.follow(is_of_home, &|| members_of(server, index..index + 1));
    }
}

/// The members of the rooms of these shards that are in lists.
fn members_of(server: &SimulatedServer, shards: std::ops::Range<usize>) -> RoomMembers {
    let mut members = RoomMembers::new();
    for cell in &server.cells[shards] {
        for member in cell.turn.shard.memberships().filter(|member| !member.room.is_direct()) {
            members.entry(member.room.as_str().to_owned()).or_default().insert(member.session);
        }
    }
    members
}

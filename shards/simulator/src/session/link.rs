//! What the link does: an edge comes, its sessions talk, bytes move, and it is cut off.

use super::super::edge::{Edge, Hearing};
use super::super::truth::Checked;
use super::Session;

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
        if self.edge.take().is_none() {
            return;
        }
        let Some(link) = self.server.as_mut().and_then(|server| server.link.as_mut()) else { return };
        let end = link.core.disconnected();
        self.trace.note(format_args!("the edge is gone: {end:?}"));
    }

    fn edge_acts(&mut self) {
        let Session { edge: Some(edge), chance, truth, edge_lines, trace, .. } = self else { return };
        if let Some(what) = edge.act(chance, truth, edge_lines) {
            trace.note(format_args!("the edge {what}"));
        }
    }

    fn edge_hears(&mut self) -> Checked {
        let Session { edge: Some(edge), truth, trace, counts, .. } = self else { return Ok(()) };
        let (messages, refused_to_guests) = (&mut counts.edge_messages, &mut counts.refused_to_edges);
        edge.hear(&mut Hearing { truth, step: trace.step, messages, refused_to_guests })
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
}

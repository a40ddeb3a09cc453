//! Bytes that no end sends. They end a link, and nothing else.

use super::chance::Chance;
use super::rig::{Rig, in_pieces, room, say, settings, user};
use crate::format::Kind;
use crate::{CoreEnd, EdgeEnd, EdgeRequest, LinkEnd, WireFault};
use madang_model::Moment;

/// What an edge sends that greets and talks, and what the core answers, each without what it took of the other:
/// that is a fault where nothing was sent.
fn talk() -> (Vec<u8>, Vec<u8>) {
    let mut rig = Rig::with(settings());
    let (mut to_core, mut to_edge) = (Vec::new(), Vec::new());
    let mut pass = |rig: &mut Rig| loop {
        let output = rig.edge.output().to_vec();
        rig.edge.sent(output.len());
        rig.core.receive(&output, rig.now);
        to_core.extend(without_taken(&output));
        let answer = rig.core.output().to_vec();
        rig.core.sent(answer.len());
        rig.edge.receive(&answer, rig.now);
        to_edge.extend(without_taken(&answer));
        if !rig.act() && output.is_empty() && answer.is_empty() {
            return;
        }
    };
    pass(&mut rig);
    let alice = rig.edge.open(Some([192, 0, 2, 1].into())).expect("a session");
    rig.ask(alice, EdgeRequest::Claim { name: user("alice") });
    pass(&mut rig);
    rig.ask(alice, EdgeRequest::Join { room: room("r1") });
    rig.ask(alice, EdgeRequest::Who { room: room("r1") });
    pass(&mut rig);
    for number in 0..20 {
        rig.ask(alice, say("r1", &format!("text {number}")));
    }
    pass(&mut rig);
    rig.edge.close(alice, true).expect("it is open");
    pass(&mut rig);
    assert!(rig.edge.ended().is_none() && rig.core.ended().is_none());
    (to_core, to_edge)
}

fn without_taken(mut bytes: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    while let Some(length) = bytes.get(4..8) {
        let length = u32::from_le_bytes(length.try_into().expect("four bytes")) as usize;
        let (batch, rest) = bytes.split_at(16 + length);
        let is_of_taken = batch[16 + 6..16 + 8] == (Kind::Taken as u16).to_le_bytes();
        if !is_of_taken {
            kept.extend_from_slice(batch);
        }
        bytes = rest;
    }
    kept
}

/// A core that was sent something. It gives back whatever it has taken.
fn core_after(bytes: &[u8], chance: &mut Chance) -> CoreEnd {
    let mut core = CoreEnd::new(settings());
    let mut homes = super::homes::Homes::default();
    core.connected(Moment(0));
    in_pieces(bytes, chance, |piece| {
        core.receive(piece, Moment(0));
        let ready = core.output().len();
        core.sent(ready);
        while let Some(request) = core.next_request() {
            homes.handle(request);
        }
        while let Some(event) = homes.next_event() {
            core.event(event);
        }
    });
    let end = core.ended().cloned();
    assert_eq!(core.disconnected(), Some(end.unwrap_or(LinkEnd::Lost)));
    while let Some(request) = core.next_request() {
        homes.handle(request);
    }
    assert_eq!(homes.held(), Vec::<String>::new());
    core
}

/// An edge that was sent something, and how many events it received.
fn edge_after(bytes: &[u8], chance: &mut Chance) -> (EdgeEnd, usize) {
    let mut edge = EdgeEnd::new(Moment(0));
    let mut heard = 0;
    in_pieces(bytes, chance, |piece| {
        edge.receive(piece, Moment(0));
        let ready = edge.output().len();
        edge.sent(ready);
        heard += std::iter::from_fn(|| edge.next_event()).count();
    });
    (edge, heard)
}

#[test]
fn how_the_stream_is_cut_makes_no_difference() {
    let (to_core, to_edge) = talk();
    for seed in 0..200 {
        let mut chance = Chance(seed);
        let core = core_after(&to_core, &mut chance);
        assert_eq!(core.counters.requests, 25, "with seed {seed}");
        assert!(core.counters.ends().all(|(name, count)| count == u64::from(name == "lost")));
        let (edge, heard) = edge_after(&to_edge, &mut chance);
        assert_eq!((edge.ended(), heard), (None, 24), "with seed {seed}");
    }
}

#[test]
fn a_byte_that_is_changed_anywhere_is_survived() {
    let (to_core, to_edge) = talk();
    let mut chance = Chance(7);
    for at in 0..to_core.len() {
        let mut bytes = to_core.clone();
        bytes[at] ^= 1 << chance.below(8);
        core_after(&bytes, &mut chance);
    }
    for at in 0..to_edge.len() {
        let mut bytes = to_edge.clone();
        bytes[at] ^= 1 << chance.below(8);
        edge_after(&bytes, &mut chance);
    }
}

#[test]
fn pieces_that_are_cut_out_repeated_or_made_up_are_survived() {
    let (to_core, to_edge) = talk();
    let mut faults = 0;
    for seed in 0..1_500 {
        let mut chance = Chance(seed);
        for (original, is_core) in [(&to_core, true), (&to_edge, false)] {
            let mut bytes = original.clone();
            for _ in 0..1 + chance.below(4) {
                damage(&mut bytes, &mut chance);
            }
            if is_core {
                let core = core_after(&bytes, &mut chance);
                faults +=
                    core.counters.ends().find(|(name, _)| *name == "fault").map_or(0, |(_, count)| count);
            } else {
                edge_after(&bytes, &mut chance);
            }
        }
    }
    assert!(faults > 1_000, "most of it is a fault: {faults}");
}

fn damage(bytes: &mut Vec<u8>, chance: &mut Chance) {
    if bytes.is_empty() {
        return;
    }
    let at = chance.below(bytes.len());
    let end = (at + 1 + chance.below(32)).min(bytes.len());
    match chance.below(4) {
        0 => drop(bytes.drain(at..end)),
        1 => {
            let piece = bytes[at..end].to_vec();
            bytes.splice(at..at, piece);
        }
        2 => bytes[at..end].iter_mut().for_each(|byte| *byte = chance.number() as u8),
        _ => bytes.truncate(at),
    }
}

#[test]
fn noise_is_no_batch() {
    for seed in 0..500 {
        let mut chance = Chance(seed);
        let bytes: Vec<u8> = (0..chance.below(200) + 16).map(|_| chance.number() as u8).collect();
        let core = core_after(&bytes, &mut chance);
        assert_eq!(core.counters.ends().find(|(name, _)| *name == "fault"), Some(("fault", 1)));
    }
}

#[test]
fn what_belongs_to_the_other_direction_is_a_fault() {
    let (to_core, to_edge) = talk();
    let mut chance = Chance(1);
    let core = core_after(&to_edge, &mut chance);
    assert_eq!(core.counters.ends().find(|(name, _)| *name == "fault"), Some(("fault", 1)));
    let (edge, _) = edge_after(&to_core, &mut chance);
    assert!(matches!(edge.ended(), Some(LinkEnd::Fault(WireFault::Unexpected { .. }))));
}

#[test]
fn a_batch_is_within_its_bounds_and_filled_by_its_envelopes() {
    let header = |bytes: u32, envelopes: u32| {
        let mut header = b"MDLK".to_vec();
        header.extend(bytes.to_le_bytes());
        header.extend(envelopes.to_le_bytes());
        header.extend([0; 4]);
        header
    };
    let bytes_max = crate::bounds::ENVELOPE_BYTES_MAX as u32;
    let envelopes_max = crate::bounds::BATCH_ENVELOPES_MAX as u32;
    let ping = [4, 0, 0, 0, 0, 0, 33, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for (envelopes, is_right) in [(1, false), (2, true), (3, false)] {
        let mut core = CoreEnd::new(settings());
        core.connected(Moment(0));
        core.receive(&[&header(32, envelopes)[..], &ping, &ping].concat(), Moment(0));
        assert_eq!(core.ended().is_none(), is_right, "{envelopes} envelopes where 2 are");
    }
    let cases = [(0, 1), (bytes_max + 1, 1), (u32::MAX, 1), (8, 0), (8, envelopes_max + 1)];
    for (bytes, envelopes) in cases {
        let mut core = CoreEnd::new(settings());
        core.connected(Moment(0));
        core.receive(&header(bytes, envelopes), Moment(0));
        assert!(matches!(core.ended(), Some(LinkEnd::Fault(_))), "{bytes} bytes, {envelopes} envelopes");
    }
    let mut core = CoreEnd::new(settings());
    core.connected(Moment(0));
    core.receive(&header(bytes_max, envelopes_max), Moment(0));
    assert!(core.ended().is_none(), "the bounds themselves are allowed");
}

//! Following the links of a room to the entries that hold a range of its numbers.
//!
//! All links that lead on are followed at once, so that the rounds of reads are a logarithm of the
//! distance, and of the width, in segments.

use crate::format::HEADER_BYTES;
use crate::index::key::key_bits;
use crate::index::link::{EntryLink, RoomTail};
use crate::index::reads::{BucketLookup, Damaged, QueryFault, ReadAnswer, ReadRequest, StoredFile};
use crate::index::segment::{INDEX_HEADER_BYTES, RoomEntry, identity};
use hashbrown::HashSet;
use madang_model::{RoomName, Seq};
use std::collections::BTreeMap;

/// A search for the entries with the numbers `first..=last`.
#[derive(Debug)]
pub struct Chain {
    room: RoomName,
    key: u64,
    first: Seq,
    last: Seq,
    /// Entries that begin here or before have expired; 0 when none was met.
    floor: Seq,
    /// What is known, by the number it begins with.
    nodes: BTreeMap<Seq, Node>,
    /// The links that were ever followed, by where they lead.
    followed: HashSet<Seq>,
    pending: Vec<Pending>,
}

/// An entry; or what stands behind the last one.
#[derive(Debug)]
struct Node {
    tower: Box<[EntryLink]>,
    entry: Option<(EntryLink, RoomEntry)>,
}

#[derive(Debug)]
struct Pending {
    link: EntryLink,
    stage: LinkStage,
}

#[derive(Debug)]
enum LinkStage {
    Lookup(BucketLookup),
    /// There is no index: whether there is a segment distinguishes lost from expired.
    Segment,
}

impl Chain {
    /// Begins behind the newest entry; `end` is where the room's sealed messages end without one.
    pub fn new(room: RoomName, range: (Seq, Seq), tail: Option<&RoomTail>, end: Seq) -> Chain {
        let (start, tower) = tail.map_or((end, Box::default()), |tail| (tail.head.next(), tail.next_tower()));
        let mut chain = Chain {
            key: key_bits(room.key()),
            room,
            first: range.0,
            last: range.1,
            floor: Seq::ZERO,
            nodes: BTreeMap::from([(start, Node { tower, entry: None })]),
            followed: HashSet::new(),
            pending: Vec::new(),
        };
        chain.follow();
        chain
    }

    /// What to read next; nothing when everything is found.
    pub fn requests(&self) -> Vec<ReadRequest> {
        self.pending.iter().map(Pending::request).collect()
    }

    /// Takes what was asked for.
    pub fn supply(&mut self, answers: &[ReadAnswer<'_>]) -> Result<(), QueryFault> {
        for (mut pending, answer) in std::mem::take(&mut self.pending).into_iter().zip(answers) {
            match (&mut pending.stage, answer) {
                (LinkStage::Lookup(_), ReadAnswer::NoFile) => {
                    pending.stage = LinkStage::Segment;
                    self.pending.push(pending);
                }
                (LinkStage::Segment, ReadAnswer::NoFile) => self.floor = self.floor.max(pending.link.first),
                (LinkStage::Segment, ReadAnswer::Bytes(_)) => {
                    let EntryLink { directory, segment, .. } = pending.link;
                    return Err(QueryFault::IndexMissing { directory, segment });
                }
                (LinkStage::Lookup(lookup), ReadAnswer::Bytes(bytes)) => {
                    let at = lookup.offset_bytes();
                    let entries = lookup.supply(bytes).map_err(|damaged| pending.link.damaged(damaged))?;
                    match entries {
                        None => self.pending.push(pending),
                        Some((entries, version)) => {
                            let entry = self.entry_of(pending.link, entries, version);
                            let damaged = Damaged { offset_bytes: at };
                            self.add(pending.link, entry.ok_or(pending.link.damaged(damaged))?);
                        }
                    }
                }
            }
        }
        self.follow();
        Ok(())
    }

    /// The entries found, in order.
    pub fn entries(&self) -> impl Iterator<Item = (EntryLink, &RoomEntry)> {
        self.nodes.values().filter_map(|node| node.entry.as_ref().map(|(link, entry)| (*link, entry)))
    }

    /// The first number that is still stored, when that is known: what is below has expired. Entries
    /// may be there that are older than one that has: in another directory, which keeps its newest
    /// segment. Later entries lead to them even where the index of the one behind the hole was made
    /// again, and knows of nothing earlier: so the newest edge counts.
    fn oldest(&self) -> Option<Seq> {
        let is_edge = |node: &Node| node.tower.first().is_none_or(|link| link.first <= self.floor);
        self.nodes.range(self.floor.next()..).rev().find(|(_, node)| is_edge(node)).map(|(first, _)| *first)
    }

    /// The lowest number down to which `stretches`, in order, hold everything from the last that was asked for on; and,
    /// where numbers below have expired, the first that is still stored.
    pub fn held_from(
        &self,
        stretches: impl DoubleEndedIterator<Item = (Seq, Seq)>,
    ) -> Result<(Seq, Option<Seq>), QueryFault> {
        let mut from = self.last.next();
        for (first, last) in stretches.rev() {
            if last.next() != from {
                break;
            }
            from = first;
        }
        if from <= self.first {
            return Ok((from, None));
        }
        let (first, below) = (self.first, Seq(from.0 - 1));
        match self.oldest().filter(|oldest| below < *oldest) {
            Some(oldest) => Ok((from, Some(oldest))),
            None => Err(match self.link_towards(below) {
                Some(link) => link.damaged(Damaged { offset_bytes: 0 }),
                None => QueryFault::NotStored { first, last: below },
            }),
        }
    }

    /// The link that should have led to `seq`.
    fn link_towards(&self, seq: Seq) -> Option<EntryLink> {
        let (_, above) = self.nodes.range(seq.next()..).next()?;
        above.tower.first().copied()
    }

    fn entry_of(&self, link: EntryLink, entries: &[u8], version: u32) -> Option<RoomEntry> {
        let mut entries = RoomEntry::decode_bucket(entries, version)?.into_iter();
        let entry = entries.find(|entry| entry.key == self.key)?;
        let is_named = *entry.name == *self.room.as_str()
            || entry.room_name().is_ok_and(|name| name.is_same_as(&self.room));
        (is_named && entry.first == link.first).then_some(entry)
    }

    fn add(&mut self, link: EntryLink, entry: RoomEntry) {
        self.nodes.insert(entry.first, Node { tower: entry.tower.clone(), entry: Some((link, entry)) });
    }

    fn follow(&mut self) {
        let wanted: Vec<EntryLink> =
            self.nodes.iter().flat_map(|(first, node)| self.wanted(*first, &node.tower)).collect();
        for link in wanted {
            if self.followed.insert(link.first) {
                self.pending.push(Pending::new(link, self.key));
            }
        }
    }

    /// Which links of an entry that begins at `begins` lead to numbers that are asked for; or to
    /// the oldest entry, where asked ones have expired.
    fn wanted<'a>(&self, begins: Seq, tower: &'a [EntryLink]) -> impl Iterator<Item = EntryLink> + use<'a> {
        let low = self.first.max(self.floor.next());
        let top = self.last.max(self.floor);
        let leads_on = begins > low;
        // Everything between this and the next one further is reached through it.
        let waypoint = tower.iter().rfind(|link| link.first > top);
        let within = tower.iter().filter(move |link| (low..=top).contains(&link.first));
        let floor = self.floor;
        let holding_first = tower.first().filter(|link| link.first < low && link.first > floor);
        waypoint.into_iter().chain(within).chain(holding_first).copied().filter(move |_| leads_on)
    }
}

impl Pending {
    fn new(link: EntryLink, key: u64) -> Pending {
        let file = StoredFile::Index(link.segment);
        let identity = identity(link.directory, link.segment);
        let slots_at = INDEX_HEADER_BYTES as u64;
        let lookup = BucketLookup::new(identity, file, slots_at, key, link.bucket_bits);
        Pending { link, stage: LinkStage::Lookup(lookup) }
    }

    fn request(&self) -> ReadRequest {
        match &self.stage {
            LinkStage::Lookup(lookup) => lookup.request(),
            LinkStage::Segment => ReadRequest {
                directory: self.link.directory,
                file: StoredFile::Segment(self.link.segment),
                offset_bytes: 0,
                bytes: HEADER_BYTES,
            },
        }
    }
}

impl EntryLink {
    pub(super) fn damaged(&self, damaged: Damaged) -> QueryFault {
        let EntryLink { directory, segment, .. } = *self;
        QueryFault::IndexDamaged { directory, segment, offset_bytes: damaged.offset_bytes }
    }
}

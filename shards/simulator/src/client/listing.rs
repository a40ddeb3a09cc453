//! A client goes through the members of a room, page by page, while they change.

use super::super::chance::Chance;
use super::super::truth::{Checked, RoomIndex, Truth};
use super::{Client, PendingRequest};
use std::collections::BTreeSet;

/// How far a client has gone through the members of a room.
#[derive(Debug)]
pub struct Listing {
    room: RoomIndex,
    /// Where the next page begins.
    cursor: Option<String>,
    listed: BTreeSet<String>,
    /// Who was there when the first page came, as far as it is known, and has been since.
    stays: BTreeSet<String>,
    is_asked: bool,
}

impl Client {
    /// Asks for the next page, or for the first one of a room that it is in.
    pub(super) fn list_members(
        &mut self,
        chance: &mut Chance,
        room: Option<RoomIndex>,
        truth: &Truth,
    ) -> Option<String> {
        if self.listing.is_none() {
            let (cursor, listed, stays) = (None, BTreeSet::new(), BTreeSet::new());
            self.listing = Some(Listing { room: room?, cursor, listed, stays, is_asked: false });
        }
        let listing = self.listing.as_mut().filter(|listing| !listing.is_asked)?;
        listing.is_asked = true;
        self.asked.push_back(PendingRequest::Members(listing.room));
        let cursor = listing.cursor.as_deref().unwrap_or("-");
        Some(format!("members {} {cursor} {}\n", truth.name(listing.room), chance.between(1, 4)))
    }

    /// `ROOM NEXT NAME …`
    pub(super) fn members_received(&mut self, rest: &str, truth: &mut Truth) -> Checked {
        let mut words = rest.split(' ');
        let room = truth.room(words.next().unwrap_or_default());
        let next = words.next().ok_or("members ROOM NEXT NAME …")?;
        match self.asked.pop_front() {
            Some(PendingRequest::Members(asked)) if asked == room => {}
            other => return Err(format!("{other:?} was asked")),
        }
        // It has left the room meanwhile.
        let Some(listing) = self.listing.as_mut().filter(|listing| listing.room == room) else {
            return Ok(());
        };
        listing.is_asked = false;
        self.list_pages += 1;
        // The room may be behind what was seen: what it says from now on is news.
        self.acts.retain(|(_, seen_in)| *seen_in != room);
        if listing.cursor.is_none() {
            let view = self.rooms.get(&room).and_then(|attendance| attendance.view.clone());
            listing.stays = view.unwrap_or_default();
        }
        for name in words {
            if !listing.listed.insert(name.to_owned()) {
                return Err(format!("{name} is listed twice"));
            }
        }
        if next != "-" {
            listing.cursor = Some(next.to_owned());
            return Ok(());
        }
        let missing: Vec<&String> = listing.stays.difference(&listing.listed).collect();
        if !missing.is_empty() {
            return Err(format!("{missing:?} were there throughout and are on no page"));
        }
        self.listing = None;
        self.lists += 1;
        Ok(())
    }

    /// Somebody has not been in a room throughout, or not by this name.
    pub(super) fn has_left(&mut self, room: RoomIndex, name: &str) {
        if let Some(listing) = self.listing.as_mut().filter(|listing| listing.room == room) {
            listing.stays.remove(name);
        }
    }

    /// It is not in the room any more, and does not see who comes and goes.
    pub(super) fn end_listing(&mut self, room: RoomIndex) {
        self.listing.take_if(|listing| listing.room == room);
    }
}

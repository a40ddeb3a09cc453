//! Who comes and goes, as each reader sees it: once for all the rooms that it shares.

use madang_model::connection::{LocalRooms, Subscription};
use madang_model::{
    ConnectionId, Everywhere, RoomEvent, RoomKey, RoomName, SeenEvents, SharedRooms, Sight, UserKey, UserName,
};
use std::sync::Arc;

/// What an event says of who is in a room.
pub struct PresenceChange {
    everywhere: Option<Arc<Everywhere>>,
    /// The name that nobody has there any more, and the one that somebody has from now on.
    gone: Option<UserKey>,
    come: Option<UserKey>,
    /// The rooms of `everywhere` that have readers here, with their places.
    rooms: Vec<(u32, RoomName)>,
}

impl PresenceChange {
    /// `None` for an event that says nothing of that, as of a message.
    #[inline]
    pub fn of(event: &RoomEvent, rooms: &LocalRooms) -> Option<PresenceChange> {
        let (gone, come) = (event.gone().map(UserName::key), event.come().map(UserName::key));
        (gone.is_some() || come.is_some()).then(|| {
            let everywhere = event.everywhere().cloned();
            let local = |key: &RoomKey| {
                let (slot, room) = (rooms.slot_of(*key)?, rooms.by_key(*key)?);
                Some((slot, room.name.clone()))
            };
            let of_all = everywhere.iter().flat_map(|everywhere| everywhere.rooms.iter());
            let rooms = of_all.filter_map(local).collect();
            PresenceChange { everywhere, gone, come, rooms }
        })
    }

    /// What a reader is to see of it, as it comes from this room.
    #[inline(never)]
    pub fn sight(
        &self,
        seen: &mut SeenEvents<ConnectionId>,
        room: RoomKey,
        (reader, subscriptions): (ConnectionId, &[Subscription]),
    ) -> Sight {
        let is_in = |slot: u32| subscriptions.iter().any(|own| own.room == slot);
        let shared = |_: &Everywhere| {
            self.rooms.iter().filter(|(slot, _)| is_in(*slot)).map(|(_, name)| name.key()).collect()
        };
        let names = (room, self.gone, self.come);
        let sight = seen.sight(self.everywhere.as_deref(), names, (reader, subscriptions.len() > 1), shared);
        #[cfg(any(test, feature = "deliberate-faults"))]
        let sight = crate::mutation::see_again(sight);
        sight
    }

    /// The names of those of its rooms that a reader shares.
    pub fn names<'a>(&'a self, shared: &'a SharedRooms) -> impl Iterator<Item = &'a RoomName> {
        self.rooms.iter().map(|(_, name)| name).filter(|name| shared.contains(&name.key()))
    }
}

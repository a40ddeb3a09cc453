//! What homes hand to those of the new process, and take from the old one.

use super::{Effects, Homes, send_or_hold};
use crate::shard::Deadline;
use madang_model::{Carried, CarriedMember, Event, Holder, MeshEntry, Now, RoomName, SessionId};

impl Homes {
    /// All that is known here and not in the log.
    pub fn carried(&self, now: Now) -> Vec<Carried> {
        let mut all = Vec::new();
        self.users.carried(now, &mut all);
        let rooms = self.rooms.values().map(|loaded| &loaded.room).filter(|room| !room.is_idle());
        all.extend(
            rooms.map(|room| Carried::Members { room: room.name().clone(), members: room.carried(now) }),
        );
        all
    }

    /// Whether nobody waits for the log here.
    pub fn is_idle(&self) -> bool {
        self.loading.is_empty()
            && self.queues.is_empty()
            && self.archive.lookup_count() == 0
            && !self.is_searching()
    }

    pub(super) fn take_over(&mut self, carried: Carried, effects: &mut Effects<'_>) {
        match carried {
            Carried::User(user) => {
                let (key, name) = (user.name.skeleton(), user.name.clone());
                match self.users.take_over(user, effects.now) {
                    Ok(Some(grace_ends)) => effects.wheel.add(grace_ends, Deadline::Name(key)),
                    Ok(None) => {}
                    Err(held) => {
                        tracing::error!(name = name.as_str(), "the old process sent one name twice");
                        let room = self.settings.lobby.clone();
                        not_carried(held.0, &name, room, effects);
                    }
                }
            }
            Carried::Seen(seen) => self.users.remember(seen),
            Carried::Members { room, members } => self.take_members_over(&room, members, effects),
            Carried::Address(address) => {
                *self.connections_by_address.entry(address).or_default() += 1;
            }
        }
    }

    /// The room is in memory: the request waited for it.
    fn take_members_over(&mut self, room: &RoomName, members: Vec<CarriedMember>, effects: &mut Effects<'_>) {
        let key = room.key();
        let Some(loaded) = self.rooms.get_mut(&key) else {
            return give_up(Carried::Members { room: room.clone(), members }, effects);
        };
        for (user, grace_ends) in loaded.room.take_over(members, effects.now, &mut self.events) {
            effects.wheel.add(grace_ends, Deadline::Member(key, user));
        }
        self.ranking.rank(loaded);
        send_or_hold(loaded.last_batch, &mut self.events, &mut self.held, effects.log, effects.outbound);
        self.evict_if_idle(key, effects.now, effects.outbound);
    }
}

/// A room cannot be loaded: its members cannot be resumed.
pub(super) fn give_up(carried: Carried, effects: &mut Effects<'_>) {
    let Carried::Members { room, members } = carried else { return };
    for CarriedMember { user, holder, .. } in members {
        if let Holder::Session(session) = holder {
            not_carried(session, &user, room.clone(), effects);
        }
    }
}

fn not_carried(session: SessionId, user: &madang_model::UserName, room: RoomName, effects: &mut Effects<'_>) {
    let event = Event::Carried { to: session.connection, user: user.key(), room, head: None };
    effects.outbound.push(session.shard, MeshEntry::Event(event));
}

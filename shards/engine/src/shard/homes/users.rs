//! The users whose home this shard is: their names, their presence, the way to them.

use super::{Effects, Homes, refuse, refuse_message, send_reply};
use crate::shard::Deadline;
use crate::user::Claimed;
use madang_model::{
    Destination, DraftId, Event, Leaving, MeshEntry, Now, Refusal, Reply, Request, RoomName, SessionId,
    SkeletonKey, Text, UserName,
};
use std::net::IpAddr;

impl Homes {
    pub(super) fn handle_user(&mut self, request: Request, effects: &mut Effects<'_>) {
        match request {
            Request::Claim { session, name } => match self.claim(session, &name, effects) {
                Ok(claimed) => {
                    let Claimed { user, claim, missed_whispers, room } = claimed;
                    let reply = Reply::Claimed { user, claim, missed_whispers, room };
                    send_reply(session, reply, effects.outbound);
                }
                Err(refusal) => refuse(session, refusal, effects),
            },
            Request::Release { session, name, is_clean, leaving, room } => {
                if let Some(leaving) = leaving {
                    self.leave_rooms_of_account(session, &name, *leaving, effects);
                }
                let limits = &self.settings.users;
                let how = (is_clean, room);
                if let Some(end) = self.users.release(session, &name, how, effects.now, limits) {
                    effects.wheel.add(end, Deadline::Name(name.skeleton()));
                }
                given_back(session, effects);
            }
            Request::GiveUp { session, name } => {
                self.users.give_up(session, &name, effects.now);
                given_back(session, effects);
            }
            Request::SetAway { user, room: None, away } => self.users.set_away(&user, away),
            Request::Whois { session, name } => match self.users.whois(&name) {
                Ok(summary) => send_reply(session, Reply::Whois(summary), effects.outbound),
                Err(refusal) => refuse(session, refusal, effects),
            },
            Request::Whisper { session, from, to, draft, text, copies_to } => {
                if from.account().is_some() && copies_to.is_none() {
                    // At the author's home: its other sessions see what it says.
                    let others = self.users.sessions_of(&from).into_iter().filter(|other| *other != session);
                    let copies_to = Some(others.collect());
                    let request = Request::Whisper { session, from, to, draft, text, copies_to };
                    return send_on(request, self.settings.shard_count, effects);
                }
                let copies_to = copies_to.unwrap_or_default();
                self.route_whisper((session, from), &to, (draft, text), copies_to, effects);
            }
            Request::WhisperMissed { from, to } => self.users.miss_whisper(&from, &to),
            Request::Admit { session, address } => self.admit(session, address, effects),
            Request::Discharge { session, address } => {
                if let Some(count) = self.connections_by_address.get_mut(&address) {
                    *count -= 1;
                    if *count == 0 {
                        self.connections_by_address.remove(&address);
                    }
                }
                given_back(session, effects);
            }
            other => unreachable!("a request about a room is handled with its room: {other:?}"),
        }
    }

    /// The grace time of a name has passed.
    pub fn expire_name(&mut self, key: SkeletonKey, now: Now) {
        self.users.expire(key, now);
    }

    fn claim(
        &mut self,
        session: SessionId,
        name: &UserName,
        effects: &Effects<'_>,
    ) -> Result<Claimed, Refusal> {
        self.users.claim(session, name, effects.now, &self.settings.users)
    }

    /// A session of an account is about to give its name back, and leaves its rooms: others see the account leave the
    /// server when it was the last.
    fn leave_rooms_of_account(
        &self,
        session: SessionId,
        name: &UserName,
        leaving: Leaving,
        effects: &mut Effects<'_>,
    ) {
        let is_last = self.users.sessions_of(name) == [session];
        for request in leaving.requests(session, name.key(), is_last, effects.now.monotonic) {
            send_on(request, self.settings.shard_count, effects);
        }
    }

    fn route_whisper(
        &mut self,
        (session, from): (SessionId, UserName),
        to: &UserName,
        (draft, text): (Option<DraftId>, Text),
        copies_to: Box<[SessionId]>,
        effects: &mut Effects<'_>,
    ) {
        match self.users.route_whisper(&from, to) {
            Err(refusal) => refuse_message(session, refusal, effects),
            Ok(route) => {
                if let Some(away) = route.away {
                    let to = route.reader.clone();
                    send_reply(session, Reply::WhisperReaderAway { to, away }, effects.outbound);
                }
                let request = Request::PublishDirect {
                    session,
                    readers: route.sessions,
                    copies_to,
                    room: RoomName::direct(&from, &route.reader),
                    from,
                    to: route.reader,
                    draft,
                    text,
                };
                send_on(request, self.settings.shard_count, effects);
            }
        }
    }

    pub(super) fn admit(&mut self, session: SessionId, address: IpAddr, effects: &mut Effects<'_>) {
        let connections_max = self.settings.connections_per_address;
        let count = self.connections_by_address.entry(address).or_default();
        *count += 1;
        // Those that were counted when there was a limit are counted on.
        if connections_max > 0 && *count > connections_max {
            refuse(session, Refusal::TooManyFromAddress { connections_max }, effects);
        }
    }
}

/// Sends a request to its home.
fn send_on(request: Request, shard_count: u16, effects: &mut Effects<'_>) {
    if let Destination::Home(home) = request.destination(shard_count) {
        effects.outbound.push(home, MeshEntry::Request(request));
    }
}

/// The next one to ask gets what was given back: the session that gave it back may say so now.
fn given_back(session: SessionId, effects: &mut Effects<'_>) {
    effects.outbound.push(session.shard, MeshEntry::Event(Event::GivenBack { to: session.connection }));
}

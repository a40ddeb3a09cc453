//! Names on their way from the old process to the new one.

use super::{AwayState, User, Users};
use madang_model::{Carried, CarriedSeen, CarriedUser, Holder, Moment, Now, SessionId};
use std::time::Duration;

/// A session that cannot be resumed under its name, as another has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NameHeld(pub SessionId);

impl Users {
    /// All there is to know, for the new process.
    pub fn carried(&self, now: Now, out: &mut Vec<Carried>) {
        out.extend(self.online.values().map(|user| Carried::User(user.carried(now))));
        out.extend(self.offline.all().map(|seen| {
            Carried::Seen(CarriedSeen {
                name: seen.name.clone(),
                online_since: seen.online_since,
                offline_since: seen.offline_since,
            })
        }));
    }

    /// Resumes a name. Returns when its grace time ends, if it runs.
    ///
    /// # Errors
    /// [`NameHeld`] when the name, or a look-alike of it in lower case, is held already: the images of a server
    /// that keeps its promises never lead here.
    pub fn take_over(&mut self, carried: CarriedUser, now: Now) -> Result<Option<Moment>, NameHeld> {
        let CarriedUser { name, online_since, away, missed_whispers, holder, others } = carried;
        let key = name.skeleton();
        if self.online.contains_key(&key) {
            return match holder {
                Holder::Session(session) => Err(NameHeld(session)),
                Holder::Lost(_) => Ok(None),
            };
        }
        let (session, lost_until) = match holder {
            Holder::Session(session) => (session, None),
            Holder::Lost(left) => (SessionId::NOBODY, Some(now.monotonic.after(left))),
        };
        let is_plain = away.is_none() && missed_whispers.is_empty() && others.is_empty();
        let absence = (!is_plain).then(|| Box::new(AwayState { away, missed_whispers, others, room: None }));
        self.offline.forget(key);
        self.last_guest = self.last_guest.max(name.identity().guest_number().unwrap_or(0));
        // An earlier release may have admitted two that look alike: both are resumed.
        self.list(&name);
        self.online.insert(key, User { name, session, lost_until, online_since, absence });
        Ok(lost_until)
    }

    /// Remembers one who was gone before.
    pub fn remember(&mut self, seen: CarriedSeen) {
        if !self.online.contains_key(&seen.name.skeleton()) {
            self.offline.remember(seen.name, seen.online_since, seen.offline_since);
        }
    }
}

impl User {
    fn carried(&self, now: Now) -> CarriedUser {
        let absence = self.absence.as_deref();
        CarriedUser {
            name: self.name.clone(),
            online_since: self.online_since,
            away: absence.and_then(|absence| absence.away.clone()),
            missed_whispers: absence.map(|absence| absence.missed_whispers.clone()).unwrap_or_default(),
            others: self.sessions().skip(1).collect(),
            holder: match self.lost_until {
                None => Holder::Session(self.session),
                Some(until) => Holder::Lost(Duration::from_millis(until.since_ms(now.monotonic))),
            },
        }
    }
}

//! Members on their way from the old process to the new one: nobody sees them leave or join.

use super::{Room, RoomKind};
use crate::room::fan_out::ShardEvent;
use crate::room::member::{Lost, Member};
use madang_model::{CarriedMember, ClaimNumber, Event, Holder, Moment, Now, SessionId, UserKey};
use std::time::Duration;

impl Room {
    /// Its members, for the new process. Of a direct room there is nothing to carry.
    pub fn carried(&self, now: Now) -> Vec<CarriedMember> {
        let carried = |member: &Member| CarriedMember {
            user: member.user.clone(),
            is_away: member.is_away,
            holder: match member.lost {
                None => Holder::Session(member.session),
                Some(lost) => Holder::Lost(Duration::from_millis(lost.until.since_ms(now.monotonic))),
            },
            others: self.more.of(member.user.key()).to_vec(),
            head: member.lost.map(|lost| lost.head).unwrap_or_default(),
        };
        self.members.values().map(carried).collect()
    }

    /// Resumes with the members of the old process, whatever the limit is now. Returns whose grace time
    /// runs, and until when.
    pub fn take_over(
        &mut self,
        members: Vec<CarriedMember>,
        now: Now,
        events: &mut Vec<ShardEvent>,
    ) -> Vec<(UserKey, Moment)> {
        let mut graces = Vec::new();
        for CarriedMember { user, is_away, holder, others, head } in members {
            let key = user.key();
            if self.kind == RoomKind::Direct || self.members.contains_key(&key) {
                continue;
            }
            let (session, lost) = match holder {
                Holder::Session(session) => {
                    self.fan_out.add(session.shard);
                    events.push((session.shard, self.carried_to(session, key)));
                    (session, None)
                }
                Holder::Lost(left) => {
                    let until = now.monotonic.after(left);
                    graces.push((key, until));
                    (SessionId::NOBODY, Some(Lost { until, head }))
                }
            };
            #[cfg(any(test, feature = "deliberate-faults"))]
            let others = crate::mutation::forget_if(crate::mutation::Mutation::ForgetCarriedSessions, others);
            for other in others {
                self.fan_out.add(other.shard);
                events.push((other.shard, self.carried_to(other, key)));
                self.more.add(key, other);
            }
            // Every grant of the names from now on is later than those of the old process.
            let claim = ClaimNumber::default();
            self.members.insert(key, Member { user, session, claim, is_away, lost });
        }
        graces
    }

    fn carried_to(&self, session: SessionId, user: UserKey) -> Event {
        Event::Carried { to: session.connection, user, room: self.name.clone(), head: Some(self.head) }
    }
}

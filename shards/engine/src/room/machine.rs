//! The state machine of one room.

mod carry;
mod drafts;
mod sessions;

use super::drafts::Drafts;
use super::fan_out::{FanOut, ShardEvent};
use super::member::{Lost, Member};
use super::members::Members;
use super::more_sessions::MoreSessions;
use super::reactions::PendingReactions;
use super::recent::{Recent, RecentEntries, RecentPage};
use madang_model::{
    ClaimNumber, DraftId, Event, Everywhere, Joined, LeaveReason, ListStart, MembersPage, Message, Moment,
    Now, Page, Refusal, Reply, RoomEvent, RoomKey, RoomName, RoomSummary, Seq, SessionId, ShownEntry, Text,
    Timestamp, UserKey, UserName, WhoPage,
};
use std::sync::Arc;
use std::time::Duration;

/// How far the clock may have been ahead: an hour, in microseconds.
const CLOCK_AHEAD_US_MAX: i64 = 3_600_000_000;

/// What sort of room it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RoomKind {
    /// The room that every user joins first: no bound on its members.
    Lobby,
    /// A room that users make and leave.
    Channel,
    /// Whispers between two users: nobody joins it, its messages go to their sessions.
    Direct,
}

/// Who reads what was said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageReader {
    /// A member; nobody else by this name.
    Member(UserKey),
    /// Somebody who need not be in the room, and whose right to read was decided before.
    Admitted,
}

/// The bounds all rooms of a server share.
#[derive(Clone, Copy, Debug)]
pub struct RoomLimits {
    /// Members of a channel.
    pub members_max: u32,
    /// Up to this many members, joins, leaves and new names are announced.
    pub announce_members_max: u32,
    /// Messages shown on joining.
    pub history_on_join: usize,
    /// How long a membership outlives a lost connection.
    pub grace: Duration,
}

/// A room as the log knows it.
#[derive(Debug, Default)]
pub struct RoomHistory {
    /// Its newest number.
    pub head: Seq,
    /// How many of its entries are no messages.
    pub amendments: u64,
    /// Its latest entries, oldest first.
    pub entries: Vec<ShownEntry>,
    /// Its latest drafts.
    pub drafts: Drafts,
}

/// One room: its members, its order, its latest messages.
#[derive(Debug)]
pub struct Room {
    pub(super) name: RoomName,
    kind: RoomKind,
    pub(super) head: Seq,
    /// How many of its entries are no messages.
    pub(super) amendments: u64,
    members: Members,
    /// The further sessions of members that are accounts.
    more: MoreSessions,
    /// Members whose name another has been granted since: their leave or their new name is on its
    /// way. Until it comes they receive and may send, as they do not know yet.
    departing: Vec<Member>,
    pub(super) fan_out: FanOut,
    pub(super) recent: Recent,
    pub(super) drafts: Drafts,
    pub(super) reactions: PendingReactions,
}

impl Room {
    /// A room that nothing was said in yet.
    pub fn new(name: RoomName, kind: RoomKind) -> Room {
        Room::restore(name, kind, RoomHistory::default())
    }

    /// A room as the log knows it.
    pub fn restore(name: RoomName, kind: RoomKind, stored: RoomHistory) -> Room {
        let RoomHistory { head, amendments, entries, drafts } = stored;
        let recent = Recent::restore(entries, head);
        let (members, departing) = (Members::default(), Vec::new());
        let more = MoreSessions::default();
        let (fan_out, reactions) = (FanOut::default(), PendingReactions::default());
        Room { name, kind, head, amendments, members, more, departing, fan_out, recent, drafts, reactions }
    }

    /// Of what is erased nothing can be read from now on. Returns how many entries in memory that are.
    pub fn erase(&mut self, hide: &dyn Fn(&mut ShownEntry) -> bool) -> u64 {
        self.recent.erase(hide)
    }

    /// Its name as it was first written.
    pub fn name(&self) -> &RoomName {
        &self.name
    }

    /// The number of its newest entry.
    pub fn head(&self) -> Seq {
        self.head
    }

    /// Its members, in no order.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// When its latest entries were accepted, newest first, as far as they are remembered.
    pub fn recent_times(&self) -> impl Iterator<Item = Timestamp> {
        self.recent.times()
    }

    /// Whether it has no members: all there is to know of it is in the log.
    pub fn is_idle(&self) -> bool {
        self.members.is_empty() && self.departing.is_empty()
    }

    /// Whether it can be forgotten: nobody is in it and nothing was said.
    pub fn is_forgettable(&self) -> bool {
        self.members.is_empty() && self.departing.is_empty() && self.head == Seq::ZERO
    }

    /// How many members wait for the event that they have left or have another name.
    pub fn departing(&self) -> usize {
        self.departing.len()
    }

    /// Takes a user in, or back after a lost connection.
    ///
    /// What different shards send may cross: of two sessions that go by one name, the one with the
    /// later grant has it.
    ///
    /// # Errors
    /// [`Refusal`] when the room is full, another room of the same key is meant, or the name was
    /// granted to another since.
    pub fn join(
        &mut self,
        session: SessionId,
        (user, claim): (&UserName, ClaimNumber),
        wanted: &RoomName,
        is_away: bool,
        limits: &RoomLimits,
        events: &mut Vec<ShardEvent>,
    ) -> Result<(), Refusal> {
        if self.kind == RoomKind::Direct || !self.name.is_same_as(wanted) {
            return Err(Refusal::RoomNameCollides { room: wanted.as_str().into() });
        }
        if self.is_of_same_account(user) {
            self.join_again(session, (user, claim), limits, events);
            return Ok(());
        }
        self.part_with_another_who_is_lost(user, claim, limits, events);
        let mut is_counted = false;
        let resumed_from = match self.members.get_mut(&user.key()) {
            Some(member) if member.claim > claim => {
                return Err(Refusal::NameTaken { name: user.clone() });
            }
            Some(member) => {
                let lost = member.lost.take();
                is_counted = lost.is_none() && member.session == session;
                if lost.is_none() && !is_counted {
                    self.departing.push(member.clone());
                    self.more.depart(member, &mut self.departing);
                }
                member.session = session;
                member.claim = claim;
                member.is_away = is_away;
                if member.user.account() != user.account() {
                    let member = Member { user: user.clone(), ..member.clone() };
                    self.members.insert(user.key(), member);
                }
                lost.map(|lost| lost.head)
            }
            None => {
                let is_bounded = self.kind == RoomKind::Channel;
                if is_bounded && self.members.len() >= limits.members_max as usize {
                    let room = self.name.as_str().into();
                    return Err(Refusal::RoomFull { room, members_max: limits.members_max });
                }
                let member = Member { user: user.clone(), session, claim, is_away, lost: None };
                self.members.insert(user.key(), member);
                if self.announces(limits) {
                    let joined = RoomEvent::Joined { user: user.clone() };
                    self.fan_out.emit(self.name.key(), &joined, events);
                }
                None
            }
        };
        if !is_counted {
            self.fan_out.add(session.shard);
        }
        self.send_joined(session, user, resumed_from, limits, events);
        Ok(())
    }

    fn send_joined(
        &self,
        session: SessionId,
        user: &UserName,
        resumed_from: Option<Seq>,
        limits: &RoomLimits,
        events: &mut Vec<ShardEvent>,
    ) {
        let joined = Joined {
            room: self.name.clone(),
            user: user.clone(),
            head: self.head,
            history: self.recent.last(limits.history_on_join),
            members: self.member_count(),
            resumed_from,
        };
        send_reply(session, Reply::Joined(Box::new(joined)), events);
    }

    /// Removes a session: at once when it left on purpose, else after the grace time, whose end is
    /// returned so that [`Room::expire`] is called then. A session that is not the member's
    /// current one changes nothing.
    pub fn leave(
        &mut self,
        session: SessionId,
        user: UserKey,
        (reason, everywhere): (LeaveReason, Option<Arc<Everywhere>>),
        now: Now,
        limits: &RoomLimits,
        events: &mut Vec<ShardEvent>,
    ) -> Option<Moment> {
        if let Some(departing) = self.take_departing(session) {
            self.fan_out.remove(session.shard);
            send_reply(session, Reply::Left { room: self.name.clone() }, events);
            self.came_back(&departing.user, (reason, everywhere), limits, events);
            return None;
        }
        if self.leaves_others(session, user) {
            self.fan_out.remove(session.shard);
            if reason != LeaveReason::Lost {
                send_reply(session, Reply::Left { room: self.name.clone() }, events);
            }
            self.is_still_here(user, (reason, everywhere), limits, events);
            return None;
        }
        let is_current = |member: &&mut Member| member.session == session && member.lost.is_none();
        let Some(member) = self.members.get_mut(&user).filter(is_current) else {
            send_reply(session, Reply::Left { room: self.name.clone() }, events);
            // It may have left before it ended, and its user be here by another session.
            self.is_still_here(user, (reason, everywhere), limits, events);
            return None;
        };
        self.fan_out.remove(session.shard);
        if reason == LeaveReason::Lost {
            let until = now.monotonic.after(limits.grace);
            member.lost = Some(Lost { until, head: self.head });
            return Some(until);
        }
        send_reply(session, Reply::Left { room: self.name.clone() }, events);
        self.remove(user, (reason, everywhere), limits, events);
        None
    }

    /// Removes a member whose grace time has passed.
    pub fn expire(&mut self, user: UserKey, now: Now, limits: &RoomLimits, events: &mut Vec<ShardEvent>) {
        let is_over = |member: &Member| member.lost.is_some_and(|lost| lost.until <= now.monotonic);
        if self.members.get(&user).is_some_and(is_over) {
            self.remove(user, (LeaveReason::Lost, None), limits, events);
        }
    }

    fn remove(
        &mut self,
        user: UserKey,
        (reason, everywhere): (LeaveReason, Option<Arc<Everywhere>>),
        limits: &RoomLimits,
        events: &mut Vec<ShardEvent>,
    ) {
        let announces = self.announces(limits);
        let Some(gone) = self.members.remove(&user) else { return };
        if announces {
            let left = RoomEvent::Left { user: gone.user, reason, everywhere };
            self.fan_out.emit(self.name.key(), &left, events);
        }
    }

    fn take_departing(&mut self, session: SessionId) -> Option<Member> {
        let place = self.departing.iter().position(|member| member.session == session)?;
        Some(self.departing.swap_remove(place))
    }

    /// Gives a member its new name.
    pub fn rename(
        &mut self,
        session: SessionId,
        old: &UserName,
        (new, claim): (&UserName, ClaimNumber),
        everywhere: Option<Arc<Everywhere>>,
        limits: &RoomLimits,
        events: &mut Vec<ShardEvent>,
    ) {
        let announces = self.announces(limits);
        let departing =
            self.take_departing(session).or_else(|| self.take_one_of_several(session, old, claim));
        // A user who had to give its old name up is not known to the others under any name; nor is a session that others
        // of its account do not follow.
        let is_unknown = departing.is_some();
        let is_current = |member: &Member| member.session == session && member.lost.is_none();
        let is_member = self.members.get(&old.key()).is_some_and(is_current);
        let own = departing.or_else(|| if is_member { self.members.remove(&old.key()) } else { None });
        let Some(own) = own else { return };
        let member = Member { user: new.clone(), claim, ..own };
        let room = self.name.key();
        if !announces {
            // The others see the new name in lists, and before what it says.
            send_reply(session, Reply::Renamed { old: old.clone(), new: new.clone() }, events);
        }
        if self.is_of_same_account(new) {
            self.rename_onto_own(session, (old, new), claim, !is_unknown && announces, events);
            return;
        }
        let mut is_taken = false;
        if let Some(other) = self.members.get(&new.key()) {
            is_taken = true;
            if other.claim > claim {
                // The new name has gone to another as well.
                self.departing.push(member);
                if announces && everywhere.is_some() {
                    self.renamed_everywhere(old, new, everywhere, events);
                } else if !is_unknown && announces {
                    let (user, reason) = (old.clone(), LeaveReason::Renamed);
                    let left = RoomEvent::Left { user, reason, everywhere: None };
                    self.fan_out.emit(room, &left, events);
                }
                return;
            }
            if other.lost.is_none() {
                self.departing.push(other.clone());
                self.more.depart(other, &mut self.departing);
            }
        }
        self.members.insert(new.key(), member);
        if !announces {
            return;
        }
        if !is_unknown || everywhere.is_some() {
            self.renamed_everywhere(old, new, everywhere, events);
        } else if !is_taken {
            self.fan_out.emit(room, &RoomEvent::Joined { user: new.clone() }, events);
        }
    }

    /// Notes that a member is away, or back.
    pub fn set_away(&mut self, user: UserKey, is_away: bool) {
        if let Some(member) = self.members.get_mut(&user) {
            member.is_away = is_away;
        }
    }

    /// Accepts a message of a member: the caller appends it to the log, and holds the events back
    /// until it is committed.
    ///
    /// # Errors
    /// [`Refusal`] when the author is not a member, or the draft is already stored.
    pub fn publish(
        &mut self,
        session: SessionId,
        author: UserKey,
        draft: Option<DraftId>,
        text: Text,
        now: Now,
        events: &mut Vec<ShardEvent>,
    ) -> Result<Arc<Message>, Refusal> {
        let author = self.speaker(session, author)?;
        let message = self.accept(author, draft, text, now)?;
        let said = RoomEvent::Message { message: Arc::clone(&message), author: session };
        self.fan_out.emit(self.name.key(), &said, events);
        Ok(message)
    }

    /// Accepts a message of an account that need not be in the room, and whose right to speak was decided before: as
    /// [`Room::publish`], and the session that asked has an answer of its own.
    ///
    /// # Errors
    /// [`Refusal`] when the draft is already stored, or nobody can be in the room: a direct room.
    pub fn publish_as(
        &mut self,
        session: SessionId,
        author: UserName,
        draft: Option<DraftId>,
        text: Text,
        now: Now,
        events: &mut Vec<ShardEvent>,
    ) -> Result<Arc<Message>, Refusal> {
        if self.kind == RoomKind::Direct {
            return Err(Refusal::RoomNameCollides { room: self.name.as_str().into() });
        }
        let message = self.accept(author, draft, text, now)?;
        let said = RoomEvent::Message { message: Arc::clone(&message), author: session };
        self.fan_out.emit(self.name.key(), &said, events);
        send_reply(session, Reply::Said { message: Arc::clone(&message) }, events);
        Ok(message)
    }

    /// The name of the member whose session it is.
    ///
    /// # Errors
    /// [`Refusal`] when it is no member's.
    pub(super) fn speaker(&self, session: SessionId, author: UserKey) -> Result<UserName, Refusal> {
        match self.author(session, author) {
            Some(member) => Ok(member.user.clone()),
            None => Err(Refusal::NotMember { room: self.name.as_str().into() }),
        }
    }

    /// The member that a session may say something as.
    fn author(&self, session: SessionId, author: UserKey) -> Option<&Member> {
        let is_current = |member: &&Member| {
            member.lost.is_none() && (member.session == session || self.more.has(author, session))
        };
        let departing = || self.departing.iter().find(|member| member.session == session);
        self.members.get(&author).filter(is_current).or_else(departing)
    }

    /// Accepts a whisper in a direct room: for the reader's sessions, and as receipt for the author's.
    ///
    /// # Errors
    /// [`Refusal`] when the draft is already stored.
    #[allow(clippy::too_many_arguments)]
    pub fn publish_direct(
        &mut self,
        session: SessionId,
        (readers, copies_to): (&[SessionId], &[SessionId]),
        from: &UserName,
        to: &UserName,
        draft: Option<DraftId>,
        text: Text,
        now: Now,
        events: &mut Vec<ShardEvent>,
    ) -> Result<Arc<Message>, Refusal> {
        let message = self.accept(from.clone(), draft, text, now)?;
        let whisper = |is_receipt| Reply::Whisper {
            from: from.clone(),
            to: to.clone(),
            message: Arc::clone(&message),
            is_receipt,
        };
        for reader in readers.iter().filter(|reader| **reader != session && !copies_to.contains(reader)) {
            send_reply(*reader, whisper(false), events);
        }
        for other in copies_to {
            let (from, to, message) = (from.clone(), to.clone(), Arc::clone(&message));
            send_reply(*other, Reply::WhisperSent { from, to, message }, events);
        }
        send_reply(session, whisper(true), events);
        Ok(message)
    }

    fn accept(
        &mut self,
        author: UserName,
        draft: Option<DraftId>,
        text: Text,
        now: Now,
    ) -> Result<Arc<Message>, Refusal> {
        self.refuse_known(&author, draft.as_ref(), now)?;
        self.head = self.head.next();
        #[cfg(any(test, feature = "deliberate-faults"))]
        if crate::mutation::is_on(crate::mutation::Mutation::SkipNumber) && self.head.0.is_multiple_of(40) {
            self.head = self.head.next();
            self.recent = Recent::default();
        }
        let time = time_after(self.recent.times().next(), now.wall);
        let message =
            Arc::new(Message { room: self.name.clone(), seq: self.head, time, author, draft, text });
        self.remember_draft(&message.author, message.draft.as_ref(), time);
        self.recent.push(Arc::clone(&message));
        Ok(message)
    }

    /// What of a page is in memory, and what is not.
    ///
    /// # Errors
    /// [`Refusal`] when the reader is to be a member and is none.
    pub fn history(&self, reader: PageReader, page: Page) -> Result<RecentPage, Refusal> {
        if let PageReader::Member(user) = reader
            && !self.members.contains_key(&user)
        {
            return Err(Refusal::NotMember { room: self.name.as_str().into() });
        }
        Ok(self.recent.page(page, self.head, self.amendments > 0))
    }

    /// What of the entries after a number is in memory, and the first and the last number of what is not.
    ///
    /// # Errors
    /// [`Refusal`] when the asker is not a member.
    pub fn entries_after(&self, user: UserKey, after: Seq, count: u32) -> Result<RecentEntries, Refusal> {
        if !self.members.contains_key(&user) {
            return Err(Refusal::NotMember { room: self.name.as_str().into() });
        }
        Ok(self.recent.entries_after(after, count, self.head))
    }

    /// The number of the first message that was said at this time or later, or that the next one will get; as far as
    /// that is known in memory.
    ///
    /// # Errors
    /// The number below which it must be looked for.
    pub fn first_since(&self, time: Timestamp) -> Result<Seq, Seq> {
        self.recent.first_since(time, self.head)
    }

    /// Answers with the members: the first by name.
    pub fn who(&mut self, session: SessionId, events: &mut Vec<ShardEvent>) {
        let total = self.member_count();
        let members = self.members.listed().into_iter().map(Member::listed).collect();
        send_reply(session, Reply::Who(WhoPage { room: self.name.clone(), members, total }), events);
    }

    /// Answers with a page of the members.
    pub fn page_of_members(
        &self,
        session: SessionId,
        start: ListStart<UserKey>,
        events: &mut Vec<ShardEvent>,
    ) {
        let (members, next) = self.members.page(start);
        let page = MembersPage {
            room: self.name.clone(),
            members: members.into_iter().map(Member::listed).collect(),
            total: self.member_count(),
            epoch: start.epoch,
            next,
        };
        send_reply(session, Reply::Members(page), events);
    }

    /// Its members, when it is in lists: direct rooms are not.
    pub fn listed_members(&self) -> u32 {
        if self.kind == RoomKind::Direct { 0 } else { self.member_count() }
    }

    /// The room in a list; `None` when nobody is in it or it is a direct room.
    pub fn summary(&self) -> Option<RoomSummary> {
        let is_listed = self.kind != RoomKind::Direct && !self.members.is_empty();
        is_listed.then(|| RoomSummary {
            room: self.name.clone(),
            members: self.member_count(),
            head: self.head,
        })
    }

    fn member_count(&self) -> u32 {
        u32::try_from(self.members.len()).unwrap_or(u32::MAX)
    }

    fn announces(&self, limits: &RoomLimits) -> bool {
        self.members.len() <= limits.announce_members_max as usize
    }

    /// The room's key.
    pub fn key(&self) -> RoomKey {
        self.name.key()
    }
}

/// The time of a message that is said now, after one of this time. Whoever reads a room by time finds its messages in
/// the order of their numbers, though the clock is set back by up to an hour; one that was further ahead, as on a machine
/// that starts with a wrong clock, must not set the time of all that follows.
pub(super) fn time_after(newest: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let is_near = |newest: &Timestamp| newest.0 <= now.0.saturating_add(CLOCK_AHEAD_US_MAX);
    newest.filter(is_near).map_or(now, |newest| newest.max(now))
}

/// Puts an answer for one session into `events`.
fn send_reply(session: SessionId, reply: Reply, events: &mut Vec<ShardEvent>) {
    events.push((session.shard, Event::Reply { to: session.connection, reply }));
}

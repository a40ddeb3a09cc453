//! Facts as bytes, for the bodies of records: compact, as a busy room changes thousands of times. Every body begins
//! with the version of its coding.
//!
//! Numbers are in groups of seven bits, the lowest first (LEB128). Accounts stand in rising order, each as its
//! distance from the one before; numbers of messages as their distance from another, which is often small.

use super::change::{DatedChange, FactChange};
use super::settings::{
    DiscussionRoom, GuestPolicy, HistoryPolicy, InvitePolicy, PostPolicy, RoomAccess, RoomRole, RoomSetting,
    RoomSettings,
};
use super::state::{FactsFault, Invitation, Restriction, Revision, RoomFacts, RoomMember};
use crate::id::{AccountId, Seq};
use crate::name::RoomName;
use crate::text::Text;
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// The version of what is written here. A number is never used for anything else.
const VERSION: u8 = 1;

fn push(out: &mut Vec<u8>, value: u64) {
    let mut rest = value;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Signed numbers near 0 take few bytes.
fn push_signed(out: &mut Vec<u8>, value: i64) {
    push(out, (value << 1 ^ value >> 63).cast_unsigned());
}

fn push_text(out: &mut Vec<u8>, text: Option<&str>) {
    let text = text.unwrap_or_default();
    push(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// 0 is none; else the microseconds, signed, above or below it.
fn push_until(out: &mut Vec<u8>, until: Option<Timestamp>) {
    out.push(u8::from(until.is_some()));
    if let Some(until) = until {
        push_signed(out, until.0);
    }
}

/// Takes a body apart.
struct BodyReader<'a>(&'a [u8]);

type Decoded<T> = Result<T, FactsFault>;

const fn wrong<T>(what: &'static str) -> Decoded<T> {
    Err(FactsFault::Unreadable(what))
}

impl<'a> BodyReader<'a> {
    /// Begins a body; its version is checked.
    fn begin(bytes: &'a [u8]) -> Decoded<BodyReader<'a>> {
        match bytes.split_first() {
            Some((&VERSION, rest)) => Ok(BodyReader(rest)),
            _ => wrong("their coding is of another version"),
        }
    }

    fn byte(&mut self) -> Decoded<u8> {
        let Some((byte, rest)) = self.0.split_first() else { return wrong("they end too soon") };
        self.0 = rest;
        Ok(*byte)
    }

    fn number(&mut self) -> Decoded<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let group = u64::from(byte & 0x7f);
            if group << shift >> shift != group {
                break;
            }
            value |= group << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        wrong("a number is too large")
    }

    fn small(&mut self) -> Decoded<u32> {
        u32::try_from(self.number()?).or(wrong("a number is too large"))
    }

    fn signed(&mut self) -> Decoded<i64> {
        let value = self.number()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    fn account(&mut self) -> Decoded<AccountId> {
        self.number().map(AccountId)
    }

    fn raw_text(&mut self) -> Decoded<&'a str> {
        let length = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        let Some((text, rest)) = self.0.split_at_checked(length) else { return wrong("they end too soon") };
        self.0 = rest;
        std::str::from_utf8(text).or(wrong("a text is no UTF-8"))
    }

    fn text(&mut self) -> Decoded<Option<Text>> {
        match self.raw_text()? {
            "" => Ok(None),
            // One that shows nothing by the rules of today is none.
            text => Ok(Text::restore(text)),
        }
    }

    fn room(&mut self) -> Decoded<Option<DiscussionRoom>> {
        match self.raw_text()? {
            "" => Ok(None),
            // What is no name by the rules of today can be no room.
            name => Ok(RoomName::from_log(name).ok().map(DiscussionRoom)),
        }
    }

    fn until(&mut self) -> Decoded<Option<Timestamp>> {
        match self.byte()? {
            0 => Ok(None),
            1 => self.signed().map(|until| Some(Timestamp(until))),
            _ => wrong("a time is neither there nor not"),
        }
    }

    /// One of some values, by its number.
    fn one_of<T: Copy>(&mut self, values: &[T], number: impl Fn(T) -> u8) -> Decoded<T> {
        let byte = self.byte()?;
        let value = values.iter().find(|value| number(**value) == byte);
        value.copied().ok_or(FactsFault::Unreadable("a value is none that is known"))
    }

    fn access(&mut self) -> Decoded<RoomAccess> {
        self.one_of(&[RoomAccess::Open, RoomAccess::Private, RoomAccess::Direct], |value| value as u8)
    }

    fn post(&mut self) -> Decoded<PostPolicy> {
        self.one_of(&[PostPolicy::Members, PostPolicy::Moderators, PostPolicy::Nobody], |value| value as u8)
    }

    fn guests(&mut self) -> Decoded<GuestPolicy> {
        self.one_of(&[GuestPolicy::No, GuestPolicy::Read, GuestPolicy::Post], |value| value as u8)
    }

    fn invite(&mut self) -> Decoded<InvitePolicy> {
        self.one_of(&[InvitePolicy::Members, InvitePolicy::Moderators], |value| value as u8)
    }

    fn history(&mut self) -> Decoded<HistoryPolicy> {
        self.one_of(&[HistoryPolicy::All, HistoryPolicy::SinceJoined], |value| value as u8)
    }

    fn role(&mut self) -> Decoded<RoomRole> {
        self.one_of(&[RoomRole::Member, RoomRole::Moderator, RoomRole::Owner], |value| value as u8)
    }

    fn end(&self) -> Decoded<()> {
        if self.0.is_empty() { Ok(()) } else { wrong("something is left over") }
    }

    /// Something about each account, in rising order.
    fn by_account<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Decoded<T>,
    ) -> Decoded<BTreeMap<AccountId, T>> {
        let (mut found, mut last) = (BTreeMap::new(), 0_u64);
        for _ in 0..self.number()? {
            let distance = self.number()?;
            if distance == 0 && !found.is_empty() {
                return wrong("an account stands twice");
            }
            last = last.checked_add(distance).ok_or(FactsFault::Unreadable("an account is too large"))?;
            found.insert(AccountId(last), read(self)?);
        }
        Ok(found)
    }
}

fn push_by_account<'t, T: 't>(
    out: &mut Vec<u8>,
    accounts: impl ExactSizeIterator<Item = (&'t AccountId, &'t T)>,
    mut push_one: impl FnMut(&mut Vec<u8>, &T),
) {
    push(out, accounts.len() as u64);
    let mut last = 0;
    for (account, value) in accounts {
        push(out, account.0 - last);
        push_one(out, value);
        last = account.0;
    }
}

impl RoomSetting {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            RoomSetting::Access(access) => out.extend([0, *access as u8]),
            RoomSetting::Post(post) => out.extend([1, *post as u8]),
            RoomSetting::Guests(guests) => out.extend([2, *guests as u8]),
            RoomSetting::Invite(invite) => out.extend([3, *invite as u8]),
            RoomSetting::History(history) => out.extend([4, *history as u8]),
            RoomSetting::Title(title) => {
                out.push(5);
                push_text(out, title.as_deref());
            }
            RoomSetting::SlowS(value) => {
                out.push(6);
                push(out, (*value).into());
            }
            RoomSetting::Capacity(value) => {
                out.push(7);
                push(out, (*value).into());
            }
            RoomSetting::IdleTtlS(value) => {
                out.push(8);
                push(out, (*value).into());
            }
            RoomSetting::RetentionDays(value) => {
                out.push(9);
                push(out, (*value).into());
            }
            RoomSetting::Discussion(room) => {
                out.push(10);
                push_text(out, room.as_ref().map(|room| room.0.as_str()));
            }
        }
    }

    fn decode(facts: &mut BodyReader<'_>) -> Decoded<RoomSetting> {
        Ok(match facts.byte()? {
            0 => RoomSetting::Access(facts.access()?),
            1 => RoomSetting::Post(facts.post()?),
            2 => RoomSetting::Guests(facts.guests()?),
            3 => RoomSetting::Invite(facts.invite()?),
            4 => RoomSetting::History(facts.history()?),
            5 => RoomSetting::Title(facts.text()?),
            6 => RoomSetting::SlowS(facts.small()?),
            7 => RoomSetting::Capacity(facts.small()?),
            8 => RoomSetting::IdleTtlS(facts.small()?),
            9 => RoomSetting::RetentionDays(facts.small()?),
            10 => RoomSetting::Discussion(facts.room()?),
            _ => return wrong("a setting is none that is known"),
        })
    }
}

impl DatedChange {
    fn encode(&self, out: &mut Vec<u8>) {
        push_signed(out, self.time.0);
        push(out, self.by.0);
        let account = |out: &mut Vec<u8>, kind: u8, account: AccountId| {
            out.push(kind);
            push(out, account.0);
        };
        match &self.change {
            FactChange::Set(setting) => {
                out.push(0);
                setting.encode(out);
            }
            FactChange::Topic(topic) => {
                out.push(1);
                push_text(out, topic.as_deref());
            }
            FactChange::Join { account: who, joined } => {
                account(out, 2, *who);
                push(out, joined.0);
            }
            FactChange::Leave(who) => account(out, 3, *who),
            FactChange::Role { account: who, role } => {
                account(out, 4, *who);
                out.push(*role as u8);
            }
            FactChange::Mute { account: who, until } => {
                account(out, 5, *who);
                push_until(out, *until);
            }
            FactChange::Unmute(who) => account(out, 6, *who),
            FactChange::Ban { account: who, until } => {
                account(out, 7, *who);
                push_until(out, *until);
            }
            FactChange::Unban(who) => account(out, 8, *who),
            FactChange::Invite(who) => account(out, 9, *who),
            FactChange::Uninvite(who) => account(out, 10, *who),
        }
    }

    fn decode(facts: &mut BodyReader<'_>) -> Decoded<DatedChange> {
        let (time, by) = (Timestamp(facts.signed()?), facts.account()?);
        let change = match facts.byte()? {
            0 => FactChange::Set(RoomSetting::decode(facts)?),
            1 => FactChange::Topic(facts.text()?),
            2 => FactChange::Join { account: facts.account()?, joined: Seq(facts.number()?) },
            3 => FactChange::Leave(facts.account()?),
            4 => FactChange::Role { account: facts.account()?, role: facts.role()? },
            5 => FactChange::Mute { account: facts.account()?, until: facts.until()? },
            6 => FactChange::Unmute(facts.account()?),
            7 => FactChange::Ban { account: facts.account()?, until: facts.until()? },
            8 => FactChange::Unban(facts.account()?),
            9 => FactChange::Invite(facts.account()?),
            10 => FactChange::Uninvite(facts.account()?),
            _ => return wrong("a change is none that is known"),
        };
        Ok(DatedChange { time, by, change })
    }

    /// Writes changes that follow one another, as the body of a record.
    pub fn encode_all<'c>(changes: impl ExactSizeIterator<Item = &'c DatedChange>) -> Vec<u8> {
        let mut out = vec![VERSION];
        push(&mut out, changes.len() as u64);
        changes.for_each(|change| change.encode(&mut out));
        out
    }

    /// Reads what [`encode_all`](Self::encode_all) wrote: at least one change.
    ///
    /// # Errors
    /// [`FactsFault`] when this program does not write such bytes.
    pub fn decode_all(body: &[u8]) -> Result<Vec<DatedChange>, FactsFault> {
        let mut facts = BodyReader::begin(body)?;
        let count = facts.number()?;
        if count == 0 || count > facts.0.len() as u64 {
            return wrong("there are not as many changes as it says");
        }
        let changes = (0..count).map(|_| DatedChange::decode(&mut facts)).collect::<Result<_, _>>()?;
        facts.end()?;
        Ok(changes)
    }
}

fn push_restrictions(out: &mut Vec<u8>, restrictions: &BTreeMap<AccountId, Restriction>) {
    push_by_account(out, restrictions.iter(), |out, restriction| {
        push_until(out, restriction.until);
        push(out, restriction.by.0);
    });
}

fn read_restriction(facts: &mut BodyReader<'_>) -> Decoded<Restriction> {
    Ok(Restriction { until: facts.until()?, by: facts.account()? })
}

impl RoomFacts {
    /// Writes all of it but its revision, as the body of a record, or of several behind one another.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        let RoomSettings { access, post, guests, invite, history, .. } = self.settings;
        out.extend([access as u8, post as u8, guests as u8, invite as u8, history as u8]);
        let RoomSettings { slow_s, capacity, idle_ttl_s, retention_days, .. } = self.settings;
        for number in [slow_s, capacity, idle_ttl_s, retention_days] {
            push(&mut out, number.into());
        }
        push_text(&mut out, self.settings.title.as_deref());
        push_text(&mut out, self.settings.discussion.as_ref().map(|room| room.0.as_str()));
        push_text(&mut out, self.topic.as_deref());
        let mut last = 0_i64;
        push_by_account(&mut out, self.members.iter(), |out, member| {
            out.push(member.role as u8);
            let joined = member.joined.0.cast_signed();
            push_signed(out, joined.wrapping_sub(last));
            push_signed(out, member.read.0.cast_signed().wrapping_sub(joined));
            last = joined;
        });
        push_restrictions(&mut out, &self.mutes);
        push_restrictions(&mut out, &self.bans);
        push_by_account(&mut out, self.invitations.iter(), |out, invitation| {
            push(out, invitation.by.0);
            push_signed(out, invitation.time.0);
        });
        out
    }

    /// Reads what [`encode`](Self::encode) wrote of a room at this revision.
    ///
    /// # Errors
    /// [`FactsFault`] when this program does not write such bytes.
    pub fn decode(revision: Revision, body: &[u8]) -> Result<RoomFacts, FactsFault> {
        let mut facts = BodyReader::begin(body)?;
        let mut settings = RoomSettings {
            access: facts.access()?,
            post: facts.post()?,
            guests: facts.guests()?,
            invite: facts.invite()?,
            history: facts.history()?,
            slow_s: facts.small()?,
            capacity: facts.small()?,
            idle_ttl_s: facts.small()?,
            retention_days: facts.small()?,
            ..RoomSettings::default()
        };
        settings.title = facts.text()?;
        settings.discussion = facts.room()?;
        let topic = facts.text()?;
        let mut last = 0_i64;
        let members = facts.by_account(|facts| {
            let role = facts.role()?;
            last = last.wrapping_add(facts.signed()?);
            let read = last.wrapping_add(facts.signed()?);
            Ok(RoomMember { role, joined: Seq(last.cast_unsigned()), read: Seq(read.cast_unsigned()) })
        })?;
        let mutes = facts.by_account(read_restriction)?;
        let bans = facts.by_account(read_restriction)?;
        let invitations = facts
            .by_account(|facts| Ok(Invitation { by: facts.account()?, time: Timestamp(facts.signed()?) }))?;
        facts.end()?;
        Ok(RoomFacts { revision, settings, topic, members, mutes, bans, invitations })
    }

    /// Writes read positions, as the body of a record.
    pub fn encode_reads(reads: &BTreeMap<AccountId, Seq>) -> Vec<u8> {
        let mut out = vec![VERSION];
        let highest = reads.values().copied().max().unwrap_or_default();
        push(&mut out, highest.0);
        push_by_account(&mut out, reads.iter(), |out, read| push(out, highest.0 - read.0));
        out
    }

    /// Reads what [`encode_reads`](Self::encode_reads) wrote.
    ///
    /// # Errors
    /// [`FactsFault`] when this program does not write such bytes.
    pub fn decode_reads(body: &[u8]) -> Result<BTreeMap<AccountId, Seq>, FactsFault> {
        let mut facts = BodyReader::begin(body)?;
        let highest = facts.number()?;
        let reads = facts.by_account(|facts| {
            let below = facts.number()?;
            highest.checked_sub(below).map(Seq).ok_or(FactsFault::Unreadable("a position is below 0"))
        })?;
        facts.end()?;
        Ok(reads)
    }
}

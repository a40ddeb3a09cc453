//! Answers, read by the edge.

use super::read_entries::{entry_of, shown_of};
use super::read_names::{room_of, text_of, user_of};
use super::read_refusals::read_refusal;
use super::read_said::message_of;
use crate::body::{
    ArchivedFactsNotChangedBody, ArchivedGapBody, ArchivedGapReasonBody, ArchivedListedMemberBody,
    ArchivedListedRoomBody, ArchivedPresenceBody, ArchivedReplyBody, ArchivedSaidBody,
};
use crate::format::WireFault;
use madang_model::{
    AccountId, Away, ClaimNumber, FactRefusal, FactsNotChanged, Gap, GapReason, HistoryPage, Joined,
    ListStart, LogEpoch, MembersPage, Presence, Reply, ResumedEntries, Revision, RoomKey, RoomName,
    RoomSummary, RoomsPage, RoomsPart, Seq, ShardId, ShownMessage, Timestamp, UserKey, UserSummary,
    WhoMember, WhoPage,
};

/// Reads an answer.
///
/// # Errors
/// [`WireFault::Value`] when something in it is not what it must be.
pub fn read_reply(body: &ArchivedReplyBody<'static>) -> Result<Reply, WireFault> {
    use ArchivedReplyBody as B;
    Ok(match body {
        B::Claimed { user, missed } => Reply::Claimed {
            user: user_of(user)?,
            // The core end keeps the grant.
            claim: ClaimNumber::default(),
            missed_whispers: missed
                .iter()
                .map(|missed| Ok((user_of(&missed.from)?, missed.count.to_native())))
                .collect::<Result<_, WireFault>>()?,
            room: None,
        },
        B::Joined { room, user, head, history, members, resumed_from } => {
            let room = room_of(room)?;
            Reply::Joined(Box::new(Joined {
                user: user_of(user)?,
                head: Seq(head.to_native()),
                history: messages_of(&room, history)?,
                members: members.to_native(),
                resumed_from: resumed_from.as_ref().map(|seq| Seq(seq.to_native())),
                room,
            }))
        }
        B::Left { room } => Reply::Left { room: room_of(room)? },
        B::Renamed { old, new } => Reply::Renamed { old: user_of(old)?, new: user_of(new)? },
        B::Whisper { room, from, to, said, is_receipt } => Reply::Whisper {
            from: user_of(from)?,
            to: user_of(to)?,
            message: message_of(&room_of(room)?, said)?,
            is_receipt: *is_receipt,
        },
        B::WhisperSent { room, from, to, said } => Reply::WhisperSent {
            from: user_of(from)?,
            to: user_of(to)?,
            message: message_of(&room_of(room)?, said)?,
        },
        B::Said { room, said } => Reply::Said { message: message_of(&room_of(room)?, said)? },
        B::WhisperReaderAway { to, text } => {
            Reply::WhisperReaderAway { to: user_of(to)?, away: away_of(text)? }
        }
        B::Whois { name, presence, online_since_us } => Reply::Whois(UserSummary {
            name: user_of(name)?,
            presence: presence_of(presence)?,
            online_since: Timestamp(online_since_us.to_native()),
        }),
        B::Who { room, members, total } => Reply::Who(WhoPage {
            room: room_of(room)?,
            members: members_of(members)?,
            total: total.to_native(),
        }),
        B::Rooms { rooms, more, is_busy } => {
            Reply::Rooms(RoomsPage { rooms: rooms_of(rooms)?, more: more.to_native(), is_busy: *is_busy })
        }
        B::Members { room, members, total, epoch, next } => Reply::Members(MembersPage {
            room: room_of(room)?,
            members: members_of(members)?,
            total: total.to_native(),
            epoch: LogEpoch(u128::from_be_bytes(*epoch)),
            next: next.as_ref().map(|key| UserKey::from_bits(key.to_native())),
        }),
        B::RoomsPart { shard, epoch, after, count, rooms, has_more, is_busy } => {
            Reply::RoomsPart(RoomsPart {
                shard: ShardId(shard.to_native()),
                start: ListStart {
                    epoch: LogEpoch(u128::from_be_bytes(*epoch)),
                    after: after.as_ref().map(|key| RoomKey::from_bits(key.to_native())),
                    count: count.to_native(),
                },
                rooms: rooms_of(rooms)?,
                has_more: *has_more,
                is_busy: *is_busy,
            })
        }
        B::History { room, messages, head, gap } => {
            let room = room_of(room)?;
            Reply::History(HistoryPage {
                messages: messages_of(&room, messages)?,
                // A number that is missing may be of what this version of the link does not show.
                is_sparse: true,
                head: Seq(head.to_native()),
                gap: gap.as_ref().map(gap_of),
                room,
            })
        }
        B::Shown { room, messages, head, gap } => {
            let room = room_of(room)?;
            Reply::History(HistoryPage {
                messages: messages.iter().map(|shown| shown_of(&room, shown)).collect::<Result<_, _>>()?,
                is_sparse: true,
                head: Seq(head.to_native()),
                gap: gap.as_ref().map(gap_of),
                room,
            })
        }
        B::Resumed { room, entries, head, gap } => {
            let room = room_of(room)?;
            Reply::Resumed(ResumedEntries {
                entries: entries.iter().map(|entry| entry_of(&room, entry)).collect::<Result<_, _>>()?,
                head: Seq(head.to_native()),
                gap: gap.as_ref().map(gap_of),
                room,
            })
        }
        B::Refused(refusal) => Reply::Refused(read_refusal(refusal)?),
        B::NotSaid(refusal) => Reply::NotSaid(read_refusal(refusal)?),
        B::FactsChanged { room, revision } => {
            Reply::FactsChanged { room: room_of(room)?, result: Ok(Revision(revision.to_native())) }
        }
        B::FactsNotChanged { room, why } => {
            Reply::FactsChanged { room: room_of(room)?, result: Err(not_changed_of(why)) }
        }
    })
}

fn not_changed_of(why: &ArchivedFactsNotChangedBody<'static>) -> FactsNotChanged {
    use ArchivedFactsNotChangedBody as B;
    let refusal = match why {
        B::NoMember { account } => FactRefusal::NoMember { account: AccountId(account.to_native()) },
        B::NothingToLift { account } => {
            FactRefusal::NothingToLift { account: AccountId(account.to_native()) }
        }
        B::MemberAlready { account } => {
            FactRefusal::MemberAlready { account: AccountId(account.to_native()) }
        }
        B::TooSlow { value, limit } => {
            FactRefusal::TooSlow { value: value.to_native(), limit: limit.to_native() }
        }
        B::TooLong { bytes, limit } => {
            FactRefusal::TooLong { bytes: bytes.to_native() as usize, limit: limit.to_native() as usize }
        }
        B::TooMany { limit } => FactRefusal::TooMany { limit: limit.to_native() as usize },
        B::NotStored { reason } => return FactsNotChanged::NotStored { reason: reason.as_str().into() },
    };
    refusal.into()
}

fn members_of(members: &[ArchivedListedMemberBody<'static>]) -> Result<Vec<WhoMember>, WireFault> {
    let member = |member: &ArchivedListedMemberBody<'static>| {
        let (is_away, is_lost) = (member.is_away, member.is_lost);
        Ok(WhoMember { name: user_of(&member.name)?, is_away, is_lost })
    };
    members.iter().map(member).collect()
}

fn rooms_of(rooms: &[ArchivedListedRoomBody<'static>]) -> Result<Vec<RoomSummary>, WireFault> {
    let room = |room: &ArchivedListedRoomBody<'static>| {
        let (members, head) = (room.members.to_native(), Seq(room.head.to_native()));
        Ok(RoomSummary { room: room_of(&room.room)?, members, head })
    };
    rooms.iter().map(room).collect()
}

fn messages_of(
    room: &RoomName,
    messages: &[ArchivedSaidBody<'static>],
) -> Result<Vec<ShownMessage>, WireFault> {
    messages.iter().map(|said| message_of(room, said).map(ShownMessage::from)).collect()
}

fn presence_of(presence: &ArchivedPresenceBody<'static>) -> Result<Presence, WireFault> {
    Ok(match presence {
        ArchivedPresenceBody::Online => Presence::Online,
        ArchivedPresenceBody::Away { text } => Presence::Away(away_of(text)?),
        ArchivedPresenceBody::Offline { since_us } => {
            Presence::Offline { since: Timestamp(since_us.to_native()) }
        }
    })
}

fn away_of(text: &str) -> Result<Away, WireFault> {
    let text = if text.is_empty() { None } else { Some(text_of(text)?) };
    Ok(Away { text })
}

fn gap_of(gap: &ArchivedGapBody) -> Gap {
    let reason = match gap.reason {
        ArchivedGapReasonBody::Expired => GapReason::Expired,
        ArchivedGapReasonBody::TooMuch => GapReason::TooMuch,
        ArchivedGapReasonBody::Busy => GapReason::Busy,
        ArchivedGapReasonBody::Unreadable => GapReason::Unreadable,
    };
    Gap { first: Seq(gap.first.to_native()), last: Seq(gap.last.to_native()), reason }
}

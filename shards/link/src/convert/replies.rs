//! Answers, as bodies.

use super::entries::{resumed_body, shown_body};
use super::page::{gap_of_page, newest_that_fit, oldest_that_fit, said_body};
use super::refusals::refusal_body;
use crate::body::{
    FactsNotChangedBody, GapBody, GapReasonBody, ListedMemberBody, ListedRoomBody, MissedBody, PresenceBody,
    ReplyBody, SaidBody,
};
use madang_model::{
    Away, FactRefusal, FactsNotChanged, Gap, GapReason, HistoryPage, Joined, ListStart, MembersPage,
    Presence, Reply, ResumedEntries, RoomKey, RoomSummary, RoomsPage, RoomsPart, ShownMessage, UserKey,
    WhoMember, WhoPage,
};

/// An answer. Pages are cut to what an envelope holds.
pub fn reply_body(reply: &Reply) -> ReplyBody<'_> {
    match reply {
        // The grant stays with the core end, which puts it into requests.
        Reply::Claimed { user, claim: _, missed_whispers, room: _ } => ReplyBody::Claimed {
            user: user.as_str(),
            missed: missed_whispers
                .iter()
                .map(|(from, count)| MissedBody { from: from.as_str(), count: *count })
                .collect(),
        },
        Reply::Joined(joined) => joined_body(joined),
        Reply::Left { room } => ReplyBody::Left { room: room.as_str() },
        Reply::Renamed { old, new } => ReplyBody::Renamed { old: old.as_str(), new: new.as_str() },
        Reply::Whisper { from, to, message, is_receipt } => ReplyBody::Whisper {
            room: message.room.as_str(),
            from: from.as_str(),
            to: to.as_str(),
            said: said_body(message),
            is_receipt: *is_receipt,
        },
        Reply::WhisperSent { from, to, message } => ReplyBody::WhisperSent {
            room: message.room.as_str(),
            from: from.as_str(),
            to: to.as_str(),
            said: said_body(message),
        },
        Reply::Said { message } => ReplyBody::Said { room: message.room.as_str(), said: said_body(message) },
        Reply::WhisperReaderAway { to, away } => {
            ReplyBody::WhisperReaderAway { to: to.as_str(), text: left_words(away) }
        }
        Reply::Whois(summary) => ReplyBody::Whois {
            name: summary.name.as_str(),
            presence: presence_body(&summary.presence),
            online_since_us: summary.online_since.0,
        },
        Reply::Who(page) => who_body(page),
        Reply::Rooms(page) => rooms_body(page),
        Reply::Members(page) => members_body(page),
        Reply::RoomsPart(part) => rooms_part_body(part),
        Reply::History(page) => history_body(page),
        Reply::Resumed(resumed) => resumed_reply(resumed),
        Reply::FactsChanged { room, result: Ok(revision) } => {
            ReplyBody::FactsChanged { room: room.as_str(), revision: revision.0 }
        }
        Reply::FactsChanged { room, result: Err(why) } => {
            ReplyBody::FactsNotChanged { room: room.as_str(), why: not_changed_body(why) }
        }
        Reply::Refused(refusal) => ReplyBody::Refused(refusal_body(refusal)),
        Reply::NotSaid(refusal) => ReplyBody::NotSaid(refusal_body(refusal)),
    }
}

fn not_changed_body(why: &FactsNotChanged) -> FactsNotChangedBody<'_> {
    use FactsNotChangedBody as B;
    match *why {
        FactsNotChanged::Refused(FactRefusal::NoMember { account }) => B::NoMember { account: account.0 },
        FactsNotChanged::Refused(FactRefusal::NothingToLift { account }) => {
            B::NothingToLift { account: account.0 }
        }
        FactsNotChanged::Refused(FactRefusal::MemberAlready { account }) => {
            B::MemberAlready { account: account.0 }
        }
        FactsNotChanged::Refused(FactRefusal::TooSlow { value, limit }) => B::TooSlow { value, limit },
        FactsNotChanged::Refused(FactRefusal::TooLong { bytes, limit }) => {
            let small = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
            B::TooLong { bytes: small(bytes), limit: small(limit) }
        }
        FactsNotChanged::Refused(FactRefusal::TooMany { limit }) => {
            B::TooMany { limit: u32::try_from(limit).unwrap_or(u32::MAX) }
        }
        FactsNotChanged::NotStored { ref reason } => B::NotStored { reason },
    }
}

fn joined_body(joined: &Joined) -> ReplyBody<'_> {
    ReplyBody::Joined {
        room: joined.room.as_str(),
        user: joined.user.as_str(),
        head: joined.head.0,
        // By their texts of now; what was deleted is left out. What else became of them a page says.
        history: newest_that_fit(&joined.history)
            .iter()
            .filter_map(ShownMessage::message)
            .map(said_body)
            .collect(),
        members: joined.members,
        resumed_from: joined.resumed_from.map(|seq| seq.0),
    }
}

fn resumed_reply(resumed: &ResumedEntries) -> ReplyBody<'_> {
    let kept = oldest_that_fit(&resumed.entries);
    ReplyBody::Resumed {
        room: resumed.room.as_str(),
        // What does not fit is asked for next: the room's newest number says that there is more.
        entries: kept.iter().map(resumed_body).collect(),
        head: resumed.head.0,
        gap: resumed.gap.map(gap_body),
    }
}

fn history_body(page: &HistoryPage) -> ReplyBody<'_> {
    let kept = newest_that_fit(&page.messages);
    let (room, head) = (page.room.as_str(), page.head.0);
    let gap = gap_of_page(&page.messages, kept.len(), page.gap).map(gap_body);
    let said: Option<Vec<SaidBody<'_>>> = kept.iter().map(as_said).collect();
    match said {
        Some(messages) => ReplyBody::History { room, messages, head, gap },
        None => ReplyBody::Shown { room, messages: kept.iter().map(shown_body).collect(), head, gap },
    }
}

/// A message that nothing became of.
fn as_said(shown: &ShownMessage) -> Option<SaidBody<'_>> {
    match shown {
        ShownMessage::AsSaid(message) => Some(said_body(message)),
        ShownMessage::Amended(_) | ShownMessage::Deleted(_) => None,
    }
}

fn who_body(page: &WhoPage) -> ReplyBody<'_> {
    ReplyBody::Who { room: page.room.as_str(), members: members_of(&page.members), total: page.total }
}

fn rooms_body(page: &RoomsPage) -> ReplyBody<'_> {
    ReplyBody::Rooms { rooms: rooms_of(&page.rooms), more: page.more, is_busy: page.is_busy }
}

fn members_body(page: &MembersPage) -> ReplyBody<'_> {
    ReplyBody::Members {
        room: page.room.as_str(),
        members: members_of(&page.members),
        total: page.total,
        epoch: page.epoch.0.to_be_bytes(),
        next: page.next.map(UserKey::to_bits),
    }
}

fn rooms_part_body(part: &RoomsPart) -> ReplyBody<'_> {
    let ListStart { epoch, after, count } = part.start;
    ReplyBody::RoomsPart {
        shard: part.shard.0,
        epoch: epoch.0.to_be_bytes(),
        after: after.map(RoomKey::to_bits),
        count,
        rooms: rooms_of(&part.rooms),
        has_more: part.has_more,
        is_busy: part.is_busy,
    }
}

fn members_of(members: &[WhoMember]) -> Vec<ListedMemberBody<'_>> {
    let listed = members.iter().map(|member| ListedMemberBody {
        name: member.name.as_str(),
        is_away: member.is_away,
        is_lost: member.is_lost,
    });
    listed.collect()
}

fn rooms_of(rooms: &[RoomSummary]) -> Vec<ListedRoomBody<'_>> {
    let listed = rooms.iter().map(|room| ListedRoomBody {
        room: room.room.as_str(),
        members: room.members,
        head: room.head.0,
    });
    listed.collect()
}

fn presence_body(presence: &Presence) -> PresenceBody<'_> {
    match presence {
        Presence::Online => PresenceBody::Online,
        Presence::Away(away) => PresenceBody::Away { text: left_words(away) },
        Presence::Offline { since } => PresenceBody::Offline { since_us: since.0 },
    }
}

fn left_words(away: &Away) -> &str {
    away.text.as_deref().unwrap_or_default()
}

fn gap_body(gap: Gap) -> GapBody {
    let reason = match gap.reason {
        GapReason::Expired => GapReasonBody::Expired,
        GapReason::TooMuch => GapReasonBody::TooMuch,
        GapReason::Busy => GapReasonBody::Busy,
        GapReason::Unreadable => GapReasonBody::Unreadable,
    };
    GapBody { first: gap.first.0, last: gap.last.0, reason }
}

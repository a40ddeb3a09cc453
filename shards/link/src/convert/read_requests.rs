//! What the edge asks, read and checked by the core.
//!
//! An invalid request is answered, not taken for a fault of the link: the edge may be of a release with other rules
//! for names.

use crate::body::{
    ArchivedAddressBody, ArchivedAmendKindBody, ArchivedPageBody, ArchivedRequestBody, SERVICE_ACCOUNT,
    USER_ACCOUNT,
};
use crate::bounds::PATTERN_BYTES_MAX;
use crate::words::{EdgeRequest, RequestFault};
use madang_model::{
    Account, AccountId, AccountKind, AmendRequest, Away, Cursor, CursorFault, DatedChange, DraftId, Page,
    Reaction, RoomName, Seq, Text, Timestamp, UserName,
};
use std::net::IpAddr;

/// What came from the edge.
#[derive(Debug)]
pub struct Incoming {
    /// The session that it is about.
    pub session: u32,
    /// What is asked.
    pub asked: Asked,
}

/// What is asked.
#[derive(Debug)]
pub enum Asked {
    /// The session begins.
    Open(Option<IpAddr>),
    /// The session ends.
    Close {
        /// Whether its user left on purpose.
        is_clean: bool,
    },
    /// The session asks something.
    Request(EdgeRequest),
    /// The session sends an invalid request.
    Bad(RequestFault, Box<str>),
}

type Refused = (RequestFault, Box<str>);

/// Reads a request; a text has at most `text_bytes_max` bytes.
pub fn read_request(body: &ArchivedRequestBody<'static>, text_bytes_max: usize) -> Incoming {
    use ArchivedRequestBody as B;
    let (session, asked) = match body {
        B::Open { session, address } => (session, Asked::Open(address_of(address))),
        B::Close { session, is_clean } => (session, Asked::Close { is_clean: *is_clean }),
        B::Claim { session, name } => (session, asked(claim(name))),
        B::ClaimAs { session, name, kind, id } => (session, asked(claim_as(name, *kind, id.to_native()))),
        B::SetAway { session, is_away, text } => (session, asked(set_away(*is_away, text, text_bytes_max))),
        B::Whois { session, name } => (session, asked(whois(name))),
        B::Whisper { session, to, draft, text } => (session, asked(whisper(to, draft, text, text_bytes_max))),
        B::Join { session, room } => (session, asked(room_of(room).map(|room| EdgeRequest::Join { room }))),
        B::Leave { session, room } => (session, asked(room_of(room).map(|room| EdgeRequest::Leave { room }))),
        B::Publish { session, room, draft, text } => {
            (session, asked(publish(room, draft, text, text_bytes_max)))
        }
        B::Amend { kind, session, room, draft, text, target } => {
            let target = Seq(target.to_native());
            let change = change_of(kind, text, text_bytes_max);
            (session, asked(change.and_then(|change| amend(room, draft, target, change))))
        }
        B::Resume { session, room, after, count } => {
            let (after, count) = (Seq(after.to_native()), count.to_native().min(Page::MESSAGES_MAX));
            (session, asked(room_of(room).map(|room| EdgeRequest::Resume { room, after, count })))
        }
        B::History { session, room, page } => {
            let page = page_of(page);
            (session, asked(room_of(room).map(|room| EdgeRequest::History { room, page })))
        }
        B::HistoryOf { session, room, page } => {
            let page = page_of(page);
            (session, asked(room_of(room).map(|room| EdgeRequest::HistoryOf { room, page })))
        }
        B::PublishAs { session, room, author, draft, text } => {
            let author = account_of(&author.name, author.kind, author.id.to_native());
            let said = publish_as(room, author, draft, (text, text_bytes_max));
            (session, asked(said))
        }
        B::Who { session, room } => (session, asked(room_of(room).map(|room| EdgeRequest::Who { room }))),
        B::Rooms { session, pattern } => (session, asked(rooms(pattern))),
        B::Members { session, room, cursor, count } => {
            (session, asked(members(room, cursor, count.to_native())))
        }
        B::RoomsInOrder { session, pattern, cursor, count } => {
            (session, asked(rooms_in_order(pattern, cursor, count.to_native())))
        }
        B::ChangeFacts { session, room, change } => (session, asked(change_facts(room, change))),
        B::MoveRead { session, room, account, read } => {
            let (account, read) = (AccountId(account.to_native()), Seq(read.to_native()));
            (session, asked(room_of(room).map(|room| EdgeRequest::MoveRead { room, account, read })))
        }
    };
    Incoming { session: session.to_native(), asked }
}

fn asked(request: Result<EdgeRequest, Refused>) -> Asked {
    match request {
        Ok(request) => Asked::Request(request),
        Err((fault, words)) => Asked::Bad(fault, words),
    }
}

fn claim(name: &str) -> Result<EdgeRequest, Refused> {
    Ok(EdgeRequest::Claim { name: user_of(name)? })
}

fn claim_as(name: &str, kind: u8, id: u64) -> Result<EdgeRequest, Refused> {
    Ok(EdgeRequest::Claim { name: account_of(name, kind, id)? })
}

/// The name of an account, with the account.
fn account_of(name: &str, kind: u8, id: u64) -> Result<UserName, Refused> {
    let account = match kind {
        USER_ACCOUNT => Account::new(AccountKind::User, AccountId(id)),
        SERVICE_ACCOUNT => Account::new(AccountKind::Service, AccountId(id)),
        _ => None,
    };
    let account = account.ok_or_else(|| {
        (RequestFault::UserName, format!("no account has the kind {kind} and the id {id}").into())
    })?;
    Ok(user_of(name)?.known_as(account.into()))
}

fn whois(name: &str) -> Result<EdgeRequest, Refused> {
    Ok(EdgeRequest::Whois { name: user_of(name)? })
}

fn set_away(is_away: bool, text: &str, text_bytes_max: usize) -> Result<EdgeRequest, Refused> {
    let text = if text.is_empty() { None } else { Some(text_of(text, text_bytes_max)?) };
    Ok(EdgeRequest::SetAway { away: is_away.then_some(Away { text }) })
}

fn whisper(to: &str, draft: &str, text: &str, text_bytes_max: usize) -> Result<EdgeRequest, Refused> {
    let (to, draft) = (user_of(to)?, draft_of(draft)?);
    Ok(EdgeRequest::Whisper { to, draft, text: text_of(text, text_bytes_max)? })
}

fn publish(room: &str, draft: &str, text: &str, text_bytes_max: usize) -> Result<EdgeRequest, Refused> {
    let (room, draft) = (room_of(room)?, draft_of(draft)?);
    Ok(EdgeRequest::Publish { room, draft, text: text_of(text, text_bytes_max)? })
}

fn publish_as(
    room: &str,
    author: Result<UserName, Refused>,
    draft: &str,
    (text, text_bytes_max): (&str, usize),
) -> Result<EdgeRequest, Refused> {
    let (room, author, draft) = (room_of(room)?, author?, draft_of(draft)?);
    Ok(EdgeRequest::PublishAs { room, author, draft, text: text_of(text, text_bytes_max)? })
}

fn members(room: &str, cursor: &[u8], count: u32) -> Result<EdgeRequest, Refused> {
    Ok(EdgeRequest::Members { room: room_of(room)?, cursor: cursor_of(cursor)?, count })
}

fn rooms_in_order(pattern: &str, cursor: &[u8], count: u32) -> Result<EdgeRequest, Refused> {
    Ok(EdgeRequest::RoomsInOrder { pattern: pattern_of(pattern)?, cursor: cursor_of(cursor)?, count })
}

fn cursor_of(text: &[u8]) -> Result<Option<Cursor>, Refused> {
    if text.is_empty() {
        return Ok(None);
    }
    let cursor = std::str::from_utf8(text).map_or(Err(CursorFault::Unreadable), Cursor::parse);
    cursor.map(Some).map_err(|fault| (RequestFault::Cursor, fault.to_string().into()))
}

fn amend(room: &str, draft: &str, target: Seq, change: AmendRequest) -> Result<EdgeRequest, Refused> {
    Ok(EdgeRequest::Amend { room: room_of(room)?, draft: draft_of(draft)?, target, change })
}

fn change_of(
    kind: &ArchivedAmendKindBody,
    text: &str,
    text_bytes_max: usize,
) -> Result<AmendRequest, Refused> {
    use ArchivedAmendKindBody as K;
    let react = |is_added| {
        let bytes_max = Reaction::BYTES_MAX;
        let words = format!("a reaction is a mark of 1 to {bytes_max} bytes without spaces, not {text:?}");
        let reaction = Reaction::parse(text).ok_or((RequestFault::EmptyText, words.into()))?;
        Ok(AmendRequest::React { reaction, is_added })
    };
    Ok(match kind {
        K::Edit => AmendRequest::Edit { text: text_of(text, text_bytes_max)? },
        K::Delete => AmendRequest::Delete,
        K::React => return react(true),
        K::Unreact => return react(false),
        K::Pin => AmendRequest::Pin { is_pinned: true },
        K::Unpin => AmendRequest::Pin { is_pinned: false },
        K::Topic if text.is_empty() => AmendRequest::Topic { topic: None },
        K::Topic => AmendRequest::Topic { topic: Some(text_of(text, text_bytes_max)?) },
    })
}

fn rooms(pattern: &str) -> Result<EdgeRequest, Refused> {
    Ok(EdgeRequest::Rooms { pattern: pattern_of(pattern)? })
}

fn pattern_of(pattern: &str) -> Result<Box<str>, Refused> {
    if pattern.len() > PATTERN_BYTES_MAX {
        let words = format!("{} bytes of a name, {PATTERN_BYTES_MAX} are allowed", pattern.len());
        return Err((RequestFault::Pattern, words.into()));
    }
    Ok(pattern.into())
}

fn change_facts(room: &str, change: &[u8]) -> Result<EdgeRequest, Refused> {
    let room = room_of(room)?;
    let unreadable = |words: String| (RequestFault::Facts, words.into());
    let mut changes = DatedChange::decode_all(change).map_err(|fault| unreadable(fault.to_string()))?;
    let Some(DatedChange { by, change, .. }) = changes.pop().filter(|_| changes.is_empty()) else {
        return Err(unreadable("one change is made at a time".to_owned()));
    };
    Ok(EdgeRequest::ChangeFacts { room, by, change: Box::new(change) })
}

fn user_of(name: &str) -> Result<UserName, Refused> {
    UserName::parse(name).map_err(|error| (RequestFault::UserName, error.to_string().into()))
}

fn room_of(name: &str) -> Result<RoomName, Refused> {
    RoomName::parse(name).map_err(|error| (RequestFault::RoomName, error.to_string().into()))
}

fn draft_of(draft: &str) -> Result<Option<DraftId>, Refused> {
    if draft.is_empty() {
        return Ok(None);
    }
    let none = || (RequestFault::DraftId, "a draft id is 1 to 64 printable ASCII characters".into());
    DraftId::parse(draft).map(Some).ok_or_else(none)
}

/// A text. Both what came and what it becomes are bounded: composing may make it longer.
fn text_of(raw: &str, text_bytes_max: usize) -> Result<Text, Refused> {
    let too_long = |bytes: usize| {
        (RequestFault::LongText, format!("the text has {bytes} bytes, {text_bytes_max} are allowed").into())
    };
    if raw.len() > text_bytes_max {
        return Err(too_long(raw.len()));
    }
    let text = Text::sanitise(raw)
        .ok_or_else(|| (RequestFault::EmptyText, Box::from("nothing of the text can be seen")))?;
    if text.len() > crate::bounds::TEXT_BYTES_MAX as usize {
        return Err(too_long(text.len()));
    }
    Ok(text)
}

fn page_of(page: &ArchivedPageBody) -> Page {
    // What is more than a page holds is as much as one holds.
    let bounded = |count: u32| count.min(Page::MESSAGES_MAX);
    match page {
        ArchivedPageBody::Last { count } => Page::Last { count: bounded(count.to_native()) },
        ArchivedPageBody::Before { seq, count } => {
            Page::Before { seq: Seq(seq.to_native()), count: bounded(count.to_native()) }
        }
        ArchivedPageBody::After { seq, count } => {
            Page::After { seq: Seq(seq.to_native()), count: bounded(count.to_native()) }
        }
        ArchivedPageBody::Around { seq, count } => {
            Page::Around { seq: Seq(seq.to_native()), count: bounded(count.to_native()) }
        }
        ArchivedPageBody::Since { time_us, count } => {
            Page::Since { time: Timestamp(time_us.to_native()), count: bounded(count.to_native()) }
        }
        ArchivedPageBody::Until { time_us, count } => {
            Page::Until { time: Timestamp(time_us.to_native()), count: bounded(count.to_native()) }
        }
    }
}

fn address_of(address: &ArchivedAddressBody) -> Option<IpAddr> {
    match address {
        ArchivedAddressBody::None => None,
        ArchivedAddressBody::V4(octets) => Some(IpAddr::from(*octets)),
        ArchivedAddressBody::V6(octets) => Some(IpAddr::from(*octets)),
    }
}

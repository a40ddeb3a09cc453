//! What the edge asks, as bodies.

use crate::body::{
    AccountBody, AddressBody, AmendKindBody, PageBody, RequestBody, SERVICE_ACCOUNT, USER_ACCOUNT,
};
use crate::words::{EdgeRequest, SessionNumber};
use madang_model::{AccountKind, AmendRequest, Cursor, DatedChange, DraftId, Page, Timestamp};
use std::net::IpAddr;

/// A session begins.
pub fn open_body(session: SessionNumber, address: Option<IpAddr>) -> RequestBody<'static> {
    let address = match address {
        None => AddressBody::None,
        Some(IpAddr::V4(address)) => AddressBody::V4(address.octets()),
        Some(IpAddr::V6(address)) => AddressBody::V6(address.octets()),
    };
    RequestBody::Open { session: session.get(), address }
}

/// A session ends.
pub fn close_body(session: SessionNumber, is_clean: bool) -> RequestBody<'static> {
    RequestBody::Close { session: session.get(), is_clean }
}

/// What a session asks.
pub fn request_body(session: SessionNumber, request: &EdgeRequest) -> RequestBody<'_> {
    use EdgeRequest as E;
    use RequestBody as B;
    let session = session.get();
    match request {
        E::Claim { name } => match name.account() {
            None => B::Claim { session, name: name.as_str() },
            Some(account) => {
                let (kind, id) = (kind_byte(account.kind()), account.id().0);
                B::ClaimAs { session, name: name.as_str(), kind, id }
            }
        },
        E::PublishAs { room, author, draft, text } => {
            // A guest is none: the core refuses it.
            let (kind, id) = author.account().map_or((0, 0), |it| (kind_byte(it.kind()), it.id().0));
            let author = Box::new(AccountBody { name: author.as_str(), kind, id });
            let (room, draft, text) = (room.as_str(), written(draft.as_ref()), text.as_str());
            B::PublishAs { session, room, author, draft, text }
        }
        E::HistoryOf { room, page } => B::HistoryOf { session, room: room.as_str(), page: page_body(*page) },
        E::SetAway { away } => {
            let text = away.as_ref().and_then(|away| away.text.as_deref()).unwrap_or_default();
            B::SetAway { session, is_away: away.is_some(), text }
        }
        E::Whois { name } => B::Whois { session, name: name.as_str() },
        E::Whisper { to, draft, text } => {
            B::Whisper { session, to: to.as_str(), draft: written(draft.as_ref()), text: text.as_str() }
        }
        E::Join { room } => B::Join { session, room: room.as_str() },
        E::Leave { room } => B::Leave { session, room: room.as_str() },
        E::Publish { room, draft, text } => {
            B::Publish { session, room: room.as_str(), draft: written(draft.as_ref()), text: text.as_str() }
        }
        E::Amend { room, draft, target, change } => {
            let (kind, text) = change_body(change);
            let (room, draft, target) = (room.as_str(), written(draft.as_ref()), target.0);
            B::Amend { kind, session, room, draft, text, target }
        }
        E::Resume { room, after, count } => {
            B::Resume { session, room: room.as_str(), after: after.0, count: *count }
        }
        E::History { room, page } => B::History { session, room: room.as_str(), page: page_body(*page) },
        E::Who { room } => B::Who { session, room: room.as_str() },
        E::Rooms { pattern } => B::Rooms { session, pattern },
        E::Members { room, cursor, count } => {
            B::Members { session, room: room.as_str(), cursor: cursor_text(*cursor), count: *count }
        }
        E::RoomsInOrder { pattern, cursor, count } => {
            B::RoomsInOrder { session, pattern, cursor: cursor_text(*cursor), count: *count }
        }
        E::ChangeFacts { room, by, change } => {
            // The home says when it was.
            let dated = DatedChange { time: Timestamp(0), by: *by, change: (**change).clone() };
            let change = DatedChange::encode_all([&dated].into_iter());
            B::ChangeFacts { session, room: room.as_str(), change }
        }
        E::MoveRead { room, account, read } => {
            B::MoveRead { session, room: room.as_str(), account: account.0, read: read.0 }
        }
    }
}

fn kind_byte(kind: AccountKind) -> u8 {
    match kind {
        AccountKind::User => USER_ACCOUNT,
        AccountKind::Service => SERVICE_ACCOUNT,
    }
}

/// The text of a cursor, or nothing.
fn cursor_text(cursor: Option<Cursor>) -> Vec<u8> {
    cursor.map_or_else(Vec::new, |cursor| cursor.to_string().into_bytes())
}

fn change_body(change: &AmendRequest) -> (AmendKindBody, &str) {
    use AmendKindBody as K;
    match change {
        AmendRequest::Edit { text } => (K::Edit, text.as_str()),
        AmendRequest::Delete => (K::Delete, ""),
        AmendRequest::React { reaction, is_added: true } => (K::React, reaction.as_str()),
        AmendRequest::React { reaction, is_added: false } => (K::Unreact, reaction.as_str()),
        AmendRequest::Pin { is_pinned: true } => (K::Pin, ""),
        AmendRequest::Pin { is_pinned: false } => (K::Unpin, ""),
        AmendRequest::Topic { topic } => (K::Topic, topic.as_deref().unwrap_or_default()),
    }
}

/// A draft id, or nothing.
pub(super) fn written(draft: Option<&DraftId>) -> &str {
    draft.map_or("", DraftId::as_str)
}

fn page_body(page: Page) -> PageBody {
    match page {
        Page::Last { count } => PageBody::Last { count },
        Page::Before { seq, count } => PageBody::Before { seq: seq.0, count },
        Page::After { seq, count } => PageBody::After { seq: seq.0, count },
        Page::Around { seq, count } => PageBody::Around { seq: seq.0, count },
        Page::Since { time, count } => PageBody::Since { time_us: time.0, count },
        Page::Until { time, count } => PageBody::Until { time_us: time.0, count },
    }
}

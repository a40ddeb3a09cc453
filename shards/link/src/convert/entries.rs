//! Messages as they are now, and what became of them, as bodies.

use super::page::said_body;
use super::requests::written;
use crate::body::{EntryBody, EntryKindBody, ResumedBody, SaidBody, ShownBody};
use madang_model::{Amendment, Change, MessageReactions, Seq, ShownEntry, ShownMessage, Timestamp, UserName};

/// A message as it is now.
pub fn shown_body(shown: &ShownMessage) -> ShownBody<'_> {
    let author = shown.author().map_or("", UserName::as_str);
    let said = shown.message().map_or(of_nothing(shown.seq(), shown.time(), author), said_body);
    let edited = shown.edited();
    let sums = shown.reactions();
    let reactions = match sums.is_empty() {
        true => String::new(),
        false => MessageReactions::encode(&[MessageReactions { message: shown.seq(), sums }]),
    };
    ShownBody {
        said,
        edited_seq: edited.map_or(0, |edited| edited.seq.0),
        edited_time_us: edited.map_or(0, |edited| edited.time.0),
        reactions,
        is_pinned: shown.is_pinned(),
        is_deleted: shown.message().is_none(),
    }
}

/// An entry that is no message.
pub fn entry_body(amendment: &Amendment) -> EntryBody<'_> {
    let Amendment { seq, time, author, draft, target, change, .. } = amendment;
    let (kind, text) = match change {
        Change::Edit { text } => (EntryKindBody::Edit, text.as_str()),
        Change::Deletion => (EntryKindBody::Deletion, ""),
        Change::Reactions(_) => (EntryKindBody::Reactions, ""),
        Change::Pin { is_pinned: true } => (EntryKindBody::Pin, ""),
        Change::Pin { is_pinned: false } => (EntryKindBody::Unpin, ""),
        Change::Topic { topic } => (EntryKindBody::Topic, topic.as_deref().unwrap_or_default()),
    };
    let reactions = match change {
        Change::Reactions(of) => MessageReactions::encode(of),
        _ => String::new(),
    };
    let (author, draft) = (author.as_str(), written(draft.as_ref()));
    let said = SaidBody { seq: seq.0, time_us: time.0, author, draft, text };
    EntryBody { kind, target: target.0, said, reactions }
}

/// An entry, whatever it is.
pub fn resumed_body(entry: &ShownEntry) -> ResumedBody<'_> {
    match entry {
        ShownEntry::Message(message) => ResumedBody::Message(shown_body(message)),
        ShownEntry::Amendment(amendment) => ResumedBody::Entry(entry_body(amendment)),
        ShownEntry::Gone { seq, time } => ResumedBody::Entry(EntryBody {
            kind: EntryKindBody::Gone,
            target: 0,
            said: of_nothing(*seq, *time, ""),
            reactions: String::new(),
        }),
    }
}

fn of_nothing(seq: Seq, time: Timestamp, author: &str) -> SaidBody<'_> {
    SaidBody { seq: seq.0, time_us: time.0, author, draft: "", text: "" }
}

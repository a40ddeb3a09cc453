//! What the log has already.

use madang_import::{Intake, RoomIndex, derived_id};
use madang_log::{AuthorKind, Fault, StdFiles, StoredEntry, StoredMessage, draft_hash, read_messages};
use madang_model::{DraftId, RoomName, UserKey, UserName};
use std::collections::HashMap;

/// Tells the intake of every message that is stored in its rooms, or in any, and returns what is wrong with the log.
pub fn read<T>(
    log: &StdFiles,
    intake: &mut Intake<T>,
    of_all_rooms: bool,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<Fault>, String> {
    // By every way in which a name is written; `None` is a room that does not matter.
    let mut rooms: HashMap<Box<str>, Option<RoomIndex>> = HashMap::new();
    let mut authors = Authors::default();
    let mut visit = |entry: &StoredEntry<'_>| {
        // Nothing that is imported amends anything.
        let StoredEntry::Message(message) = entry else { return };
        let room = match rooms.get(message.room) {
            Some(room) => *room,
            None => {
                let name = RoomName::from_log(message.room).ok();
                let room = name.and_then(|name| match of_all_rooms {
                    true => Some(intake.room(&name)),
                    false => intake.find(name.key()),
                });
                rooms.insert(message.room.into(), room);
                room
            }
        };
        match room {
            Some(room) if message.is_erased && message.draft_hash == 0 => {
                intake.know_erased(room, message.time)
            }
            Some(room) => intake.know(room, message.time, hash_of(message, &mut authors)),
            None => {}
        }
    };
    read_messages(log, &mut visit, progress).map_err(|error| error.to_string())
}

/// Author and id as an import would have them. A message without an id has the one that an import of its export gives it.
fn hash_of(message: &StoredMessage<'_>, authors: &mut Authors) -> u64 {
    if message.draft_hash != 0 {
        return message.draft_hash;
    }
    let (author, name) = ((AuthorKind::Guest, 0), message.author.name);
    // Format 2 has the id alone.
    let id = DraftId::parse(message.draft);
    let id = id.unwrap_or_else(|| derived_id(message.room, name, message.time, message.text));
    draft_hash(author, authors.key_of(name), &id)
}

/// The keys of authors, by every way in which a name is written: computing one takes longer than all else.
#[derive(Default)]
struct Authors(HashMap<Box<str>, UserKey>);

impl Authors {
    /// When there are more, it begins again.
    const MAX: usize = 1 << 17;

    fn key_of(&mut self, name: &str) -> UserKey {
        if let Some(key) = self.0.get(name) {
            return *key;
        }
        // What is stored as a name is one, or the message is damaged: then its hash meets no other.
        let key = UserName::parse(name).map_or_else(|_| UserKey::of(name), |name| name.key());
        if self.0.len() >= Authors::MAX {
            self.0.clear();
        }
        self.0.insert(name.into(), key);
        key
    }
}

//! A message, read by the edge.

use super::read_names::{draft_of, text_of, user_of};
use crate::body::ArchivedSaidBody;
use crate::format::WireFault;
use madang_model::{Message, RoomName, Seq, Timestamp, UserName};
use std::sync::Arc;

/// A message of a room.
pub fn message_of(room: &RoomName, said: &ArchivedSaidBody<'static>) -> Result<Arc<Message>, WireFault> {
    Ok(Arc::new(Message {
        room: room.clone(),
        seq: Seq(said.seq.to_native()),
        time: Timestamp(said.time_us.to_native()),
        author: if said.author.is_empty() { UserName::nobody() } else { user_of(&said.author)? },
        draft: draft_of(&said.draft)?,
        text: text_of(&said.text)?,
    }))
}

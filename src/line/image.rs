//! A session of the line protocol as bytes, for the process that goes on with it.

use super::absence::Absence;
use super::session::{Session, State};
use madang_shards::connection::{CodingError, Decoder, Encoder};
use madang_shards::types::RoomName;

/// Which form of image this is. Another is not understood, and its connection not gone on with.
const VERSION: u8 = 1;

impl Session {
    /// The session, unless it waits for an answer, which would come to nobody.
    pub fn save(&self) -> Option<Vec<u8>> {
        if self.is_waiting() {
            return None;
        }
        let mut out = Encoder::default();
        out.byte(VERSION);
        out.flag(matches!(self.state, State::Naming));
        out.flag(self.has_ended);
        out.option(self.room.as_ref(), |out, room| out.text(room.as_str()));
        out.option(self.absence.as_deref(), |out, absence| absence.write(out));
        self.decoder.write(&mut out);
        Some(out.0)
    }

    /// The session that was saved.
    ///
    /// # Errors
    /// [`CodingError`] when it is none.
    pub fn restore(bytes: &[u8]) -> Result<Session, CodingError> {
        let mut from = Decoder(bytes);
        if from.byte()? != VERSION {
            return Err(CodingError("the session is of another version"));
        }
        let state = if from.flag()? { State::Naming } else { State::Present };
        let has_ended = from.flag()?;
        let room = from.option(|from| {
            RoomName::parse(from.text()?).map_err(|_| CodingError("the name of its room is none"))
        })?;
        let absence = from.option(Absence::read_from)?.map(Box::new);
        let decoder = super::decode::Decoder::read(&mut from)?;
        from.end()?;
        Ok(Session { decoder, room, absence, state, has_ended })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::absence::Absence;
    use madang_shards::types::{Away, Seq, Text, UserName};

    fn busy_session() -> Session {
        let mut absence = Absence::default();
        absence.leave(Away { text: Text::sanitise("점심") }, Seq(7));
        absence.whispered(&UserName::parse("bob").unwrap(), 3);
        let mut decoder = super::super::decode::Decoder::default();
        // An offer that is refused, half a line, and half a command.
        let mut bytes: &[u8] = b"\xff\xfb\x01half a li\xff\xfb";
        while !bytes.is_empty() {
            let (taken, _) = decoder.next(bytes, 4096);
            bytes = &bytes[taken..];
        }
        Session {
            decoder,
            room: Some(RoomName::parse("r1").unwrap()),
            absence: Some(Box::new(absence)),
            state: State::Present,
            has_ended: false,
        }
    }

    #[test]
    fn a_session_is_the_same_after_it_was_saved() {
        let saved = busy_session().save().unwrap();
        let restored = Session::restore(&saved).unwrap();
        assert_eq!(format!("{restored:?}"), format!("{:?}", busy_session()));
    }

    #[test]
    fn what_is_no_session_is_refused() {
        let saved = busy_session().save().unwrap();
        for end in 0..saved.len() {
            assert!(Session::restore(&saved[..end]).is_err(), "{end} bytes of it");
        }
        for place in 0..saved.len() {
            let mut wrong = saved.clone();
            wrong[place] ^= 0x80;
            // Understood as something else or not at all, and nothing worse.
            let _ = Session::restore(&wrong);
        }
    }

    #[test]
    fn a_session_that_waits_for_an_answer_cannot_be_saved() {
        assert_eq!(Session { state: State::Joining, ..busy_session() }.save(), None);
    }
}

//! A session of the line protocol as bytes, for the process that goes on with it.

use super::absence::Absence;
use super::session::{Session, State};
use madang_model::RoomName;
use madang_model::connection::{CodingError, Decoder, Encoder};

/// Which form of image this is. One that is not known is not understood, and its connection not gone on with.
const VERSION: u8 = 2;
/// The form before: it knows no option of telnet that is on, nor what becomes of a line that is refused.
const VERSION_BEFORE: u8 = 1;

impl Session {
    /// The session, unless it waits for an answer, which would come to nobody.
    pub fn save(&self) -> Option<Vec<u8>> {
        if self.is_waiting() {
            return None;
        }
        // Who uses nothing new is understood by the release before, too: nobody is lost on the way back.
        let more = more_of(&self.decoder);
        let is_plain = more == more_of(&super::decode::Decoder::default());
        let mut out = Encoder::default();
        out.byte(if is_plain { VERSION_BEFORE } else { VERSION });
        out.flag(matches!(self.state, State::Naming));
        out.flag(self.has_ended);
        out.option(self.room.as_ref(), |out, room| out.text(room.as_str()));
        out.option(self.absence.as_deref(), |out, absence| absence.write(out));
        self.decoder.write(&mut out);
        if !is_plain {
            out.0.extend(more);
        }
        Some(out.0)
    }

    /// The session that was saved.
    ///
    /// # Errors
    /// [`CodingError`] when it is none.
    pub fn restore(bytes: &[u8]) -> Result<Session, CodingError> {
        let mut from = Decoder(bytes);
        let version = from.byte()?;
        if ![VERSION_BEFORE, VERSION].contains(&version) {
            return Err(CodingError("the session is of another version"));
        }
        let state = if from.flag()? { State::Naming } else { State::Present };
        let has_ended = from.flag()?;
        let room = from.option(|from| {
            RoomName::parse(from.text()?).map_err(|_| CodingError("the name of its room is none"))
        })?;
        let absence = from.option(Absence::read_from)?.map(Box::new);
        let mut decoder = super::decode::Decoder::read(&mut from)?;
        if version == VERSION {
            decoder.read_more(&mut from)?;
        }
        from.end()?;
        let is_prompting = matches!(state, State::Naming);
        Ok(Session { decoder, room, absence, state, has_ended, is_prompting, has_typed: true })
    }
}

/// What the form before does not hold of a decoder.
fn more_of(decoder: &super::decode::Decoder) -> Vec<u8> {
    let mut out = Encoder::default();
    decoder.write_more(&mut out);
    out.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::absence::Absence;
    use madang_model::{Away, Seq, Text, UserName};

    fn busy_session() -> Session {
        let mut absence = Absence::default();
        absence.leave(Away { text: Text::sanitise("점심") }, Seq(7));
        absence.whispered(&UserName::parse("bob").unwrap(), 3);
        let mut decoder = super::super::decode::Decoder::default();
        // An offer that is refused, one that is agreed to, half a line that is mangled, and half a command.
        let mut bytes: &[u8] = b"\xff\xfb\x01\xff\xfb\x00half a li\xff\xf3\xff\xfb";
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
            is_prompting: false,
            has_typed: true,
        }
    }

    /// What a session like this was saved as by the form before.
    const BEFORE: &[u8] = &[
        1, 0, 0, // of version 1, named, not ended
        1, 2, 0, 0, 0, 0, 0, 0, 0, b'r', b'1', // in r1
        0,    // not away
        9, 0, 0, 0, 0, 0, 0, 0, b'h', b'a', b'l', b'f', b' ', b'a', b' ', b'l', b'i', // its line so far
        9, 0, 0, 0, 0, 0, 0, 0, 0, // as long as that, without a carriage return
        1, 2, 251, 0, 0, 0, 0, 0, 0, 0, 0, 0, // behind IAC WILL, and nothing was refused
    ];

    #[test]
    fn a_session_that_was_saved_by_the_release_before_goes_on() {
        let mut session = Session::restore(BEFORE).unwrap();
        assert!(session.room.as_ref().is_some_and(|room| room.as_str() == "r1"));
        let (taken, answer) = session.decoder.next(b"\x01ne\n", 4096);
        assert_eq!((taken, answer), (1, Some(crate::line::decode::Token::Answer([255, 254, 1]))));
        let (_, line) = session.decoder.next(b"ne\n", 4096);
        assert_eq!(line, Some(crate::line::decode::Token::Line(b"half a line".into())));
        assert!(Session::restore(&[&[0], &BEFORE[1..]].concat()).is_err() && Session::restore(&[3]).is_err());
    }

    #[test]
    fn a_session_that_uses_nothing_new_is_understood_by_the_release_before() {
        let saved =
            Session { decoder: super::super::decode::Decoder::default(), ..busy_session() }.save().unwrap();
        assert_eq!(saved[0], VERSION_BEFORE);
        assert_eq!(busy_session().save().unwrap()[0], VERSION);
        let restored = Session::restore(&saved).unwrap();
        assert_eq!(restored.save().unwrap(), saved);
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

//! A session of the line protocol as bytes, for the process that resumes it.

use super::absence::Absence;
use super::session::{LineSession, SessionState};
use madang_model::RoomName;
use madang_model::connection::{CodingError, Decoder, Encoder};

/// Which form of image this is, the newest first. One that is not known is not understood, and its connection not
/// resumed. A session is saved in the oldest that holds all of it, so that earlier releases understand it too.
///
/// Of a peer that was asked as it came, as it was known to be telnet.
const VERSION_TELNET: u8 = 3;
/// With options of telnet that are on, and what becomes of a line that is refused.
const VERSION: u8 = 2;
const VERSION_BEFORE: u8 = 1;

impl LineSession {
    /// The session, unless it waits for an answer, which would come to nobody.
    pub fn save(&self) -> Option<Vec<u8>> {
        if self.is_waiting() {
            return None;
        }
        let more = more_of(&self.decoder);
        let version = if self.decoder.is_of_telnet() {
            VERSION_TELNET
        } else if more == more_of(&super::decode::LineDecoder::default()) {
            VERSION_BEFORE
        } else {
            VERSION
        };
        let mut out = Encoder::default();
        out.byte(version);
        out.flag(matches!(self.state, SessionState::Naming));
        out.flag(self.has_ended);
        out.option(self.room.as_ref(), |out, room| out.text(room.as_str()));
        out.option(self.absence.as_deref(), |out, absence| absence.write(out));
        self.decoder.write(&mut out);
        if version >= VERSION {
            out.0.extend(more);
        }
        if version >= VERSION_TELNET {
            self.decoder.write_of_telnet(&mut out);
        }
        Some(out.0)
    }

    /// The session that was saved.
    ///
    /// # Errors
    /// [`CodingError`] when it is none.
    pub fn restore(bytes: &[u8]) -> Result<LineSession, CodingError> {
        let mut from = Decoder(bytes);
        let version = from.byte()?;
        if !(VERSION_BEFORE..=VERSION_TELNET).contains(&version) {
            return Err(CodingError("the session is of another version"));
        }
        let state = if from.flag()? { SessionState::Naming } else { SessionState::Present };
        let has_ended = from.flag()?;
        let room = from.option(|from| {
            RoomName::parse(from.text()?).map_err(|_| CodingError("the name of its room is none"))
        })?;
        let absence = from.option(Absence::read_from)?.map(Box::new);
        let mut decoder = super::decode::LineDecoder::read(&mut from)?;
        if version >= VERSION {
            decoder.read_more(&mut from)?;
        }
        if version >= VERSION_TELNET {
            decoder.read_of_telnet(&mut from)?;
        }
        from.end()?;
        let is_prompting = matches!(state, SessionState::Naming);
        Ok(LineSession {
            decoder,
            room,
            absence,
            state,
            has_ended,
            is_prompting,
            has_typed: true,
            is_returning: false,
        })
    }
}

/// What the form before does not hold of a decoder.
fn more_of(decoder: &super::decode::LineDecoder) -> Vec<u8> {
    let mut out = Encoder::default();
    decoder.write_more(&mut out);
    out.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::absence::Absence;
    use crate::line::decode::{Answer, Token};
    use madang_model::{Away, Seq, Text, UserName};

    fn busy_session() -> LineSession {
        let mut absence = Absence::default();
        absence.leave(Away { text: Text::sanitise("점심") }, Seq(7));
        absence.whispered(&UserName::parse("bob").unwrap(), 3);
        let mut decoder = super::super::decode::LineDecoder::default();
        // An offer that is refused, one that is agreed to, half a line that is mangled, and half a command.
        let mut bytes: &[u8] = b"\xff\xfb\x01\xff\xfb\x00half a li\xff\xf3\xff\xfb";
        while !bytes.is_empty() {
            let (taken, _) = decoder.next(bytes, 4096);
            bytes = &bytes[taken..];
        }
        LineSession {
            decoder,
            room: Some(RoomName::parse("r1").unwrap()),
            absence: Some(Box::new(absence)),
            state: SessionState::Present,
            has_ended: false,
            is_prompting: false,
            has_typed: true,
            is_returning: false,
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
    fn a_session_that_was_saved_by_the_last_release_is_resumed() {
        let mut session = LineSession::restore(BEFORE).unwrap();
        assert!(session.room.as_ref().is_some_and(|room| room.as_str() == "r1"));
        let (taken, answer) = session.decoder.next(b"\x01ne\n", 4096);
        assert_eq!((taken, answer), (1, Some(Token::Answer(Answer::of(&[255, 254, 1])))));
        let (_, line) = session.decoder.next(b"ne\n", 4096);
        assert_eq!(line, Some(Token::Line(b"half a line".into())));
        assert!(
            LineSession::restore(&[&[0], &BEFORE[1..]].concat()).is_err()
                && LineSession::restore(&[4]).is_err()
        );
    }

    /// What one was saved as by the form between: as above, with BINARY of what the peer sends on, half a command and
    /// a line that is mangled.
    const BEFORE_TELNET: &[u8] = &[
        2, 0, 0, // of version 2, named, not ended
        1, 2, 0, 0, 0, 0, 0, 0, 0, b'r', b'1', // in r1
        0,    // not away
        9, 0, 0, 0, 0, 0, 0, 0, b'h', b'a', b'l', b'f', b' ', b'a', b' ', b'l', b'i', // its line so far
        9, 0, 0, 0, 0, 0, 0, 0, 0, // as long as that, without a carriage return
        1, 2, 251, 0, 0, 0, 0, 0, 0, 0, 0, 0, // behind IAC WILL, and nothing was refused
        0, 1, 0, 0, // follows no carriage return, mangled, not HTTP
        2, 0, 1, // BINARY of what it sends, not of what we send, and it was asked for
    ];

    #[test]
    fn a_session_that_was_saved_before_telnet_was_asked_is_resumed() {
        let mut session = LineSession::restore(BEFORE_TELNET).unwrap();
        assert_eq!(session.save().as_deref(), Some(BEFORE_TELNET));
        assert!(!session.decoder.is_of_telnet());
        let (taken, answer) = session.decoder.next(b"\x22ne\r", 4096);
        assert_eq!(
            (taken, answer),
            (1, Some(Token::Answer(Answer::of(&[255, 254, 34])))),
            "LINEMODE is refused"
        );
        assert_eq!(session.decoder.next(b"ne\r", 4096), (3, Some(Token::Mangled)), "BINARY is on");
    }

    /// What one is saved as whose telnet was asked, and which is away.
    const OF_TELNET: &[u8] = &[
        3, 0, 0, // of version 3, named, not ended
        1, 2, 0, 0, 0, 0, 0, 0, 0, b'r', b'1', // in r1
        1, 1, 1, 6, 0, 0, 0, 0, 0, 0, 0, 236, 160, 144, 236, 139, 172, // away: 점심
        1, 7, 0, 0, 0, 0, 0, 0, 0, 0, // unread is what comes after 7
        1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, b'b', b'o', b'b', // of one who whispered: bob
        3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // three times, and nobody else
        4, 0, 0, 0, 0, 0, 0, 0, b'h', b'a', b'l', b'f', // its line so far
        4, 0, 0, 0, 0, 0, 0, 0, 0, // as long as that, without a carriage return
        1, 3, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, // 12 bytes into a subnegotiation, and nothing was refused
        0, 0, 0, 0, // follows no carriage return, not mangled, not HTTP
        2, 0, 1, // BINARY of what it sends, not of what we send, and it was asked for
        1, 0, 1, // its go-ahead was asked about; it waits for an answer about ours
        1, 0, 2, 1, // LINEMODE was asked for; CHARSET is ours, and UTF-8 was asked for
        5, b';', 2, 0, // in a name of a list that ; separates, as far as UT
    ];

    #[test]
    fn a_session_of_a_telnet_that_was_asked_is_the_same_after_it_was_saved() {
        let mut decoder = super::super::decode::LineDecoder::of_telnet();
        // Agreed to in part, and in the middle of a request for a character set.
        for byte in b"\xff\xfb\0\xff\xfd\x03\xff\xfd\x2ahalf\xff\xfa\x2a\x01;EUC-KR;UT" {
            decoder.next(&[*byte], 4096);
        }
        let session = LineSession { decoder, ..busy_session() };
        let saved = session.save().unwrap();
        assert_eq!((saved[0], &saved[..]), (VERSION_TELNET, OF_TELNET), "as every release has written it");
        let mut restored = LineSession::restore(&saved).unwrap();
        assert_eq!(format!("{restored:?}"), format!("{session:?}"));
        let accept = Token::Answer(Answer::of(b"\xff\xfa\x2a\x02UTF-8\xff\xf0"));
        assert_eq!(restored.decoder.next(b"F-8\xff\xf0", 4096), (5, Some(accept)));
        for end in 0..saved.len() {
            assert!(LineSession::restore(&saved[..end]).is_err(), "{end} bytes of it");
        }
    }

    #[test]
    fn a_session_that_uses_nothing_new_is_understood_by_the_release_before() {
        let saved = LineSession { decoder: super::super::decode::LineDecoder::default(), ..busy_session() }
            .save()
            .unwrap();
        assert_eq!(saved[0], VERSION_BEFORE);
        assert_eq!(busy_session().save().unwrap()[0], VERSION);
        let restored = LineSession::restore(&saved).unwrap();
        assert_eq!(restored.save().unwrap(), saved);
    }

    #[test]
    fn a_session_is_the_same_after_it_was_saved() {
        let saved = busy_session().save().unwrap();
        let restored = LineSession::restore(&saved).unwrap();
        assert_eq!(format!("{restored:?}"), format!("{:?}", busy_session()));
    }

    #[test]
    fn what_is_no_session_is_refused() {
        let saved = busy_session().save().unwrap();
        for end in 0..saved.len() {
            assert!(LineSession::restore(&saved[..end]).is_err(), "{end} bytes of it");
        }
        for place in 0..saved.len() {
            let mut wrong = saved.clone();
            wrong[place] ^= 0x80;
            // Understood as something else or not at all, and nothing worse.
            let _ = LineSession::restore(&wrong);
        }
    }

    #[test]
    fn a_session_that_waits_for_an_answer_cannot_be_saved() {
        assert_eq!(LineSession { state: SessionState::Joining, ..busy_session() }.save(), None);
    }
}

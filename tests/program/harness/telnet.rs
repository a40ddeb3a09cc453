//! What a telnet hears besides text.

const IAC: u8 = 255;
const SUBNEGOTIATION: u8 = 250;
const SUBNEGOTIATION_END: u8 = 240;

/// Takes the commands out of what a server sends (RFC 854), and makes each end of a line LF.
#[derive(Default)]
pub struct TelnetFilter {
    /// What came of a command, or of the end of a line, that is not whole yet.
    rest: Vec<u8>,
    /// The commands so far.
    pub commands: Vec<Vec<u8>>,
}

impl TelnetFilter {
    /// How inetutils 2.4 answers what it is asked where telnet is expected: BINARY of what it sends, SGA both ways,
    /// LINEMODE without its keys, no CHARSET.
    pub const ANSWERS: [u8; 15] = *b"\xff\xfb\0\xff\xfb\x03\xff\xfd\x03\xff\xfb\x22\xff\xfe\x2a";

    /// Adds the text in what came.
    pub fn take_text(&mut self, came: &[u8], text: &mut Vec<u8>) {
        self.rest.extend_from_slice(came);
        let mut rest = &self.rest[..];
        loop {
            let taken = match rest {
                [IAC, SUBNEGOTIATION, inside @ ..] => {
                    let end = inside.windows(2).position(|two| two == [IAC, SUBNEGOTIATION_END]);
                    let Some(end) = end else { break };
                    end + 4
                }
                [IAC, _, _, ..] => 3,
                [IAC, ..] | [b'\r'] | [] => break,
                [b'\r', b'\n', ..] => 1,
                [byte, ..] => {
                    text.push(*byte);
                    1
                }
            };
            if rest[0] == IAC {
                self.commands.push(rest[..taken].to_vec());
            }
            rest = &rest[taken..];
        }
        self.rest = rest.to_vec();
    }
}

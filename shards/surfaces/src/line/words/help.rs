//! Every command in a line each.

/// What `/help` answers, line by line.
pub const HELP: [&str; 19] = [
    "* /help                  this list",
    "* /channel NAME          go to a channel, made if it is new and looks like no other",
    "* /quit                  leave the channel; from the lobby, leave the server",
    "* /msg NAME TEXT         whisper to one user",
    "* /send ID TEXT          say TEXT; repeated with the same ID it is stored once",
    "* /who [CHANNEL]         who is here, or in another channel",
    "* /rooms [PART]          channels, or those whose name contains PART",
    "* /whois NAME            what is known of one user",
    "* /history [N] [before S]  the latest N messages, or those before number S",
    "* /history [N] after S   the messages after number S",
    "* /nick NAME             take another name",
    "* /away [TEXT]           say that you are away",
    "* /back                  say that you are back",
    "* /unread                what came while you were away",
    "* /read                  count it as read",
    "* /echo on|off           whether your own messages come back to you",
    "* /time on|off           whether messages are shown with their time (UTC)",
    "* /ping                  is the server there?",
    "* //TEXT                 say /TEXT; every other line is said as it is",
];

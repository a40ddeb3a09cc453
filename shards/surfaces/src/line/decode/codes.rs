//! The numbers of telnet: commands (RFC 854) and options.

/// Interpret as command.
pub const IAC: u8 = 255;
pub const DONT: u8 = 254;
pub const DO: u8 = 253;
pub const WONT: u8 = 252;
pub const WILL: u8 = 251;
pub const SUBNEGOTIATION: u8 = 250;
pub const SUBNEGOTIATION_END: u8 = 240;

/// RFC 856.
pub const BINARY: u8 = 0;
/// RFC 858.
pub const SUPPRESS_GO_AHEAD: u8 = 3;
/// RFC 860: agreed to each time, because the peer waits for the answer.
pub const TIMING_MARK: u8 = 6;
/// RFC 1184.
pub const LINEMODE: u8 = 34;
/// RFC 2066.
pub const CHARSET: u8 = 42;

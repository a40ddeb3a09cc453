//! Whether peers with unacknowledged data are still there: each connection that was written to is checked now and
//! then, until all is acknowledged. A peer that only stopped reading still answers the kernel, and stays.

use super::RingSockets;
use super::table::Socket;
use crate::runtime::keep_alive::{Answers, answers};
use madang_model::ConnectionId;

/// The seconds between two checks of a connection.
const LOOK_SECONDS: u32 = 10;
/// A peer is gone when this many checks in a row have found no answer: 40 to 50 s after it was sent something.
const LOOKS: u8 = 5;
/// [`Socket::doubts`] of a connection that has been written to, and not yet found without an answer.
pub const WRITTEN: u8 = 1;

impl RingSockets {
    /// A second has passed: checks every tenth connection. `gone` gets those whose peers are not there.
    pub fn look_for_gone(&mut self, gone: &mut Vec<ConnectionId>) {
        self.second = (self.second + 1) % LOOK_SECONDS;
        for (id, socket) in self.table.every_nth(self.second, LOOK_SECONDS) {
            if socket.doubts > 0 && is_gone(socket) {
                gone.push(id);
            }
        }
    }
}

fn is_gone(socket: &mut Socket) -> bool {
    socket.doubts = match answers(&socket.descriptor, LOOK_SECONDS) {
        Answers::All => 0,
        Answers::Some => WRITTEN,
        Answers::None => socket.doubts.saturating_add(1),
    };
    socket.doubts > LOOKS
}

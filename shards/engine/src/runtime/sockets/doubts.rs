//! Whether the peers to whom something is under way are still there: each that was written to is looked at from time to
//! time, until it has acknowledged everything. One that only stopped reading still answers the kernel, and stays.

use super::Sockets;
use super::table::Socket;
use crate::runtime::keep_alive::{Answers, answers};
use madang_model::ConnectionId;

/// A connection is looked at every so many seconds.
const LOOK_SECONDS: u32 = 10;
/// A peer is gone when so many looks, one after another, have found no answer: 40 to 50 s after it was sent
/// something.
const LOOKS: u8 = 5;
/// [`Socket::doubts`] of a connection that has been written to, and not yet found without an answer.
pub const WRITTEN: u8 = 1;

impl Sockets {
    /// A second has passed: looks at every tenth connection. `gone` gets those whose peers are not there.
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

//! What a protocol waits for beside bytes and answers: the end of a delay, a time of silence, the last answer.

use super::{Deadline, Shard};
use madang_model::ConnectionId;
use madang_model::connection::{Asked, Silence, Surface};

impl<S: Surface> Shard<S> {
    /// Does what a protocol has asked of the engine.
    pub(super) fn do_what_is_asked(&mut self, id: ConnectionId, asked: Asked) {
        let Asked { delay, reminder, wants_answered_call } = asked;
        let Some(connection) = self.connections.get_mut(id) else { return };
        if wants_answered_call {
            connection.awaits_answers = true;
            if connection.core.outstanding == 0 {
                self.answered.push(id);
            }
        }
        let is_first_delay = delay.is_some() && !std::mem::replace(&mut connection.is_delayed, true);
        let is_first_reminder = reminder.is_some() && !connection.awaits_reminder;
        if is_first_reminder {
            (connection.awaits_reminder, connection.has_heard, connection.has_sent) = (true, false, false);
        }
        if let Some(time) = delay.filter(|_| is_first_delay) {
            self.remind(Deadline::Delay(id), time);
        }
        if let Some(time) = reminder.filter(|_| is_first_reminder) {
            self.remind(Deadline::Reminder(id), time);
        }
    }

    /// A delay is over: what was read before is offered again, then the socket is read.
    pub(super) fn delay_ended(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        connection.is_delayed = false;
        let has_unread = !connection.unread.is_empty();
        self.continue_input(id);
        if !has_unread {
            self.resumed.push(id);
        }
    }

    pub(super) fn remind_protocol(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        connection.awaits_reminder = false;
        let since =
            Silence { has_heard_nothing: !connection.has_heard, has_sent_nothing: !connection.has_sent };
        if connection.core.closing.is_none() {
            self.with_link(id, |surface, protocol, link| surface.reminded(protocol, since, link));
        }
    }

    /// Calls the protocols of those whose last answer has come.
    pub(super) fn call_answered(&mut self) {
        while let Some(id) = self.answered.pop() {
            let Some(connection) = self.connections.get_mut(id) else { continue };
            let is_answered = connection.core.outstanding == 0 && connection.core.closing.is_none();
            if is_answered && std::mem::take(&mut connection.awaits_answers) {
                self.with_link(id, |surface, protocol, link| surface.all_answered(protocol, link));
            }
        }
    }
}

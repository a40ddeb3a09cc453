//! What a protocol waits for beside bytes and answers: the end of a delay, a time of silence, the last answer.

use super::{Deadline, Shard};
use madang_model::ConnectionId;
use madang_model::connection::{DELAY_MAX, FollowUp, REMINDER_MAX, Silence, Surface};
use std::time::Duration;

/// The shortest wait: what is asked for within a tick is never due in the same tick.
const WAIT_MIN: Duration = Duration::from_millis(1);
/// How long after a time in which no connection was read all are read again, in milliseconds: two ticks.
const READING_MS_MAX: u64 = 2_000;

impl<S: Surface> Shard<S> {
    /// Does what a protocol has asked of the engine.
    pub(super) fn do_follow_up(&mut self, id: ConnectionId, follow_up: FollowUp) {
        if follow_up == FollowUp::default() {
            return;
        }
        let FollowUp { delay, reminder, wants_answered_call } = follow_up;
        let Some(connection) = self.connections.get_mut(id) else { return };
        // A connection that is to end has no time left.
        connection.is_undelayed = delay.is_some() && self.is_draining;
        let delay = delay.filter(|_| !self.is_draining);
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
            self.remind(Deadline::Delay(id), time.clamp(WAIT_MIN, DELAY_MAX));
        }
        if let Some(time) = reminder.filter(|_| is_first_reminder) {
            self.remind(Deadline::Reminder(id), time.clamp(WAIT_MIN, REMINDER_MAX));
        }
    }

    /// A delay is over: what was read before is offered again, then the socket is read.
    pub(super) fn delay_ended(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if !std::mem::take(&mut connection.is_delayed) {
            return;
        }
        let has_unread = !connection.unread.is_empty();
        self.continue_input(id);
        if !has_unread {
            self.read_again(id);
        }
    }

    /// A connection's socket is read again. What its peer has sent meanwhile is yet to be read.
    pub(super) fn read_again(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.has_heard = true;
        }
        self.resumed.push(id);
    }

    pub(super) fn remind_protocol(&mut self, id: ConnectionId) {
        let was_read = self.wants_input(id) && self.now.monotonic.since_ms(self.unread_at) > READING_MS_MAX;
        let Some(connection) = self.connections.get_mut(id) else { return };
        connection.awaits_reminder = false;
        let since = Silence {
            has_heard_nothing: was_read && !connection.has_heard,
            has_sent_nothing: !connection.has_sent,
        };
        if connection.core.closing.is_none() {
            self.with_link(id, |surface, protocol, link| surface.reminded(protocol, since, link));
        }
    }

    /// Calls the protocols of the connections whose last answer has come. One that asks again meanwhile is called in
    /// the next round.
    pub(super) fn call_answered(&mut self) {
        for id in std::mem::take(&mut self.answered) {
            let Some(connection) = self.connections.get_mut(id) else { continue };
            let is_answered = connection.core.outstanding == 0 && connection.core.closing.is_none();
            if is_answered && std::mem::take(&mut connection.awaits_answers) {
                self.with_link(id, |surface, protocol, link| surface.all_answered(protocol, link));
                self.continue_input(id);
            }
        }
    }
}

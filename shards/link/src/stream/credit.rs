//! How much may be sent that the other end has not taken.

use crate::format::WireFault;

/// What this end may send.
///
/// Invariant: `taken <= sent <= taken + window`.
#[derive(Debug, Default)]
pub struct SendCredit {
    window: u64,
    sent: u64,
    taken: u64,
}

impl SendCredit {
    /// The other end takes this many bytes ahead.
    pub fn grant(&mut self, window_bytes: u32) {
        self.window = u64::from(window_bytes);
    }

    /// Whether this many bytes more may be sent.
    pub fn covers(&self, bytes: usize) -> bool {
        self.sent + bytes as u64 <= self.taken + self.window
    }

    /// This many bytes are sent.
    pub fn spend(&mut self, bytes: usize) {
        assert!(self.covers(bytes), "an end sends no more than the other takes ahead");
        self.sent += bytes as u64;
    }

    /// The other end has taken this many, counted from the beginning. What is older than is known is ignored.
    ///
    /// # Errors
    /// [`WireFault::Taken`] when they were never sent.
    pub fn taken(&mut self, taken_bytes: u64) -> Result<(), WireFault> {
        if taken_bytes > self.sent {
            return Err(WireFault::Taken { taken_bytes, sent_bytes: self.sent });
        }
        self.taken = self.taken.max(taken_bytes);
        Ok(())
    }
}

/// What the other end may send.
///
/// Invariant: `announced <= taken <= received <= taken + window`.
#[derive(Debug)]
pub struct ReceiveCredit {
    window: u64,
    received: u64,
    taken: u64,
    announced: u64,
}

impl ReceiveCredit {
    /// The other end may send this many bytes ahead.
    pub fn new(window_bytes: u32) -> ReceiveCredit {
        ReceiveCredit { window: u64::from(window_bytes), received: 0, taken: 0, announced: 0 }
    }

    /// This many bytes came.
    ///
    /// # Errors
    /// [`WireFault::Credit`] when it was not allowed.
    pub fn receive(&mut self, bytes: usize) -> Result<(), WireFault> {
        let received = self.received + bytes as u64;
        let allowed = self.taken + self.window;
        if received > allowed {
            return Err(WireFault::Credit { bytes: received - allowed, window_bytes: self.window });
        }
        self.received = received;
        Ok(())
    }

    /// This many of them are taken.
    pub fn take(&mut self, bytes: usize) {
        self.taken += bytes as u64;
        assert!(self.taken <= self.received, "only what came is taken");
    }

    /// What is to be announced now: a quarter of the window is taken, or all that came, as the other
    /// end may then wait for it.
    pub fn due(&mut self) -> Option<u64> {
        let unannounced = self.taken - self.announced;
        let is_due = unannounced > 0 && (unannounced >= self.window / 4 || self.taken == self.received);
        is_due.then(|| {
            self.announced = self.taken;
            self.announced
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_and_not_taken_is_never_more_than_the_window() {
        let mut credit = SendCredit::default();
        assert!(!credit.covers(1), "nothing before the other end has granted a window");
        credit.grant(100);
        credit.spend(60);
        assert!(credit.covers(40) && !credit.covers(41));
        credit.taken(60).expect("it was sent");
        credit.taken(20).expect("an older announcement changes nothing");
        assert!(credit.covers(100) && !credit.covers(101));
        assert_eq!(credit.taken(61), Err(WireFault::Taken { taken_bytes: 61, sent_bytes: 60 }));
    }

    #[test]
    fn what_comes_beyond_the_window_is_a_fault() {
        let mut credit = ReceiveCredit::new(100);
        credit.receive(100).expect("the window");
        credit.take(10);
        credit.receive(10).expect("as much as was taken");
        assert_eq!(credit.receive(1), Err(WireFault::Credit { bytes: 1, window_bytes: 100 }));
    }

    #[test]
    fn credit_is_announced_in_quarters_and_when_nothing_waits() {
        let mut credit = ReceiveCredit::new(100);
        credit.receive(50).expect("within the window");
        credit.take(20);
        assert_eq!(credit.due(), None);
        credit.take(5);
        assert_eq!(credit.due(), Some(25));
        credit.take(25);
        assert_eq!(credit.due(), Some(50));
        assert_eq!(credit.due(), None);
        credit.receive(1).expect("within the window");
        credit.take(1);
        assert_eq!(credit.due(), Some(51), "the other end may wait for it");
    }
}

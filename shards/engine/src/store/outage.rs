//! A lasting fault is reported when it begins, then once a minute with how often it was met, and when it is over:
//! a disk that is full for a night fills no journal.

use madang_model::Moment;
use std::time::Duration;

/// How long that is, unless said otherwise.
const SILENCE: Duration = Duration::from_secs(60);

/// One fault, and when it was reported last.
#[derive(Clone, Copy, Debug)]
pub struct Outage {
    /// How long it is not reported again.
    silence: Duration,
    reported_at: Option<Moment>,
    /// How often it was met since it began.
    met: u64,
}

impl Default for Outage {
    fn default() -> Outage {
        Outage::reported_every(SILENCE)
    }
}

impl Outage {
    /// A fault that is reported at this interval while it lasts. It has not begun.
    pub fn reported_every(silence: Duration) -> Outage {
        Outage { silence, reported_at: None, met: 0 }
    }

    /// It was met, once more. How often so far, where that is to be reported now.
    pub fn met(&mut self, now: Moment) -> Option<u64> {
        self.met += 1;
        if self.reported_at.is_some_and(|reported_at| now < reported_at.after(self.silence)) {
            return None;
        }
        self.reported_at = Some(now);
        Some(self.met)
    }

    /// It is not met any more. How often it was, where it had begun.
    pub fn is_over(&mut self) -> Option<u64> {
        let Outage { silence, reported_at, met } = *self;
        *self = Outage::reported_every(silence);
        reported_at.map(|_| met)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_reported_when_it_begins_then_once_a_minute_with_a_count_and_when_it_is_over() {
        let mut outage = Outage::default();
        let second = |second: u64| Moment(1000 * second);
        let reported: Vec<_> =
            (0..150).filter_map(|at| outage.met(second(at)).map(|count| (at, count))).collect();
        assert_eq!(reported, [(0, 1), (60, 61), (120, 121)]);
        assert_eq!((outage.is_over(), outage.is_over()), (Some(150), None));
        assert_eq!(outage.met(second(151)), Some(1), "the next one is reported at once");
    }
}

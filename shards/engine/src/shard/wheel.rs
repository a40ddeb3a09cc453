//! Deadlines at a resolution of one second: nothing ticks for what is not there.

use madang_model::Moment;
use std::collections::BTreeMap;

/// Entries by the second in which they fall due. An owner that is no longer interested lets its entry
/// fall due and ignores it.
#[derive(Debug)]
pub struct Wheel<T> {
    seconds: BTreeMap<u64, Vec<T>>,
    len: usize,
}

impl<T> Default for Wheel<T> {
    fn default() -> Self {
        Wheel { seconds: BTreeMap::new(), len: 0 }
    }
}

impl<T> Wheel<T> {
    /// Adds an entry that falls due at `at` or up to a second later.
    pub fn add(&mut self, at: Moment, entry: T) {
        self.seconds.entry(at.0.div_ceil(1000)).or_default().push(entry);
        self.len += 1;
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Removes an entry that is due.
    pub fn pop_due(&mut self, now: Moment) -> Option<T> {
        loop {
            let mut first = self.seconds.first_entry()?;
            if *first.key() > now.0 / 1000 {
                return None;
            }
            if let Some(entry) = first.get_mut().pop() {
                self.len -= 1;
                return Some(entry);
            }
            first.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_fall_due_never_early_and_within_a_second() {
        let mut wheel = Wheel::default();
        wheel.add(Moment(1_001), 'a');
        wheel.add(Moment(2_000), 'b');
        wheel.add(Moment(5_000), 'c');
        assert_eq!(wheel.pop_due(Moment(1_999)), None);
        let mut due = vec![wheel.pop_due(Moment(2_000)), wheel.pop_due(Moment(2_000))];
        due.sort();
        assert_eq!(due, [Some('a'), Some('b')]);
        assert_eq!(wheel.pop_due(Moment(4_999)), None);
        assert_eq!(wheel.pop_due(Moment(60_000)), Some('c'));
        assert!(wheel.seconds.len() <= 1);
        wheel.add(Moment(u64::MAX), 'd');
        assert_eq!(wheel.pop_due(Moment(70_000)), None, "not in the life of a server");
    }
}

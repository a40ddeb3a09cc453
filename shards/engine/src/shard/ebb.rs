//! When most of what was here has gone: what it took is then worth giving back.

/// From this many connections, names, rooms and deadlines together on it is worth it.
const PEAK_MIN: usize = 8192;

/// The most that was here since memory was given back last.
#[derive(Debug, Default)]
pub struct Ebb {
    peak: usize,
}

impl Ebb {
    /// A second has passed, and `count` are here. Whether that is an eighth of the most, or less.
    pub fn tick(&mut self, count: usize) -> bool {
        self.peak = self.peak.max(count);
        let has_gone = self.peak >= PEAK_MIN && count <= self.peak / 8;
        if has_gone {
            self.peak = count;
        }
        has_gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fall_to_an_eighth_is_reported_once_each_time() {
        let mut ebb = Ebb::default();
        assert!(!ebb.tick(PEAK_MIN - 1) && !ebb.tick(0), "nothing to speak of");
        assert!(!ebb.tick(100_000) && !ebb.tick(50_000), "many are still there");
        assert!(ebb.tick(12_500) && !ebb.tick(12_500));
        assert!(ebb.tick(0) && !ebb.tick(0));
    }
}

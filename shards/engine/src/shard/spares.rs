//! Emptied outboxes, kept so that the next turn allocates none.

/// The bytes that are kept at most, a shard: enough for 60,000 readers of short lines.
const BYTES_MAX: usize = 8 * 1024 * 1024;
/// The largest that is kept. Larger ones are rare, and the kernel takes them back best.
pub const BUFFER_BYTES_MAX: usize = 16 * 1024;

/// Emptied outboxes.
///
/// As many are kept as the busiest turn of the last second has used, so that what a burst took is
/// given back soon after it.
#[derive(Debug, Default)]
pub struct Spares {
    buffers: Vec<Vec<u8>>,
    /// Invariant: the sum of the capacities of `buffers`.
    bytes: usize,
    /// The fewest that were left at any time since the last tick: those were not needed.
    fewest: usize,
}

impl Spares {
    /// Takes one, if there is any.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        let buffer = self.buffers.pop()?;
        self.bytes -= buffer.capacity();
        self.fewest = self.fewest.min(self.buffers.len());
        Some(buffer)
    }

    /// Keeps one, unless it is large or there are enough.
    pub fn keep(&mut self, mut buffer: Vec<u8>) {
        let capacity = buffer.capacity();
        if capacity == 0 || capacity > BUFFER_BYTES_MAX || self.bytes + capacity > BYTES_MAX {
            return;
        }
        buffer.clear();
        self.bytes += capacity;
        self.buffers.push(buffer);
    }

    /// A second has passed: frees those that were not needed in it.
    pub fn tick(&mut self) {
        for unneeded in self.buffers.drain(..self.fewest) {
            self.bytes -= unneeded.capacity();
        }
        self.buffers.shrink_to(2 * self.buffers.len());
        self.fewest = self.buffers.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(capacity: usize) -> Vec<u8> {
        Vec::with_capacity(capacity)
    }

    #[test]
    fn what_a_burst_took_is_given_back_within_two_ticks() {
        let mut spares = Spares::default();
        (0..10_000).for_each(|_| spares.keep(of(100)));
        spares.tick();
        let taken: Vec<_> = (0..6_000).filter_map(|_| spares.take()).collect();
        assert_eq!(taken.len(), 6_000);
        taken.into_iter().for_each(|buffer| spares.keep(buffer));
        spares.tick();
        assert_eq!((spares.buffers.len(), spares.bytes), (6_000, 600_000), "those that were needed stay");
        spares.tick();
        assert_eq!((spares.buffers.len(), spares.bytes), (0, 0));
        assert!(spares.buffers.capacity() < 100);
    }

    #[test]
    fn neither_large_ones_nor_too_many_are_kept() {
        let mut spares = Spares::default();
        spares.keep(of(BUFFER_BYTES_MAX + 1));
        spares.keep(of(0));
        assert!(spares.take().is_none());
        (0..1_000).for_each(|_| spares.keep(of(BUFFER_BYTES_MAX)));
        assert_eq!((spares.buffers.len(), spares.bytes), (512, BYTES_MAX));
    }
}

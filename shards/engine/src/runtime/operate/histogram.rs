//! Distributions, counted in fixed buckets: one comparison a bucket passed and one addition.

/// The upper bounds of commit latencies, in seconds. A device that syncs takes 0.1 to 10 ms.
pub const COMMIT_SECONDS: [f64; 16] =
    [0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0];
/// The upper bounds of the bytes of a batch, up to its bound.
pub const BATCH_BYTES: [f64; 8] =
    [256.0, 1024.0, 4096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 4_194_304.0];
/// The upper bounds of the messages of a batch.
pub const BATCH_MESSAGES: [f64; 8] = [1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16_384.0];

/// Values counted by the first bucket that holds them; those past the last are in the count alone.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Histogram<const BUCKETS: usize> {
    /// Values in each bucket, not those below it.
    pub buckets: [u64; BUCKETS],
    /// All values.
    pub count: u64,
    /// Their sum, in millionths of the unit of the bounds.
    pub sum_millionths: u64,
}

impl<const BUCKETS: usize> Default for Histogram<BUCKETS> {
    fn default() -> Self {
        Histogram { buckets: [0; BUCKETS], count: 0, sum_millionths: 0 }
    }
}

impl<const BUCKETS: usize> Histogram<BUCKETS> {
    /// Counts a value.
    pub fn record(&mut self, value: f64, bounds: &[f64; BUCKETS]) {
        if let Some(bucket) = bounds.iter().position(|bound| value <= *bound) {
            self.buckets[bucket] += 1;
        }
        self.count += 1;
        self.sum_millionths += (value * 1e6) as u64;
    }

    /// The sum, in the unit of the bounds.
    pub fn sum(&self) -> f64 {
        self.sum_millionths as f64 / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_counted_once_in_the_first_bucket_that_holds_it() {
        let mut histogram = Histogram::<8>::default();
        for value in [1.0, 2.0, 4.0, 5.0, 1e9] {
            histogram.record(value, &BATCH_MESSAGES);
        }
        assert_eq!(histogram.buckets[..3], [1, 2, 1]);
        assert_eq!((histogram.count, histogram.sum()), (5, 1e9 + 12.0));
    }
}

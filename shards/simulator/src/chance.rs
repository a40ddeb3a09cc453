//! Choices that are the same again for the same seed: SplitMix64 (Steele, Lea, Flood 2014).

/// A source of choices.
#[derive(Clone, Debug)]
pub struct Chance {
    state: u64,
}

impl Chance {
    /// The choices of a seed.
    pub fn new(seed: u64) -> Chance {
        Chance { state: seed }
    }

    /// A source of its own, so that more choices here change none there.
    pub fn fork(&mut self) -> Chance {
        Chance { state: self.number() }
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        // The upper half times the bound: without a division, and even enough for small bounds.
        (((self.number() >> 32) * bound as u64) >> 32) as usize
    }

    /// Whether an event that happens once in `many` times happens now.
    pub fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    /// A number from `least` to `most`.
    pub fn between(&mut self, least: usize, most: usize) -> usize {
        least + self.below(most - least + 1)
    }
}

//! The Mann–Whitney U test: whether two sets of rounds can be of one and the same kind.
//!
//! It asks only which values are larger, not by how much or how they are distributed, so that one
//! round that somebody disturbed does not decide. Mann and Whitney, Annals of Mathematical
//! Statistics 18 (1947).

/// Up to this many values together, every way to deal them out is counted; more are taken as normal.
const COUNTED_MAX: usize = 40;

/// What the test says.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct MannWhitney {
    /// In how many pairs the value of the first set is the larger; a tie is a half.
    pub u: f64,
    /// How probable so uneven a `u` is by chance, in either direction.
    pub p: f64,
}

/// Tests two sets of values; `None` when one is empty.
pub fn mann_whitney(first: &[f64], second: &[f64]) -> Option<MannWhitney> {
    if first.is_empty() || second.is_empty() {
        return None;
    }
    let all: Vec<f64> = first.iter().chain(second).copied().collect();
    let ranks = doubled_ranks(&all);
    let rank_sum: usize = ranks[..first.len()].iter().sum();
    let u = rank_sum as f64 / 2.0 - (first.len() * (first.len() + 1)) as f64 / 2.0;
    let p = if all.len() <= COUNTED_MAX {
        counted_p(&ranks, first.len(), rank_sum)
    } else {
        normal_p(&ranks, first.len(), second.len(), u)
    };
    Some(MannWhitney { u, p })
}

/// Twice the rank of each value, so that equal values, which share the mean of their ranks, have
/// whole numbers.
fn doubled_ranks(values: &[f64]) -> Vec<usize> {
    let rank = |value: &f64| {
        let below = values.iter().filter(|other| *other < value).count();
        let equal = values.iter().filter(|other| *other == value).count();
        2 * below + equal + 1
    };
    values.iter().map(rank).collect()
}

/// Of all ways to choose `size` of the ranks, the share whose sum is at least as far from the middle.
fn counted_p(ranks: &[usize], size: usize, rank_sum: usize) -> f64 {
    let total: usize = ranks.iter().sum();
    // ways[chosen][sum]: in how many ways `chosen` ranks have that sum.
    let mut ways = vec![vec![0.0_f64; total + 1]; size + 1];
    ways[0][0] = 1.0;
    for rank in ranks {
        for chosen in (1..=size).rev() {
            for sum in *rank..=total {
                ways[chosen][sum] += ways[chosen - 1][sum - rank];
            }
        }
    }
    let middle = total as f64 * size as f64 / ranks.len() as f64;
    let distance = (rank_sum as f64 - middle).abs();
    let is_as_far = |sum: usize| (sum as f64 - middle).abs() >= distance - 1e-9;
    let all: f64 = ways[size].iter().sum();
    let far: f64 =
        ways[size].iter().enumerate().filter(|(sum, _)| is_as_far(*sum)).map(|(_, ways)| ways).sum();
    (far / all).min(1.0)
}

/// The normal approximation, corrected for ties and for `u` taking steps.
fn normal_p(ranks: &[usize], first: usize, second: usize, u: f64) -> f64 {
    let (first, second, all) = (first as f64, second as f64, ranks.len() as f64);
    let mut sorted = ranks.to_vec();
    sorted.sort_unstable();
    let ties = sorted.chunk_by(|a, b| a == b).map(|equal| (equal.len() as f64).powi(3) - equal.len() as f64);
    let variance = first * second / 12.0 * (all + 1.0 - ties.sum::<f64>() / (all * (all - 1.0)));
    if variance <= 0.0 {
        return 1.0; // all values are equal
    }
    let z = ((u - first * second / 2.0).abs() - 0.5).max(0.0) / variance.sqrt();
    (2.0 * upper_tail(z)).min(1.0)
}

/// The share of a normal distribution above `z`, at least 0: Abramowitz and Stegun 26.2.17, whose
/// error is below 1e-7.
fn upper_tail(z: f64) -> f64 {
    const COEFFICIENTS: [f64; 5] =
        [1.330_274_429, -1.821_255_978, 1.781_477_937, -0.356_563_782, 0.319_381_530];
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let polynomial = COEFFICIENTS.iter().fold(0.0, |sum, coefficient| (sum + coefficient) * t);
    (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * polynomial
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(first: &[f64], second: &[f64]) -> f64 {
        mann_whitney(first, second).expect("values").p
    }

    /// The example of SciPy's documentation of `mannwhitneyu`.
    #[test]
    fn a_published_example_has_its_published_values() {
        let (males, females) = ([19.0, 22.0, 16.0, 29.0, 24.0], [20.0, 11.0, 17.0, 12.0]);
        let test = mann_whitney(&males, &females).expect("values");
        assert_eq!(test.u, 17.0);
        assert!((test.p - 0.111_111_111).abs() < 1e-8, "{test:?}");
    }

    /// For five and five, published tables give 2 as the largest U that is significant at 5 %.
    #[test]
    fn critical_values_are_those_of_the_tables() {
        let first = [1.0, 2.0, 3.0, 4.0, 5.0];
        assert!((p(&first, &[6.0, 7.0, 8.0, 9.0, 10.0]) - 2.0 / 252.0).abs() < 1e-12);
        // U = 2 and U = 3: the largest of the first set lies above two or three of the second.
        assert!((p(&[1.0, 2.0, 3.0, 4.0, 7.5], &[6.0, 7.0, 8.0, 9.0, 10.0]) - 8.0 / 252.0).abs() < 1e-12);
        assert!(p(&[1.0, 2.0, 3.0, 4.0, 8.5], &[6.0, 7.0, 8.0, 9.0, 10.0]) > 0.05);
        // Three and three can never be significant; four and four can.
        assert!(p(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]) > 0.05);
        assert!((p(&[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0, 7.0, 8.0]) - 2.0 / 70.0).abs() < 1e-12);
    }

    #[test]
    fn equal_values_are_of_one_kind_however_many() {
        assert_eq!(p(&[5.0; 4], &[5.0; 4]), 1.0);
        assert_eq!(p(&[5.0; 50], &[5.0; 50]), 1.0);
        let values = [3.0, 1.0, 4.0, 1.0, 5.0];
        assert_eq!(p(&values, &values), 1.0);
        assert_eq!(mann_whitney(&[], &[1.0]), None);
    }

    #[test]
    fn counting_and_the_normal_approximation_agree_where_they_meet() {
        let first: Vec<f64> = (0..20).map(|n| f64::from(n) * 1.5).collect();
        let second: Vec<f64> = (0..20).map(|n| f64::from(n) * 1.5 + 6.2).collect();
        let all: Vec<f64> = first.iter().chain(&second).copied().collect();
        let u = mann_whitney(&first, &second).expect("values").u;
        let approximate = normal_p(&doubled_ranks(&all), 20, 20, u);
        assert!((p(&first, &second) - approximate).abs() < 0.002, "{approximate}");
    }
}

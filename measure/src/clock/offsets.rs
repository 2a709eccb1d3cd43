//! One value for each clock from values for pairs of clocks.
//!
//! The least sum of absolute residuals (iteratively reweighted least squares)
//! on the graph of pairs: a pair whose two directions are not equally long
//! pulls with its weight, not with its size. What a pair cannot tell is the
//! mean of all; it is set to zero and left to whoever knows better.

/// A measured difference: the value of `to` less that of `from`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// The one node.
    pub from: usize,
    /// The other.
    pub to: usize,
    /// The difference.
    pub value: f64,
    /// How noisy it is, in the same unit; more than 0.
    pub noise: f64,
}

/// After so many rounds the weights have settled to less than any noise; more would change nothing.
const ROUNDS: usize = 16;

/// The values of `count` nodes whose mean is zero; `None` for a node without any pair.
///
/// Parts of the graph that no pair joins have a mean of zero each.
pub fn consensus(count: usize, differences: &[Difference]) -> Vec<Option<f64>> {
    let mut values = vec![0.0; count];
    for round in 0..ROUNDS {
        let mut laplacian = vec![0.0; count * count];
        let mut pull = vec![0.0; count];
        for pair in differences {
            let residual = pair.value - (values[pair.to] - values[pair.from]);
            let weight = if round == 0 {
                1.0 / pair.noise
            } else {
                1.0 / pair.noise / (residual.abs() / pair.noise).max(0.5)
            };
            laplacian[pair.from * count + pair.from] += weight;
            laplacian[pair.to * count + pair.to] += weight;
            laplacian[pair.from * count + pair.to] -= weight;
            laplacian[pair.to * count + pair.from] -= weight;
            pull[pair.to] += weight * pair.value;
            pull[pair.from] -= weight * pair.value;
        }
        // The Laplacian has one free constant for each part; a hair on the diagonal puts its mean to zero.
        let heaviest = (0..count)
            .map(|k| laplacian[k * count + k])
            .fold(0.0, f64::max);
        if heaviest == 0.0 {
            break;
        }
        for k in 0..count {
            laplacian[k * count + k] += heaviest * 1e-10;
        }
        values = solve(laplacian, pull, count);
    }
    let mut seen = vec![false; count];
    for pair in differences {
        seen[pair.from] = true;
        seen[pair.to] = true;
    }
    values
        .into_iter()
        .zip(seen)
        .map(|(value, seen)| seen.then_some(value))
        .collect()
}

/// Solves a symmetric, positive definite system (Cholesky).
fn solve(mut matrix: Vec<f64>, mut right: Vec<f64>, count: usize) -> Vec<f64> {
    for k in 0..count {
        let (above, below) = matrix.split_at_mut(k * count);
        let row = &mut below[..=k];
        for j in 0..k {
            let other = &above[j * count..][..=j];
            let dot: f64 = row[..j].iter().zip(&other[..j]).map(|(a, b)| a * b).sum();
            row[j] = (row[j] - dot) / other[j];
        }
        let square: f64 = row[..k].iter().map(|a| a * a).sum();
        // Never below zero but by rounding, thanks to the hair on the diagonal.
        row[k] = (row[k] - square).max(f64::MIN_POSITIVE).sqrt();
    }
    for k in 0..count {
        let dot: f64 = (0..k).map(|j| matrix[k * count + j] * right[j]).sum();
        right[k] = (right[k] - dot) / matrix[k * count + k];
    }
    for k in (0..count).rev() {
        let dot: f64 = (k + 1..count)
            .map(|j| matrix[j * count + k] * right[j])
            .sum();
        right[k] = (right[k] - dot) / matrix[k * count + k];
    }
    right
}

/// The middle of some values; of an even number the mean of the two. `None` of none.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    let middle = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    values.sort_unstable_by(f64::total_cmp);
    Some(if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUTH: [f64; 5] = [-30.0, 100.0, 4.0, -80.0, 6.0];

    fn pairs(wrong: Option<(usize, usize, f64)>) -> Vec<Difference> {
        let mut pairs = Vec::new();
        for (from, start) in TRUTH.iter().enumerate() {
            for (to, end) in TRUTH.iter().enumerate().skip(from + 1) {
                let lie = match wrong {
                    Some((a, b, by)) if (a, b) == (from, to) => by,
                    _ => 0.0,
                };
                pairs.push(Difference {
                    from,
                    to,
                    value: end - start + lie,
                    noise: 1.0,
                });
            }
        }
        pairs
    }

    #[track_caller]
    fn check(pairs: &[Difference], within: f64) {
        for (found, truth) in consensus(5, pairs).into_iter().zip(TRUTH) {
            let found = found.unwrap();
            assert!((found - truth).abs() < within, "{found} {truth}");
        }
    }

    #[test]
    fn differences_that_agree_give_the_values_with_a_mean_of_zero() {
        check(&pairs(None), 1e-4);
        // A tree has no loop to disagree on.
        let tree: Vec<_> = pairs(None)
            .into_iter()
            .filter(|pair| pair.from == 0)
            .collect();
        check(&tree, 1e-4);
    }

    #[test]
    fn one_wrong_pair_among_many_hardly_counts_however_wrong_it_is() {
        check(&pairs(Some((1, 3, 1e5))), 1.0);
    }

    #[test]
    fn who_measured_nobody_has_no_value() {
        let values = consensus(7, &pairs(None));
        assert_eq!((values[5], values[6]), (None, None));
        assert_eq!(consensus(2, &[]), [None, None]);
    }
}

//! Difference bounds: what follows from many statements "x_j − x_i ≤ U".
//!
//! Closing the matrix (Floyd and Warshall) gives the tightest bound that
//! follows for every pair (Patt-Shamir and Rajsbaum, STOC 1994; Attiya, Herzberg
//! and Rajsbaum, SIAM Journal on Computing 1996). A cycle of negative length says that
//! the statements cannot all be true.

/// Upper bounds on the differences of a number of unknowns, in nanoseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct DifferenceBounds {
    size: usize,
    upper: Vec<f64>,
}

/// The statements contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bounds on the clocks' differences contradict each other at clock {0}")]
pub struct Contradiction(pub usize);

/// How far a cycle may fall below zero by rounding: far above the error of sums of floats below 2⁵², far below a packet.
const ROUNDING_NS: f64 = 0.5;

impl DifferenceBounds {
    /// Nothing is known of so many unknowns.
    pub fn unbounded(size: usize) -> Self {
        let mut upper = vec![f64::INFINITY; size * size];
        for i in 0..size {
            upper[i * size + i] = 0.0;
        }
        Self { size, upper }
    }

    /// How many unknowns there are.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The bound on x_to − x_from; infinite when there is none.
    pub fn at_most(&self, from: usize, to: usize) -> f64 {
        self.upper[from * self.size + to]
    }

    /// States that x_to − x_from ≤ `bound`; a weaker statement than the one that stands changes nothing.
    pub fn state(&mut self, from: usize, to: usize, bound: f64) {
        let entry = &mut self.upper[from * self.size + to];
        *entry = entry.min(bound);
    }

    /// Replaces every bound by the tightest that follows from all of them. O(size³).
    ///
    /// # Errors
    /// When they contradict each other; the matrix then holds nothing of use.
    pub fn close(&mut self) -> Result<(), Contradiction> {
        let size = self.size;
        for via in 0..size {
            let through: Vec<f64> = self.upper[via * size..][..size].to_vec();
            for row in self.upper.chunks_exact_mut(size) {
                let first = row[via];
                if first == f64::INFINITY {
                    continue;
                }
                for (bound, second) in row.iter_mut().zip(&through) {
                    let detour = first + second;
                    if detour < *bound {
                        *bound = detour;
                    }
                }
            }
        }
        match (0..size).find(|&i| self.at_most(i, i) < -ROUNDING_NS) {
            Some(clock) => Err(Contradiction(clock)),
            None => Ok(()),
        }
    }

    /// The same bounds, closed.
    ///
    /// # Errors
    /// As [`Self::close`].
    pub fn closed(mut self) -> Result<Self, Contradiction> {
        self.close()?;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stated(bounds: &[(usize, usize, f64)]) -> DifferenceBounds {
        let mut matrix = DifferenceBounds::unbounded(4);
        for &(from, to, bound) in bounds {
            matrix.state(from, to, bound);
        }
        matrix
    }

    #[test]
    fn bounds_add_up_along_the_best_way() {
        let closed = stated(&[(0, 1, 5.0), (1, 2, 7.0), (0, 2, 20.0), (2, 3, -3.0)])
            .closed()
            .unwrap();
        assert_eq!(closed.at_most(0, 2), 12.0);
        assert_eq!(closed.at_most(0, 3), 9.0);
        assert_eq!(closed.at_most(3, 0), f64::INFINITY);
    }

    #[test]
    fn a_negative_cycle_is_a_contradiction_and_a_cycle_of_zero_is_not() {
        assert!(
            stated(&[(0, 1, 5.0), (1, 2, 2.0), (2, 0, -7.0)])
                .closed()
                .is_ok()
        );
        assert!(
            stated(&[(0, 1, 5.0), (1, 2, 2.0), (2, 0, -8.0)])
                .closed()
                .is_err()
        );
    }

    #[test]
    fn true_values_are_never_cut_off() {
        let truth = [0.0, 313.0, -42.0, 1e8];
        let mut matrix = DifferenceBounds::unbounded(4);
        for (from, x) in truth.iter().enumerate() {
            for (to, y) in truth.iter().enumerate() {
                matrix.state(from, to, y - x + ((from * 7 + to * 13) % 5) as f64);
            }
        }
        let closed = matrix.closed().unwrap();
        for (from, x) in truth.iter().enumerate() {
            for (to, y) in truth.iter().enumerate() {
                assert!(y - x <= closed.at_most(from, to) + 1e-6, "{from} {to}");
            }
        }
    }
}

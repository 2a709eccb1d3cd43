//! How alike the delays of consecutive packets are, and how many independent ones that makes.
//!
//! A queue that one packet met is met by the next one too, so n packets tell
//! less of a path than n independent ones. No single delays are kept, only
//! their histogram and that of the differences of consecutive ones (IPDV,
//! RFC 3393); from the two variances follows the correlation of neighbours,
//! since E(IPDV²) = 2·σ²·(1 − r₁). It assumes that correlation dies out
//! geometrically and speaks of delays as a whole: a queue that is met once in
//! minutes, or one that stays for as long as the interval, is not told by it.

use crate::distribution::Distribution;

/// The correlation of the delays of consecutive packets, 0 when they are independent or alternate.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Correlation {
    /// r₁, in [0, 1).
    neighbours: f64,
}

impl Correlation {
    /// From the delays of one interval and the differences of consecutive ones; none is found where either has no spread.
    pub fn of(raw: &Distribution, ipdv: &Distribution) -> Self {
        let (Some(variance), Some(squares)) = (raw.variance(), ipdv.mean_square()) else {
            return Self::default();
        };
        if variance <= 0.0 {
            return Self::default();
        }
        Self {
            neighbours: (1.0 - squares / (2.0 * variance)).max(0.0),
        }
    }

    /// Of delays whose neighbours correlate by so much.
    #[cfg(test)]
    pub(crate) fn with_neighbours(neighbours: f64) -> Self {
        Self { neighbours }
    }

    /// r₁, in [0, 1].
    pub fn neighbours(self) -> f64 {
        self.neighbours
    }

    /// As many independent packets as tell what `n` of these do: n·(1 − r₁)/(1 + r₁), rounded down, but one at least.
    pub fn effective(self, n: u64) -> u64 {
        if self.neighbours == 0.0 {
            return n;
        }
        let share = (1.0 - self.neighbours) / (1.0 + self.neighbours);
        ((n as f64 * share) as u64).clamp(1.min(n), n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::HistogramRecorder;
    use crate::time::Nanos;

    /// Delays around `base` µs whose deviations are each `r` of the one before and the rest new.
    fn correlated(r: f64, n: usize, seed: u64) -> Correlation {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut fresh = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
        };
        let (mut raw, mut ipdv) = (HistogramRecorder::default(), HistogramRecorder::default());
        let mut deviation = 0.0;
        let mut before: Option<Nanos> = None;
        for _ in 0..n {
            deviation = r * deviation + (1.0 - r * r).sqrt() * fresh();
            let delay = Nanos(1_000_000 + (deviation * 200_000.0) as i64);
            raw.record(delay);
            if let Some(before) = before.replace(delay) {
                ipdv.record(delay - before);
            }
        }
        let of = |recorder: &HistogramRecorder| Distribution::of(&[recorder.finish()]);
        Correlation::of(&of(&raw), &of(&ipdv))
    }

    #[test]
    fn the_correlation_of_neighbours_is_found_from_two_histograms() {
        for r in [0.0, 0.3, 0.6, 0.9] {
            for seed in 1..20 {
                let found = correlated(r, 6_000, seed).neighbours();
                assert!((found - r).abs() < 0.06, "seed {seed}: {found} for {r}");
            }
        }
    }

    #[test]
    fn correlated_packets_count_as_fewer() {
        for (neighbours, n, effective) in [
            (0.0, 600, 600),
            (0.5, 600, 200),
            (0.9, 600, 31),
            (1.0, 600, 1),
            (0.5, 0, 0),
        ] {
            let correlation = Correlation { neighbours };
            assert_eq!(correlation.effective(n), effective, "r={neighbours} n={n}");
        }
    }

    #[test]
    fn packets_that_all_take_as_long_are_as_many_as_they_are() {
        let mut recorder = HistogramRecorder::default();
        (0..100).for_each(|_| recorder.record(Nanos(700_000)));
        let same = Distribution::of(&[recorder.finish()]);
        let none = Correlation::of(&same, &Distribution::default());
        assert_eq!((none.neighbours(), none.effective(100)), (0.0, 100));
    }
}

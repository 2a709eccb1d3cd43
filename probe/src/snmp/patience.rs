//! How long an answer is waited for.

use owl_measure::time::Nanos;

/// How long it took until an answer came, smoothed as TCP does (RFC 6298, section 2).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Patience {
    smoothed: Option<(Nanos, Nanos)>,
}

impl Patience {
    /// Before anything came: RFC 6298, section 2.1.
    const FIRST: Nanos = Nanos::from_secs(1);
    /// An agent that is busy for a moment is no lost request.
    const LEAST: Nanos = Nanos::from_millis(200);
    const MOST: Nanos = Nanos::from_secs(5);

    pub(super) fn learn(&mut self, response: Nanos) {
        self.smoothed = Some(match self.smoothed {
            None => (response, Nanos(response.0 / 2)),
            Some((mean, spread)) => (
                Nanos(mean.0 - mean.0 / 8 + response.0 / 8),
                Nanos(spread.0 - spread.0 / 4 + (response - mean).abs().0 / 4),
            ),
        });
    }

    /// How long an answer is waited for, after so many repeats.
    pub(super) fn timeout(&self, repeats: u32) -> Nanos {
        let first = self
            .smoothed
            .map_or(Self::FIRST, |(mean, spread)| mean + spread.times(4))
            .max(Self::LEAST);
        Nanos(first.0.saturating_mul(1 << repeats.min(5))).min(Self::MOST)
    }
}

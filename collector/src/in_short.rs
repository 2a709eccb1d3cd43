//! A judgement in short: what is kept of it for a month.

use owl_measure::delay::{Basis, OneWayDelay};
use owl_measure::distribution::Bounds;
use owl_measure::time::Nanos;
use owl_measure::verdict::period::PeriodWindow;
use owl_measure::verdict::{Quantile, Reason};

use crate::judgement::Judgement;

/// The three percentiles of which judgements of older stores tell on which side of the target packets are.
const TOLD: [Quantile; 3] = [Quantile::P50, Quantile::P95, Quantile::P99];

impl Judgement {
    /// What the rules for a period need of it.
    ///
    /// A judgement of an older store has no mean and no minimum, and its percentiles are taken only where the clocks were
    /// good enough for a verdict.
    pub(crate) fn in_short(&self) -> PeriodWindow {
        let verdict = &self.verdict;
        let bounds = |delay: Option<OneWayDelay>| {
            delay.map(|delay| Bounds {
                at_least: delay.lo,
                at_most: delay.hi,
            })
        };
        let blank = PeriodWindow {
            start: self.window_start,
            target: verdict.target,
            planned: 0,
            sent: verdict.sent,
            received: verdict.received,
            lost: self.lost,
            sufficient: false,
            p95: None,
            p99: None,
            mean: None,
            min: None,
            within: 0,
            beyond: 0,
        };
        match &self.statistics {
            Some(told) => PeriodWindow {
                planned: told.planned,
                sufficient: told.sufficient,
                p95: bounds(told.p95),
                p99: bounds(told.p99),
                mean: bounds(told.mean),
                min: bounds(told.min),
                within: told.within,
                beyond: told.beyond,
                ..blank
            },
            None => {
                let (within, beyond) = self.sides();
                PeriodWindow {
                    sufficient: verdict.delay.is_some()
                        && !matches!(verdict.reason, Some(Reason::Coverage | Reason::Samples)),
                    p95: self.fit(Quantile::P95),
                    p99: self.fit(Quantile::P99),
                    within,
                    beyond,
                    ..blank
                }
            }
        }
    }

    /// A percentile as far as it is fit for a verdict.
    fn fit(&self, quantile: Quantile) -> Option<Bounds> {
        let percentile = self.percentile(quantile)?;
        let one_way = percentile.one_way?;
        let narrow = self
            .clock_error_bound
            .is_some_and(|bound| bound.times(4) <= self.verdict.target);
        Some(if one_way.basis == Basis::Proved || narrow {
            Bounds {
                at_least: one_way.lo,
                at_most: one_way.hi,
            }
        } else {
            // No packet takes longer than its round trip, nor less than no time.
            Bounds {
                at_least: Nanos::ZERO,
                at_most: percentile.round_trip.hi,
            }
        })
    }

    /// Packets on either side of the target for certain, as far as the percentiles tell: all up to the rank of one that is
    /// within it, and all from the rank of one that is above it. Lost packets are the last of all ranks.
    fn sides(&self) -> (u64, u64) {
        let (sent, target) = (self.verdict.sent, self.verdict.target);
        let fits = || {
            TOLD.into_iter()
                .filter_map(|quantile| Some((quantile, self.fit(quantile)?)))
        };
        let within = fits()
            .filter(|(_, fit)| fit.at_most <= target)
            .map(|(quantile, _)| quantile.rank(sent));
        let above = fits()
            .filter(|(_, fit)| fit.at_least > target)
            .map(|(quantile, _)| (sent + 1).saturating_sub(quantile.rank(sent)));
        let within = within.max().unwrap_or(0).min(self.verdict.received);
        // Of those above it, whoever did not come back for certain may be one of the lost.
        let gone = sent.saturating_sub(self.verdict.received);
        let beyond = above.max().unwrap_or(0).saturating_sub(gone);
        (within, beyond)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A judgement of an older store: 600 sent, 590 back, p50 at 0.7, p95 at 0.9 and p99 above 1.1 ms.
    fn old(basis: &str, clock_error_bound: i64) -> Judgement {
        let percentile = |quantile: &str, lo: i64, hi: i64| {
            format!(
                r#"{{"quantile":{quantile},"one_way":{{"lo_ns":{lo},"hi_ns":{hi},"basis":"{basis}"}},
                    "round_trip":{{"lo_ns":1800000,"hi_ns":1900000}},"raw":{{"lo_ns":0,"hi_ns":0}}}}"#
            )
        };
        let percentiles = [
            percentile("0.5", 650_000, 700_000),
            percentile("0.95", 850_000, 900_000),
            percentile("0.99", 1_100_000, 1_200_000),
        ];
        let text = format!(
            r#"{{"path":"a~b","profile":"plan-2026","quantile":0.95,"window_start_ns":0,"window_ns":60000000000,
                "judged_at_ns":63000000000,"state":"met","class":"C","target_ns":1000000,"sent":600,"received":590,
                "delay":{{"lo_ns":850000,"hi_ns":900000,"basis":"{basis}"}},
                "percentiles":[{}],"clock_error_bound_ns":{clock_error_bound},"lost":4,"late":0}}"#,
            percentiles.join(",")
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn what_an_older_judgement_tells_of_packets_is_never_too_much() {
        let short = old("claimed", 50_000).in_short();
        assert!(short.sufficient);
        assert_eq!((short.mean, short.min, short.planned), (None, None, 0));
        // The 570th of 600 is within the target, the 594th is not; of the seven from there on the lost and unknown are all.
        assert_eq!((short.within, short.beyond), (570, 0));
    }

    #[test]
    fn clocks_that_were_too_vague_for_a_verdict_are_too_vague_for_a_month() {
        let bounds = |lo, hi| {
            Some(Bounds {
                at_least: Nanos(lo),
                at_most: Nanos(hi),
            })
        };
        assert_eq!(
            old("claimed", 250_000).in_short().p95,
            bounds(850_000, 900_000)
        );
        assert_eq!(old("claimed", 250_001).in_short().p95, bounds(0, 1_900_000));
        assert_eq!(
            old("proved", 250_001).in_short().p95,
            bounds(850_000, 900_000)
        );
    }
}

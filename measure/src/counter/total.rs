//! The sum of many links over one window.

use super::Volume;
use super::increase::octets_at;
use super::percentile95::IntervalRate;
use crate::time::Nanos;

/// One link's part in a sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// The speed of the link in b/s: what it can have carried while nothing is known.
    pub speed_bps: u64,
    /// What is known of it in the window; `None` when nothing is.
    pub volume: Option<Volume>,
}

/// A sum over links, and what it is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Total {
    /// Octets of what is known.
    pub octets: u128,
    /// No fewer octets passed.
    pub at_least: u128,
    /// No more passed, with full lines where nothing is known.
    pub at_most: u128,
    /// The known share of all links' time, each link weighing as much as its speed: 1 when nothing is missing.
    pub coverage: f64,
}

impl Total {
    /// The mean rate over a window of this length; `None` when nothing is known of it.
    pub fn rate(&self, window: Nanos) -> Option<IntervalRate> {
        let bps = |octets: u128| octets as f64 * 8.0 / window.as_secs_f64();
        (self.coverage > 0.0 && window > Nanos::ZERO).then(|| IntervalRate {
            bps: bps(self.octets),
            at_least: bps(self.at_least),
            at_most: bps(self.at_most),
        })
    }
}

/// Adds up links over a window of this length. Each link is to be given once: [`super::counted_once`] sees to that.
pub fn total(shares: &[Share], window: Nanos) -> Total {
    let mut sum = Volume::default();
    let (mut known, mut all) = (0.0, 0.0);
    for share in shares {
        let line = u128::from(octets_at(share.speed_bps, window));
        let volume = share.volume.unwrap_or(Volume {
            at_most: line,
            ..Volume::default()
        });
        sum.octets += volume.octets;
        sum.at_least += volume.at_least;
        sum.at_most += volume.at_most;
        known += share.speed_bps as f64 * volume.known.as_secs_f64();
        all += share.speed_bps as f64 * window.as_secs_f64();
    }
    Total {
        octets: sum.octets,
        at_least: sum.at_least,
        at_most: sum.at_most,
        coverage: if all > 0.0 { known / all } else { 0.0 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_link_widens_the_sum_by_its_full_line_and_lowers_the_coverage() {
        let second = Nanos::from_secs(1);
        let known = Volume {
            octets: 100,
            at_least: 90,
            at_most: 110,
            known: second,
        };
        let share = |speed_bps, volume| Share { speed_bps, volume };
        let all = total(
            &[share(8_000, Some(known)), share(8_000, Some(known))],
            second,
        );
        assert_eq!(
            (all.octets, all.at_least, all.at_most, all.coverage),
            (200, 180, 220, 1.0)
        );
        let one = total(&[share(8_000, Some(known)), share(24_000, None)], second);
        assert_eq!(
            (one.octets, one.at_least, one.at_most, one.coverage),
            (100, 90, 3_110, 0.25)
        );
        assert_eq!(total(&[], second).coverage, 0.0);
    }
}

//! Delay variation, which needs no synchronised clocks.
//!
//! IPDV (RFC 3393) is the difference between the one-way delays of two
//! consecutive packets, so a constant clock offset cancels; a lost packet makes
//! no pair. PDV (RFC 5481) is the distance of a delay from the smallest one of
//! the same interval, and follows from the histogram of raw differences.

use crate::distribution::{Bounds, Distribution};
use crate::time::Nanos;
use crate::verdict::Quantile;

/// Pairs consecutive packets of one direction.
#[derive(Debug, Clone, Copy, Default)]
pub struct IpdvPairs {
    last: Option<(u32, Nanos)>,
}

impl IpdvPairs {
    /// The IPDV of this packet with the one sent right before it; `None` when that one was lost or came later.
    pub fn next(&mut self, sequence: u32, raw: Nanos) -> Option<Nanos> {
        let previous = self.last.replace((sequence, raw))?;
        (sequence == previous.0.wrapping_add(1)).then(|| raw - previous.1)
    }
}

/// A quantile of PDV over the packets received: D(q) − D(min), from raw one-way differences.
pub fn pdv(raw: &Distribution, quantile: Quantile) -> Option<Bounds> {
    let min = raw.min()?;
    let bounds = raw.at_rank(quantile.rank(raw.count()))?;
    Some(Bounds {
        at_least: bounds.at_least - min,
        at_most: bounds.at_most - min,
    })
}

/// A quantile of IPDV over the pairs there are; signed, so the lower half is negative on a path that varies evenly.
pub fn ipdv(pairs: &Distribution, quantile: Quantile) -> Option<Bounds> {
    pairs.at_rank(quantile.rank(pairs.count()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::HistogramRecorder;

    #[test]
    fn ipdv_pairs_only_neighbours() {
        let mut pairs = IpdvPairs::default();
        let got: Vec<Option<Nanos>> = [(0, 10), (1, 15), (3, 40), (4, 30), (u32::MAX, 5), (0, 7)]
            .map(|(sequence, raw)| pairs.next(sequence, Nanos(raw)))
            .to_vec();
        assert_eq!(
            got,
            [
                None,
                Some(Nanos(5)),
                None,
                Some(Nanos(-10)),
                None,
                Some(Nanos(2))
            ]
        );
    }

    #[test]
    fn pdv_does_not_see_a_clock_offset() {
        for offset in [0, 5_000_000, -5_000_000] {
            let mut recorder = HistogramRecorder::default();
            (0..100).for_each(|k| recorder.record(Nanos(offset + k)));
            let pdv = pdv(&Distribution::of(&[recorder.finish()]), Quantile::P95).unwrap();
            assert_eq!(
                pdv,
                Bounds {
                    at_least: Nanos(94),
                    at_most: Nanos(94)
                }
            );
        }
    }
}

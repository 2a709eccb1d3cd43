//! What losses and reordering looked like, beyond how many there were.
//!
//! RFC 3357 tells losses apart by *loss period*, a run of packets all of which
//! are lost, and by *loss distance*, how many packets after the one before it a
//! packet is lost. RFC 4737 tells overtaken packets apart by *extent*, section
//! 4.2, by *late-time offset*, section 4.3, and by *n-reordering*, section 5.
//!
//! All but the offsets are counts of packets, so they need no clock; an offset is
//! between two readings of one clock. Intervals add up. Two
//! things happen at the edge of an interval: a loss period that goes on over it
//! is counted in both, with its part in each; and the first loss of a session
//! has no distance.

use crate::lengths::Lengths;
use crate::loss::Loss;
use crate::reordering::Overtaken;
use crate::sample::Direction;
use crate::time::Nanos;

/// What a late-time offset is counted in.
pub const LATE_UNIT: Nanos = Nanos::from_micros(100);

/// What losses and reordering looked like, one direction at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Patterns {
    /// Reordering extents in packets (RFC 4737, section 4.2): one for each overtaken packet.
    pub extents: Lengths,
    /// The largest n for which an overtaken packet is n-reordered (RFC 4737, section 5); none for packets that are not
    /// even 1-reordered.
    pub n_reordering: Lengths,
    /// Late-time offsets (RFC 4737, section 4.3) in whole [`LATE_UNIT`]s, rounded up: one for each overtaken packet.
    pub late_offsets: Lengths,
    /// Packets in each loss period (RFC 3357, section 5).
    pub loss_periods: Lengths,
    /// Loss distances in packets (RFC 3357, section 5): 1 inside a loss period.
    pub loss_distances: Lengths,
}

impl Patterns {
    /// Adds those of another interval.
    pub fn merge(&mut self, other: &Self) {
        self.extents.merge(&other.extents);
        self.n_reordering.merge(&other.n_reordering);
        self.late_offsets.merge(&other.late_offsets);
        self.loss_periods.merge(&other.loss_periods);
        self.loss_distances.merge(&other.loss_distances);
    }

    /// Whether nothing was lost and nothing overtaken.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Counts an overtaken packet.
    pub fn overtaken(&mut self, overtaken: Overtaken) {
        self.extents.record(overtaken.extent.into());
        if overtaken.n > 0 {
            self.n_reordering.record(overtaken.n.into());
        }
        let late = overtaken.late.0.max(1).cast_unsigned();
        let unit = LATE_UNIT.0.cast_unsigned();
        self.late_offsets.record(late.div_ceil(unit));
    }

    /// The longest late-time offset, less than a [`LATE_UNIT`] too long; zero when nothing was overtaken.
    pub fn latest(&self) -> Nanos {
        LATE_UNIT.times(i64::try_from(self.late_offsets.longest()).unwrap_or(i64::MAX))
    }
}

/// Where losses and overtaken packets are counted: each direction, and those of which nobody knows it.
pub(crate) const PLACES: usize = 3;

/// The place of what has this direction.
pub(crate) fn place(direction: Option<Direction>) -> usize {
    direction.map_or(PLACES - 1, |direction| direction as usize)
}

/// The last loss of each place in a session: what the next one is distant from.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LastLosses([Option<u32>; PLACES]);

impl LastLosses {
    /// How many packets after the one before it this one is lost.
    pub(crate) fn distance(&mut self, loss: &Loss) -> Option<u64> {
        let before = self.0[place(loss.period)].replace(loss.sequence)?;
        Some(loss.sequence.wrapping_sub(before).into())
    }
}

/// The loss period of one place that may yet go on.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct OpenPeriod(Option<(u32, u64)>);

impl OpenPeriod {
    /// Adds a loss; gives the length of the period before it when that one is over.
    pub(crate) fn lost(&mut self, sequence: u32) -> Option<u64> {
        if let Some((last, length)) = &mut self.0
            && sequence == last.wrapping_add(1)
        {
            (*last, *length) = (sequence, *length + 1);
            return None;
        }
        self.0.replace((sequence, 1)).map(|(_, length)| length)
    }

    /// The length of the period that the interval ends with.
    pub(crate) fn finish(self) -> Option<u64> {
        self.0.map(|(_, length)| length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn loss(sequence: u32) -> Loss {
        Loss {
            sequence,
            origin: Timestamp(0),
            direction: Some(Direction::Forward),
            period: Some(Direction::Forward),
        }
    }

    #[track_caller]
    fn check(lost: &[u32], periods: &[u64], distances: &[u64]) {
        let (mut last, mut open) = (LastLosses::default(), OpenPeriod::default());
        let told: Vec<u64> = lost
            .iter()
            .filter_map(|&sequence| last.distance(&loss(sequence)))
            .collect();
        assert_eq!(told, distances, "{lost:?}");
        let mut lengths: Vec<u64> = lost.iter().filter_map(|&s| open.lost(s)).collect();
        lengths.extend(open.finish());
        assert_eq!(lengths, periods, "{lost:?}");
    }

    #[test]
    fn late_offsets_are_counted_in_whole_units_rounded_up_and_add_up() {
        let of = |late: &[i64]| {
            let mut patterns = Patterns::default();
            for &us in late {
                patterns.overtaken(Overtaken {
                    extent: 1,
                    n: 1,
                    late: Nanos::from_micros(us),
                });
            }
            patterns
        };
        let mut told = of(&[0, 100]);
        told.merge(&of(&[101, 900]));
        assert_eq!(told, of(&[900, 101, 100, 0]));
        assert_eq!(
            (told.late_offsets.count(), told.late_offsets.sum()),
            (4, 13)
        );
        assert_eq!(told.latest(), Nanos::from_micros(900));
        assert_eq!(Patterns::default().latest(), Nanos::ZERO);
    }

    #[test]
    fn losses_side_by_side_are_one_period_and_distances_are_differences_of_numbers() {
        check(&[], &[], &[]);
        check(&[7], &[1], &[]);
        check(&[7, 8, 9, 20], &[3, 1], &[1, 1, 11]);
        check(&[u32::MAX, 0, 1, 3], &[3, 1], &[1, 1, 2]);
    }
}

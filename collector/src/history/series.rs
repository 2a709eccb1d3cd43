//! The past of a path, step by step.

use owl_measure::delay::Floors;
use owl_measure::sample::Direction;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::Quantile;

use super::answer::HistoryPoint;
use super::walk::Walk;
use crate::store::{Reader, StoreError};

/// Steps of one answer at most.
pub(crate) const POINTS_MAX: i64 = 10_000;

/// Which past is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SeriesOf<'a> {
    pub(crate) path: &'a str,
    /// Seen along the path.
    pub(crate) floors: Floors,
    /// From then on, and before this.
    pub(crate) span: (Timestamp, Timestamp),
    /// No shorter than a [`POINTS_MAX`]th of the span.
    pub(crate) step: Nanos,
    pub(crate) quantiles: &'a [Quantile],
}

/// The points of a series, one after the other: no more than one is held.
pub(crate) fn series(
    reader: &Reader,
    wanted: &SeriesOf<'_>,
    mut each: impl FnMut(HistoryPoint),
) -> Result<(), StoreError> {
    let opposite = wanted
        .path
        .split_once('~')
        .map_or_else(String::new, |(from, to)| format!("{to}~{from}"));
    let mut own = Walk::of(reader, wanted.path)?;
    let mut other = Walk::of(reader, &opposite)?;
    let (mut at, end) = wanted.span;
    while at < end {
        // Of an older past less is kept: then a step is as long as what there is, and begins where that does.
        let finest = own.finest(at)?.unwrap_or(wanted.step);
        let step = wanted.step.max(finest);
        let start = if finest > wanted.step {
            at.period_start(finest, Timestamp(0))
        } else {
            at
        };
        let next = (start + step).min(end);
        let of = |found, direction| (found, direction);
        let found = match own.gather((start, next))? {
            Some(found) => Some(of(found, Direction::Forward)),
            None => other
                .gather((start, next))?
                .map(|found| of(found, Direction::Backward)),
        };
        if let Some(((summary, sources), direction)) = found {
            each(HistoryPoint::of(
                (start, next),
                (&summary, sources),
                (direction, wanted.floors),
                wanted.quantiles,
            ));
        }
        at = next;
    }
    Ok(())
}
